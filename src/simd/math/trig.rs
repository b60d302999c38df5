//! Sine, cosine, tangent and their inverses.

use super::{Coef, c, map_masked, poly};
use crate::simd::Lanes;

/// From here on arguments are too big for the three-part reduction, and are worked out one by one in `f64`.
const BIG: f64 = 65_536.0;

/// `a = q pi/2 + r`, `|r| <= 0.8`, for `0 <= a < BIG`: `(q, r)`.
///
/// Cody and Waite's reduction: `a - q P1` is exact, being a multiple of the unit in the last place of
/// `P1` and smaller than 1 (the product is not rounded in an FMA); two more parts leave `r` within
/// about one unit in its last place, however close to zero.
#[inline(always)]
unsafe fn reduce<T: Coef, L: Lanes<T>>(a: L::V) -> (L::I, L::V) {
    let q = L::round_even(L::mul(a, c::<T, L>(std::f64::consts::FRAC_2_PI)));
    let r = L::fnma(q, L::splat(T::PI_2[0]), a);
    let r = L::fnma(q, L::splat(T::PI_2[1]), r);
    (L::to_int_round(q), L::fnma(q, L::splat(T::PI_2[2]), r))
}

/// `sin r` and `cos r` for `|r| <= 0.8`.
#[inline(always)]
unsafe fn sin_cos_reduced<T: Coef, L: Lanes<T>>(r: L::V) -> (L::V, L::V) {
    let z = L::mul(r, r);
    let sin = L::fma(L::mul(r, z), poly::<T, L>(z, T::SIN), r);
    let cos = L::fnma(c::<T, L>(0.5), z, L::splat(T::ONE));
    let cos = L::fma(L::mul(z, z), poly::<T, L>(z, T::COS), cos);
    (sin, cos)
}

/// The sign bit set where bit 1 of `q` is.
#[inline(always)]
unsafe fn sign_of_quadrant<T: Coef, L: Lanes<T>>(q: L::I) -> L::I {
    L::ishl(L::iand(q, L::isplat(2)), 8 * size_of::<T>() as u32 - 2)
}

/// Is `q` odd?
#[inline(always)]
unsafe fn odd<T: Coef, L: Lanes<T>>(q: L::I) -> L::M {
    L::ieq(L::iand(q, L::isplat(1)), L::isplat(1))
}

/// `sin(q pi/2 + r)`
#[inline(always)]
unsafe fn sin_quadrant<T: Coef, L: Lanes<T>>(q: L::I, r: L::V) -> L::V {
    let (sin, cos) = sin_cos_reduced::<T, L>(r);
    let y = L::select(odd::<T, L>(q), cos, sin);
    L::from_bits(L::ixor(L::bits(y), sign_of_quadrant::<T, L>(q)))
}

/// `sin` and `cos` of `2 pi turns`, `0 <= turns < 1`: no reduction by pi is needed.
#[inline(always)]
pub(in crate::simd) unsafe fn sin_cos_turns<T: Coef, L: Lanes<T>>(turns: L::V) -> (L::V, L::V) {
    let quarters = L::mul(turns, c::<T, L>(4.0));
    let whole = L::round_even(quarters);
    let r = L::mul(L::sub(quarters, whole), L::splat(T::PI_2[0]));
    let q = L::to_int_round(whole);
    let (sin, cos) = sin_cos_reduced::<T, L>(r);
    let swap = odd::<T, L>(q);
    let flip = |y: L::V, q: L::I| L::from_bits(L::ixor(L::bits(y), sign_of_quadrant::<T, L>(q)));
    (
        flip(L::select(swap, cos, sin), q),
        flip(L::select(swap, sin, cos), L::iadd(q, L::isplat(1))),
    )
}

#[inline(always)]
pub unsafe fn sin<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    let a = L::abs(x);
    let (q, r) = reduce::<T, L>(a);
    let sign = L::ixor(L::bits(x), L::bits(a));
    let y = L::ixor(L::bits(sin_quadrant::<T, L>(q, r)), sign);
    map_masked::<T, L>(L::ge(a, c::<T, L>(BIG)), x, L::from_bits(y), f64::sin)
}

#[inline(always)]
pub unsafe fn cos<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    let a = L::abs(x);
    let (q, r) = reduce::<T, L>(a);
    let y = sin_quadrant::<T, L>(L::iadd(q, L::isplat(1)), r);
    map_masked::<T, L>(L::ge(a, c::<T, L>(BIG)), x, y, f64::cos)
}

