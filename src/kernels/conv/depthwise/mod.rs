//! Depthwise convolution: every channel by itself, so vectors of channels are multiplied lane by lane.
//!
//! There is one multiplication for each element read, so what counts is how often a value is fetched
//! and from which cache. Lines of pixels are read where they lie: taps outside the source are left
//! out instead of copying the source with zeros around it, and a task goes through all its lines
//! with a few vectors of channels before it turns to the next channels, so that a line stays in the
//! first-level cache for all kernel rows that read it.

mod correlate;
mod kernel_grad;

pub(super) use correlate::correlate;
pub(super) use kernel_grad::kernel_grad;

use super::geometry::{Axis, Correlation};
use crate::simd::Lanes;
use std::ops::Range;

/// Vectors of channels that a tile takes at most: its sums, the weights and one operand fit 32
/// registers, or the 16 of AVX2.
const fn max_vectors<T, L: Lanes<T>>() -> usize {
    match L::N * size_of::<T>() {
        64 | 16 => 4,
        _ => 2,
    }
}

/// Columns of a tile of outputs, and taps of a tile of kernel gradients, at most.
const MAX_ROWS: usize = 6;

/// Calls `$f::<.., MR, ..>` with `MR` the value of `$rows`, 1 to [`MAX_ROWS`].
macro_rules! with_rows {
    ($rows:expr, $f:ident::<$t:ty, $l:ty, $nv:tt, $partial:tt>($($arg:expr),*)) => {
        match $rows {
            1 => $f::<$t, $l, 1, $nv, $partial>($($arg),*),
            2 => $f::<$t, $l, 2, $nv, $partial>($($arg),*),
            3 => $f::<$t, $l, 3, $nv, $partial>($($arg),*),
            4 => $f::<$t, $l, 4, $nv, $partial>($($arg),*),
            5 => $f::<$t, $l, 5, $nv, $partial>($($arg),*),
            _ => $f::<$t, $l, 6, $nv, $partial>($($arg),*),
        }
    };
}
use with_rows;

/// Vectors that hold `left` channels: 4, 2 or 1, no more than `max`, all of them whole but where the
/// channels end.
fn vectors(left: usize, lanes: usize, max: usize) -> usize {
    match left / lanes {
        v if v >= max => max,
        2.. => 2,
        _ => 1,
    }
}

/// Reads a vector, the first `n` lanes of it if `PARTIAL`.
#[inline(always)]
unsafe fn load<T, L: Lanes<T>, const PARTIAL: bool>(p: *const T, n: usize) -> L::V {
    if PARTIAL {
        L::load_partial(p, n)
    } else {
        L::load(p)
    }
}

/// The output columns all of whose taps `taps` read inside the source.
fn inside(axis: &Axis, taps: Range<usize>) -> Range<usize> {
    let (Some(first), Some(last)) = (axis.taps[taps.clone()].first(), axis.taps[taps].last())
    else {
        return 0..axis.count;
    };
    let stride = axis.stride as isize;
    let from = (-first.at).max(0).unsigned_abs().div_ceil(axis.stride);
    // The largest q with q * stride + last.at < source.
    let to = (axis.source as isize - 1 - last.at).div_euclid(stride) + 1;
    let to = to.clamp(0, axis.count as isize).unsigned_abs();
    from.min(to)..to
}

/// The taps that read inside the source at output position `q`: neighbours, since `at` rises.
fn taps_at(axis: &Axis, q: usize) -> Range<usize> {
    let at = (q * axis.stride) as isize;
    let from = axis.taps.partition_point(|t| at + t.at < 0);
    let to = axis
        .taps
        .partition_point(|t| at + t.at < axis.source as isize);
    from..to.max(from)
}

/// Image, depth and row of output line `i`.
fn line_at(cor: &Correlation, i: usize) -> [usize; 3] {
    let (d, h) = (cor.axes[0].count, cor.axes[1].count);
    [i / (d * h), i / h % d, i % h]
}

/// Output lines of all images.
fn lines(cor: &Correlation) -> usize {
    cor.n * cor.axes[0].count * cor.axes[1].count
}

/// The first element of the source line that the taps `(z, y)` read for output line `line`.
fn source_line(cor: &Correlation, line: [usize; 3], z: usize, y: usize) -> usize {
    let [d, h, w] = &cor.axes;
    let at = |axis: &Axis, q: usize, tap: usize| {
        ((q * axis.stride) as isize + axis.taps[tap].at).unsigned_abs()
    };
    let plane = line[0] * d.source + at(d, line[1], z);
    (plane * h.source + at(h, line[2], y)) * w.source * cor.source_c
}

/// The kernel element of the taps `(z, y, x)`.
fn tap_index(cor: &Correlation, z: usize, y: usize, x: usize) -> usize {
    let [d, h, w] = &cor.axes;
    (d.taps[z].index * h.kernel + h.taps[y].index) * w.kernel + w.taps[x].index
}
