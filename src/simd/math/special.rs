//! Rare functions, lane by lane in `f64`: `lgamma`, `digamma`, `trigamma`, and `erfinv` of `f64`.

use super::{Coef, c, log, map, poly_of};
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

/// `erfinv x / x` as polynomials of `w = -log(1 - x^2)`, of `w - 2.5` below 5 and of `sqrt(w) - 3` beyond
/// (M. Giles, "Approximating the erfinv function", 2010).
const ERFINV_CENTRE: [f32; 9] = [
    1.501_409_4,
    0.246_640_73,
    -0.004_177_681_6,
    -0.001_253_725,
    0.000_218_580_87,
    -4.391_506_5e-6,
    -3.523_387_7e-6,
    3.432_739_4e-7,
    2.810_226_4e-8,
];
const ERFINV_TAIL: [f32; 9] = [
    2.832_976_8,
    1.001_674,
    0.009_438_87,
    -0.007_622_461_3,
    0.005_739_507_7,
    -0.003_673_428_4,
    0.001_349_343_2,
    0.000_100_950_56,
    -0.000_200_214_26,
];

/// Within 4 units in the last place for `f32`.
#[inline(always)]
pub unsafe fn erfinv<T: Coef, L: Lanes<T>>(x: L::V) -> L::V {
    if !T::SINGLE {
        return map::<T, L>(x, erfinv_scalar);
    }
    let one = L::splat(T::ONE);
    let product = L::mul(L::sub(one, x), L::add(one, x));
    let w = L::neg(log::log::<T, L>(product));
    let centre = poly_of::<T, L, f32>(L::sub(w, c::<T, L>(2.5)), &ERFINV_CENTRE);
    let tail = poly_of::<T, L, f32>(L::sub(L::sqrt(w), c::<T, L>(3.0)), &ERFINV_TAIL);
    let ratio = L::select(L::lt(w, c::<T, L>(5.0)), centre, tail);
    // At 1 and -1, where w is infinite, the tail would be of the wrong sign.
    let edge = L::eq(L::abs(x), one);
    L::mul(L::select(edge, c::<T, L>(f64::INFINITY), ratio), x)
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
pub(super) fn erfinv_scalar(x: f64) -> f64 {
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
