//! Accuracy of the vector functions, in units in the last place (ULP) of the true result, on every level.
//!
//! `sampled` tests take bit patterns spread over all floats; the ignored `all_f32` tests take all 2^32
//! `f32` on the best level and print the largest error (`cargo test --profile perf f32s::exp::all_f32 --
//! --ignored --nocapture`).

use crate::simd::{Float, Isa, Kernel, Lanes, Level, available, dispatch, level, with_level};

/// An element type as a test sees it.
trait Bits: Float {
    /// Bit patterns spread over all floats, and the values where functions have their edges.
    fn samples() -> Vec<Self>;
    fn to_bits64(self) -> u64;
    /// Error of `got` in ULP of `want`, the true result (in precision to spare).
    fn ulps(got: Self, want: f64) -> f64;
}

const EDGES: [f64; 40] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    -2.0,
    1e-9,
    -1e-9,
    0.9999999,
    1.0000001,
    10.0,
    -10.0,
    16.0,
    18.7,
    19.1,
    88.0,
    88.722_84,
    88.7229,
    89.0,
    89.4159,
    89.416,
    -87.3,
    -87.4,
    -103.9,
    -104.0,
    709.78,
    709.79,
    710.47,
    710.48,
    -708.4,
    -745.1,
    -745.2,
    3.9,
    4.0,
    10.05,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

impl Bits for f32 {
    fn samples() -> Vec<f32> {
        let edges = EDGES.iter().map(|&x| x as f32);
        let near_zero = (0..300)
            .chain(0x80_0000 - 50..0x80_0050)
            .chain(0x8000_0000..0x8000_0100);
        let spread = (0..=u32::MAX).step_by(20_011);
        // Where most functions have their shape: evenly between -20 and 20.
        let even = (-50_000..50_000).map(|i| i as f32 * 4.0003e-4);
        edges
            .chain(near_zero.chain(spread).map(f32::from_bits))
            .chain(even)
            .collect()
    }
    fn to_bits64(self) -> u64 {
        u64::from(if self.is_nan() {
            f32::NAN.to_bits()
        } else {
            self.to_bits()
        })
    }
    fn ulps(got: f32, want: f64) -> f64 {
        // The spacing of f32 at `want`, 2^-149 at the least.
        let exponent = ((want.to_bits() >> 52) & 0x7ff) as i32 - 1023;
        let unit = f64::powi(2.0, exponent.clamp(-126, 127) - 23);
        // Infinity stands where the number after the largest would.
        let place = |x: f64| x.clamp(-f64::powi(2.0, 128), f64::powi(2.0, 128));
        error(f64::from(got), want, |g, w| {
            (place(g) - place(w)).abs() / unit
        })
    }
}

impl Bits for f64 {
    fn samples() -> Vec<f64> {
        let spread = (0..=u64::MAX).step_by(0x0000_9be3_7b2a_1d4f);
        let near_zero = (0..300).chain(0x8000_0000_0000_0000..0x8000_0000_0000_0100u64);
        let even = (-50_000..50_000).map(|i| f64::from(i) * 4.000_3e-4);
        let wide = (-8_000..8_000).map(|i| f64::from(i) * 0.100_03);
        let some = EDGES
            .iter()
            .copied()
            .chain(near_zero.chain(spread).map(f64::from_bits));
        some.chain(even).chain(wide).collect()
    }
    fn to_bits64(self) -> u64 {
        if self.is_nan() {
            f64::NAN.to_bits()
        } else {
            self.to_bits()
        }
    }
    fn ulps(got: f64, want: f64) -> f64 {
        error(got, want, |g, w| {
            if g.is_infinite() || w.is_infinite() {
                // One is infinite, not both: right only where the other is the largest number.
                let other = if g.is_infinite() { w } else { g };
                return if other.abs() == f64::MAX {
                    1.0
                } else {
                    f64::INFINITY
                };
            }
            let exponent = ((w.to_bits() >> 52) & 0x7ff) as i32;
            // In two steps, since 2^-1074 is the smallest number there is.
            ((g - w).abs() * f64::powi(2.0, 600)) / f64::powi(2.0, exponent.max(1) - 1075 + 600)
        })
    }
}

