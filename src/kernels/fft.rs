//! Discrete Fourier transforms of rows, computed by `rustfft` and `realfft`: complex numbers lie in two arrays, as
//! the public ops have them, and results are not divided by anything.

use crate::buffer::{Element, with_scratch};
use crate::par::parallel_for;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};
use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::sync::Arc;

/// Plans that a thread keeps; where there are more, it starts anew.
const KEPT: usize = 64;

/// The plans of one type. Each thread has its own, so that no lock is held over a `fork`.
pub struct Plans<T> {
    complex: HashMap<(usize, bool), Arc<dyn Fft<T>>>,
    forward: HashMap<usize, Arc<dyn RealToComplex<T>>>,
    backward: HashMap<usize, Arc<dyn ComplexToReal<T>>>,
}

impl<T> Default for Plans<T> {
    fn default() -> Self {
        Plans {
            complex: HashMap::new(),
            forward: HashMap::new(),
            backward: HashMap::new(),
        }
    }
}

/// The plan of a key, made at its first use.
fn kept<K: std::hash::Hash + Eq, P: ?Sized>(
    plans: &mut HashMap<K, Arc<P>>,
    key: K,
    make: impl FnOnce() -> Arc<P>,
) -> Arc<P> {
    if plans.len() >= KEPT && !plans.contains_key(&key) {
        plans.clear();
    }
    plans.entry(key).or_insert_with(make).clone()
}

/// A type that is transformed: `f32` or `f64`.
pub trait Real: Element + FftNum {
    /// Calls `f` with this thread's plans.
    fn plans<R>(f: impl FnOnce(&mut Plans<Self>) -> R) -> R;
}

macro_rules! real {
    ($($t:ty)*) => {$(
        impl Real for $t {
            fn plans<R>(f: impl FnOnce(&mut Plans<Self>) -> R) -> R {
                thread_local! {
                    static PLANS: RefCell<Plans<$t>> = RefCell::default();
                }
                PLANS.with(|p| f(&mut p.borrow_mut()))
            }
        }
    )*};
}
real!(f32 f64);

/// Where tasks write, each to rows of its own.
#[derive(Clone, Copy)]
struct Rows<T> {
    start: *mut T,
    width: usize,
}

// SAFETY: every task takes rows that no other task takes.
unsafe impl<T> Sync for Rows<T> {}

impl<T> Rows<T> {
    fn new(all: &mut [T], width: usize) -> Self {
        Rows {
            start: all.as_mut_ptr(),
            width,
        }
    }
    /// # Safety
    /// Row `i` must lie inside the array and belong to the calling task alone.
    #[allow(clippy::mut_from_ref)]
    unsafe fn row(&self, i: usize) -> &mut [T] {
        std::slice::from_raw_parts_mut(self.start.add(i * self.width), self.width)
    }
}

/// Calls `f(rows of this task, scratch)`, where the scratch memory is `len` numbers 0.
fn for_rows<E: Copy + Sync>(
    rows: usize,
    n: usize,
    len: usize,
    zero: E,
    f: impl Fn(usize, &mut [E]) + Sync,
) {
    let block = (4096 / n).max(1);
    let log = usize::BITS as usize - n.leading_zeros() as usize;
    parallel_for(rows.div_ceil(block), rows * n * log * 5, |task| {
        with_scratch::<E, _>(len, |s| {
            s.fill(MaybeUninit::new(zero));
            // SAFETY: every element was just written.
            let s = unsafe { &mut *(s as *mut [MaybeUninit<E>] as *mut [E]) };
            for i in task * block..rows.min((task + 1) * block) {
                f(i, s);
            }
        });
    });
}

