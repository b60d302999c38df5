//! Exponentials and what is made of them: `exp`, `exp2`, `expm1`, `sigmoid`, hyperbolic functions.

use super::{Coef, c, poly};
use crate::simd::Lanes;

/// `x = k ln 2 + r` with integral `k` and `|r| <= ln2 / 2`: `(k, r)`.
#[inline(always)]
unsafe fn reduce<T: Coef, L: Lanes<T>>(x: L::V) -> (L::V, L::V) {
    let k = L::round_even(L::mul(x, L::splat(T::LOG2_E[0])));
    let r = L::fnma(k, L::splat(T::LN_2[0]), x);
    (k, L::fnma(k, L::splat(T::LN_2[1]), r))
}

/// `e^r - 1` for `|r| <= ln2 / 2`.
#[inline(always)]
unsafe fn expm1_reduced<T: Coef, L: Lanes<T>>(r: L::V) -> L::V {
    L::fma(L::mul(r, r), poly::<T, L>(r, T::EXP), r)
}

/// `e^x = p * 2^k`, `1/sqrt2 <= p <= sqrt2`: `(p, k)`, for `x` in the range of `exp`.
#[inline(always)]
pub(super) unsafe fn parts<T: Coef, L: Lanes<T>>(x: L::V) -> (L::V, L::V) {
    let (k, r) = reduce::<T, L>(x);
    (L::add(expm1_reduced::<T, L>(r), L::splat(T::ONE)), k)
}

/// `x` held to `[low, high]`; NaN stays.
#[inline(always)]
unsafe fn clamp<T: Coef, L: Lanes<T>>(x: L::V, [low, high]: [f64; 2]) -> L::V {
    L::max(c::<T, L>(low), L::min(c::<T, L>(high), x))
}

#[inline(always)]
pub unsafe fn exp<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    let (p, k) = parts::<T, L>(clamp::<T, L>(x, T::EXP_RANGE));
    L::scale_pow2(p, k)
}

#[inline(always)]
pub unsafe fn exp2<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    let x = clamp::<T, L>(x, T::EXP2_RANGE);
    let k = L::round_even(x);
    let r = L::sub(x, k);
    let p = L::fma(r, poly::<T, L>(r, T::EXP2), L::splat(T::ONE));
    L::scale_pow2(p, k)
}

/// `e^x - 1` for `x` in `EXPM1_RANGE`, but that `-0` may give `+0`.
#[inline(always)]
unsafe fn expm1_core<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    // 2^k p + (2^k - 1) with p = e^r - 1; at half size, since 2^128 is no f32.
    let (k, r) = reduce::<T, L>(x);
    let p = expm1_reduced::<T, L>(r);
    let half = L::scale_pow2(c::<T, L>(0.5), k);
    let y = L::fma(half, p, L::sub(half, c::<T, L>(0.5)));
    L::select(L::eq(k, L::zero()), p, L::add(y, y))
}

#[inline(always)]
pub unsafe fn expm1<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    let clamped = clamp::<T, L>(x, T::EXPM1_RANGE);
    L::copysign(expm1_core::<T, L>(clamped), x)
}

#[inline(always)]
pub unsafe fn sigmoid<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    // Of e = e^-|x|, which does not overflow: t = e / (1 + e) for x < 0, 1 - t from there on.
    let one = L::splat(T::ONE);
    let e = exp::<T, L>(L::neg(L::abs(x)));
    let t = L::div_ratio(e, L::add(one, e));
    L::select(L::lt(x, L::zero()), t, L::sub(one, t))
}

#[inline(always)]
pub unsafe fn tanh<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    // t / (t + 2) with t = e^(2|x|) - 1.
    let a = L::min(c::<T, L>(T::TANH_ONE), L::abs(x));
    let t = expm1_core::<T, L>(L::add(a, a));
    L::copysign(L::div_ratio(t, L::add(t, c::<T, L>(2.0))), x)
}

/// `(e^a / 2, e^-a / 2)` for `a >= 0`.
#[inline(always)]
unsafe fn half_exps<T: Coef, L: Lanes<T>>(a: L::V) -> (L::V, L::V) {
    let a = L::min(c::<T, L>(T::EXP_RANGE[1]), a);
    let (p, k) = parts::<T, L>(a);
    let h = L::scale_pow2(p, L::sub(k, L::splat(T::ONE)));
    (h, L::div(c::<T, L>(0.25), h))
}

#[inline(always)]
pub unsafe fn cosh<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    let (up, down) = half_exps::<T, L>(L::abs(x));
    L::add(up, down)
}

#[inline(always)]
pub unsafe fn sinh<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    // The difference cancels below 1: an odd polynomial there.
    let a = L::abs(x);
    let (up, down) = half_exps::<T, L>(a);
    let z = L::mul(a, a);
    let small = L::fma(L::mul(a, z), poly::<T, L>(z, T::SINH), a);
    let y = L::select(L::lt(a, L::splat(T::ONE)), small, L::sub(up, down));
    L::copysign(y, x)
}
