//! The gradient of the kernel: a reduction over all output positions.
//!
//! `dw[t, c, k] = sum over positions o of x[o * stride + t * dilation - pad, c] * dy[o, k]`. A
//! register tile holds rows `(t, c)` by columns `k` and walks over the positions of a block; each
//! row reads the same region at its own offset, so again nothing is gathered. Where the kernel is
//! small, the blocks are cut into a number of chunks, fixed by the shapes, with private sums that
//! are added in order; where it is large, tasks take parts of its columns instead.

use super::correlate::{Runs, Scratch, TASKS, slice_of, target_start, target_steps};
use super::geometry::{ConvShape, Correlation};
use super::region::{Block, Blocks};
use super::tile::{VECTORS, accumulate, accumulate_adjacent, finish, max_rows, with_rows};
use super::{Activation, at_level, lanes};
use crate::buffer::with_scratch;
use crate::par::parallel_for;
use crate::simd::{Float, Isa, Kernel, Lanes, dispatch, level};
use std::mem::MaybeUninit;

/// Bytes of a source region.
const REGION_BYTES: usize = 192 << 10;
/// Output positions of a block at most.
const POSITIONS: usize = 1024;
/// Bytes of all private sums at most.
const PRIVATE_BYTES: usize = 8 << 20;
/// Channels from which a tile takes its rows from one tap, where they are neighbours in memory.
const MIN_ADJACENT: usize = 8;

/// A stretch of positions along which region and `dy` both advance evenly.
#[derive(Clone, Copy)]
struct Segment {
    /// Where it starts in the region.
    x: usize,
    /// Where it starts in `dy`, from the block's first position.
    dy: usize,
    /// Positions.
    len: usize,
}

/// A row of the kernel as a matrix of `(tap, channel)` by filters.
#[derive(Clone, Copy)]
struct Row {
    /// Where it reads, relative to a position in the region.
    at: usize,
    /// Its number in `dw`.
    row: usize,
}

/// Everything the tasks share.
struct Job<'a, T> {
    cor: &'a Correlation,
    blocks: Blocks,
    rows: &'a [Row],
    /// So many rows each are neighbours in memory: those of a tap, or of a line of taps.
    adjacent: usize,
    x: *const T,
    dy: *const T,
    dw: *mut T,
    /// Sums of chunk 1, 2, ...; those of chunk 0 go to `dw`.
    private: *mut T,
    chunks: usize,
    slices: usize,
    /// Columns of a full panel, and panels of a group.
    width: usize,
    per_group: usize,
}

// SAFETY: tasks read the shared inputs and write disjoint parts of `dw` and `private`.
unsafe impl<T: Sync> Sync for Job<'_, T> {}

/// See [`super::kernel_grad`].
pub(super) fn kernel_grad<T: Float>(s: &ConvShape, x: &[T], dy: &[T], dw: &mut [T]) {
    let cor = s.forward();
    let rows = cor.taps() * cor.source_group();
    if rows < s.w_len() / s.k.max(1) || cor.positions() == 0 {
        dw.fill(T::ZERO); // taps that see padding only
    }
    if rows == 0 || s.k == 0 || cor.positions() == 0 {
        return;
    }
    let blocks = Blocks::new(&cor, REGION_BYTES / size_of::<T>(), POSITIONS);
    let private = rows * s.k;
    let chunks = (PRIVATE_BYTES / size_of::<T>() / private)
        .clamp(1, TASKS)
        .min(blocks.count());
    let lanes = lanes::<T>();
    let width = if cor.target_group() <= lanes {
        lanes
    } else {
        VECTORS * lanes
    };
    let per_group = cor.target_group().div_ceil(width);
    with_scratch::<Row, _>(rows, |table| {
        with_scratch::<T, _>(private * (chunks - 1), |sums| {
            let job = Job {
                rows: fill_rows(&cor, &blocks, table),
                adjacent: Runs::new(&cor, &blocks.strides).len,
                cor: &cor,
                x: x.as_ptr(),
                dy: dy.as_ptr(),
                dw: dw.as_mut_ptr(),
                private: sums.as_mut_ptr().cast(),
                chunks,
                slices: TASKS.div_ceil(chunks).min(per_group * cor.groups),
                width,
                per_group,
                blocks,
            };
            run_chunks(&job, s.macs());
            add_chunks(&job);
        });
    });
}