/// Y_k = sum_j X_j e^(-2 pi i j k / n) for every row of `n` complex numbers; `inverse`: with +i.
pub fn complex<T: Real>(
    re: &[T],
    im: &[T],
    n: usize,
    inverse: bool,
    out_re: &mut [T],
    out_im: &mut [T],
) {
    assert!(n > 0 && re.len() == im.len() && out_re.len() == re.len() && out_im.len() == re.len());
    let plan = T::plans(|p| {
        kept(&mut p.complex, (n, inverse), || {
            let mut planner = FftPlanner::new();
            if inverse {
                planner.plan_fft_inverse(n)
            } else {
                planner.plan_fft_forward(n)
            }
        })
    });
    let len = n + plan.get_inplace_scratch_len();
    let zero = Complex::new(T::zero(), T::zero());
    let (a, b) = (Rows::new(out_re, n), Rows::new(out_im, n));
    for_rows(re.len() / n, n, len, zero, |i, scratch| {
        let (row, scratch) = scratch.split_at_mut(n);
        for (e, c) in row.iter_mut().enumerate() {
            *c = Complex::new(re[i * n + e], im[i * n + e]);
        }
        plan.process_with_scratch(row, scratch);
        // SAFETY: row `i` belongs to this task.
        let (a, b) = unsafe { (a.row(i), b.row(i)) };
        for (e, c) in row.iter().enumerate() {
            (a[e], b[e]) = (c.re, c.im);
        }
    });
}

/// The first n / 2 + 1 elements of the transform of every row of `n` real numbers; the others are their conjugates.
pub fn real_forward<T: Real>(x: &[T], n: usize, out_re: &mut [T], out_im: &mut [T]) {
    let m = n / 2 + 1;
    assert!(n > 0 && x.len() / n * m == out_re.len() && out_im.len() == out_re.len());
    let plan = T::plans(|p| {
        kept(&mut p.forward, n, || {
            RealFftPlanner::new().plan_fft_forward(n)
        })
    });
    // The row of n real numbers lies in the first n / 2 + 1 complex ones of the scratch memory.
    let len = 2 * m + plan.get_scratch_len();
    let zero = Complex::new(T::zero(), T::zero());
    let (a, b) = (Rows::new(out_re, m), Rows::new(out_im, m));
    for_rows(x.len() / n, n, len, zero, |i, scratch| {
        let (row, rest) = scratch.split_at_mut(m);
        let (spectrum, scratch) = rest.split_at_mut(m);
        let row = numbers(row, n);
        row.copy_from_slice(&x[i * n..(i + 1) * n]);
        let done = plan.process_with_scratch(row, spectrum, scratch);
        debug_assert!(done.is_ok(), "the lengths are those of the plan");
        // SAFETY: row `i` belongs to this task.
        let (a, b) = unsafe { (a.row(i), b.row(i)) };
        for (e, c) in spectrum.iter().enumerate() {
            (a[e], b[e]) = (c.re, c.im);
        }
    });
}

/// The inverse of [`real_forward`] but for a factor n: rows of n / 2 + 1 complex numbers become rows of `n` real ones.
/// The imaginary parts of the first element and, for an even `n`, of the last do not count.
pub fn real_backward<T: Real>(re: &[T], im: &[T], n: usize, out: &mut [T]) {
    let m = n / 2 + 1;
    assert!(n > 0 && re.len() == im.len() && re.len() / m * n == out.len());
    let plan = T::plans(|p| {
        kept(&mut p.backward, n, || {
            RealFftPlanner::new().plan_fft_inverse(n)
        })
    });
    let len = m + plan.get_scratch_len();
    let zero = Complex::new(T::zero(), T::zero());
    let rows = Rows::new(out, n);
    for_rows(re.len() / m, n, len, zero, |i, scratch| {
        let (spectrum, scratch) = scratch.split_at_mut(m);
        for (e, c) in spectrum.iter_mut().enumerate() {
            *c = Complex::new(re[i * m + e], im[i * m + e]);
        }
        spectrum[0].im = T::zero();
        if n.is_multiple_of(2) {
            spectrum[m - 1].im = T::zero();
        }
        // SAFETY: row `i` belongs to this task.
        let done = plan.process_with_scratch(spectrum, unsafe { rows.row(i) }, scratch);
        debug_assert!(done.is_ok(), "the lengths are those of the plan");
    });
}

/// The first `n` real numbers of an array of complex ones.
fn numbers<T: Real>(all: &mut [Complex<T>], n: usize) -> &mut [T] {
    assert!(n <= 2 * all.len());
    // SAFETY: a complex number is two real ones side by side (`repr(C)`), and all of them are initialised.
    unsafe { std::slice::from_raw_parts_mut(all.as_mut_ptr().cast::<T>(), n) }
}
