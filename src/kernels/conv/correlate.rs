//! The driver of forward convolution and input gradient: blocks, panels, tiles.
//!
//! For each block of output positions (its source region in cache) and each panel of target
//! channels (its packed weights in cache), register tiles of positions by channels reduce over all
//! taps and channels at once, without im2col: a tap is one offset added to the tile's row
//! pointers. Taps that are neighbours in memory are merged into *runs* (a kernel row of a dense
//! convolution is one run of `kw * c` elements), so thin inputs cost little more than thick ones.

use super::geometry::Correlation;
use super::pack::{Panels, pack_panel};
use super::region::{Block, Blocks};
use super::tile::{VECTORS, accumulate, finish, max_rows, with_rows};
use super::{Epilogue, at_level, depthwise, lanes, winograd};
use crate::buffer::with_scratch;
use crate::par::parallel_for;
use crate::simd::{Float, Isa, Kernel, Lanes, dispatch, level};
use smallvec::SmallVec;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Bytes of a source region: with a panel of weights, well inside a second-level cache.
const REGION_BYTES: usize = 256 << 10;
/// Output positions of a block at most: bounds the table of positions.
const POSITIONS: usize = 1024;
/// Tasks that the work is cut into where it can be.
pub(super) const TASKS: usize = 16;

/// Uninitialised memory of the thread.
pub(super) type Scratch<'a, T> = &'a mut [MaybeUninit<T>];

/// Taps merged into runs of source elements that are neighbours in memory.
pub(super) struct Runs {
    /// Where each run starts, relative to the first tap.
    pub starts: SmallVec<[usize; 32]>,
    /// Elements of each.
    pub len: usize,
}

impl Runs {
    /// The runs of one group of `cor` in regions with these strides.
    pub fn new(cor: &Correlation, strides: &[usize; 4]) -> Runs {
        Runs::merged_if(cor, strides, cor.groups == 1 && cor.axes[2].dense())
    }

    /// One run for each tap.
    pub fn unmerged(cor: &Correlation, strides: &[usize; 4]) -> Runs {
        Runs::merged_if(cor, strides, false)
    }

    fn merged_if(cor: &Correlation, strides: &[usize; 4], merged: bool) -> Runs {
        let c = cor.source_group();
        let [d, h, w] = &cor.axes;
        let columns = if merged {
            w.taps.len().min(1)
        } else {
            w.taps.len()
        };
        let mut starts = SmallVec::new();
        for td in &d.taps {
            for th in &h.taps {
                for tw in &w.taps[..columns] {
                    starts.push(
                        (td.at - d.low()) as usize * strides[1]
                            + (th.at - h.low()) as usize * strides[2]
                            + (tw.at - w.low()) as usize * strides[3],
                    );
                }
            }
        }
        Runs {
            starts,
            len: if merged { w.taps.len() * c } else { c },
        }
    }
}

/// Everything the tasks of one correlation share.
struct Job<'a, T> {
    cor: &'a Correlation,
    blocks: Blocks,
    panels: Panels,
    runs: Runs,
    source: *const T,
    target: *mut T,
    weights: *const T,
    bias: *const T,
    epilogue: &'a Epilogue<'a, T>,
    /// For each position of a block: where it reads in the region, where it writes in the target.
    positions: &'a [[usize; 2]],
    /// Each block is cut into so many tasks, each with a part of the panels.
    slices: usize,
}

// SAFETY: tasks read the shared inputs and write disjoint parts of `target`.
unsafe impl<T: Sync> Sync for Job<'_, T> {}

