//! Elementary and special functions on vectors, each written once for every instruction set and for
//! both precisions.
//!
//! In code generic over the element type: `T::exp::<L>(v)` with [`Math`]; otherwise
//! [`math_f32`](super::math_f32)`::exp::<L>(v)` and [`math_f64`](super::math_f64). All levels do the
//! same operations in the same order (FMA included), so they agree bit for bit.
//!
//! The largest errors, in units in the last place (ULP): over all 2^32 `f32`, and over 8192 `f64` of
//! all sizes against 200-bit arithmetic. The tests hold `f32` to the bound given, and `f64` to 4
//! (`exp`, `exp2` and `log`: 2). Subnormal results, infinities, NaN and signed zeros are right too.
//!
//! | function | bound | `f32` | `f64` |
//! |---|---|---|---|
//! | `exp` | 1.0 | 0.98 | 0.90 |
//! | `exp2` | 1.0 | 0.95 | 0.80 |
//! | `expm1` | 1.5 | 1.44 | 1.61 |
//! | `sigmoid` | 2.5 | 2.40 | 1.87 |
//! | `tanh` | 2.5 | 2.42 | 1.77 |
//! | `sinh` | 2.0 | 1.62 | 1.46 |
//! | `cosh` | 1.5 | 1.45 | 1.23 |
//! | `log` | 1.0 | 0.94 | 1.06 |
//! | `log2` | 2.0 | 1.80 | 1.32 |
//! | `log10` | 2.5 | 2.12 | 1.43 |
//! | `log1p` | 2.0 | 1.59 | 1.07 |
//! | `softplus` | 2.0 | 1.84 | 1.88 |
//! | `log_sigmoid` | 2.0 | 1.84 | 1.99 |
//! | `asinh` | 2.0 | 1.96 | 1.85 |
//! | `acosh` | 2.5 | 2.47 | 1.61 |
//! | `atanh` | 2.5 | 2.17 | 1.87 |
//! | `sin` | 2.0 | 1.56 | 1.36 |
//! | `cos` | 2.0 | 1.58 | 1.48 |
//! | `tan` | 4.0 | 3.67 | 2.79 |
//! | `asin` | 2.5 | 2.29 | 1.95 |
//! | `acos` | 1.5 | 1.06 | 1.01 |
//! | `atan` | 1.5 | 1.19 | 1.30 |
//! | `erf` | 1.5 | 1.24 | 0.75 |
//! | `erfc` | 1.0 | 0.77 | 1.83 |
//! | `erfinv` | 4.0 | 3.0 (sampled) | lane by lane |
//! | `rsqrt` | 1.5 | 1.49 | 1.42 |
//! | `cbrt` | 0.5 | 0.50 | 0.50 |
//! | `atan2` | 1.5 | 1.36 (sampled) | 2.0 (sampled) |
//! | `pow` | 0.6 | 0.501 (sampled) | the standard library's |
//!
//! `cbrt`, `lgamma`, `digamma`, `trigamma`, and in `f64` `erf`, `erfc`, `erfinv` and `pow`, are
//! worked out lane by lane in `f64`: right, but no faster than a loop. So are `sin`, `cos` and `tan`
//! from 65536 on.

mod coef;
mod erf;
mod exp;
mod log;
mod pow;
mod special;
pub(super) mod trig;

use super::{Float, Lanes};
pub(super) use coef::Coef;

/// A constant in every lane.
#[inline(always)]
pub(super) unsafe fn c<T: Float, L: Lanes<T>>(x: f64) -> L::V {
    L::splat(T::from_f64(x))
}

/// `sum of coefficients[i] x^i`, by Horner's rule.
#[inline(always)]
unsafe fn poly<T: Float, L: Lanes<T>>(x: L::V, coefficients: &[T]) -> L::V {
    poly_of::<T, L, T>(x, coefficients)
}

/// [`poly`] with coefficients of a type that may differ in name only (as where a function has its
/// own code for `f32`).
#[inline(always)]
unsafe fn poly_of<T: Float, L: Lanes<T>, U: Float>(x: L::V, coefficients: &[U]) -> L::V {
    let last = coefficients.len() - 1;
    let mut sum = c::<T, L>(coefficients[last].to_f64());
    for i in (0..last).rev() {
        sum = L::fma(sum, x, c::<T, L>(coefficients[i].to_f64()));
    }
    sum
}

/// The widest vectors: four of 16 lanes of `f32`.
const MAX_LANES: usize = 64;

/// `f` of each lane by itself, worked out in `f64`.
#[inline(always)]
unsafe fn map<T: Float, L: Lanes<T>>(x: L::V, f: impl Fn(f64) -> f64) -> L::V {
    let mut lanes = [T::ZERO; MAX_LANES];
    L::store(lanes.as_mut_ptr(), x);
    for lane in &mut lanes[..L::N] {
        *lane = T::from_f64(f(lane.to_f64()));
    }
    L::load(lanes.as_ptr())
}

/// `f` of each pair of lanes, worked out in `f64`.
#[inline(always)]
unsafe fn map2<T: Float, L: Lanes<T>>(x: L::V, y: L::V, f: impl Fn(f64, f64) -> f64) -> L::V {
    let (mut a, mut b) = ([T::ZERO; MAX_LANES], [T::ZERO; MAX_LANES]);
    L::store(a.as_mut_ptr(), x);
    L::store(b.as_mut_ptr(), y);
    for (a, b) in a[..L::N].iter_mut().zip(&b) {
        *a = T::from_f64(f(a.to_f64(), b.to_f64()));
    }
    L::load(a.as_ptr())
}