fn fill_rows<'a>(
    cor: &Correlation,
    blocks: &Blocks,
    table: &'a mut [MaybeUninit<Row>],
) -> &'a [Row] {
    let runs = Runs::unmerged(cor, &blocks.strides);
    let c = cor.source_group();
    for (t, (start, index)) in runs.starts.iter().zip(cor.tap_indices()).enumerate() {
        for (i, row) in table[t * c..][..c].iter_mut().enumerate() {
            row.write(Row {
                at: start + i,
                row: index * c + i,
            });
        }
    }
    // SAFETY: the table has one entry for each channel of each tap, all written.
    unsafe { std::slice::from_raw_parts(table.as_ptr().cast(), table.len()) }
}

fn run_chunks<T: Float>(job: &Job<'_, T>, macs: usize) {
    let isa = level();
    let lines = job.blocks.size[..3].iter().product();
    parallel_for(job.chunks * job.slices, 2 * macs, |i| {
        at_level(isa, || {
            with_scratch::<T, _>(job.blocks.region, |region| {
                with_scratch::<Segment, _>(lines, |segments| {
                    dispatch(Task {
                        job,
                        chunk: i / job.slices,
                        slice: i % job.slices,
                        region,
                        segments,
                    });
                });
            });
        });
    });
}

/// `dw += sums of the other chunks`, in their order.
fn add_chunks<T: Float>(job: &Job<'_, T>) {
    if job.chunks == 1 {
        return;
    }
    let k = job.cor.target_c;
    let len = job.rows.len() * k;
    let parts = (len >> 12).clamp(1, job.rows.len());
    parallel_for(parts, len * job.chunks, |i| {
        for r in slice_of(job.rows.len(), parts, i) {
            // SAFETY: each row of `dw` is written by one task; chunks hold `rows * k` sums.
            unsafe {
                let to = std::slice::from_raw_parts_mut(job.dw.add(job.rows[r].row * k), k);
                for chunk in 0..job.chunks - 1 {
                    let from = job.private.add(chunk * len + r * k);
                    let from = std::slice::from_raw_parts(from, k);
                    to.iter_mut().zip(from).for_each(|(t, &f)| *t = *t + f);
                }
            }
        }
    });
}

struct Task<'a, T> {
    job: &'a Job<'a, T>,
    chunk: usize,
    slice: usize,
    region: Scratch<'a, T>,
    segments: Scratch<'a, Segment>,
}

impl<T: Float> Kernel for Task<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        run_task::<T, T::Simd<I>>(self);
    }
}

/// All blocks of one chunk for one slice of the columns.
#[inline(always)]
unsafe fn run_task<T: Float, L: Lanes<T>>(task: Task<'_, T>) {
    let Task {
        job,
        chunk,
        slice,
        region,
        segments,
    } = task;
    let cor = job.cor;
    let blocks = slice_of(job.blocks.count(), job.chunks, chunk);
    let panels = slice_of(job.per_group * cor.groups, job.slices, slice);
    for b in blocks.clone() {
        let block = job.blocks.block(b);
        let region = job.blocks.fetch(cor, &block, job.x, region);
        let segments = fill_segments(job, &block, segments);
        let dy = job.dy.add(target_start(cor, &block));
        for p in panels.clone() {
            let group = p / job.per_group;
            let first = p % job.per_group * job.width;
            let columns = job.width.min(cor.target_group() - first);
            let channel = group * cor.target_group() + first;
            let panel = Panel {
                region: region.wrapping_add(group * cor.source_group()),
                dy: dy.add(channel),
                columns,
                channel,
                chunk,
                begin: b == blocks.start,
            };
            run_panel::<T, L>(job, &panel, segments);
        }
    }
}

fn fill_segments<'a, T>(
    job: &Job<'_, T>,
    block: &Block,
    table: &'a mut [MaybeUninit<Segment>],
) -> &'a [Segment] {
    let (from, to) = (job.blocks.steps(job.cor), target_steps(job.cor));
    let [n, d, h, w] = block.size;
    let mut used: usize = 0;
    for i in 0..n {
        for z in 0..d {
            for y in 0..h {
                let at = |s: &[usize; 4]| i * s[0] + z * s[1] + y * s[2];
                let new = Segment {
                    x: at(&from),
                    dy: at(&to),
                    len: w,
                };
                if used > 0 {
                    // SAFETY: entries before `used` were written.
                    let last = unsafe { table[used - 1].assume_init_mut() };
                    if new.x == last.x + last.len * from[3] && new.dy == last.dy + last.len * to[3]
                    {
                        last.len += w;
                        continue;
                    }
                }
                table[used].write(new);
                used += 1;
            }
        }
    }
    // SAFETY: entries before `used` were written.
    unsafe { std::slice::from_raw_parts(table.as_ptr().cast(), used) }
}