/// The error, infinite where only one is NaN or where zeros and signs differ without need.
fn error(got: f64, want: f64, finite: impl Fn(f64, f64) -> f64) -> f64 {
    if got.is_nan() || want.is_nan() {
        return if got.is_nan() && want.is_nan() {
            0.0
        } else {
            f64::INFINITY
        };
    }
    if want == 0.0 && got == 0.0 && got.is_sign_negative() != want.is_sign_negative() {
        return f64::INFINITY;
    }
    if got == want { 0.0 } else { finite(got, want) }
}

/// The largest error and where it is; 0.5 stands for "all correctly rounded".
fn worst<T: Bits>(x: &[T], got: &[T], reference: impl Fn(f64) -> f64) -> (f64, T) {
    let mut worst = (0.5, T::ZERO);
    for (&x, &got) in x.iter().zip(got) {
        let want = reference(x.to_f64());
        if got.to_bits64() == T::from_f64(want).to_bits64() {
            continue; // as most are, and this is quicker
        }
        let e = T::ulps(got, want);
        if e > worst.0 {
            worst = (e, x);
        }
    }
    worst
}

/// Every level is within `bound` of the reference, and all levels agree bit for bit.
fn check<T: Bits>(run: impl Fn(&[T], &mut [T]), bound: f64, reference: impl Fn(f64) -> f64) {
    let x = T::samples();
    let mut scalar = vec![T::ZERO; x.len()];
    with_level(Level::Scalar, || run(&x, &mut scalar));
    let (e, at) = worst(&x, &scalar, &reference);
    println!("{e:.3} ULP at {at:?}");
    assert!(e <= bound, "{e} ULP at {at:?}, bound {bound}");
    for l in available() {
        let mut y = vec![T::ZERO; x.len()];
        with_level(l, || run(&x, &mut y));
        for i in 0..x.len() {
            assert_eq!(
                y[i].to_bits64(),
                scalar[i].to_bits64(),
                "{l:?} at {:?}: {:?}, scalar {:?}",
                x[i],
                y[i],
                scalar[i]
            );
        }
    }
}

