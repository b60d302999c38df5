//! Forward and input gradient by Winograd's algorithm.

use super::super::correlate::{Scratch, TASKS, slice_of};
use super::super::geometry::Correlation;
use super::super::pack::{Panels, pack_panel};
use super::super::tile::{VECTORS, accumulate, finish, max_rows, with_rows};
use super::super::{Activation, Epilogue, at_level, lanes};
use super::transform::{Constants, IN, OUT, POINTS, filter, output};
use super::{Tiles, patch, tile_len, transform_patch};
use crate::buffer::with_scratch;
use crate::kernels::gemm::{Fetch, Table, Tile, tile_rows};
use crate::par::parallel_for;
use crate::simd::{Float, Isa, Kernel, Lanes, Level, dispatch, level};

/// Input times output channels from which transformed kernels outgrow the second-level cache by far.
const LARGE_KERNELS: usize = 1 << 16;
/// Panels of a task at least, since each task transforms its inputs.
const PANELS: usize = 4;

/// Everything the tasks share.
struct Job<'a, T> {
    cor: &'a Correlation,
    tiles: Tiles,
    panels: Panels,
    source: *const T,
    target: *mut T,
    /// Transformed kernels: for each panel and point, `source_c` rows of `width`.
    kernels: *mut T,
    bias: *const T,
    activation: Activation,
    /// Tiles of a block, and elements of one of its rows of channels.
    block: usize,
    row: usize,
    /// Lanes of a vector.
    lanes: usize,
    slices: usize,
}

// SAFETY: tasks read the shared inputs and write disjoint parts of `target` or `kernels`.
unsafe impl<T: Sync> Sync for Job<'_, T> {}

impl<T> Job<'_, T> {
    /// Elements of a transformed panel.
    fn panel_len(&self) -> usize {
        POINTS * self.cor.source_c * self.panels.width
    }
    /// Elements of one tile's transformed inputs.
    fn input_len(&self) -> usize {
        tile_len::<T>(self.row)
    }
    /// Elements of one tile's products with one panel.
    fn product_len(&self) -> usize {
        tile_len::<T>(self.panels.width)
    }
    /// Elements of zeros, half transformed vectors, transformed inputs and products of one task.
    fn scratch(&self) -> [usize; 4] {
        [
            self.row,
            POINTS * self.lanes,
            self.block * self.input_len(),
            self.block * self.product_len(),
        ]
    }
}

/// As [`super::super::correlate::correlate`], for correlations to which [`super::applies`].
pub(in super::super) fn correlate<T: Float>(
    cor: &Correlation,
    source: &[T],
    w: &[T],
    transposed: bool,
    target: &mut [T],
    epilogue: &Epilogue<'_, T>,
) {
    let lanes = lanes::<T>();
    let width = if cor.target_c <= lanes {
        lanes
    } else {
        VECTORS * lanes
    };
    let panels = Panels::new(cor, width);
    let tiles = Tiles::new(cor);
    let block = block_of(cor, &tiles);
    let blocks = tiles.count.div_ceil(block);
    with_scratch::<T, _>(
        POINTS * cor.source_c * width * panels.per_group,
        |kernels| {
            let job = Job {
                cor,
                tiles,
                panels,
                source: source.as_ptr(),
                target: target.as_mut_ptr(),
                kernels: kernels.as_mut_ptr().cast(),
                bias: epilogue.bias.map_or(std::ptr::null(), <[T]>::as_ptr),
                activation: epilogue.activation,
                block,
                row: cor.source_c.next_multiple_of(lanes),
                lanes,
                slices: TASKS
                    .div_ceil(blocks)
                    .min(panels.per_group.div_ceil(PANELS)),
            };
            transform_kernels(&job, w, transposed);
            run_blocks(&job);
        },
    );
}

/// Tiles of a block: two register tiles of rows where the transformed inputs then still fit the
/// cache. Kernels that do not fit it are worth reading for more rows.
fn block_of(cor: &Correlation, tiles: &Tiles) -> usize {
    let rows = match (cor.source_c, cor.source_c * cor.target_c) {
        (0..=128, _) => 28,
        (_, LARGE_KERNELS..) => 56,
        _ => 14,
    };
    rows.min(tiles.count)
}