#[inline(always)]
pub unsafe fn tan<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    let a = L::abs(x);
    let (q, r) = reduce::<T, L>(a);
    let (sin, cos) = sin_cos_reduced::<T, L>(r);
    let odd = odd::<T, L>(q);
    let y = L::div(L::select(odd, L::neg(cos), sin), L::select(odd, sin, cos));
    let sign = L::ixor(L::bits(x), L::bits(a));
    let y = L::from_bits(L::ixor(L::bits(y), sign));
    map_masked::<T, L>(L::ge(a, c::<T, L>(BIG)), x, y, f64::tan)
}

/// `whole * pi/2 - y` (`whole` 1 or 2), of pi/2 in two parts.
#[inline(always)]
unsafe fn right_angles_minus<T: Coef, L: Lanes<T>>(whole: f64, y: L::V) -> L::V {
    let high = L::mul(c::<T, L>(whole), L::splat(T::PI_2[0]));
    let low = L::mul(c::<T, L>(whole), L::splat(T::PI_2[1]));
    L::sub(high, L::sub(y, low))
}

/// `atan z` for `0 <= z <= 1`.
#[inline(always)]
unsafe fn atan_reduced<T: Coef, L: Lanes<T>>(z: L::V) -> L::V {
    let z2 = L::mul(z, z);
    L::fma(L::mul(z, z2), poly::<T, L>(z2, T::ATAN), z)
}

#[inline(always)]
pub unsafe fn atan<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    let a = L::abs(x);
    let steep = L::gt(a, L::splat(T::ONE));
    let z = L::select(steep, L::div(L::splat(T::ONE), a), a);
    let y = atan_reduced::<T, L>(z);
    L::copysign(L::select(steep, right_angles_minus::<T, L>(1.0, y), y), x)
}

#[inline(always)]
pub unsafe fn atan2<T: Coef, L: Lanes<T>>(y: L::V, x: L::V) -> L::V {
    let (ax, ay) = (L::abs(x), L::abs(y));
    let steep = L::gt(ay, ax);
    let (small, big) = (L::min(ax, ay), L::max(ax, ay));
    // 0/0 counts as 0 and inf/inf as 1, as C has it.
    let z = L::div(small, big);
    let z = L::select(L::eq(big, L::zero()), L::zero(), z);
    let z = L::select(L::eq(small, L::splat(T::INFINITY)), L::splat(T::ONE), z);
    let angle = atan_reduced::<T, L>(z);
    let angle = L::select(steep, right_angles_minus::<T, L>(1.0, angle), angle);
    let left = L::lt(L::copysign(L::splat(T::ONE), x), L::zero());
    let angle = L::select(left, right_angles_minus::<T, L>(2.0, angle), angle);
    let sum = L::add(x, y);
    let nan = L::or(L::ne(x, x), L::ne(y, y));
    L::select(nan, sum, L::copysign(angle, y))
}

/// For `a = |x|`: `(asin a)` where `a <= 1/2`, and `asin(sqrt((1 - a) / 2))` above.
#[inline(always)]
unsafe fn asin_reduced<T: Coef, L: Lanes<T>>(a: L::V, small: L::M) -> L::V {
    let half = c::<T, L>(0.5);
    let below = L::fnma(half, a, half);
    let z2 = L::select(small, L::mul(a, a), below);
    let z = L::select(small, a, L::sqrt(below));
    L::fma(L::mul(z, z2), poly::<T, L>(z2, T::ASIN), z)
}

#[inline(always)]
pub unsafe fn asin<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    // asin a = pi/2 - 2 asin(sqrt((1 - a) / 2))
    let a = L::abs(x);
    let small = L::le(a, c::<T, L>(0.5));
    let p = asin_reduced::<T, L>(a, small);
    let large = right_angles_minus::<T, L>(1.0, L::add(p, p));
    L::copysign(L::select(small, p, large), x)
}

#[inline(always)]
pub unsafe fn acos<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    // pi/2 - asin x for small x; 2 asin(sqrt((1 - a) / 2)) for x > 1/2, and pi minus it for x < -1/2.
    let a = L::abs(x);
    let small = L::le(a, c::<T, L>(0.5));
    let p = asin_reduced::<T, L>(a, small);
    let near = right_angles_minus::<T, L>(1.0, L::copysign(p, x));
    let twice = L::add(p, p);
    let negative = L::lt(x, L::zero());
    let far = L::select(negative, right_angles_minus::<T, L>(2.0, twice), twice);
    L::select(small, near, far)
}
