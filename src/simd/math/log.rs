//! Logarithms and what is made of them: `log`, `log2`, `log10`, `log1p`, `softplus`, `log_sigmoid`,
//! inverse hyperbolic functions.

use super::coef::{LOG_F32, LOG_F64};
use super::{Coef, c, exp};
use crate::simd::Lanes;

/// `x = 2^k m` with `2/3 <= m < 4/3`: `(k as an integer, m)`, for positive, finite, normal `x`.
#[inline(always)]
pub(super) unsafe fn split<T: Coef, L: Lanes<T>>(x: L::V) -> (L::I, L::V) {
    let bits = L::bits(x);
    let biased = L::ishr(
        L::iadd(bits, L::isplat((T::BIAS << T::MANTISSA) - T::TWO_THIRDS)),
        T::MANTISSA,
    );
    let k = L::isub(biased, L::isplat(T::BIAS));
    (k, L::from_bits(L::isub(bits, L::ishl(k, T::MANTISSA))))
}

/// `log(1 + f)` for `-1/3 <= f <= 1/3`.
#[inline(always)]
unsafe fn log1p_reduced<T: Coef, L: Lanes<T>>(f: L::V) -> L::V {
    let f2 = L::mul(f, f);
    if T::SINGLE {
        return L::fma(f2, super::poly_of::<T, L, f32>(f, LOG_F32), f);
    }
    // With s = f / (2 + f): log(1 + f) = 2 atanh(s) = 2s + s^3 R(s^2), where 2s = f - f^2/2 + s f^2/2
    // puts the exact f first.
    let s = L::div(f, L::add(c::<T, L>(2.0), f));
    let z = L::mul(s, s);
    let half = L::mul(c::<T, L>(0.5), f2);
    let r = super::poly_of::<T, L, f64>(z, LOG_F64);
    L::sub(f, L::sub(half, L::mul(s, L::fma(z, r, half))))
}

/// `x = 2^k (1 + f)`: `(k, log(1 + f))`, for positive finite `x`.
#[inline(always)]
unsafe fn parts<T: Coef, L: Lanes<T>>(x: L::V) -> (L::V, L::V) {
    let subnormal = L::lt(x, L::splat(T::MIN_NORMAL));
    let shift = (1i64 << T::MANTISSA) as f64;
    let x = L::select(subnormal, L::mul(x, c::<T, L>(shift)), x);
    let (k, m) = split::<T, L>(x);
    let moved = L::select(subnormal, c::<T, L>(T::MANTISSA as f64), L::zero());
    let f = L::sub(m, L::splat(T::ONE));
    (L::sub(L::from_int(k), moved), log1p_reduced::<T, L>(f))
}

/// Puts in the logarithms of what is not positive and finite.
#[inline(always)]
unsafe fn special<T: Coef, L: Lanes<T>>(x: L::V, y: L::V) -> L::V {
    let infinity = L::splat(T::INFINITY);
    let y = L::select(L::lt(x, infinity), y, x);
    let y = L::select(L::lt(x, L::zero()), L::splat(T::NAN), y);
    L::select(L::eq(x, L::zero()), L::neg(infinity), y)
}

/// `k * unit + y`, `unit` being given in two parts.
#[inline(always)]
unsafe fn add_exponent<T: Coef, L: Lanes<T>>(k: L::V, unit: [T; 2], y: L::V) -> L::V {
    L::fma(k, L::splat(unit[0]), L::fma(k, L::splat(unit[1]), y))
}

#[inline(always)]
pub unsafe fn log<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    let (k, y) = parts::<T, L>(x);
    special::<T, L>(x, add_exponent::<T, L>(k, T::LN_2, y))
}

#[inline(always)]
pub unsafe fn log2<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    let (k, y) = parts::<T, L>(x);
    let low = L::fma(y, L::splat(T::LOG2_E[1]), k);
    special::<T, L>(x, L::fma(y, L::splat(T::LOG2_E[0]), low))
}

