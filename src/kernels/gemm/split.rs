//! Long sums for a small C: parts of k in parallel, each into a C of its own, then added in order.
//!
//! The number of parts depends on the shape alone, and one thread computes the same parts, so
//! that the result is the same for any number of threads.

use super::blocked::{Product, serial};
use super::epilogue::Epilogue;
use crate::buffer::with_scratch;
use crate::par;
use crate::simd::Float;

/// Least terms of a part.
const TERMS: usize = 2048;
/// Most elements of C, beyond which there are tiles enough for the threads.
const SMALL: usize = 64 * 64;

/// The number of parts for `p`; 1 means not to split.
pub(super) fn parts<T: Float>(p: &Product<'_, T>) -> usize {
    if p.m * p.n > SMALL || p.packed.is_some() || p.m * p.n * p.k < 1 << 20 {
        return 1;
    }
    (p.k / TERMS).clamp(1, 16)
}

/// The product in `parts` parts.
///
/// # Safety
/// As [`super::gemm`].
pub(super) unsafe fn parallel<T: Float>(p: &Product<'_, T>, parts: usize) {
    in_parts(p, p.k.div_ceil(parts).next_multiple_of(16), |part| {
        serial(part)
    });
}

/// The product in parts of so many `terms`, each computed by `run` (which may leave out the epilogue).
///
/// # Safety
/// As [`super::gemm`]; `run` computes a product.
pub(super) unsafe fn in_parts<T: Float>(
    p: &Product<'_, T>,
    terms: usize,
    run: impl Fn(&Product<'_, T>) + Sync,
) {
    let size = p.m * p.n;
    let parts = p.k.div_ceil(terms);
    with_scratch::<T, _>(parts * size, |s| {
        let sums = Sums(s.as_mut_ptr().cast::<T>());
        par::parallel_for(parts, p.cost(), |t| {
            let mut part = p.terms(t * terms, terms.min(p.k - t * terms));
            part.c = sums.at(t * size);
            part.c_rs = p.n as isize;
            part.accumulate = false;
            part.epilogue = Epilogue::NONE;
            // Each part has a C of its own.
            run(&part)
        });
        for i in 0..p.m {
            let c = p.c.offset(i as isize * p.c_rs);
            for j in 0..p.n {
                let first = *sums.at(i * p.n + j);
                let mut sum = if p.accumulate {
                    *c.add(j) + first
                } else {
                    first
                };
                for t in 1..parts {
                    sum = sum + *sums.at(t * size + i * p.n + j);
                }
                *c.add(j) = sum;
            }
        }
    });
    p.finish();
}

/// The sums of all parts, one matrix after another.
struct Sums<T>(*mut T);

// SAFETY: threads write separate matrices.
unsafe impl<T: Send> Sync for Sums<T> {}

impl<T> Sums<T> {
    fn at(&self, i: usize) -> *mut T {
        self.0.wrapping_add(i)
    }
}
