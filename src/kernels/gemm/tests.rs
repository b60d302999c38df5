//! The products against plain loops in `f64`, at sizes around every edge of tiles and blocks.

use super::*;
use crate::par;
use crate::simd::{Float, Level, available, with_level};

/// Sizes around the edges of vectors, tiles and packed panels.
pub(super) const EDGES: [usize; 28] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127,
    128, 129, 257,
];

/// Numbers between -1 and 1, the same on every run.
pub(super) fn numbers<T: Float>(len: usize, seed: u64) -> Vec<T> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            T::from_f64((x >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
        })
        .collect()
}

/// A buffer whose last (or first) byte borders on a page that may not be touched.
pub(super) struct Guarded<T> {
    base: *mut libc::c_void,
    bytes: usize,
    pub ptr: *mut T,
    pub len: usize,
}

impl<T: Copy> Guarded<T> {
    pub fn new(values: &[T], at_end: bool) -> Self {
        const PAGE: usize = 4096;
        let body = size_of_val(values).next_multiple_of(PAGE).max(PAGE);
        let bytes = body + 2 * PAGE;
        // SAFETY: fresh pages of our own; the inner ones are made accessible.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let base = libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(base, libc::MAP_FAILED);
            let inner = base.cast::<u8>().add(PAGE);
            assert_eq!(
                0,
                libc::mprotect(inner.cast(), body, libc::PROT_READ | libc::PROT_WRITE)
            );
            let offset = if at_end {
                body - size_of_val(values)
            } else {
                0
            };
            let ptr = inner.add(offset).cast::<T>();
            ptr.copy_from_nonoverlapping(values.as_ptr(), values.len());
            Guarded {
                base,
                bytes,
                ptr,
                len: values.len(),
            }
        }
    }

    pub fn to_vec(&self) -> Vec<T> {
        // SAFETY: `len` elements were written in `new`.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len).to_vec() }
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, and nobody else knows it.
        unsafe { libc::munmap(self.base, self.bytes) };
    }
}

/// A product with all its operands.
pub(super) struct Case<T> {
    pub spec: Gemm,
    pub a: Vec<T>,
    pub b: Vec<T>,
    pub c: Vec<T>,
    pub bias: Option<Vec<T>>,
    pub residual: Option<Vec<T>>,
    pub activation: Activation,
    pub at_end: bool,
}

/// Elements from the first to the last of `batch` matrices.
fn span(m: usize, n: usize, batch: usize, rs: isize, cs: isize, bs: isize) -> usize {
    if m * n * batch == 0 {
        return 0;
    }
    ((m - 1) as isize * rs + (n - 1) as isize * cs + (batch - 1) as isize * bs) as usize + 1
}

impl<T: Float> Case<T> {
    pub fn new(spec: Gemm, variant: usize) -> Self {
        let s = &spec;
        let (m, n) = (s.m, s.n);
        let c_len = span(m, n, s.batch, s.c_rs, 1, s.c_bs);
        use Activation::*;
        Case {
            spec,
            a: numbers(span(m, s.k, s.batch, s.a_rs, s.a_cs, s.a_bs), 1),
            b: numbers(span(s.k, n, s.batch, s.b_rs, s.b_cs, s.b_bs), 2),
            c: numbers(c_len, 3),
            bias: (variant & 1 != 0).then(|| numbers(n, 4)),
            residual: (variant & 2 != 0).then(|| numbers(c_len, 5)),
            activation: [
                None,
                Relu,
                LeakyRelu(0.1),
                Sigmoid,
                Tanh,
                Gelu,
                GeluTanh,
                Silu,
            ][variant / 4 % 8],
            at_end: !variant.is_multiple_of(3),
        }
    }