#[inline(always)]
pub unsafe fn log10<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    let (k, y) = parts::<T, L>(x);
    let low = L::mul(y, L::splat(T::LOG10_E[1]));
    let y = L::fma(y, L::splat(T::LOG10_E[0]), low);
    special::<T, L>(x, add_exponent::<T, L>(k, T::LOG10_2, y))
}

#[inline(always)]
pub unsafe fn log1p<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    // 1 + x = 2^k (1 + f) with k taken from the rounded sum but f from x itself:
    // f = 2^-k x + (2^-k - 1).
    let one = L::splat(T::ONE);
    let (k, _) = split::<T, L>(L::add(one, x));
    // 4 * 2^-k and x / 4, since 2^-k alone may be subnormal.
    let scale = L::from_bits(L::ishl(L::isub(L::isplat(T::BIAS + 2), k), T::MANTISSA));
    let quarter = c::<T, L>(0.25);
    let f = L::fma(L::mul(x, quarter), scale, L::fms(scale, quarter, one));
    let k = L::from_int(k);
    let f = L::select(L::eq(k, L::zero()), x, f);
    let y = add_exponent::<T, L>(k, T::LN_2, log1p_reduced::<T, L>(f));
    // The sign is that of x, which keeps -0 too.
    let y = L::copysign(y, x);
    let y = L::select(L::lt(x, L::splat(T::INFINITY)), y, x);
    let y = L::select(L::lt(x, L::neg(one)), L::splat(T::NAN), y);
    L::select(L::eq(x, L::neg(one)), L::splat(-T::INFINITY), y)
}

#[inline(always)]
pub unsafe fn softplus<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    // max(x, 0) + log(1 + e^-|x|), which does not overflow.
    let tail = log1p::<T, L>(exp::exp::<T, L>(L::neg(L::abs(x))));
    L::add(L::max(x, L::zero()), tail)
}

#[inline(always)]
pub unsafe fn log_sigmoid<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    L::neg(softplus::<T, L>(L::neg(x)))
}

/// `log1p(y)`, or `log 2x` where `x` is big.
#[inline(always)]
unsafe fn log1p_or_log_2x<T: Coef, L: Lanes<T>>(y: L::V, x: L::V) -> L::V {
    let big = L::gt(x, c::<T, L>(T::ARC_HYPERBOLIC_BIG));
    let y = L::select(big, L::sub(x, L::splat(T::ONE)), y);
    let ln_2 = L::select(big, L::splat(T::LN_2[0]), L::zero());
    L::add(log1p::<T, L>(y), ln_2)
}

#[inline(always)]
pub unsafe fn asinh<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    // log(a + sqrt(a^2 + 1)) = log1p(a + a^2 / (1 + sqrt(a^2 + 1)))
    let one = L::splat(T::ONE);
    let a = L::abs(x);
    let a2 = L::mul(a, a);
    let root = L::sqrt(L::add(a2, one));
    let y = L::add(a, L::div(a2, L::add(one, root)));
    L::copysign(log1p_or_log_2x::<T, L>(y, a), x)
}

#[inline(always)]
pub unsafe fn acosh<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    // With t = x - 1: log1p(t + sqrt(t (t + 2)))
    let one = L::splat(T::ONE);
    let t = L::sub(x, one);
    let y = L::add(t, L::sqrt(L::mul(t, L::add(t, c::<T, L>(2.0)))));
    let y = log1p_or_log_2x::<T, L>(y, x);
    L::select(L::lt(x, one), L::splat(T::NAN), y)
}

#[inline(always)]
pub unsafe fn atanh<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    // log((1 + a) / (1 - a)) / 2 = log1p(2a / (1 - a)) / 2
    let a = L::abs(x);
    let y = L::div(L::add(a, a), L::sub(L::splat(T::ONE), a));
    L::copysign(L::mul(c::<T, L>(0.5), log1p::<T, L>(y)), x)
}
