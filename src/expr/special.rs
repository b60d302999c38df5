//! Special functions in scalar `f64`: reference for the vector versions, and the implementation of the rare ones.

use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, PI};

/// `sign(x) log(|x| + sqrt(x^2 + 1))`, accurate near 0.
pub fn asinh(x: f64) -> f64 {
    let a = x.abs();
    let y = if a > 1e150 {
        a.ln() + LN_2
    } else {
        (a + a * a / (1.0 + (a * a + 1.0).sqrt())).ln_1p()
    };
    y.copysign(x)
}

/// `log(x + sqrt(x^2 - 1))`, accurate near 1; NaN below 1.
pub fn acosh(x: f64) -> f64 {
    if x > 1e150 {
        return x.ln() + LN_2;
    }
    let t = x - 1.0;
    (t + (2.0 * t + t * t).sqrt()).ln_1p()
}

/// `log((1 + x) / (1 - x)) / 2`, accurate near 0.
pub fn atanh(x: f64) -> f64 {
    let a = x.abs();
    (0.5 * (2.0 * a / (1.0 - a)).ln_1p()).copysign(x)
}

/// The error function: a series of positive terms for small arguments, else through [`erfc`].
pub fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() {
        return x;
    }
    if a >= 2.0 {
        return (1.0 - erfc(a)).copysign(x);
    }
    // erf(x) = 2/sqrt(pi) exp(-x^2) sum_n 2^n x^(2n+1) / (2n+1)!!  (DLMF 7.6.2)
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term.abs() > 1e-18 * sum.abs() {
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    FRAC_2_SQRT_PI * exp_minus_square(x) * sum
}

/// `1 - erf(x)` with small relative error in the tail.
pub fn erfc(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    if x < 1.0 {
        return 1.0 - erf(x);
    }
    if x > 27.5 {
        return 0.0;
    }
    // Continued fraction (DLMF 7.9.1), evaluated from the tail.
    let terms = if x < 2.0 { 200 } else { 60 };
    let mut f = x;
    for k in (1..=terms).rev() {
        f = x + 0.5 * f64::from(k) / f;
    }
    exp_minus_square(x) / (f * PI.sqrt())
}

/// `exp(-x^2)` without the error that rounding `x^2` would bring into a large exponent.
fn exp_minus_square(x: f64) -> f64 {
    let high = f64::from_bits(x.to_bits() & 0xffff_ffff_f800_0000);
    (-high * high).exp() * (-(x - high) * (x + high)).exp()
}

/// The inverse of [`erf`]: Winitzki's estimate, then Halley steps on `erf` or `erfc`, whichever is small.
pub fn erfinv(y: f64) -> f64 {
    let a = y.abs();
    if a > 1.0 || a.is_nan() {
        return f64::NAN;
    }
    if a == 1.0 {
        return f64::INFINITY.copysign(y);
    }
    if a == 0.0 {
        return y;
    }
    let l = (-a * a).ln_1p();
    let t = 2.0 / (PI * 0.147) + 0.5 * l;
    let mut x = ((t * t - l / 0.147).sqrt() - t).sqrt();
    for _ in 0..4 {
        let error = if a < 0.5 {
            erf(x) - a
        } else {
            (1.0 - a) - erfc(x)
        };
        let step = error / (FRAC_2_SQRT_PI * (-x * x).exp());
        x -= step / (1.0 + x * step);
    }
    x.copysign(y)
}

/// `log |gamma(x)|`: Stirling's series after shifting the argument up, reflection below 1/2.
pub fn lgamma(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x.is_infinite() || (x <= 0.0 && x.fract() == 0.0) {
        return f64::INFINITY;
    }
    if x < 0.5 {
        return (PI / sin_pi(x).abs()).ln() - lgamma(1.0 - x);
    }
    if x == 1.0 || x == 2.0 {
        return 0.0;
    }
    let (mut z, mut product) = (x, 1.0);
    while z < 15.0 {
        product *= z;
        z += 1.0;
    }
    let (r, r2) = (1.0 / z, 1.0 / (z * z));
    // B_2k / (2k (2k-1)) z^(1-2k)
    let series = r
        * (1.0 / 12.0
            + r2 * (-1.0 / 360.0
                + r2 * (1.0 / 1260.0 + r2 * (-1.0 / 1680.0 + r2 * (1.0 / 1188.0)))));
    (z - 0.5) * z.ln() - z + 0.5 * (2.0 * PI).ln() + series - product.ln()
}