/// `y`, but `f(x)` worked out in `f64` where `rare`.
#[inline(always)]
unsafe fn map_masked<T: Float, L: Lanes<T>>(
    rare: L::M,
    x: L::V,
    y: L::V,
    f: fn(f64) -> f64,
) -> L::V {
    if !L::any(rare) {
        return y;
    }
    let mut lanes = [T::ZERO; MAX_LANES];
    L::store(lanes.as_mut_ptr(), x);
    each_in_f64(&mut lanes[..L::N], f);
    L::select(rare, L::load(lanes.as_ptr()), y)
}

/// Out of line, so that the common path stays short.
#[cold]
#[inline(never)]
fn each_in_f64<T: Float>(lanes: &mut [T], f: fn(f64) -> f64) {
    for lane in lanes {
        *lane = T::from_f64(f(lane.to_f64()));
    }
}

/// Declares the functions: methods of [`Math`] and the modules `math_f32` and `math_f64`.
macro_rules! functions {
    ($($(#[$doc:meta])* fn $name:ident($($x:ident),+) = $($path:ident)::+;)+) => {
        /// The vector functions as methods of the element type: `T::exp::<L>(v)`.
        ///
        /// (For a concrete type, `f32::exp` is the method of the standard library: use
        /// [`math_f32`](super::math_f32) there.)
        ///
        /// # Safety
        /// As for all methods of [`Lanes`]: the CPU must have the instruction set.
        #[allow(clippy::missing_safety_doc)] // the contract above is that of each method
        pub trait Math: Sized {
            $($(#[$doc])* unsafe fn $name<L: Lanes<Self>>($($x: L::V),+) -> L::V;)+
        }
        impl Math for f32 {
            $(#[inline(always)]
            unsafe fn $name<L: Lanes<f32>>($($x: L::V),+) -> L::V {
                $($path)::+::<f32, L>($($x),+)
            })+
        }
        impl Math for f64 {
            $(#[inline(always)]
            unsafe fn $name<L: Lanes<f64>>($($x: L::V),+) -> L::V {
                $($path)::+::<f64, L>($($x),+)
            })+
        }
        /// [`Math`] for `f32` as free functions, under the same contract.
        #[allow(clippy::missing_safety_doc)]
        pub mod f32_functions {
            use super::{Lanes, Math};
            $($(#[$doc])*
            #[inline(always)]
            pub unsafe fn $name<L: Lanes<f32>>($($x: L::V),+) -> L::V {
                <f32 as Math>::$name::<L>($($x),+)
            })+
        }
        /// [`Math`] for `f64` as free functions, under the same contract.
        #[allow(clippy::missing_safety_doc)]
        pub mod f64_functions {
            use super::{Lanes, Math};
            $($(#[$doc])*
            #[inline(always)]
            pub unsafe fn $name<L: Lanes<f64>>($($x: L::V),+) -> L::V {
                <f64 as Math>::$name::<L>($($x),+)
            })+
        }
    };
}

functions! {
    /// `e^x`
    fn exp(x) = exp::exp;
    /// `2^x`
    fn exp2(x) = exp::exp2;
    /// `e^x - 1`, accurate near 0
    fn expm1(x) = exp::expm1;
    /// `1 / (1 + e^-x)`
    fn sigmoid(x) = exp::sigmoid;
    /// Hyperbolic tangent
    fn tanh(x) = exp::tanh;
    /// Hyperbolic sine
    fn sinh(x) = exp::sinh;
    /// Hyperbolic cosine
    fn cosh(x) = exp::cosh;
    /// Natural logarithm
    fn log(x) = log::log;
    /// Logarithm to base 2
    fn log2(x) = log::log2;
    /// Logarithm to base 10
    fn log10(x) = log::log10;
    /// `log(1 + x)`, accurate near 0
    fn log1p(x) = log::log1p;
    /// `log(1 + e^x)`
    fn softplus(x) = log::softplus;
    /// `log(1 / (1 + e^-x)) = -softplus(-x)`
    fn log_sigmoid(x) = log::log_sigmoid;
    /// Inverse hyperbolic sine
    fn asinh(x) = log::asinh;
    /// Inverse hyperbolic cosine; NaN below 1
    fn acosh(x) = log::acosh;
    /// Inverse hyperbolic tangent; NaN outside of [-1, 1]
    fn atanh(x) = log::atanh;
    /// Sine
    fn sin(x) = trig::sin;
    /// Cosine
    fn cos(x) = trig::cos;
    /// Tangent
    fn tan(x) = trig::tan;
    /// Inverse sine; NaN outside of [-1, 1]
    fn asin(x) = trig::asin;
    /// Inverse cosine; NaN outside of [-1, 1]
    fn acos(x) = trig::acos;
    /// Inverse tangent
    fn atan(x) = trig::atan;
    /// Angle of the point `(x, y)`, in `[-pi, pi]`; the first argument is `y`
    fn atan2(y, x) = trig::atan2;
    /// Error function `2/sqrt(pi) * integral of e^-t^2 from 0 to x`
    fn erf(x) = erf::erf;
    /// `1 - erf(x)`, accurate for large `x`
    fn erfc(x) = erf::erfc;
    /// Inverse of `erf`; NaN outside of [-1, 1]
    fn erfinv(x) = special::erfinv;
    /// `log |gamma(x)|`
    fn lgamma(x) = special::lgamma;
    /// Derivative of `lgamma`; NaN at negative integers
    fn digamma(x) = special::digamma;
    /// Derivative of `digamma`
    fn trigamma(x) = special::trigamma;
    /// `1 / sqrt(x)`
    fn rsqrt(x) = pow::rsqrt;
    /// Cube root
    fn cbrt(x) = pow::cbrt;
    /// `x^y`, with the special cases of C's `pow`
    fn pow(x, y) = pow::pow;
}

#[cfg(test)]
mod tests;
