//! Rare functions, lane by lane in `f64`: `lgamma`, `digamma`, `trigamma`, `erfinv`.

use super::{Coef, map};
use crate::simd::Lanes;
use std::f64::consts::{FRAC_2_SQRT_PI, PI};

#[inline(always)]
pub unsafe fn lgamma<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    map::<T, L>(x, libm::lgamma)
}

#[inline(always)]
pub unsafe fn digamma<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    map::<T, L>(x, digamma_scalar)
}

#[inline(always)]
pub unsafe fn trigamma<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    map::<T, L>(x, trigamma_scalar)
}

#[inline(always)]
pub unsafe fn erfinv<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    map::<T, L>(x, erfinv_scalar)
}

/// From here on the asymptotic series below have full precision.
const ASYMPTOTIC: f64 = 10.0;

/// `sum of coefficients[i] z^i`
fn series(z: f64, coefficients: &[f64]) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * z + c)
}

/// Fraction of `x` in `[-1/2, 1/2]`, exact: `tan` and `sin` of `pi x` have its period.
fn fraction(x: f64) -> f64 {
    x - x.round()
}

/// `d/dx log gamma(x)`: reflection for `x < 0`, the recurrence `psi(x) = psi(x + 1) - 1/x` up to 10, and there
/// `log x - 1/(2x) - sum B_2k / (2k x^2k)`. Infinite at 0, NaN at negative integers.
/// Within 1e-15 absolute or relative, but near the poles.
fn digamma_scalar(x: f64) -> f64 {
    /// `B_2k / 2k`
    const BERNOULLI: [f64; 7] = [
        1.0 / 12.0,
        -1.0 / 120.0,
        1.0 / 252.0,
        -1.0 / 240.0,
        1.0 / 132.0,
        -691.0 / 32_760.0,
        1.0 / 12.0,
    ];
    if x == 0.0 {
        return (-f64::INFINITY).copysign(-x);
    }
    if x < 0.0 {
        if x == x.floor() {
            return f64::NAN;
        }
        return digamma_scalar(1.0 - x) - PI / (PI * fraction(x)).tan();
    }
    if x == f64::INFINITY {
        return x;
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < ASYMPTOTIC {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let z = 1.0 / (x * x);
    sum + (x.ln() - 0.5 / x - z * series(z, &BERNOULLI))
}

/// `d^2/dx^2 log gamma(x)`: reflection for `x < 0`, the recurrence `psi'(x) = psi'(x + 1) + 1/x^2` up to 10, and
/// there `1/x + 1/(2x^2) + sum B_2k / x^(2k+1)`. Infinite at 0 and at negative integers.
fn trigamma_scalar(x: f64) -> f64 {
    /// `B_2k`
    const BERNOULLI: [f64; 8] = [
        1.0 / 6.0,
        -1.0 / 30.0,
        1.0 / 42.0,
        -1.0 / 30.0,
        5.0 / 66.0,
        -691.0 / 2730.0,
        7.0 / 6.0,
        -3617.0 / 510.0,
    ];
    if x <= 0.0 {
        if x == x.floor() {
            return if x == f64::NEG_INFINITY {
                f64::NAN
            } else {
                f64::INFINITY
            };
        }
        let ratio = PI / (PI * fraction(x)).sin();
        return ratio * ratio - trigamma_scalar(1.0 - x);
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < ASYMPTOTIC {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let z = inverse * inverse;
    sum + inverse * (1.0 + 0.5 * inverse + z * series(z, &BERNOULLI))
}

/// `y` with `erf(y) = x`: Winitzki's approximation (2008; relative error 2e-3), then three steps of
/// Halley's method, each of which triples the number of right digits.
fn erfinv_scalar(x: f64) -> f64 {
    const A: f64 = 0.147;
    let a = x.abs();
    if a.is_nan() || a > 1.0 {
        return f64::NAN;
    }
    if a == 1.0 {
        return f64::INFINITY.copysign(x);
    }
    if a < 1e-9 {
        return x / FRAC_2_SQRT_PI; // the next term is smaller by x^2 pi / 12
    }
    let log = (-a * a).ln_1p();
    let half = 2.0 / (PI * A) + log / 2.0;
    let mut y = ((half * half - log / A).sqrt() - half).sqrt();
    for _ in 0..3 {
        // Towards 1, the complement keeps the digits that matter; 1 - a is exact there.
        let excess = if a > 0.5 {
            (1.0 - a) - libm::erfc(y)
        } else {
            libm::erf(y) - a
        };
        let step = excess / (FRAC_2_SQRT_PI * (-y * y).exp());
        y -= step / (1.0 + y * step);
    }
    y.copysign(x)
}