/// `sin(pi x)` without the rounding of `pi x` for large arguments.
fn sin_pi(x: f64) -> f64 {
    let r = x - 2.0 * (0.5 * x).floor();
    if r > 1.0 {
        -(PI * (r - 1.0)).sin()
    } else {
        (PI * r).sin()
    }
}

/// The `n`-th derivative of digamma (`n = 0`: digamma itself): recurrence up, then the asymptotic series.
pub fn polygamma(n: u32, x: f64) -> f64 {
    if n == 0 && x == 0.0 {
        return f64::NEG_INFINITY.copysign(-x); // a pole of odd order: the sign is that of -x
    }
    if x.is_nan() || x == f64::NEG_INFINITY || (x <= 0.0 && x.fract() == 0.0) {
        return f64::NAN;
    }
    if n == 0 && x < 0.0 {
        return polygamma(0, 1.0 - x) - PI / (PI * (x - x.floor())).tan();
    }
    if x < -1e5 {
        return f64::NAN; // The recurrence would be too long; no caller needs it.
    }
    if x == f64::INFINITY {
        return if n == 0 { x } else { 0.0 };
    }
    let order = f64::from(n);
    let factorial: f64 = (1..=n).map(f64::from).product();
    // psi_n(x) = psi_n(x + 1) - (-1)^n n! / x^(n+1)
    let flip = if n.is_multiple_of(2) { 1.0 } else { -1.0 };
    let (mut z, mut sum) = (x, 0.0);
    while z < 20.0 + order {
        sum -= flip * factorial / z.powi(n as i32 + 1);
        z += 1.0;
    }
    sum + polygamma_asymptotic(n, z, factorial)
}

/// DLMF 5.15.8 (and 5.11.2 for `n = 0`): valid for `z` large against `n`.
fn polygamma_asymptotic(n: u32, z: f64, factorial: f64) -> f64 {
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
    if n == 0 {
        let tail: f64 = BERNOULLI
            .iter()
            .enumerate()
            .map(|(k, b)| b / (2.0 * (k as f64 + 1.0) * z.powi(2 * (k as i32 + 1))))
            .sum();
        return z.ln() - 0.5 / z - tail;
    }
    let order = n as i32;
    let mut total =
        factorial / f64::from(n) / z.powi(order) + factorial / (2.0 * z.powi(order + 1));
    // coefficient (2k + n - 1)! / (2k)!, started at k = 0 and stepped by two
    let mut ratio = factorial / f64::from(n);
    for (k, b) in BERNOULLI.iter().enumerate() {
        let m = 2.0 * (k as f64 + 1.0);
        ratio *= (m + f64::from(n) - 1.0) * (m + f64::from(n) - 2.0) / (m * (m - 1.0));
        total += b * ratio / z.powi(order + m as i32);
    }
    if n.is_multiple_of(2) { -total } else { total }
}

/// Quotient rounded down, as numpy's `floor_divide`: consistent with [`floormod`].
pub fn floordiv(x: f64, y: f64) -> f64 {
    if y == 0.0 {
        return x / y;
    }
    let rest = x % y;
    let mut quotient = (x - rest) / y;
    if rest != 0.0 && (rest < 0.0) != (y < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return 0.0f64.copysign(x / y);
    }
    let floor = quotient.floor();
    if quotient - floor > 0.5 {
        floor + 1.0
    } else {
        floor
    }
}

/// Remainder with the sign of the divisor, as Python's `%`.
pub fn floormod(x: f64, y: f64) -> f64 {
    let rest = x % y;
    if rest == 0.0 {
        return 0.0f64.copysign(y);
    }
    if (rest < 0.0) != (y < 0.0) {
        rest + y
    } else {
        rest
    }
}