/// One panel of columns over one block.
struct Panel<T> {
    region: *const T,
    dy: *const T,
    columns: usize,
    /// First column in `dw`.
    channel: usize,
    chunk: usize,
    /// Is this the chunk's first block, so that sums begin at zero?
    begin: bool,
}

#[inline(always)]
unsafe fn run_panel<T: Float, L: Lanes<T>>(
    job: &Job<'_, T>,
    panel: &Panel<T>,
    segments: &[Segment],
) {
    let c = job.adjacent;
    if c >= MIN_ADJACENT {
        match (panel.columns > L::N, panel.columns.is_multiple_of(L::N)) {
            (true, true) => run_rows::<T, L, 2, false, true>(job, panel, segments, c),
            (true, false) => run_rows::<T, L, 2, true, true>(job, panel, segments, c),
            (false, true) => run_rows::<T, L, 1, false, true>(job, panel, segments, c),
            (false, false) => run_rows::<T, L, 1, true, true>(job, panel, segments, c),
        }
    } else {
        match (panel.columns > L::N, panel.columns == VECTORS * L::N) {
            (true, true) => run_rows::<T, L, 2, false, false>(job, panel, segments, job.rows.len()),
            (true, false) => run_rows::<T, L, 2, true, false>(job, panel, segments, job.rows.len()),
            (false, _) => run_rows::<T, L, 1, true, false>(job, panel, segments, job.rows.len()),
        }
    }
}

/// All rows in tiles, none of which crosses a multiple of `group` rows. `ADJACENT`: the rows of a tile
/// are neighbours in memory, else each is at an address of its own.
#[inline(always)]
unsafe fn run_rows<
    T: Float,
    L: Lanes<T>,
    const NV: usize,
    const PARTIAL: bool,
    const ADJACENT: bool,
>(
    job: &Job<'_, T>,
    panel: &Panel<T>,
    segments: &[Segment],
    group: usize,
) {
    let max = const { max_rows::<T, L>() };
    let mut at = 0;
    while at < job.rows.len() {
        let end = at + group;
        for left in (1..=group.div_ceil(max)).rev() {
            let rows = (end - at).div_ceil(left);
            with_rows!(
                rows,
                max,
                run_tile::<T, L, NV, PARTIAL, ADJACENT>(job, panel, segments, at)
            );
            at += rows;
        }
    }
}

#[inline(always)]
unsafe fn run_tile<
    T: Float,
    L: Lanes<T>,
    const MR: usize,
    const NV: usize,
    const PARTIAL: bool,
    const ADJACENT: bool,
>(
    job: &Job<'_, T>,
    panel: &Panel<T>,
    segments: &[Segment],
    first: usize,
) {
    let k = job.cor.target_c;
    let x_step = job.cor.axes[2].stride * job.cor.source_c;
    let mut to = [job.dw; MR];
    let mut rows = [panel.region; MR];
    for i in 0..MR {
        let row = *job.rows.get_unchecked(first + i);
        rows[i] = panel.region.wrapping_add(row.at);
        to[i] = match panel.chunk {
            0 => job.dw.add(row.row * k + panel.channel),
            c => job
                .private
                .add(((c - 1) * job.rows.len() + first + i) * k + panel.channel),
        };
    }
    let mut acc = [[L::zero(); NV]; MR];
    if !panel.begin {
        for i in 0..MR {
            for j in 0..NV {
                let left = panel.columns.saturating_sub(j * L::N);
                acc[i][j] = L::load_partial(to[i].wrapping_add(j * L::N), left);
            }
        }
    }
    for segment in segments {
        let mut run = rows;
        for row in &mut run {
            *row = row.wrapping_add(segment.x);
        }
        let dy = panel.dy.add(segment.dy);
        let (columns, len) = (panel.columns, segment.len);
        if ADJACENT {
            let x = run[0];
            accumulate_adjacent::<T, L, MR, NV, PARTIAL>(&mut acc, x, x_step, dy, k, columns, len);
        } else {
            accumulate::<T, L, MR, NV, PARTIAL>(&mut acc, &run, x_step, dy, k, columns, len);
        }
    }
    finish::<T, L, MR, NV>(&acc, &to, panel.columns, std::ptr::null(), Activation::None);
}
