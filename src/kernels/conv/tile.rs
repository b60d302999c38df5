//! The micro-kernels: register tiles of rows by two vectors of columns.
//!
//! Both correlation and kernel gradient reduce `acc[row][col] += a[row][p] * b[p][col]`: one load
//! of each vector of `b`, one broadcast for each row. The rows of `a` start at arbitrary places
//! (output positions, or kernel elements) and advance together, so nothing is gathered or
//! packed, and an element's sum never depends on how rows are cut into tiles.

use super::Activation;
use crate::simd::Lanes;

/// Vectors of columns in a full tile.
pub(super) const VECTORS: usize = 2;
/// Rows of the largest tile: 14 x 2 accumulators, 2 columns and a broadcast fill the 32 registers
/// of AVX-512 and NEON, 6 x 2 the 16 registers of AVX2.
#[inline(always)]
pub(super) const fn max_rows<T, L: Lanes<T>>() -> usize {
    match L::N * size_of::<T>() {
        64 | 16 => 14,
        32 => 6,
        _ => 4,
    }
}

/// `acc[i][j] += sum over p < len of a[i][p * a_step] * b[p * b_step + j]`.
///
/// # Safety
/// All of these elements can be read; with `columns < NV * L::N` only the first `columns` of a row
/// of `b` are, when `PARTIAL`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn accumulate<
    T: Copy,
    L: Lanes<T>,
    const MR: usize,
    const NV: usize,
    const PARTIAL: bool,
>(
    acc: &mut [[L::V; NV]; MR],
    a: &[*const T; MR],
    a_step: usize,
    b: *const T,
    b_step: usize,
    columns: usize,
    len: usize,
) {
    let mut b = b;
    let mut at = 0;
    for _ in 0..len {
        let mut bv = [L::zero(); NV];
        for (j, v) in bv.iter_mut().enumerate() {
            *v = load::<T, L, PARTIAL>(b.add(j * L::N), columns.wrapping_sub(j * L::N));
        }
        for i in 0..MR {
            let av = L::splat(*a[i].add(at));
            for j in 0..NV {
                acc[i][j] = L::fma(av, bv[j], acc[i][j]);
            }
        }
        b = b.wrapping_add(b_step);
        at += a_step;
    }
}

/// [`accumulate`] for rows that are neighbours in memory: `a[i][p]` is `a[i + p * a_step]`. One
/// address serves all rows; more of them than registers would be loaded again in every step.
///
/// # Safety
/// As [`accumulate`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn accumulate_adjacent<
    T: Copy,
    L: Lanes<T>,
    const MR: usize,
    const NV: usize,
    const PARTIAL: bool,
>(
    acc: &mut [[L::V; NV]; MR],
    mut a: *const T,
    a_step: usize,
    mut b: *const T,
    b_step: usize,
    columns: usize,
    len: usize,
) {
    for _ in 0..len {
        let mut bv = [L::zero(); NV];
        for (j, v) in bv.iter_mut().enumerate() {
            *v = load::<T, L, PARTIAL>(b.add(j * L::N), columns.wrapping_sub(j * L::N));
        }
        for i in 0..MR {
            let av = L::splat(*a.add(i));
            for j in 0..NV {
                acc[i][j] = L::fma(av, bv[j], acc[i][j]);
            }
        }
        a = a.wrapping_add(a_step);
        b = b.wrapping_add(b_step);
    }
}

#[inline(always)]
unsafe fn load<T: Copy, L: Lanes<T>, const PARTIAL: bool>(p: *const T, n: usize) -> L::V {
    if PARTIAL {
        L::load_partial(p, n)
    } else {
        L::load(p)
    }
}

/// Adds `bias`, applies the activation and writes the first `columns` columns of each row.
///
/// # Safety
/// `columns` elements can be written at each `to[i]` and, unless it is null, read at `bias`.
#[inline(always)]
pub(super) unsafe fn finish<T: Copy, L: Lanes<T>, const MR: usize, const NV: usize>(
    acc: &[[L::V; NV]; MR],
    to: &[*mut T; MR],
    columns: usize,
    bias: *const T,
    activation: Activation,
) {
    let mut add = [L::zero(); NV];
    if !bias.is_null() {
        for (j, v) in add.iter_mut().enumerate() {
            *v = L::load_partial(
                bias.wrapping_add(j * L::N),
                columns.saturating_sub(j * L::N),
            );
        }
    }
    // One decision for the tile, not one for each register.
    match activation {
        Activation::None => write::<T, L, MR, NV, false>(acc, to, columns, &add),
        Activation::Relu => write::<T, L, MR, NV, true>(acc, to, columns, &add),
    }
}

// No closures here: they would be compiled without the instruction set.
#[inline(always)]
unsafe fn write<T: Copy, L: Lanes<T>, const MR: usize, const NV: usize, const RELU: bool>(
    acc: &[[L::V; NV]; MR],
    to: &[*mut T; MR],
    columns: usize,
    add: &[L::V; NV],
) {
    let full = columns >= NV * L::N;
    for i in 0..MR {
        for j in 0..NV {
            let mut v = L::add(acc[i][j], add[j]);
            if RELU {
                v = L::max(L::zero(), v);
            }
            let p = to[i].wrapping_add(j * L::N);
            if full {
                L::store(p, v);
            } else {
                L::store_partial(p, v, columns.saturating_sub(j * L::N));
            }
        }
    }
}

/// Calls `$f::<.., MR, ..>` with `MR` the value of `$rows`.
macro_rules! with_rows {
    ($rows:expr, $max:expr, $f:ident::<$t:ty, $l:ty, $nv:tt $(, $x:tt)*>($($arg:expr),*)) => {
        match $rows {
            1 => $f::<$t, $l, 1, $nv $(, $x)*>($($arg),*),
            2 => $f::<$t, $l, 2, $nv $(, $x)*>($($arg),*),
            3 => $f::<$t, $l, 3, $nv $(, $x)*>($($arg),*),
            4 => $f::<$t, $l, 4, $nv $(, $x)*>($($arg),*),
            5 if $max >= 5 => $f::<$t, $l, 5, $nv $(, $x)*>($($arg),*),
            6 if $max >= 6 => $f::<$t, $l, 6, $nv $(, $x)*>($($arg),*),
            7 if $max >= 7 => $f::<$t, $l, 7, $nv $(, $x)*>($($arg),*),
            8 if $max >= 8 => $f::<$t, $l, 8, $nv $(, $x)*>($($arg),*),
            9 if $max >= 9 => $f::<$t, $l, 9, $nv $(, $x)*>($($arg),*),
            10 if $max >= 10 => $f::<$t, $l, 10, $nv $(, $x)*>($($arg),*),
            11 if $max >= 11 => $f::<$t, $l, 11, $nv $(, $x)*>($($arg),*),
            12 if $max >= 12 => $f::<$t, $l, 12, $nv $(, $x)*>($($arg),*),
            13 if $max >= 13 => $f::<$t, $l, 13, $nv $(, $x)*>($($arg),*),
            14 if $max >= 14 => $f::<$t, $l, 14, $nv $(, $x)*>($($arg),*),
            _ => unreachable!("tiles have at most {} rows", $max),
        }
    };
}
pub(super) use with_rows;
