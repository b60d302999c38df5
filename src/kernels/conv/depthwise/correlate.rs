//! Forward and input gradient of a depthwise convolution.

use super::super::correlate::{TASKS, slice_of, target_steps};
use super::super::geometry::Correlation;
use super::super::{Activation, Epilogue, at_level};
use super::{
    MAX_ROWS, inside, line_at, lines, load, max_vectors, source_line, tap_index, taps_at, vectors,
    with_rows,
};
use crate::par::parallel_for;
use crate::simd::{Float, Isa, Kernel, Lanes, dispatch, level, prefetch_l2};
use smallvec::SmallVec;
use std::ops::Range;

/// Everything the tasks share.
struct Job<'a, T> {
    cor: &'a Correlation,
    source: *const T,
    weights: *const T,
    target: *mut T,
    bias: *const T,
    activation: Activation,
}

// SAFETY: tasks read the shared inputs and write separate lines of `target`.
unsafe impl<T: Sync> Sync for Job<'_, T> {}

/// `target = epilogue(correlation of source with the kernel w)`, where `w` is `[taps, 1, channels]`.
pub(in super::super) fn correlate<T: Float>(
    cor: &Correlation,
    source: &[T],
    w: &[T],
    target: &mut [T],
    epilogue: &Epilogue<'_, T>,
) {
    let job = Job {
        cor,
        source: source.as_ptr(),
        weights: w.as_ptr(),
        target: target.as_mut_ptr(),
        bias: epilogue.bias.map_or(std::ptr::null(), <[T]>::as_ptr),
        activation: epilogue.activation,
    };
    let lines = lines(cor);
    let tasks = TASKS.min(lines);
    let values = cor.positions() * cor.target_c;
    let isa = level();
    // An operation for each tap and lane; reading and writing costs as much as some of them.
    parallel_for(tasks, values * (cor.taps() + 8) / 4, |i| {
        at_level(isa, || {
            dispatch(Task {
                job: &job,
                lines: slice_of(lines, tasks, i),
            });
        });
    });
}

/// Some lines of the output.
struct Task<'a, T> {
    job: &'a Job<'a, T>,
    lines: Range<usize>,
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
    for i in task.lines.clone() {
        run_line::<T, L>(task.job, i);
    }
}

/// A kernel row over one source line: first pixel, and weights of the first kernel element.
#[derive(Clone, Copy)]
struct Row<T> {
    source: *const T,
    weights: *const T,
}

/// What the tiles of one line have in common.
struct Line<'a, T> {
    job: &'a Job<'a, T>,
    /// The kernel rows that read inside the source.
    rows: &'a [Row<T>],
    /// First pixel of the target.
    target: *mut T,
    /// Elements between neighbouring outputs in the target.
    step: usize,
    /// The source lines to ask for: first pixel of each.
    next: &'a [*const T],
}

/// Output line `i`, from tile to tile of neighbouring outputs.
#[inline(always)]
unsafe fn run_line<T: Float, L: Lanes<T>>(job: &Job<'_, T>, i: usize) {
    let cor = job.cor;
    let at = line_at(cor, i);
    let mut rows = SmallVec::<[Row<T>; 16]>::new();
    if cor.taps() > 0 {
        for z in taps_at(&cor.axes[0], at[1]) {
            for y in taps_at(&cor.axes[1], at[2]) {
                // The first element of the kernel row: its taps may come in either order.
                let first = tap_index(cor, z, y, 0) - cor.axes[2].taps[0].index;
                rows.push(Row {
                    source: job.source.add(source_line(cor, at, z, y)),
                    weights: job.weights.add(first * cor.target_c),
                });
            }
        }
    }
    let [d, h, w] = &cor.axes;
    let plane = at[0] * cor.target[0] + d.target_start + at[1] * d.target_step;
    let row = plane * cor.target[1] + h.target_start + at[2] * h.target_step;
    let line = Line {
        job,
        rows: &rows,
        target: job
            .target
            .add((row * cor.target[2] + w.target_start) * cor.target_c),
        step: target_steps(cor)[3],
        next: &next_lines(cor, &rows),
    };
    let all = 0..w.taps.len();
    let whole = inside(w, all.clone());
    for q in 0..whole.start {
        run_columns::<T, L>(&line, q, 1, taps_at(w, q));
    }
    let mut q = whole.start;
    for left in (1..=whole.len().div_ceil(MAX_ROWS)).rev() {
        let columns = (whole.end - q).div_ceil(left);
        run_columns::<T, L>(&line, q, columns, all.clone());
        q += columns;
    }
    for q in whole.end..w.count {
        run_columns::<T, L>(&line, q, 1, taps_at(w, q));
    }
}

