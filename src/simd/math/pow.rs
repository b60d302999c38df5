//! Powers: `pow` (vector code in `f64` for `f32`; the standard library for `f64`), `rsqrt`, `cbrt`.

use super::coef::{EXP2_POW, LOG_POW};
use super::{Coef, c, log, map, map2, poly_of};
use crate::simd::Lanes;

#[inline(always)]
pub unsafe fn rsqrt<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    L::div(L::splat(T::ONE), L::sqrt(x))
}

#[inline(always)]
pub unsafe fn cbrt<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    map::<T, L>(x, f64::cbrt)
}

/// `a^y` for `a > 0` finite and normal (every `f32` is, in `f64`), to about 2^-33.
#[inline(always)]
unsafe fn pow_positive<L: Lanes<f64>>(a: L::V, y: L::V) -> L::V {
    let (k, m) = log::split::<f64, L>(a);
    let f = L::sub(m, L::splat(1.0));
    let ln = L::fma(L::mul(f, f), poly_of::<f64, L, f64>(f, LOG_POW), f);
    let log2 = L::fma(ln, L::splat(std::f64::consts::LOG2_E), L::from_int(k));
    // Outside of these bounds the f32 is infinite or 0 anyway.
    let t = L::mul(y, log2);
    let t = L::max(L::splat(-200.0), L::min(L::splat(200.0), t));
    let whole = L::round_even(t);
    let r = L::sub(t, whole);
    let p = L::fma(r, poly_of::<f64, L, f64>(r, EXP2_POW), L::splat(1.0));
    L::scale_pow2(p, whole)
}

/// `x^y`, with the special cases of C's `pow`.
#[inline(always)]
pub unsafe fn pow<T: Coef, L: Lanes<T>>(x: L::V, y: L::V) -> L::V {
    if !T::SINGLE {
        return map2::<T, L>(x, y, f64::powf);
    }
    let (x_low, x_high) = L::widen(L::abs(x));
    let (y_low, y_high) = L::widen(y);
    let low = pow_positive::<L::Wide>(x_low, y_low);
    let high = pow_positive::<L::Wide>(x_high, y_high);
    special::<T, L>(x, y, L::narrow(low, high))
}

/// Puts signs and special cases to `magnitude`, which is `|x|^y` for finite `x` and `y`, `x` not 0.
#[inline(always)]
unsafe fn special<T: Coef, L: Lanes<T>>(x: L::V, y: L::V, magnitude: L::V) -> L::V {
    let (zero, one, infinity) = (L::zero(), L::splat(T::ONE), L::splat(T::INFINITY));
    let a = L::abs(x);
    // |x| = 0 or infinity, and y infinite: the result is 0 or infinity.
    let grows = L::lt(zero, y);
    let edge = L::or(L::eq(a, zero), L::eq(a, infinity));
    let endless = L::eq(L::abs(y), infinity);
    let above_one = L::lt(one, a);
    let up = L::or(
        L::and(above_one, grows),
        L::and(L::not(above_one), L::not(grows)),
    );
    let limit = L::select(up, infinity, zero);
    let r = L::select(L::or(edge, endless), limit, magnitude);
    let r = L::select(L::eq(a, one), one, r);
    // Negative bases: the sign of odd powers, NaN for fractions of finite ones.
    let whole = L::eq(y, L::trunc(y));
    let half = L::mul(y, c::<T, L>(0.5));
    let odd = L::and(whole, L::ne(half, L::trunc(half)));
    let signed = L::lt(L::copysign(one, x), zero);
    let r = L::select(L::and(signed, odd), L::neg(r), r);
    let finite_negative = L::and(L::lt(x, zero), L::lt(a, infinity));
    let r = L::select(L::and(finite_negative, L::not(whole)), L::splat(T::NAN), r);
    let nan = L::or(L::ne(x, x), L::ne(y, y));
    let r = L::select(nan, L::add(x, y), r);
    L::select(L::or(L::eq(x, one), L::eq(y, zero)), one, r)
}
