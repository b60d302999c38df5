//! Few rows times a large B that is read once: its rows stream past as they lie in memory.
//!
//! The time is that of reading B, so it is read in long runs that the hardware prefetches, four rows
//! at a time, onto a row of C that stays in the cache. (The tiles of the general path jump from row to
//! row after four vectors.) Long k is cut into parts that are added in order, or many columns into
//! ranges; the cut depends on the shape alone.

use super::blocked::Product;
use super::epilogue::Epilogue;
use super::micro::multiply_add;
use super::split::in_parts;
use crate::par;
use crate::simd::{Float, Isa, Kernel, Lanes, entry};

/// Most rows of A; each passes over the rows of B again, which are in the cache then.
const MOST_ROWS: usize = 4;
/// Least bytes of B: what lies in the cache anyway is as fast by tiles.
const LARGE: usize = 1 << 18;
/// Columns of C that stay in the L1 cache, with one row of A and with several (and then rows of B too).
const COLUMNS: [usize; 2] = [4096, 1024];
/// Rows of B that are read side by side.
const TOGETHER: usize = 4;

/// Does `p` go this way? By shape and strides alone.
pub(super) fn suits<T: Float>(p: &Product<'_, T>) -> bool {
    let plain = p.packed.is_none() && p.b_cs == 1 && p.m <= MOST_ROWS;
    plain && p.n >= 64 && p.k >= 64 && p.k * p.n * size_of::<T>() >= LARGE
}

/// The product, in parallel.
///
/// # Safety
/// As [`super::gemm`]; [`suits`] holds.
pub(super) unsafe fn parallel<T: Float>(p: &Product<'_, T>) {
    if p.n >= 2 * COLUMNS[0] {
        let parts = p.n.div_ceil(COLUMNS[0]);
        par::parallel_for(parts, p.cost(), |t| {
            let at = t * COLUMNS[0];
            // SAFETY: the ranges of columns lie in C and do not overlap.
            unsafe {
                let part = p.part(0, p.m, at, COLUMNS[0].min(p.n - at));
                serial(&part);
                part.finish();
            }
        });
        return;
    }
    let megabytes = (p.k * p.n * size_of::<T>()) >> 20;
    let parts = megabytes.next_multiple_of(4).clamp(4, 32);
    in_parts(p, p.k.div_ceil(parts), |part| serial(part));
}

/// The product without epilogue, on this thread.
unsafe fn serial<T: Float>(p: &Product<'_, T>) {
    let mut plain = *p;
    plain.epilogue = Epilogue::NONE;
    entry::<Stream<'_, T>>(p.level)(Stream(&plain));
}

struct Stream<'a, T>(&'a Product<'a, T>);

impl<T: Float> Kernel for Stream<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        let p = self.0;
        let most = COLUMNS[usize::from(p.m > 1)];
        let mut j = 0;
        while j < p.n {
            let columns = most.min(p.n - j);
            let mut at = 0;
            while at < p.k {
                let rows = if p.k - at >= TOGETHER { TOGETHER } else { 1 };
                for i in 0..p.m {
                    match rows {
                        TOGETHER => add_rows::<T, T::Simd<I>, TOGETHER>(p, (i, j, at), columns),
                        _ => add_rows::<T, T::Simd<I>, 1>(p, (i, j, at), columns),
                    }
                }
                at += rows;
            }
            j += columns;
        }
    }
}

/// Adds `R` rows of B from `at`, each times its element of row `i` of A, to `columns` of C from `j`.
#[inline(always)]
unsafe fn add_rows<T: Float, L: Lanes<T>, const R: usize>(
    p: &Product<'_, T>,
    (i, j, at): (usize, usize, usize),
    columns: usize,
) {
    let a = p.a.offset(i as isize * p.a_rs + at as isize * p.a_cs);
    let b = p.b.offset(at as isize * p.b_rs).add(j);
    let c = p.c.offset(i as isize * p.c_rs).add(j);
    let mut factors = [L::zero(); R];
    for (q, factor) in factors.iter_mut().enumerate() {
        *factor = L::splat(*a.offset(q as isize * p.a_cs));
    }
    let first = at == 0 && !p.accumulate;
    let mut x = 0;
    while x < columns {
        let n = L::N.min(columns - x);
        let mut sum = if first {
            L::zero()
        } else {
            load::<T, L>(c.add(x), n)
        };
        for (q, &factor) in factors.iter().enumerate() {
            let row = load::<T, L>(b.offset(q as isize * p.b_rs).add(x), n);
            sum = multiply_add::<T, L>(factor, row, sum);
        }
        if n == L::N {
            L::store(c.add(x), sum);
        } else {
            L::store_partial(c.add(x), sum, n);
        }
        x += n;
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