/// The source lines that the next line of outputs reads besides those in `rows`, where they are worth asking for: they
/// come from memory, and the hardware does not see that coming where the lines fill the first-level cache.
fn next_lines<T>(cor: &Correlation, rows: &[Row<T>]) -> SmallVec<[*const T; 2]> {
    let [d, h, w] = &cor.axes;
    let line = w.source * cor.source_c;
    let bytes = |elements: usize| elements * size_of::<T>();
    let long = bytes(line * h.taps.len()) > 32 << 10;
    let far = bytes(line * h.source * d.source * cor.n) > 4 << 20;
    match rows.last() {
        Some(last) if long && far && h.target_step == 1 => (1..=h.stride)
            .map(|i| last.source.wrapping_add(i * line))
            .collect(),
        _ => SmallVec::new(),
    }
}

/// Asks for what lies in the next source lines at some channels of `columns` outputs from `q` on.
#[inline(never)]
fn fetch_next<T>(line: &Line<'_, T>, q: usize, columns: usize, channels: Range<usize>) {
    let (axis, pixel) = (&line.job.cor.axes[2], line.job.cor.source_c);
    for next in line.next {
        for x in q * axis.stride..(q + columns) * axis.stride {
            for c in channels.clone().step_by(64 / size_of::<T>()) {
                prefetch_l2(next.wrapping_add(x * pixel + c));
            }
        }
    }
}

/// All channels of `columns` outputs from `q` on, by some of the taps along the line.
#[inline(always)]
unsafe fn run_columns<T: Float, L: Lanes<T>>(
    line: &Line<'_, T>,
    q: usize,
    columns: usize,
    taps: Range<usize>,
) {
    let channels = line.job.cor.target_c;
    let mut c = 0;
    while c < channels {
        let left = channels - c;
        let nv = vectors(left, L::N, const { max_vectors::<T, L>() });
        let taps = taps.clone();
        match (nv, left < L::N) {
            (4, _) => with_rows!(columns, tile::<T, L, 4, false>(line, q, taps, c)),
            (2, _) => with_rows!(columns, tile::<T, L, 2, false>(line, q, taps, c)),
            (_, false) => with_rows!(columns, tile::<T, L, 1, false>(line, q, taps, c)),
            (_, true) => with_rows!(columns, tile::<T, L, 1, true>(line, q, taps, c)),
        }
        c += nv * L::N;
    }
}

/// `NV` vectors of channels from `channel` of `MR` outputs from column `q` on.
#[inline(always)]
unsafe fn tile<T: Float, L: Lanes<T>, const MR: usize, const NV: usize, const PARTIAL: bool>(
    line: &Line<'_, T>,
    q: usize,
    taps: Range<usize>,
    channel: usize,
) {
    let cor = line.job.cor;
    let left = cor.target_c - channel;
    let axis = &cor.axes[2];
    let taps = axis.taps.get_unchecked(taps);
    let step = axis.stride * cor.source_c;
    if !line.next.is_empty() {
        fetch_next(line, q, MR, channel..channel + NV * L::N);
    }
    let mut acc = [[L::zero(); NV]; MR];
    for row in line.rows {
        for tap in taps {
            let at = ((q * axis.stride) as isize + tap.at) * cor.source_c as isize;
            let w = row.weights.add(tap.index * cor.target_c + channel);
            let mut wv = [L::zero(); NV];
            for j in 0..NV {
                wv[j] = load::<T, L, PARTIAL>(w.add(j * L::N), left);
            }
            // Two pointers, so that each address is one of them plus 0, 1 or 2 steps.
            let low = row.source.offset(at).add(channel);
            let high = low.wrapping_add(3 * step);
            for i in 0..MR {
                let x = if i < 3 { low } else { high }.wrapping_add(i % 3 * step);
                for j in 0..NV {
                    let xv = load::<T, L, PARTIAL>(x.add(j * L::N), left);
                    acc[i][j] = L::fma(xv, wv[j], acc[i][j]);
                }
            }
        }
    }
    let mut bias = [L::zero(); NV];
    if !line.job.bias.is_null() {
        for j in 0..NV {
            bias[j] = load::<T, L, PARTIAL>(line.job.bias.add(channel + j * L::N), left);
        }
    }
    let floor = match line.job.activation {
        Activation::Relu => L::zero(),
        Activation::None => L::splat(-T::INFINITY),
    };
    for i in 0..MR {
        let to = line.target.add((q + i) * line.step + channel);
        for j in 0..NV {
            // `max(floor, NaN)` is NaN.
            let v = L::max(floor, L::add(acc[i][j], bias[j]));
            if PARTIAL {
                L::store_partial(to.add(j * L::N), v, left);
            } else {
                L::store(to.add(j * L::N), v);
            }
        }
    }
}