/// `target = epilogue(correlation of source with the kernel w)`.
///
/// `w` is `[taps, c / groups, k]`; `transposed` when the correlation's source has `k` channels.
pub(super) fn correlate<T: Float>(
    cor: &Correlation,
    source: &[T],
    w: &[T],
    transposed: bool,
    target: &mut [T],
    epilogue: &Epilogue<'_, T>,
) {
    if cor.positions() == 0 || cor.target_c == 0 {
        return;
    }
    if winograd::applies::<T>(cor) {
        return winograd::correlate(cor, source, w, transposed, target, epilogue);
    }
    if cor.depthwise {
        // The one channel of a group is the first dimension whichever way it is read.
        return depthwise::correlate(cor, source, w, target, epilogue);
    }
    let lanes = lanes::<T>();
    let width = if cor.target_group() <= lanes {
        lanes
    } else {
        VECTORS * lanes
    };
    let panels = Panels::new(cor, width);
    let run = |weights: *const T, target: &mut [T]| {
        run_blocks(cor, panels, source, weights, target, epilogue);
    };
    if !transposed && panels.already(cor) {
        return run(w.as_ptr(), target);
    }
    with_scratch::<T, _>(panels.len * panels.count(cor), |packed| {
        let all = Packed(packed.as_mut_ptr());
        parallel_for(panels.count(cor), 4 * packed.len(), |i| {
            // SAFETY: each panel is written by one task.
            unsafe {
                let to = std::slice::from_raw_parts_mut(all.get().add(i * panels.len), panels.len);
                pack_panel(cor, &panels, i, w.as_ptr(), transposed, to);
            }
        });
        run(packed.as_ptr().cast(), target);
    });
}

/// The packed weights, of which every task writes its own part.
struct Packed<T>(*mut MaybeUninit<T>);
// SAFETY: see above.
unsafe impl<T: Send> Sync for Packed<T> {}
impl<T> Packed<T> {
    fn get(&self) -> *mut MaybeUninit<T> {
        self.0
    }
}

fn run_blocks<T: Float>(
    cor: &Correlation,
    panels: Panels,
    source: &[T],
    weights: *const T,
    target: &mut [T],
    epilogue: &Epilogue<'_, T>,
) {
    let per_task = cor.positions().div_ceil(TASKS).clamp(56, POSITIONS);
    let blocks = Blocks::new(cor, REGION_BYTES / size_of::<T>(), per_task);
    let full = blocks.size.iter().product();
    with_scratch::<[usize; 2], _>(full, |table| {
        let job = Job {
            cor,
            runs: Runs::new(cor, &blocks.strides),
            source: source.as_ptr(),
            target: target.as_mut_ptr(),
            weights,
            bias: epilogue.bias.map_or(std::ptr::null(), <[T]>::as_ptr),
            epilogue,
            positions: fill_positions(cor, &blocks, table),
            slices: TASKS.div_ceil(blocks.count()).min(panels.count(cor)),
            blocks,
            panels,
        };
        let flops = 2 * cor.positions() * cor.target_c * panels.rows;
        let isa = level();
        parallel_for(job.blocks.count() * job.slices, flops, |i| {
            at_level(isa, || {
                with_scratch::<T, _>(job.blocks.region, |region| {
                    dispatch(Task {
                        job: &job,
                        index: i,
                        region,
                    });
                });
            });
        });
    });
}

/// The table of positions of a full block. Smaller blocks at the edge use its beginning, since a
/// block grows over a coarser level only when all finer ones are whole.
fn fill_positions<'a>(
    cor: &Correlation,
    blocks: &Blocks,
    table: &'a mut [MaybeUninit<[usize; 2]>],
) -> &'a [[usize; 2]] {
    let from = blocks.steps(cor);
    let to = target_steps(cor);
    let [n, d, h, w] = blocks.size;
    let mut next = table.iter_mut();
    for i in 0..n {
        for z in 0..d {
            for y in 0..h {
                let row = [from, to].map(|s| i * s[0] + z * s[1] + y * s[2]);
                for (x, entry) in next.by_ref().take(w).enumerate() {
                    entry.write([row[0] + x * from[3], row[1] + x * to[3]]);
                }
            }
        }
    }
    // SAFETY: the table has one entry for each of the n * d * h * w positions, all written.
    unsafe { std::slice::from_raw_parts(table.as_ptr().cast(), n * d * h * w) }
}

/// Elements of the target between neighbouring positions of each level.
pub(super) fn target_steps(cor: &Correlation) -> [usize; 4] {
    let [d, h, w] = cor.target;
    let c = cor.target_c;
    [
        d * h * w * c,
        h * w * c * cor.axes[0].target_step,
        w * c * cor.axes[1].target_step,
        c * cor.axes[2].target_step,
    ]
}