/// The next `f64` from `x` towards `y`.
pub fn next_after(x: f64, y: f64) -> f64 {
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    if x == y {
        return y;
    }
    if y > x { x.next_up() } else { x.next_down() }
}

/// The next `f32` from `x` towards `y`.
pub fn next_after_f32(x: f32, y: f32) -> f32 {
    if x.is_nan() || y.is_nan() {
        return f32::NAN;
    }
    if x == y {
        return y;
    }
    if y > x { x.next_up() } else { x.next_down() }
}

/// Four random words of Philox4x32-10 (Salmon et al., SC 2011) with key `(seed0, seed1)` and counter `index`.
pub fn philox(seed0: u32, seed1: u32, index: u64) -> [u32; 4] {
    let mut counter = [index as u32, (index >> 32) as u32, 0, 0];
    let mut key = [seed0, seed1];
    for _ in 0..10 {
        let p = u64::from(counter[0]) * 0xD251_1F53;
        let q = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (q >> 32) as u32 ^ counter[1] ^ key[0],
            q as u32,
            (p >> 32) as u32 ^ counter[3] ^ key[1],
            p as u32,
        ];
        key = [
            key[0].wrapping_add(0x9E37_79B9),
            key[1].wrapping_add(0xBB67_AE85),
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, tolerance: f64) {
        assert!(
            (got - want).abs() <= tolerance * want.abs().max(1e-300),
            "{got:e} against {want:e}"
        );
    }

    #[test]
    fn values_from_tables() {
        // Abramowitz & Stegun, and DLMF chapters 5 and 7, to 16 digits.
        close(erf(0.5), 0.520_499_877_813_046_5, 1e-15);
        close(erf(1.0), 0.842_700_792_949_714_9, 1e-15);
        close(erfc(3.0), 2.209_049_699_858_544e-5, 1e-13);
        close(erfc(10.0), 2.088_487_583_762_545e-45, 1e-13);
        close(erfc(-1.0), 1.842_700_792_949_715, 1e-15);
        close(lgamma(0.5), 0.572_364_942_924_700_1, 1e-14);
        close(lgamma(10.0), 12.801_827_480_081_469, 1e-14);
        close(lgamma(-0.5), 1.265_512_123_484_645_4, 1e-14);
        close(polygamma(0, 1.0), -0.577_215_664_901_532_9, 1e-14);
        close(polygamma(0, -0.5), 0.036_489_973_978_576_52, 1e-12);
        close(polygamma(1, 1.0), PI * PI / 6.0, 1e-14);
        close(polygamma(2, 1.0), -2.404_113_806_319_188_6, 1e-14);
        close(polygamma(3, 0.5), PI.powi(4), 1e-14);
    }

    #[test]
    fn inverses() {
        for i in 1..400 {
            let y = f64::from(i) / 400.0;
            close(erf(erfinv(y)), y, 1e-14);
            close(erfinv(-y), -erfinv(y), 0.0);
            close(atanh(y).tanh(), y, 1e-14);
            close(asinh(y).sinh(), y, 1e-14);
            close(acosh(1.0 + y).cosh(), 1.0 + y, 1e-14);
        }
        assert_eq!(erfinv(1.0), f64::INFINITY);
        assert!(erfinv(1.5).is_nan());
    }

    #[test]
    fn division_like_python() {
        assert_eq!(floordiv(-7.0, 2.0), -4.0);
        assert_eq!(floormod(-7.0, 2.0), 1.0);
        assert_eq!(floormod(7.0, -2.0), -1.0);
        assert_eq!(floordiv(1.0, 0.0), f64::INFINITY);
        assert!(floormod(1.0, 0.0).is_nan());
        assert!(floormod(-0.0, -2.0).is_sign_negative());
    }

    #[test]
    fn philox_known_answers() {
        // Random123's kat_vectors for philox4x32-10 with zero counter and key.
        assert_eq!(
            philox(0, 0, 0),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
    }
}