fn transform_kernels<T: Float>(job: &Job<'_, T>, w: &[T], transposed: bool) {
    let isa = level();
    let len = job.panels.len;
    parallel_for(
        job.panels.per_group,
        20 * len * job.panels.per_group,
        |panel| {
            with_scratch::<T, _>(len, |packed| {
                at_level(isa, || {
                    // SAFETY: `w` is the whole kernel; the scratch holds one panel.
                    unsafe {
                        pack_panel(job.cor, &job.panels, panel, w.as_ptr(), transposed, packed)
                    };
                    dispatch(Kernels {
                        job,
                        panel,
                        packed: packed.as_ptr().cast(),
                    });
                });
            });
        },
    );
}

/// The transform of one panel of kernels.
struct Kernels<'a, T> {
    job: &'a Job<'a, T>,
    panel: usize,
    packed: *const T,
}

impl<T: Float> Kernel for Kernels<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        transform_panel::<T, T::Simd<I>>(&self);
    }
}

#[inline(always)]
unsafe fn transform_panel<T: Float, L: Lanes<T>>(task: &Kernels<'_, T>) {
    let job = task.job;
    let to = job.kernels.add(task.panel * job.panel_len());
    let k = Constants::new::<T, L>();
    // Elements between taps, and between points.
    let step = job.cor.source_c * job.panels.width;
    for at in (0..step).step_by(L::N) {
        let mut half = [[L::zero(); 3]; IN];
        for c in 0..3 {
            let mut g = [L::zero(); 3];
            for r in 0..3 {
                g[r] = L::load(task.packed.add((r * 3 + c) * step + at));
            }
            let g = filter::<T, L, 3>(g, &k);
            for r in 0..IN {
                half[r][c] = g[r];
            }
        }
        for r in 0..IN {
            let g = filter::<T, L, 3>(half[r], &k);
            for c in 0..IN {
                L::store(to.add((r * IN + c) * step + at), g[c]);
            }
        }
    }
}

fn run_blocks<T: Float>(job: &Job<'_, T>) {
    let isa = level();
    let blocks = job.tiles.count.div_ceil(job.block);
    let flops = 2 * POINTS * job.tiles.count * job.cor.source_c * job.cor.target_c;
    parallel_for(blocks * job.slices, flops, |i| {
        with_scratch::<T, _>(job.scratch().iter().sum(), |scratch| {
            at_level(isa, || {
                dispatch(Task {
                    job,
                    index: i,
                    scratch,
                });
            });
        });
    });
}

/// One block of tiles and one slice of the panels.
struct Task<'a, T> {
    job: &'a Job<'a, T>,
    index: usize,
    scratch: Scratch<'a, T>,
}

impl<T: Float> Kernel for Task<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        run_task::<T, T::Simd<I>>(self);
    }
}

#[inline(always)]
unsafe fn run_task<T: Float, L: Lanes<T>>(task: Task<'_, T>) {
    let Task {
        job,
        index,
        scratch,
    } = task;
    let first = index / job.slices * job.block;
    let count = job.block.min(job.tiles.count - first);
    let k = Constants::new::<T, L>();
    let [zeros, halves, inputs, _] = job.scratch();
    let zero = scratch.as_mut_ptr().cast::<T>();
    for i in 0..zeros {
        zero.add(i).write(T::ZERO);
    }
    let half = zero.add(zeros);
    let points = half.add(halves);
    let products = points.add(inputs);
    for t in 0..count {
        let patch = patch(job.cor, &job.tiles, first + t, job.source, zero);
        let to = points.add(t * job.input_len());
        transform_patch::<T, L>(&patch, job.cor.source_c, half, to, job.row, &k);
    }
    for p in slice_of(job.panels.per_group, job.slices, index % job.slices) {
        let (_, channel, columns) = job.panels.panel(job.cor, p);
        let kernels = job.kernels.add(p * job.panel_len());
        multiply::<T, L>(job, count, points, kernels, products);
        for t in 0..count {
            let from = products.add(t * job.product_len());
            for j in (0..columns).step_by(L::N) {
                let n = L::N.min(columns - j);
                write_tile::<T, L>(job, first + t, from.add(j), half, channel + j, n, &k);
            }
        }
    }
}

/// The 36 products of a block with one panel.
#[inline(always)]
unsafe fn multiply<T: Float, L: Lanes<T>>(
    job: &Job<'_, T>,
    count: usize,
    points: *const T,
    kernels: *const T,
    products: *mut T,
) {
    if const { L::N * size_of::<T>() == 32 } {
        return multiply_apart(job, count, points, kernels, products);
    }
    let max = const { max_rows::<T, L>() };
    let width = job.panels.width;
    for p in 0..POINTS {
        let kernel = kernels.add(p * job.cor.source_c * width);
        let mut at = 0;
        for left in (1..=count.div_ceil(max)).rev() {
            let rows = (count - at).div_ceil(left);
            let from = points.add(at * job.input_len() + p * job.row);
            let to = products.add(at * job.product_len() + p * width);
            if width > L::N {
                with_rows!(rows, max, multiply_tile::<T, L, 2>(job, from, kernel, to));
            } else {
                with_rows!(rows, max, multiply_tile::<T, L, 1>(job, from, kernel, to));
            }
            at += rows;
        }
    }
}