    /// Result and bound of the rounding errors, element by element of C.
    pub fn reference(&self) -> Vec<(f64, f64)> {
        let s = &self.spec;
        let mut out: Vec<_> = self.c.iter().map(|c| (c.to_f64(), 0.0)).collect();
        for batch in 0..s.batch as isize {
            for i in 0..s.m as isize {
                for j in 0..s.n as isize {
                    let at = (batch * s.c_bs + i * s.c_rs + j) as usize;
                    let mut sum = if s.accumulate {
                        self.c[at].to_f64()
                    } else {
                        0.0
                    };
                    let mut size = sum.abs();
                    let mut add = |x: f64| {
                        sum += x;
                        size += x.abs();
                    };
                    for p in 0..s.k as isize {
                        let a = self.a[(batch * s.a_bs + i * s.a_rs + p * s.a_cs) as usize];
                        let b = self.b[(batch * s.b_bs + p * s.b_rs + j * s.b_cs) as usize];
                        add(a.to_f64() * b.to_f64());
                    }
                    if let Some(bias) = &self.bias {
                        add(bias[j as usize].to_f64());
                    }
                    if let Some(residual) = &self.residual {
                        add(residual[at].to_f64());
                    }
                    // Each of k + 3 roundings errs by half a unit; all slopes are below 1.13.
                    let bound = (s.k + 12) as f64 * T::EPSILON.to_f64() * (size + 1e-3);
                    out[at] = (activate(self.activation, sum), bound);
                }
            }
        }
        out
    }

    /// Runs `gemm` (or the packed one) between guard pages; returns C.
    pub fn run(&self, packed: bool) -> Vec<T> {
        let a = Guarded::new(&self.a, self.at_end);
        let b = Guarded::new(&self.b, self.at_end);
        let c = Guarded::new(&self.c, self.at_end);
        let bias = self.bias.as_ref().map(|x| Guarded::new(x, self.at_end));
        let residual = self.residual.as_ref().map(|x| Guarded::new(x, self.at_end));
        let s = &self.spec;
        let epilogue = Epilogue {
            bias: bias.as_ref().map_or(std::ptr::null(), |g| g.ptr),
            residual: residual.as_ref().map_or(std::ptr::null(), |g| g.ptr),
            residual_rs: s.c_rs,
            residual_bs: s.c_bs,
            activation: self.activation,
        };
        // SAFETY: the buffers span exactly what the strides reach.
        unsafe {
            if packed {
                let b = PackedB::new(s.k, s.n, b.ptr, s.b_rs, s.b_cs).unwrap();
                gemm_packed(s, a.ptr, &b, c.ptr, &epilogue);
            } else {
                gemm(s, a.ptr, b.ptr, c.ptr, &epilogue);
            }
        }
        c.to_vec()
    }

    pub fn check(&self, levels: &[Level]) {
        let want = self.reference();
        let shared_b = self.spec.batch == 1 || self.spec.b_bs == 0;
        for &level in levels {
            for packed in [false, true] {
                if packed && !shared_b {
                    continue;
                }
                let got = with_level(level, || self.run(packed));
                for (i, (got, &(want, bound))) in got.iter().zip(&want).enumerate() {
                    let got = got.to_f64();
                    assert!(
                        (got - want).abs() <= bound,
                        "{level:?} packed {packed} {:?} {:?}: element {i} is {got}, not {want} +- {bound}",
                        self.spec,
                        self.activation,
                    );
                }
            }
        }
    }
}

fn activate(a: Activation, x: f64) -> f64 {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    match a {
        Activation::None => x,
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(slope) => x.max(0.0) + slope * x.min(0.0),
        Activation::Sigmoid => sigmoid,
        Activation::Tanh => x.tanh(),
        Activation::Gelu => x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)) / 2.0,
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            x * (1.0 + inner.tanh()) / 2.0
        }
        Activation::Silu => x * sigmoid,
    }
}

// SAFETY: the error function of the C library has this signature and no preconditions.
unsafe extern "C" {
    safe fn erf(x: f64) -> f64;
}

/// The strides of variant `t`: each transposition, dense or with gaps.
fn spec(m: usize, n: usize, k: usize, t: usize) -> Gemm {
    let mut s = Gemm::new(m, n, k);
    if t & 1 != 0 {
        s = s.transpose_a();
    }
    if t & 2 != 0 {
        s = s.transpose_b();
    }
    let t = t / 4;
    if t & 1 != 0 {
        s = s.accumulate();
    }
    if t & 2 != 0 {
        // Gaps between rows, as in a slice of columns of wider matrices.
        s.a_rs += if s.a_cs == 1 { 3 } else { 0 };
        s.a_cs += if s.a_rs == 1 { 5 } else { 0 };
        s.b_rs += if s.b_cs == 1 { 7 } else { 0 };
        s.b_cs += if s.b_rs == 1 { 2 } else { 0 };
        s.c_rs += 9;
    }
    s
}

