//! Products as dot products: for sums along contiguous memory in both operands and few rows or columns.
//!
//! `C[i][j]` is the dot product of a row of A and a column of B. Vectors run along k, so nothing
//! need be transposed; that is best when one operand is read only once anyway. Each element has one
//! vector of partial sums, added up at the end, whatever tile it belongs to.

use super::blocked::Product;
use super::micro::multiply_add;
use crate::buffer::with_scratch;
use crate::par;
use crate::simd::{Float, Isa, Kernel, Lanes, Level, entry};

/// Does `p` go this way? By shape and strides alone.
pub(super) fn suits<T: Float>(p: &Product<'_, T>) -> bool {
    let along_k = p.a_cs == 1 && (p.b_rs == 1 || p.n == 1);
    p.packed.is_none() && p.k >= 16 && along_k && (p.n == 1 || (p.m <= 8 && p.b_cs != 1))
}

/// The product, in parallel.
///
/// # Safety
/// As [`super::gemm`]; [`suits`] holds.
pub(super) unsafe fn parallel<T: Float>(p: &Product<'_, T>) {
    if p.b_rs == 1 {
        return in_parts(p);
    }
    // One column with gaps.
    with_scratch::<T, _>(p.k, |s| {
        for (i, s) in s.iter_mut().enumerate() {
            s.write(*p.b.offset(i as isize * p.b_rs));
        }
        let mut dense = *p;
        (dense.b, dense.b_rs) = (s.as_ptr().cast::<T>(), 1);
        in_parts(&dense)
    })
}

/// Cuts the longer side of C, into parts of some 64 KiB of the larger operand.
unsafe fn in_parts<T: Float>(p: &Product<'_, T>) {
    let lines = ((64 << 10) / (p.k * size_of::<T>()))
        .next_multiple_of(8)
        .max(8);
    let long = p.m.max(p.n);
    par::parallel_for(long.div_ceil(lines), p.flops(), |t| {
        let (at, count) = (t * lines, lines.min(long - t * lines));
        let part = if p.m >= p.n {
            p.part(at, count, 0, p.n)
        } else {
            p.part(0, p.m, at, count)
        };
        // SAFETY: parts lie in C and do not overlap.
        unsafe {
            entry::<Dots<'_, T>>(p.level)(Dots(&part));
            part.finish();
        }
    });
}

struct Dots<'a, T>(&'a Product<'a, T>);

impl<T: Float> Kernel for Dots<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        // The sums of 4 x 4 would not fit 16 registers.
        match I::LEVEL {
            Level::Avx2 | Level::Scalar => tiles::<T, T::Simd<I>, 2>(self.0),
            Level::Avx512 | Level::Neon => tiles::<T, T::Simd<I>, 4>(self.0),
        }
    }
}

/// All of C, in tiles of `MR` rows and four columns.
#[inline(always)]
unsafe fn tiles<T: Float, L: Lanes<T>, const MR: usize>(p: &Product<'_, T>) {
    let mut i = 0;
    while i < p.m {
        let rows = if p.m - i >= MR { MR } else { 1 };
        let mut j = 0;
        while j < p.n {
            let columns = if p.n - j >= 4 { 4 } else { 1 };
            match (rows > 1, columns) {
                (true, 4) => tile::<T, L, MR, 4>(p, i, j),
                (true, _) => tile::<T, L, MR, 1>(p, i, j),
                (false, 4) => tile::<T, L, 1, 4>(p, i, j),
                (false, _) => tile::<T, L, 1, 1>(p, i, j),
            }
            j += columns;
        }
        i += rows;
    }
}

/// `MR` x `NR` dot products.
#[inline(always)]
unsafe fn tile<T: Float, L: Lanes<T>, const MR: usize, const NR: usize>(
    p: &Product<'_, T>,
    i: usize,
    j: usize,
) {
    let a = p.a.offset(i as isize * p.a_rs);
    let b = p.b.offset(j as isize * p.b_cs);
    let mut acc = [[L::zero(); NR]; MR];
    let mut at = 0;
    while at + L::N <= p.k {
        step::<T, L, MR, NR>(p, a.add(at), b.add(at), L::N, &mut acc);
        at += L::N;
    }
    if at < p.k {
        step::<T, L, MR, NR>(p, a.add(at), b.add(at), p.k - at, &mut acc);
    }
    for (r, acc) in acc.iter().enumerate() {
        let c = p.c.offset((i + r) as isize * p.c_rs).add(j);
        for (q, &v) in acc.iter().enumerate() {
            let sum = L::reduce_sum(v);
            *c.add(q) = if p.accumulate { *c.add(q) + sum } else { sum };
        }
    }
}

/// Adds the products of `n` elements of each row and column.
#[inline(always)]
unsafe fn step<T: Float, L: Lanes<T>, const MR: usize, const NR: usize>(
    p: &Product<'_, T>,
    a: *const T,
    b: *const T,
    n: usize,
    acc: &mut [[L::V; NR]; MR],
) {
    let mut columns = [L::zero(); NR];
    for (q, column) in columns.iter_mut().enumerate() {
        *column = load::<T, L>(b.offset(q as isize * p.b_cs), n);
    }
    for (r, acc) in acc.iter_mut().enumerate() {
        let row = load::<T, L>(a.offset(r as isize * p.a_rs), n);
        for q in 0..NR {
            acc[q] = multiply_add::<T, L>(row, columns[q], acc[q]);
        }
    }
}

#[inline(always)]
unsafe fn load<T, L: Lanes<T>>(p: *const T, n: usize) -> L::V {
    if n == L::N {
        L::load(p)
    } else {
        L::load_partial(p, n)
    }
}
