//! The kernel gradient of a depthwise convolution: `dw[t, c] = sum over outputs o of
//! x[o * stride + t * dilation - pad, c] * dy[o, c]`.
//!
//! A tile holds the sums of the taps of one kernel row for a few vectors of channels while a line of
//! outputs passes. Lines are cut into chunks, fixed by the shapes, whose private sums are added in
//! order, so that the result does not depend on the number of threads.

use super::super::at_level;
use super::super::correlate::{TASKS, slice_of};
use super::super::geometry::Correlation;
use super::{
    MAX_ROWS, inside, line_at, lines, load, max_vectors, source_line, taps_at, vectors, with_rows,
};
use crate::buffer::with_scratch;
use crate::par::parallel_for;
use crate::simd::{Float, Isa, Kernel, Lanes, dispatch, level};
use std::ops::Range;

/// Lines of a chunk at least, so that adding the private sums costs little.
const LINES: usize = 16;

/// Everything the tasks share.
struct Job<'a, T> {
    cor: &'a Correlation,
    x: *const T,
    dy: *const T,
    /// For each chunk the sums of all taps, in the order of the correlation.
    sums: *mut T,
}

// SAFETY: tasks read the shared inputs and write the sums of separate chunks.
unsafe impl<T: Sync> Sync for Job<'_, T> {}

/// The gradient of the kernel `[taps, 1, channels]`; `cor` is the forward correlation.
pub(in super::super) fn kernel_grad<T: Float>(cor: &Correlation, x: &[T], dy: &[T], dw: &mut [T]) {
    let lines = lines(cor);
    let len = cor.taps() * cor.target_c;
    dw.fill(T::ZERO); // taps that see padding only have no sums
    if len == 0 || cor.positions() == 0 {
        return;
    }
    let chunks = (lines / LINES).clamp(1, TASKS);
    with_scratch::<T, _>(chunks * len, |sums| {
        let job = Job {
            cor,
            x: x.as_ptr(),
            dy: dy.as_ptr(),
            sums: sums.as_mut_ptr().cast(),
        };
        let values = cor.positions() * cor.target_c;
        let isa = level();
        parallel_for(chunks, values * (cor.taps() + 8) / 4, |chunk| {
            at_level(isa, || {
                dispatch(Task {
                    job: &job,
                    lines: slice_of(lines, chunks, chunk),
                    sums: job.sums.wrapping_add(chunk * len),
                });
            });
        });
        // SAFETY: the tasks have written all sums.
        let sums = unsafe { std::slice::from_raw_parts(job.sums.cast_const(), chunks * len) };
        add_chunks(cor, sums, dw);
    });
}

/// `dw = sums of all chunks`, in their order.
fn add_chunks<T: Float>(cor: &Correlation, sums: &[T], dw: &mut [T]) {
    let c = cor.target_c;
    let len = cor.taps() * c;
    for (tap, index) in cor.tap_indices().enumerate() {
        let to = &mut dw[index * c..][..c];
        for chunk in sums.chunks_exact(len) {
            let from = &chunk[tap * c..][..c];
            to.iter_mut().zip(from).for_each(|(t, &f)| *t = *t + f);
        }
    }
}

/// Some lines of the outputs.
struct Task<'a, T> {
    job: &'a Job<'a, T>,
    lines: Range<usize>,
    sums: *mut T,
}

impl<T: Float> Kernel for Task<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        run_task::<T, T::Simd<I>>(&self);
    }
}

#[inline(always)]
unsafe fn run_task<T: Float, L: Lanes<T>>(task: &Task<'_, T>) {
    let channels = task.job.cor.target_c;
    for i in 0..task.job.cor.taps() * channels {
        task.sums.add(i).write(T::ZERO);
    }
    let mut at = 0;
    while at < channels {
        let left = channels - at;
        let nv = vectors(left, L::N, const { max_vectors::<T, L>() });
        for i in task.lines.clone() {
            match (nv, left < L::N) {
                (4, _) => run_line::<T, L, 4, false>(task, i, at, left),
                (2, _) => run_line::<T, L, 2, false>(task, i, at, left),
                (_, false) => run_line::<T, L, 1, false>(task, i, at, left),
                (_, true) => run_line::<T, L, 1, true>(task, i, at, left),
            }
        }
        at += nv * L::N;
    }
}

