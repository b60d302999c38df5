//! The error function and its complement: vector code for `f32`, the `libm` crate for `f64`.

use super::coef::{ERF_LARGE, ERF_SMALL, ERFCX};
use super::{Coef, c, exp, map, poly_of};
use crate::simd::Lanes;

/// `erf x = x + x G(x^2)` for `|x| < 0.92`, in `f32`.
#[inline(always)]
unsafe fn erf_near<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    let g = poly_of::<T, L, f32>(L::mul(x, x), ERF_SMALL);
    L::fma(x, g, x)
}

#[inline(always)]
pub unsafe fn erf<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    if !T::SINGLE {
        return map::<T, L>(x, libm::erf);
    }
    // 1 - exp(-a H(a)) beyond 0.92; from 3.94 on the nearest f32 is 1.
    let near = erf_near::<T, L>(x);
    let a = L::min(c::<T, L>(3.94), L::abs(x));
    let power = L::mul(L::neg(a), poly_of::<T, L, f32>(a, ERF_LARGE));
    let (p, k) = exp::parts::<T, L>(power);
    let far = L::sub(L::splat(T::ONE), L::scale_pow2(p, k));
    let far = L::copysign(far, x);
    L::select(L::lt(a, c::<T, L>(0.92)), near, far)
}

#[inline(always)]
pub unsafe fn erfc<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    if !T::SINGLE {
        return map::<T, L>(x, libm::erfc);
    }
    // e^-a^2 F(t) / (1 + 2a), t = (a - 3) / (a + 3) (Shepherd and Laframboise 1981); 0 from 10.1 on.
    // a^2 = square + rest in full, since an error of the exponent is a relative one of the result.
    let three = c::<T, L>(3.0);
    let a = L::min(c::<T, L>(10.1), L::abs(x));
    let t = L::div(L::sub(a, three), L::add(a, three));
    let one = L::splat(T::ONE);
    let q = L::div(
        poly_of::<T, L, f32>(t, ERFCX),
        L::fma(c::<T, L>(2.0), a, one),
    );
    let square = L::mul(a, a);
    let rest = L::fms(a, a, square);
    let (k, r) = exp::reduce::<T, L>(L::neg(square));
    let e = exp::expm1_reduced::<T, L>(L::sub(r, rest));
    let y = L::scale_pow2(L::fma(q, e, q), k);
    let negative = L::lt(x, L::zero());
    let y = L::select(negative, L::sub(c::<T, L>(2.0), y), y);
    // Near 0 the rounding of t would cost several units.
    let near = L::sub(one, erf_near::<T, L>(x));
    L::select(L::lt(a, c::<T, L>(0.5)), near, y)
}
