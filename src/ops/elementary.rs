//! Elementary and special functions of one real argument.

use super::map::unary_float;
use super::samples::elementwise;
use crate::expr::{BinOp, CmpOp, UnOp, special};
use crate::op;
use crate::tensor::Tensor;

/// Functions that are one operation of the expression language. Integers are computed as `float32`.
macro_rules! real_functions {
    ($($(#[doc = $doc:literal])* $name:ident = $op:ident, $reference:expr, $lo:expr, $hi:expr;)*) => {
        $(op! {
            $(#[doc = $doc])*
            fn $name(x: &Tensor) -> Tensor {
                unary_float(stringify!($name), x, |b, x| b.un(UnOp::$op, x))
            }
            samples { elementwise($name, $reference, $lo, $hi) }
        })*
    };
}

real_functions! {
    /// The exponential of each element: y = e^x. Integers are computed as `float32`.
    exp = Exp, f64::exp, -4.0, 4.0;
    /// y = e^x - 1, accurate for small x. Integers are computed as `float32`.
    expm1 = Expm1, f64::exp_m1, -2.0, 2.0;
    /// Powers of two: y = 2^x. Integers are computed as `float32`.
    exp2 = Exp2, f64::exp2, -4.0, 4.0;
    /// The natural logarithm: y = ln x; NaN for x < 0, -inf for 0. Integers are computed as `float32`.
    log = Log, f64::ln, 0.1, 9.0;
    /// y = ln(1 + x), accurate for small x; NaN for x < -1. Integers are computed as `float32`.
    log1p = Log1p, f64::ln_1p, -0.8, 3.0;
    /// The logarithm to base 2. Integers are computed as `float32`.
    log2 = Log2, f64::log2, 0.1, 9.0;
    /// The logarithm to base 10. Integers are computed as `float32`.
    log10 = Log10, f64::log10, 0.1, 9.0;
    /// The square root of each element; NaN for x < 0. Integers are computed as `float32`.
    sqrt = Sqrt, f64::sqrt, 0.1, 9.0;
    /// y = 1 / sqrt(x). Integers are computed as `float32`.
    rsqrt = Rsqrt, |x: f64| 1.0 / x.sqrt(), 0.2, 9.0;
    /// y = 1 / x. Integers are computed as `float32`.
    reciprocal = Reciprocal, f64::recip, 0.2, 5.0;
    /// The sine (x in radians). Integers are computed as `float32`.
    sin = Sin, f64::sin, -9.0, 9.0;
    /// The cosine (x in radians). Integers are computed as `float32`.
    cos = Cos, f64::cos, -9.0, 9.0;
    /// The tangent (x in radians). Integers are computed as `float32`.
    tan = Tan, f64::tan, -1.3, 1.3;
    /// The inverse sine, in [-pi/2, pi/2]; NaN outside [-1, 1]. Integers are computed as `float32`.
    arcsin = Asin, f64::asin, -0.9, 0.9;
    /// The inverse cosine, in [0, pi]; NaN outside [-1, 1]. Integers are computed as `float32`.
    arccos = Acos, f64::acos, -0.9, 0.9;
    /// The inverse tangent, in [-pi/2, pi/2]. Integers are computed as `float32`.
    arctan = Atan, f64::atan, -4.0, 4.0;
    /// The hyperbolic sine: y = (e^x - e^-x) / 2. Integers are computed as `float32`.
    sinh = Sinh, f64::sinh, -3.0, 3.0;
    /// The hyperbolic cosine: y = (e^x + e^-x) / 2. Integers are computed as `float32`.
    cosh = Cosh, f64::cosh, -3.0, 3.0;
    /// The hyperbolic tangent: y = (e^x - e^-x) / (e^x + e^-x). Integers are computed as `float32`.
    tanh = Tanh, f64::tanh, -3.0, 3.0;
    /// The inverse hyperbolic sine. Integers are computed as `float32`.
    arcsinh = Asinh, f64::asinh, -4.0, 4.0;
    /// The inverse hyperbolic cosine; NaN for x < 1. Integers are computed as `float32`.
    arccosh = Acosh, f64::acosh, 1.2, 6.0;
    /// The inverse hyperbolic tangent; NaN outside [-1, 1]. Integers are computed as `float32`.
    arctanh = Atanh, f64::atanh, -0.85, 0.85;
    /// The error function: y = (2 / sqrt(pi)) int_0^x e^(-t^2) dt. Integers are computed as `float32`.
    erf = Erf, erf_series, -2.0, 2.0;
    /// The complementary error function: y = 1 - erf(x), accurate for large x. Integers are computed as `float32`.
    erfc = Erfc, |x| 1.0 - erf_series(x), -2.0, 2.0;
    /// The inverse of the error function on (-1, 1). Integers are computed as `float32`.
    erfinv = Erfinv, erfinv_bisection, -0.9, 0.9;
    /// The logarithm of |gamma(x)|. Integers are computed as `float32`.
    lgamma = Lgamma, lgamma_product, 0.3, 6.0;
    /// The derivative of `lgamma`: the digamma function. Integers are computed as `float32`.
    digamma = Digamma, |x| special::polygamma(0, x), 0.3, 6.0;
}

/// Maclaurin's series of erf, which is exact enough for |x| <= 2.
fn erf_series(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..80 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

fn erfinv_bisection(y: f64) -> f64 {
    let (mut lo, mut hi) = (-2.0, 2.0);
    for _ in 0..80 {
        let mid = 0.5 * (lo + hi);
        if erf_series(mid) < y {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    0.5 * (lo + hi)
}

/// ln gamma by Stirling's series after shifting the argument above 12.
fn lgamma_product(x: f64) -> f64 {
    let (mut z, mut shift) = (x, 0.0);
    while z < 12.0 {
        shift += z.ln();
        z += 1.0;
    }
    let w = 1.0 / (z * z);
    let series = (1.0 / 12.0 - w * (1.0 / 360.0 - w * (1.0 / 1260.0 - w / 1680.0))) / z;
    (z - 0.5) * z.ln() - z + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

op! {
    /// The cube root: y = x^(1/3), negative for negative x. Integers are computed as `float32`.
    fn cbrt(x: &Tensor) -> Tensor {
        unary_float("cbrt", x, |b, x| {
            let third = b.real(b.ty(x), 1.0 / 3.0);
            let magnitude = b.un(UnOp::Abs, x);
            let root = b.bin(BinOp::Pow, magnitude, third);
            b.bin(BinOp::CopySign, root, x)
        })
    }
    samples { elementwise(cbrt, f64::cbrt, 0.2, 9.0).into_iter().chain(elementwise(cbrt, f64::cbrt, -9.0, -0.2)).collect() }
}
op! {
    /// The normalised sinc: y = sin(pi x) / (pi x), and 1 at 0. Integers are computed as `float32`.
    fn sinc(x: &Tensor) -> Tensor {
        unary_float("sinc", x, |b, x| {
            let ty = b.ty(x);
            let pi = b.real(ty, std::f64::consts::PI);
            let t = b.bin(BinOp::Mul, x, pi);
            let t2 = b.bin(BinOp::Mul, t, t);
            let near = b.real(ty, 0.25);
            let small = b.cmp(CmpOp::Lt, t2, near);
            // Near 0 the series sum_k (-t^2)^k / (2k + 1)!, so that derivatives of every order are right.
            let mut series = b.real(ty, 0.0);
            let mut factorials: Vec<f64> = vec![1.0];
            for k in 1..9 {
                let n = f64::from(2 * k);
                factorials.push(-factorials[k as usize - 1] / (n * (n + 1.0)));
            }
            for &c in factorials.iter().rev() {
                let c = b.real(ty, c);
                let scaled = b.bin(BinOp::Mul, series, t2);
                series = b.bin(BinOp::Add, scaled, c);
            }
            let one = b.real(ty, 1.0);
            let safe = b.select(small, one, t);
            let sine = b.un(UnOp::Sin, safe);
            let ratio = b.bin(BinOp::Div, sine, safe);
            b.select(small, series, ratio)
        })
    }
    samples {
        let reference = |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
        let mut s = elementwise(sinc, reference, -3.0, 3.0);
        s.extend(elementwise(sinc, reference, -0.14, 0.14));
        s
    }
}
op! {
    /// Degrees to radians: y = x pi / 180. Integers are computed as `float32`.
    fn deg2rad(x: &Tensor) -> Tensor {
        unary_float("deg2rad", x, |b, x| {
            let c = b.real(b.ty(x), std::f64::consts::PI / 180.0);
            b.bin(BinOp::Mul, x, c)
        })
    }
    samples { elementwise(deg2rad, f64::to_radians, -400.0, 400.0) }
}
op! {
    /// Radians to degrees: y = 180 x / pi. Integers are computed as `float32`.
    fn rad2deg(x: &Tensor) -> Tensor {
        unary_float("rad2deg", x, |b, x| {
            let c = b.real(b.ty(x), 180.0 / std::f64::consts::PI);
            b.bin(BinOp::Mul, x, c)
        })
    }
    samples { elementwise(rad2deg, f64::to_degrees, -7.0, 7.0) }
}
op! {
    /// The n-th derivative of the digamma function at x (n a whole number >= 0).
    fn polygamma(n: i64, x: &Tensor) -> Tensor {
        if !(0..=100).contains(&n) {
            return Err(crate::error::Error::argument("polygamma", format!("n={n} must be between 0 and 100")));
        }
        unary_float("polygamma", x, |b, x| {
            let n = b.real(b.ty(x), n as f64);
            b.bin(BinOp::Polygamma, n, x)
        })
    }
    samples {
        // psi'(x) = sum_k 1 / (x + k)^2, with the tail of the sum from Euler and Maclaurin.
        elementwise(|x| polygamma(1, x), |x| {
            let n = 2000.0;
            let head: f64 = (0..2000).map(|k| (x + f64::from(k)).powi(-2)).sum();
            head + 1.0 / (x + n) + 0.5 / (x + n).powi(2) + 1.0 / (6.0 * (x + n).powi(3))
        }, 0.5, 4.0)
    }
}

/// Where `i0` goes over from its power series to its asymptotic one.
const BESSEL_FAR: f64 = 20.0;

op! {
    /// The modified Bessel function of the first kind of order 0: y = sum_k (x^2 / 4)^k / (k!)^2.
    ///
    /// By that series up to |x| = 20 and by the asymptotic one beyond (Abramowitz and Stegun 1964, 9.6.10 and 9.7.1).
    /// Integers are computed as `float32`.
    fn i0(x: &Tensor) -> Tensor {
        unary_float("i0", x, |b, x| {
            let ty = b.ty(x);
            let one = b.real(ty, 1.0);
            // 1 + t/1 (1 + t/4 (1 + t/9 (..))): no factor overflows, and no term is negative.
            let square = b.bin(BinOp::Mul, x, x);
            let near = (1..=36).rev().fold(one, |sum, k| {
                let c = b.real(ty, 0.25 / f64::from(k * k));
                let factor = b.bin(BinOp::Mul, square, c);
                let term = b.bin(BinOp::Mul, factor, sum);
                b.bin(BinOp::Add, one, term)
            });
            let (bound, magnitude) = (b.real(ty, BESSEL_FAR), b.un(UnOp::Abs, x));
            let is_far = b.cmp(CmpOp::Gt, magnitude, bound);
            // e^x / sqrt(2 pi x) (1 + 1/(8x) (1 + 9/(16x) (1 + 25/(24x) (..))))
            let z = b.bin(BinOp::Max, magnitude, bound);
            let inverse = b.bin(BinOp::Div, one, z);
            let series = (1..=24).rev().fold(one, |sum, k| {
                let c = b.real(ty, f64::from((2 * k - 1) * (2 * k - 1)) / f64::from(8 * k));
                let factor = b.bin(BinOp::Mul, inverse, c);
                let term = b.bin(BinOp::Mul, factor, sum);
                b.bin(BinOp::Add, one, term)
            });
            let c = b.real(ty, 0.5 / std::f64::consts::PI);
            let scale = b.bin(BinOp::Mul, inverse, c);
            let scale = b.un(UnOp::Sqrt, scale);
            let growth = b.un(UnOp::Exp, z);
            let scaled = b.bin(BinOp::Mul, scale, series);
            let far = b.bin(BinOp::Mul, growth, scaled);
            b.select(is_far, far, near)
        })
    }
    samples {
        // 1/pi times the integral of e^(x cos t) over 0..pi; the rule of trapezoids converges exponentially.
        let reference = |x: f64| {
            let n = 400;
            let value = |k: i32| (x * (std::f64::consts::PI * f64::from(k) / f64::from(n)).cos()).exp();
            (0.5 * (value(0) + value(n)) + (1..n).map(value).sum::<f64>()) / f64::from(n)
        };
        let far = |lo: f64, hi: f64| elementwise(i0, reference, lo, hi).into_iter().map(|s| s.order(0));
        let mut s = elementwise(i0, reference, -3.0, 3.0);
        s.extend(far(-24.0, -16.0).chain(far(20.5, 30.0)));
        s
    }
}
