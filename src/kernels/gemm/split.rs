//! Long sums for a small C: parts of k in parallel, each into a C of its own, then added in order.
//!
//! The number of parts depends on the shape alone, and one thread computes the same parts, so
//! that the result is the same for any number of threads.

use super::blocked::{Product, serial};
use super::epilogue::Epilogue;
use super::micro::Table;
use crate::buffer::with_scratch;
use crate::par;
use crate::simd::Float;

/// Most elements of C, beyond which parts of C occupy the threads without packing much twice.
const SMALL: usize = 512 * 512;
/// Most elements of all parts together, which are written and read once more.
const SUMS: usize = 1 << 20;

/// The number of parts for `p`, a power of two that threads share evenly; 1 means not to split.
pub(super) fn parts<T: Float>(p: &Product<'_, T>) -> usize {
    let size = p.m * p.n;
    if size > SMALL || p.packed.is_some() || size * p.k < 1 << 20 {
        return 1;
    }
    let most = (p.k / terms(size)).min(SUMS / size).clamp(1, 16);
    1 << most.ilog2()
}

/// Least terms of a part of a product with so many elements: more where there are few, since a part
/// should be worth a thread's while.
fn terms(elements: usize) -> usize {
    if elements >= 64 * 32 { 384 } else { 2048 }
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
        // More threads than parts share the columns of each, in whole tiles: that changes no sum.
        let shares = par::threads().div_ceil(parts);
        let width =
            p.n.div_ceil(shares)
                .next_multiple_of(Table::<T>::of(p.level).nr());
        let shares = p.n.div_ceil(width);
        par::parallel_for(parts * shares, p.cost(), |i| {
            let (t, j) = (i / shares, i % shares * width);
            let part = p.terms(t * terms, terms.min(p.k - t * terms));
            let mut part = part.part(0, p.m, j, width.min(p.n - j));
            part.c = sums.at(t * size + j);
            part.c_rs = p.n as isize;
            part.accumulate = false;
            part.epilogue = Epilogue::NONE;
            // Each part has a C of its own.
            run(&part)
        });
        par::parallel_for(p.m, 2 * parts * size, |i| {
            let c = std::slice::from_raw_parts_mut(p.c.offset(i as isize * p.c_rs), p.n);
            for t in 0..parts {
                let part = std::slice::from_raw_parts(sums.at(t * size + i * p.n), p.n);
                if t > 0 || p.accumulate {
                    c.iter_mut().zip(part).for_each(|(c, &x)| *c = *c + x);
                } else {
                    c.copy_from_slice(part);
                }
            }
        });
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
