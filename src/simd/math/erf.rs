//! The error function and its complement: vector code for `f32`, the `libm` crate for `f64`.

use super::coef::{ERF_LARGE, ERF_SMALL, ERFCX};
use super::{Coef, c, exp, map, poly_of};
use crate::simd::Lanes;

#[inline(always)]
pub unsafe fn erf<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    if !T::SINGLE {
        return map::<T, L>(x, libm::erf);
    }
    // x + x G(x^2) below 0.92, 1 - exp(-a H(a)) beyond; from 3.94 on the nearest f32 is 1.
    let near = L::fma(x, poly_of::<T, L, f32>(L::mul(x, x), ERF_SMALL), x);
    let a = L::min(c::<T, L>(3.94), L::abs(x));
    let power = L::mul(L::neg(a), poly_of::<T, L, f32>(a, ERF_LARGE));
    let (p, k) = exp::parts::<T, L>(power);
    let far = L::sub(L::splat(T::ONE), L::scale_pow2(p, k));
    let far = L::copysign(far, x);
    L::select(L::lt(a, c::<T, L>(0.92)), near, far)
}

/// `erfc a` for `0 <= a <= 10.1`, to about 2^-29.
///
/// `e^-a^2 F(t) / (1 + 2a)`, `t = (a - 3) / (a + 3)` (Shepherd and Laframboise 1981). In `f64`, since an error
/// of the exponent is a relative one of the result; the square of an `f32` is exact there.
#[inline(always)]
unsafe fn erfc_positive<L: Lanes<f64>>(a: L::V) -> L::V {
    let three = L::splat(3.0);
    let t = L::div(L::sub(a, three), L::add(a, three));
    let f = poly_of::<f64, L, f64>(t, ERFCX);
    let e = exp::exp::<f64, L>(L::neg(L::mul(a, a)));
    L::div(L::mul(e, f), L::fma(L::splat(2.0), a, L::splat(1.0)))
}

#[inline(always)]
pub unsafe fn erfc<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    if !T::SINGLE {
        return map::<T, L>(x, libm::erfc);
    }
    // From 10.1 on the result is 0.
    let a = L::min(c::<T, L>(10.1), L::abs(x));
    let (low, high) = L::widen(a);
    let y = L::narrow(
        erfc_positive::<L::Wide>(low),
        erfc_positive::<L::Wide>(high),
    );
    let negative = L::lt(x, L::zero());
    L::select(negative, L::sub(c::<T, L>(2.0), y), y)
}