/// The largest error of all `f32`, on all cores.
fn sweep(
    run: impl Fn(&[f32], &mut [f32]) + Sync,
    bound: f64,
    reference: impl Fn(f64) -> f64 + Sync,
) {
    const CHUNK: u32 = 1 << 16;
    let next = std::sync::atomic::AtomicU32::new(0);
    let work = || {
        let mut max = (0.5, 0.0f32);
        let mut y = vec![0.0f32; CHUNK as usize];
        loop {
            let chunk = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if chunk >= 1 << 16 {
                return max;
            }
            let x: Vec<f32> = (0..CHUNK)
                .map(|i| f32::from_bits(chunk << 16 | i))
                .collect();
            run(&x, &mut y);
            let w = worst(&x, &y, &reference);
            if w.0 > max.0 {
                max = w;
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    let max = std::thread::scope(|s| {
        let handles: Vec<_> = (0..threads).map(|_| s.spawn(work)).collect();
        let results = handles.into_iter().map(|h| h.join().unwrap());
        results
            .reduce(|a, b| if b.0 > a.0 { b } else { a })
            .unwrap()
    });
    println!(
        "{:?}: {:.3} ULP at {:?} ({:#x})",
        level(),
        max.0,
        max.1,
        max.1.to_bits()
    );
    assert!(
        max.0 <= bound,
        "{} ULP at {:?}, bound {bound}",
        max.0,
        max.1
    );
}

/// For each function of one variable: its sampled test and, for `f32`, its sweep.
macro_rules! cases {
    ($t:ident, $functions:path, $($name:ident, $bound:expr, $reference:expr;)+) => {
        $(mod $name {
            use super::super::*;
            use $functions as functions;

            struct Run<'a>(&'a [$t], &'a mut [$t]);
            impl Kernel for Run<'_> {
                type Out = ();
                #[inline(always)]
                unsafe fn run<I: Isa>(self) {
                    let n = <I as Lanes<$t>>::N;
                    for (x, y) in self.0.chunks(n).zip(self.1.chunks_mut(n)) {
                        let v = <I as Lanes<$t>>::load_partial(x.as_ptr(), x.len());
                        <I as Lanes<$t>>::store_partial(y.as_mut_ptr(), functions::$name::<I>(v), y.len());
                    }
                }
            }

            #[test]
            fn sampled() {
                check::<$t>(|x, y| dispatch(Run(x, y)), $bound, $reference);
            }
            cases!(@sweep $t, $bound, $reference);
        })+
    };
    (@sweep f32, $bound:expr, $reference:expr) => {
        #[test]
        #[ignore = "all 2^32 f32: a minute in an optimised build"]
        fn all_f32() {
            sweep(|x, y| dispatch(Run(x, y)), $bound, $reference);
        }
    };
    (@sweep f64, $bound:expr, $reference:expr) => {};
}

fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 {
        e / (1.0 + e)
    } else {
        1.0 / (1.0 + e)
    }
}

fn softplus(x: f64) -> f64 {
    let tail = (-x.abs()).exp().ln_1p();
    if x > 0.0 { x + tail } else { tail }
}

/// The `libm` crate's is not NaN for all `x < 1`.
fn acosh(x: f64) -> f64 {
    if x < 1.0 { f64::NAN } else { libm::acosh(x) }
}

/// References are the C library's or the `libm` crate's `f64` functions: exact, for our purpose.
mod f32s {
    cases! {
        f32, crate::simd::math_f32,
        exp, 1.0, f64::exp;
        exp2, 1.0, f64::exp2;
        expm1, 1.5, f64::exp_m1;
        sigmoid, 2.5, sigmoid;
        tanh, 2.5, f64::tanh;
        sinh, 2.0, f64::sinh;
        cosh, 1.5, f64::cosh;
        log, 1.0, f64::ln;
        log2, 2.0, f64::log2;
        log10, 2.5, f64::log10;
        log1p, 2.0, f64::ln_1p;
        softplus, 2.0, softplus;
        log_sigmoid, 2.0, |x| -softplus(-x);
        asinh, 2.0, libm::asinh;
        acosh, 2.5, acosh;
        atanh, 2.5, libm::atanh;
        sin, 2.0, f64::sin;
        cos, 2.0, f64::cos;
        tan, 4.0, f64::tan;
        asin, 2.5, f64::asin;
        acos, 1.5, f64::acos;
        atan, 1.5, f64::atan;
        erf, 1.5, libm::erf;
        erfc, 1.0, libm::erfc;
        erfinv, 4.0, crate::simd::math::special::erfinv_scalar;
        rsqrt, 1.5, |x| 1.0 / x.sqrt();
        cbrt, 0.501, f64::cbrt;
    }
}

/// The references (C library, `libm` crate) are themselves within 1 ULP or so, which the bounds include.
mod f64s {
    cases! {
        f64, crate::simd::math_f64,
        exp, 2.0, f64::exp;
        exp2, 2.0, f64::exp2;
        expm1, 4.0, f64::exp_m1;
        sigmoid, 4.0, sigmoid;
        tanh, 4.0, f64::tanh;
        sinh, 4.0, f64::sinh;
        cosh, 4.0, f64::cosh;
        log, 2.0, f64::ln;
        log2, 4.0, f64::log2;
        log10, 4.0, f64::log10;
        log1p, 4.0, f64::ln_1p;
        softplus, 4.0, softplus;
        log_sigmoid, 4.0, |x| -softplus(-x);
        asinh, 4.0, libm::asinh;
        acosh, 4.0, acosh;
        atanh, 4.0, libm::atanh;
        sin, 4.0, f64::sin;
        cos, 4.0, f64::cos;
        tan, 4.0, f64::tan;
        asin, 4.0, f64::asin;
        acos, 4.0, f64::acos;
        atan, 4.0, f64::atan;
        erf, 4.0, libm::erf;
        erfc, 4.0, libm::erfc;
        rsqrt, 4.0, |x| 1.0 / x.sqrt();
        cbrt, 4.0, f64::cbrt;
    }
}

/// Functions of two variables, and those that have no other implementation to compare with.
mod others {
    use super::*;
    use crate::simd::{math_f32, math_f64};

    /// A kernel that maps pairs of slices by a function of two vectors.
    macro_rules! run2 {
        ($t:ty, $f:path, $x:expr, $y:expr) => {{
            struct Run<'a>(&'a [$t], &'a [$t], Vec<$t>);
            impl Kernel for Run<'_> {
                type Out = Vec<$t>;
                #[inline(always)]
                unsafe fn run<I: Isa>(mut self) -> Vec<$t> {
                    let n = <I as Lanes<$t>>::N;
                    for (i, out) in self.2.chunks_mut(n).enumerate() {
                        let x = <I as Lanes<$t>>::load_partial(self.0[i * n..].as_ptr(), out.len());
                        let y = <I as Lanes<$t>>::load_partial(self.1[i * n..].as_ptr(), out.len());
                        <I as Lanes<$t>>::store_partial(out.as_mut_ptr(), $f(x, y), out.len());
                    }
                    self.2
                }
            }
            dispatch(Run($x, $y, vec![0.0; $x.len()]))
        }};
    }

    /// All pairs of edges, and pairs of samples that are far apart in the list.
    fn pairs<T: Bits>() -> (Vec<T>, Vec<T>) {
        let edges: Vec<T> = EDGES.iter().map(|&x| T::from_f64(x)).collect();
        let samples = T::samples();
        let n = samples.len();
        let near = |i: usize| T::from_f64(0.5 + 1.5 * (i % 1009) as f64 / 1009.0);
        let of_edges = edges
            .iter()
            .flat_map(|&a| edges.iter().map(move |&b| (a, b)));
        let apart = (0..n).map(|i| (samples[i], samples[(i * 7919 + 13) % n]));
        let bases = (0..n).map(|i| (near(i), samples[i]));
        of_edges.chain(apart).chain(bases).unzip()
    }

    fn check2<T: Bits>(
        run: impl Fn(&[T], &[T]) -> Vec<T>,
        bound: f64,
        reference: impl Fn(f64, f64) -> f64,
    ) {
        let (x, y) = pairs::<T>();
        let scalar = with_level(Level::Scalar, || run(&x, &y));
        let mut worst = 0.0;
        for i in 0..x.len() {
            let want = reference(x[i].to_f64(), y[i].to_f64());
            let e = T::ulps(scalar[i], want);
            worst = f64::max(worst, e);
            assert!(
                e <= bound,
                "{e} ULP at {:?} and {:?}: {:?}, not {want:?}",
                x[i],
                y[i],
                scalar[i]
            );
        }
        println!("{worst:.3} ULP");
        for l in available() {
            let got = with_level(l, || run(&x, &y));
            for i in 0..x.len() {
                assert_eq!(
                    got[i].to_bits64(),
                    scalar[i].to_bits64(),
                    "{l:?} at {:?} and {:?}",
                    x[i],
                    y[i]
                );
            }
        }
    }

    #[test]
    fn pow() {
        check2::<f32>(|x, y| run2!(f32, math_f32::pow::<I>, x, y), 0.6, f64::powf);
        check2::<f64>(|x, y| run2!(f64, math_f64::pow::<I>, x, y), 1.0, f64::powf);
    }

    #[test]
    fn atan2() {
        check2::<f32>(
            |y, x| run2!(f32, math_f32::atan2::<I>, y, x),
            1.5,
            f64::atan2,
        );
        check2::<f64>(
            |y, x| run2!(f64, math_f64::atan2::<I>, y, x),
            4.0,
            f64::atan2,
        );
    }

    /// `f` of every element, at every level alike.
    macro_rules! run1 {
        ($f:path, $x:expr) => {{
            let x: &[f64] = $x;
            struct Run<'a>(&'a [f64]);
            impl Kernel for Run<'_> {
                type Out = Vec<f64>;
                #[inline(always)]
                unsafe fn run<I: Isa>(self) -> Vec<f64> {
                    let n = <I as Lanes<f64>>::N;
                    let mut y = vec![0.0; self.0.len()];
                    for (x, y) in self.0.chunks(n).zip(y.chunks_mut(n)) {
                        let v = <I as Lanes<f64>>::load_partial(x.as_ptr(), x.len());
                        <I as Lanes<f64>>::store_partial(y.as_mut_ptr(), $f(v), y.len());
                    }
                    y
                }
            }
            let y = dispatch(Run(x));
            for l in available() {
                let again = with_level(l, || dispatch(Run(x)));
                assert!(
                    again
                        .iter()
                        .zip(&y)
                        .all(|(a, b)| a.to_bits64() == b.to_bits64())
                );
            }
            y
        }};
    }

    /// `|got - want| <= tolerance (1 + |want|)`
    fn close(got: f64, want: f64, tolerance: f64) {
        assert!(
            (got - want).abs() <= tolerance * (1.0 + want.abs()),
            "{got} is not {want}"
        );
    }

    #[test]
    fn erfinv_inverts_erf() {
        let x: Vec<f64> = (-9_999..=9_999).map(|i| f64::from(i) * 1e-4).collect();
        for (x, y) in x.iter().zip(run1!(math_f64::erfinv::<I>, &x)) {
            close(libm::erf(y), *x, 3e-16);
        }
        // Near 1, by the complement: relative.
        let tails: Vec<f64> = (2..52).map(|i| 1.0 - f64::powi(2.0, -i)).collect();
        for (x, y) in tails.iter().zip(run1!(math_f64::erfinv::<I>, &tails)) {
            let ratio = libm::erfc(y) / (1.0 - x);
            assert!((ratio - 1.0).abs() < 2e-14, "{x}: {ratio}");
        }
        let edges = run1!(
            math_f64::erfinv::<I>,
            &[0.0, -0.0, 1.0, -1.0, 1.1, f64::NAN, 1e-300]
        );
        assert!(edges[0].to_bits() == 0 && edges[1].to_bits() == (-0.0f64).to_bits());
        assert!(edges[2] == f64::INFINITY && edges[3] == f64::NEG_INFINITY);
        assert!(edges[4].is_nan() && edges[5].is_nan());
        close(edges[6] * 1e300, 0.886_226_925_452_758, 1e-15);
    }

    #[test]
    fn digamma_and_trigamma_values_and_recurrences() {
        // psi(1) = -gamma, psi(1/2) = -gamma - 2 ln 2; psi'(1) = pi^2/6, psi'(1/2) = pi^2/2.
        let gamma = 0.577_215_664_901_532_9;
        let pi2 = std::f64::consts::PI.powi(2);
        let psi = run1!(
            math_f64::digamma::<I>,
            &[1.0, 0.5, 0.0, -0.0, -1.0, f64::INFINITY, f64::NAN]
        );
        close(psi[0], -gamma, 1e-15);
        close(psi[1], -gamma - 2.0 * std::f64::consts::LN_2, 1e-15);
        assert!(psi[2] == f64::NEG_INFINITY && psi[3] == f64::INFINITY);
        assert!(psi[4].is_nan() && psi[5] == f64::INFINITY && psi[6].is_nan());
        let psi1 = run1!(
            math_f64::trigamma::<I>,
            &[1.0, 0.5, 0.0, -2.0, f64::INFINITY, f64::NAN]
        );
        close(psi1[0], pi2 / 6.0, 1e-15);
        close(psi1[1], pi2 / 2.0, 1e-15);
        assert!(
            psi1[2] == f64::INFINITY
                && psi1[3] == f64::INFINITY
                && psi1[4] == 0.0
                && psi1[5].is_nan()
        );
        let x: Vec<f64> = (-400..4_000)
            .map(|i| f64::from(i) * 0.0123 + 0.001)
            .collect();
        let above: Vec<f64> = x.iter().map(|x| x + 1.0).collect();
        let (a, b) = (
            run1!(math_f64::digamma::<I>, &x),
            run1!(math_f64::digamma::<I>, &above),
        );
        let (c, d) = (
            run1!(math_f64::trigamma::<I>, &x),
            run1!(math_f64::trigamma::<I>, &above),
        );
        for i in 0..x.len() {
            // Near the poles the argument's own rounding in x + 1 is amplified.
            let pole = (x[i] - x[i].round()).abs().max(1e-3);
            if x[i] < 1.0 && pole < 0.01 {
                continue;
            }
            close(b[i] - a[i], 1.0 / x[i], 2e-13);
            close(c[i] - d[i], 1.0 / (x[i] * x[i]), 1e-10);
        }
        // And digamma is the derivative of lgamma, trigamma that of digamma.
        for i in (0..x.len()).filter(|&i| x[i] > 0.5) {
            let h = 1e-4 * x[i];
            close(
                (libm::lgamma(x[i] + h) - libm::lgamma(x[i] - h)) / (2.0 * h),
                a[i],
                1e-7,
            );
            let p = run1!(math_f64::digamma::<I>, &[x[i] + h, x[i] - h]);
            close((p[0] - p[1]) / (2.0 * h), c[i], 1e-7);
        }
    }

    #[test]
    fn lgamma_of_integers_is_log_factorial() {
        let x: Vec<f64> = (1..30).map(f64::from).collect();
        let mut factorial = 1.0f64;
        for (x, y) in x.iter().zip(run1!(math_f64::lgamma::<I>, &x)) {
            close(y, factorial.ln(), 4e-16);
            factorial *= x;
        }
    }
}