/// All pairs of edges for two dimensions, the third and the rest of the choices rotating.
fn edges<T: Float>(place: fn(usize, usize, usize) -> [usize; 3]) {
    let levels = available();
    let mut variant = 0;
    for x in EDGES {
        for y in EDGES {
            // 61 and 28 have no common factor with what they count, so all combinations come up.
            let z = EDGES[variant * 5 % EDGES.len()];
            let [m, n, k] = place(x, y, z);
            Case::<T>::new(spec(m, n, k, variant % 16), variant * 61 % 32).check(&levels);
            variant += 1;
        }
    }
}

#[test]
fn edges_of_m_and_n_f32() {
    edges::<f32>(|x, y, z| [x, y, z]);
}

#[test]
fn edges_of_m_and_n_f64() {
    edges::<f64>(|x, y, z| [x, y, z]);
}

#[test]
fn edges_of_m_and_k_f32() {
    edges::<f32>(|x, y, z| [x, z, y]);
}

#[test]
fn edges_of_n_and_k_f64() {
    edges::<f64>(|x, y, z| [z, x, y]);
}

#[test]
fn long_sums_and_large_blocks() {
    let levels = available();
    for (i, (m, n, k)) in [
        (5, 7, 5000),
        (70, 130, 1100),
        (401, 70, 300),
        (33, 4200, 20),
        (200, 300, 600),
        (1, 1000, 333),
        (3, 1100, 130),
        (2, 8300, 67),
        // A is packed: rows a page apart, or columns half a page apart in its transpose.
        (29, 150, 1024),
        (530, 140, 37),
    ]
    .into_iter()
    .enumerate()
    {
        for t in 0..4 {
            Case::<f32>::new(spec(m, n, k, t + 4 * i), 5 * i + t).check(&levels);
        }
    }
}

#[test]
fn batches_and_broadcasts() {
    let levels = available();
    for t in 0..16 {
        let s = spec(13, 20, 9, t);
        let strides = |m: usize, n: usize, rs: isize, cs: isize| {
            (m - 1) as isize * rs + (n - 1) as isize * cs + 4
        };
        let dense = Gemm {
            batch: 5,
            a_bs: strides(13, 9, s.a_rs, s.a_cs),
            b_bs: strides(9, 20, s.b_rs, s.b_cs),
            c_bs: 13 * s.c_rs,
            ..s
        };
        Case::<f32>::new(dense, 2 * t + 1).check(&levels);
        Case::<f32>::new(Gemm { b_bs: 0, ..dense }, t + 2).check(&levels);
        Case::<f64>::new(Gemm { a_bs: 0, ..dense }, t + 3).check(&levels);
        let rows = Gemm {
            a_bs: 13 * s.a_rs,
            b_bs: 0,
            ..dense
        };
        Case::<f32>::new(rows, t).check(&levels);
    }
}

#[test]
fn empty_dimensions() {
    for (m, n, k) in [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (1, 1, 0)] {
        for variant in 0..32 {
            Case::<f32>::new(spec(m, n, k, variant % 8 / 4 * 4), variant).check(&available());
        }
        let mut s = spec(m, n, k, 0).batch(3);
        Case::<f64>::new(s, 3).check(&available());
        s.batch = 0;
        Case::<f64>::new(s, 3).check(&available());
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for (m, n, k) in [
        (150, 260, 300),
        (1, 3000, 700),
        (4, 9000, 70),
        (3000, 1, 700),
        (9, 11, 40_000),
        (700, 40, 65),
        (64, 64, 64),
    ] {
        for t in 0..4 {
            let case = Case::<f32>::new(spec(m, n, k, t), t);
            let runs = [1, 2, 3, 4]
                .map(|threads| par::with_threads(threads, || par::enter(|| case.run(false))));
            for (i, run) in runs.iter().enumerate() {
                assert!(*run == runs[0], "{m}x{n}x{k} {t} with {} threads", i + 1);
            }
        }
    }
}

#[test]
fn nan_and_infinity_pass_through() {
    let mut case = Case::<f32>::new(Gemm::new(20, 20, 20), 0);
    case.a[3 * 20 + 5] = f32::NAN;
    case.a[7 * 20 + 1] = f32::INFINITY;
    for level in available() {
        for activation in [Activation::None, Activation::Relu, Activation::Tanh] {
            case.activation = activation;
            let c = with_level(level, || case.run(false));
            assert!(
                c[60..80].iter().all(|x| x.is_nan()),
                "{level:?} {activation:?}"
            );
            assert!(c.iter().filter(|x| x.is_nan()).count() == 20);
        }
    }
}