/// The same by the micro-kernels of the matrix product. AVX2 has 16 registers: among the constants of the transforms the
/// compiler keeps a third of a tile's sums in memory, unless the tile is a function of its own.
unsafe fn multiply_apart<T: Float>(
    job: &Job<'_, T>,
    count: usize,
    points: *const T,
    kernels: *const T,
    products: *mut T,
) {
    let table = Table::<T>::of(Level::Avx2);
    let (width, k) = (job.panels.width, job.cor.source_c);
    let nv = width / table.lanes;
    for p in 0..POINTS {
        let mut at = 0;
        while at < count {
            let rows = tile_rows(count - at, table.max_rows(nv), nv);
            let tile = Tile {
                k,
                a: points.add(at * job.input_len() + p * job.row),
                a_rs: job.input_len() as isize,
                a_cs: 1,
                b: kernels.add(p * k * width),
                b_rs: width as isize,
                c: products.add(at * job.product_len() + p * width),
                c_rs: job.product_len() as isize,
                tail: table.lanes,
                accumulate: false,
                fetch: Fetch::NONE,
            };
            table.get(rows, nv, true)(&tile);
            at += rows;
        }
    }
}

#[inline(always)]
unsafe fn multiply_tile<T: Float, L: Lanes<T>, const MR: usize, const NV: usize>(
    job: &Job<'_, T>,
    from: *const T,
    kernel: *const T,
    to: *mut T,
) {
    let (mut a, mut c) = ([from; MR], [to; MR]);
    for i in 0..MR {
        a[i] = from.add(i * job.input_len());
        c[i] = to.add(i * job.product_len());
    }
    let mut acc = [[L::zero(); NV]; MR];
    accumulate::<T, L, MR, NV, false>(&mut acc, &a, 1, kernel, NV * L::N, 0, job.cor.source_c);
    finish::<T, L, MR, NV>(&acc, &c, NV * L::N, std::ptr::null(), Activation::None);
}

/// Transforms `n` channels of one tile back and writes the outputs that exist.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn write_tile<T: Float, L: Lanes<T>>(
    job: &Job<'_, T>,
    tile: usize,
    from: *const T,
    half: *mut T,
    channel: usize,
    n: usize,
    k: &Constants<L::V>,
) {
    let step = job.panels.width;
    for c in 0..IN {
        let mut m = [L::zero(); IN];
        for r in 0..IN {
            m[r] = L::load(from.add((r * IN + c) * step));
        }
        let y = output::<T, L, OUT>(m, k);
        for r in 0..OUT {
            L::store(half.add((r * IN + c) * L::N), y[r]);
        }
    }
    let bias = if job.bias.is_null() {
        L::zero()
    } else {
        L::load_partial(job.bias.add(channel), n)
    };
    let floor = if job.activation == Activation::Relu {
        L::zero()
    } else {
        L::splat(-T::INFINITY)
    };
    let [image, z, y0, x0] = job.tiles.at(tile);
    let [d, h, w] = &job.cor.axes;
    let z = d.target_start + z * d.target_step;
    let line = (image * job.cor.target[0] + z) * job.cor.target[1] + y0;
    let to = job
        .target
        .add((line * job.cor.target[2] + x0) * job.cor.target_c + channel);
    let (rows, columns) = (h.count - y0, w.count - x0);
    let whole = rows >= OUT && columns >= OUT && n == L::N;
    for r in 0..OUT {
        let mut m = [L::zero(); IN];
        for c in 0..IN {
            m[c] = L::load(half.add((r * IN + c) * L::N));
        }
        let y = output::<T, L, OUT>(m, k);
        for c in 0..OUT {
            // `max(floor, NaN)` is NaN.
            let v = L::max(floor, L::add(y[c], bias));
            let to = to.wrapping_add((r * job.cor.target[2] + c) * job.cor.target_c);
            if whole {
                L::store(to, v);
            } else if r < rows && c < columns {
                L::store_partial(to, v, n);
            }
        }
    }
}