/// A kernel row over one line of outputs.
struct Row<'a, T> {
    cor: &'a Correlation,
    /// First pixel of the source line and of the outputs, at the channels of the tile.
    x: *const T,
    dy: *const T,
    /// Sums of the row's first tap, at the same channels.
    sums: *mut T,
    channels: usize,
}

/// Adds output line `i` to the sums of `NV` vectors of channels from `channel`.
#[inline(always)]
unsafe fn run_line<T: Float, L: Lanes<T>, const NV: usize, const PARTIAL: bool>(
    task: &Task<'_, T>,
    i: usize,
    channel: usize,
    channels: usize,
) {
    let (job, cor) = (task.job, task.job.cor);
    let at = line_at(cor, i);
    let [_, h, w] = &cor.axes;
    let taps = w.taps.len();
    for z in taps_at(&cor.axes[0], at[1]) {
        for y in taps_at(h, at[2]) {
            let row = Row {
                cor,
                x: job.x.add(source_line(cor, at, z, y) + channel),
                dy: job.dy.add(i * w.count * cor.target_c + channel),
                sums: task
                    .sums
                    .add((z * h.taps.len() + y) * taps * cor.target_c + channel),
                channels,
            };
            for first in (0..taps).step_by(MAX_ROWS) {
                let group = first..taps.min(first + MAX_ROWS);
                let whole = inside(w, group.clone());
                with_rows!(
                    group.len(),
                    tile::<T, L, NV, PARTIAL>(&row, first, whole.clone())
                );
                // At the edges each tap by itself.
                for tap in group {
                    let all = inside(w, tap..tap + 1);
                    let (before, after) = (
                        all.start..all.end.min(whole.start).max(all.start),
                        all.start.max(whole.end).min(all.end)..all.end,
                    );
                    tile::<T, L, 1, NV, PARTIAL>(&row, tap, before);
                    tile::<T, L, 1, NV, PARTIAL>(&row, tap, after);
                }
            }
        }
    }
}

/// Adds the outputs of some columns to the sums of `MR` taps from tap `first` on.
#[inline(always)]
unsafe fn tile<T: Float, L: Lanes<T>, const MR: usize, const NV: usize, const PARTIAL: bool>(
    row: &Row<'_, T>,
    first: usize,
    columns: Range<usize>,
) {
    if columns.is_empty() {
        return;
    }
    let cor = row.cor;
    let (axis, c) = (&cor.axes[2], cor.target_c);
    let step = axis.stride * c;
    let mut acc = [[L::zero(); NV]; MR];
    let mut x = [row.x; MR];
    for i in 0..MR {
        let at = (columns.start * axis.stride) as isize + axis.taps.get_unchecked(first + i).at;
        x[i] = row.x.offset(at * c as isize);
        for j in 0..NV {
            let sum = row.sums.add((first + i) * c + j * L::N);
            acc[i][j] = load::<T, L, PARTIAL>(sum, row.channels);
        }
    }
    let mut dy = row.dy.add(columns.start * c);
    for _ in columns {
        let mut dv = [L::zero(); NV];
        for j in 0..NV {
            dv[j] = load::<T, L, PARTIAL>(dy.add(j * L::N), row.channels);
        }
        for i in 0..MR {
            for j in 0..NV {
                let xv = load::<T, L, PARTIAL>(x[i].add(j * L::N), row.channels);
                acc[i][j] = L::fma(xv, dv[j], acc[i][j]);
            }
            x[i] = x[i].wrapping_add(step);
        }
        dy = dy.wrapping_add(c);
    }
    for i in 0..MR {
        for j in 0..NV {
            let to = row.sums.add((first + i) * c + j * L::N);
            if PARTIAL {
                L::store_partial(to, acc[i][j], row.channels);
            } else {
                L::store(to, acc[i][j]);
            }
        }
    }
}