/// Where the first position of `block` is written.
pub(super) fn target_start(cor: &Correlation, block: &Block) -> usize {
    let at: [usize; 3] = std::array::from_fn(|a| {
        let axis = &cor.axes[a];
        axis.target_start + block.start[a + 1] * axis.target_step
    });
    let [d, h, w] = cor.target;
    (((block.start[0] * d + at[0]) * h + at[1]) * w + at[2]) * cor.target_c
}

struct Task<'a, T> {
    job: &'a Job<'a, T>,
    index: usize,
    region: Scratch<'a, T>,
}

impl<T: Float> Kernel for Task<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        run_task::<T, T::Simd<I>>(self);
    }
}

/// One block and one slice of the panels.
#[inline(always)]
unsafe fn run_task<T: Float, L: Lanes<T>>(task: Task<'_, T>) {
    let Task { job, index, region } = task;
    let cor = job.cor;
    let block = job.blocks.block(index / job.slices);
    let region = if job.panels.rows == 0 {
        job.source // nothing is read
    } else {
        job.blocks.fetch(cor, &block, job.source, region)
    };
    let target = job.target.add(target_start(cor, &block));
    for p in slice_of(job.panels.count(cor), job.slices, index % job.slices) {
        let (group, first, columns) = job.panels.panel(cor, p);
        let channel = group * cor.target_group() + first;
        let panel = Panel {
            region: region.wrapping_add(group * cor.source_group()),
            weights: job.weights.add(p * job.panels.len),
            target: target.add(channel),
            bias: if job.bias.is_null() {
                job.bias
            } else {
                job.bias.add(channel)
            },
            columns,
        };
        run_panel::<T, L>(job, &panel, &job.positions[..block.positions()]);
    }
}

/// Part `i` of `0..count` cut into `parts` even parts.
pub(super) fn slice_of(count: usize, parts: usize, i: usize) -> Range<usize> {
    count * i / parts..count * (i + 1) / parts
}

/// One panel of one block.
struct Panel<T> {
    region: *const T,
    weights: *const T,
    target: *mut T,
    bias: *const T,
    columns: usize,
}

#[inline(always)]
unsafe fn run_panel<T: Float, L: Lanes<T>>(
    job: &Job<'_, T>,
    panel: &Panel<T>,
    positions: &[[usize; 2]],
) {
    let max = const { max_rows::<T, L>() };
    let mut rest = positions;
    for left in (1..=positions.len().div_ceil(max)).rev() {
        let (tile, after) = rest.split_at(rest.len().div_ceil(left));
        rest = after;
        if panel.columns > L::N {
            with_rows!(tile.len(), max, run_tile::<T, L, 2>(job, panel, tile));
        } else {
            with_rows!(tile.len(), max, run_tile::<T, L, 1>(job, panel, tile));
        }
    }
}

#[inline(always)]
unsafe fn run_tile<T: Float, L: Lanes<T>, const MR: usize, const NV: usize>(
    job: &Job<'_, T>,
    panel: &Panel<T>,
    positions: &[[usize; 2]],
) {
    let mut rows = [panel.region; MR];
    for i in 0..MR {
        rows[i] = panel.region.wrapping_add(positions.get_unchecked(i)[0]);
    }
    let mut acc = [[L::zero(); NV]; MR];
    let mut weights = panel.weights;
    let width = job.panels.width;
    for &start in &job.runs.starts {
        let mut run = rows;
        for row in &mut run {
            *row = row.wrapping_add(start);
        }
        accumulate::<T, L, MR, NV, false>(&mut acc, &run, 1, weights, width, 0, job.runs.len);
        weights = weights.wrapping_add(job.runs.len * width);
    }
    let mut to = [panel.target; MR];
    for i in 0..MR {
        to[i] = panel.target.add(positions.get_unchecked(i)[1]);
    }
    finish::<T, L, MR, NV>(
        &acc,
        &to,
        panel.columns,
        panel.bias,
        job.epilogue.activation,
    );
}
