//! The gradient of the kernel by Winograd's algorithm: F(3, 4) in each dimension.
//!
//! A patch of 6 x 6 inputs correlated with the 4 x 4 gradients of its outputs gives 3 x 3 sums. At the
//! same six points as the forward convolution that is one product a point; and since the sum over
//! all tiles may be taken before the transform back, it is 36 matrix products
//! `(inputs x tiles) (tiles x gradients)` and a single transform.

use super::super::geometry::Correlation;
use super::super::{at_level, lanes};
use super::transform::{Constants, IN, OUT, POINTS, filter, output};
use super::{Tiles, odd_lines, patch, transform_patch};
use crate::buffer::with_scratch;
use crate::kernels::gemm::{Epilogue, Gemm, gemm};
use crate::par::parallel_for;
use crate::simd::{Float, Isa, Kernel, Lanes, dispatch, level};

/// Bytes of transformed inputs and gradients at a time.
const BLOCK_BYTES: usize = 2 << 20;
/// Tiles at a time at least: each block reads and writes all the sums.
const MIN_BLOCK: usize = 192;
/// Tiles that one task transforms.
const GROUP: usize = 8;

/// What the tasks share. Transformed values lie point by point, in each tile by tile.
struct Job<'a, T> {
    cor: &'a Correlation,
    tiles: Tiles,
    x: *const T,
    dy: *const T,
    dw: *mut T,
    /// Transformed inputs, transformed gradients, sums.
    inputs: *mut T,
    grads: *mut T,
    sums: *mut T,
    /// Elements of a tile's row of inputs, and of gradients: whole vectors.
    c: usize,
    k: usize,
    /// Elements between points of inputs, gradients and sums.
    steps: [usize; 3],
}

// SAFETY: tasks write disjoint tiles, points or rows.
unsafe impl<T: Sync> Sync for Job<'_, T> {}

/// `dw = sum over positions of patch(x) * dy`, for the forward correlation `cor` to which
/// [`super::applies`].
pub(in super::super) fn kernel_grad<T: Float>(cor: &Correlation, x: &[T], dy: &[T], dw: &mut [T]) {
    let lanes = lanes::<T>();
    let (c, k) = (
        cor.source_c.next_multiple_of(lanes),
        cor.target_c.next_multiple_of(lanes),
    );
    let tiles = Tiles::new(cor);
    let fits = BLOCK_BYTES / (POINTS * (c + k) * size_of::<T>());
    // Equal blocks.
    let blocks = tiles.count.div_ceil(fits.max(MIN_BLOCK));
    let block = tiles.count.div_ceil(blocks).next_multiple_of(GROUP);
    let steps = [block * c, block * k, c * k].map(odd_lines::<T>);
    with_scratch::<T, _>(POINTS * steps.iter().sum::<usize>(), |scratch| {
        let inputs = scratch.as_mut_ptr().cast::<T>();
        let grads = inputs.wrapping_add(POINTS * steps[0]);
        let job = Job {
            cor,
            tiles,
            x: x.as_ptr(),
            dy: dy.as_ptr(),
            dw: dw.as_mut_ptr(),
            inputs,
            grads,
            sums: grads.wrapping_add(POINTS * steps[1]),
            c,
            k,
            steps,
        };
        for first in (0..tiles.count).step_by(block) {
            let count = block.min(tiles.count - first);
            transform(&job, first, count);
            multiply(&job, count, first > 0);
        }
        transform_back(&job);
    });
}

/// Transforms inputs and gradients of the tiles from `first`.
fn transform<T: Float>(job: &Job<'_, T>, first: usize, count: usize) {
    let isa = level();
    let work = 6 * POINTS * count * (job.c + job.k);
    parallel_for(count.div_ceil(GROUP), work, |group| {
        with_scratch::<T, _>(job.c.max(job.k) + POINTS * lanes::<T>(), |scratch| {
            at_level(isa, || {
                dispatch(Transform {
                    job,
                    first,
                    from: group * GROUP,
                    to: count.min((group + 1) * GROUP),
                    scratch: scratch.as_mut_ptr().cast(),
                });
            });
        });
    });
}

/// `sums[p] (+)= inputs[p]^T grads[p]` for each point.
fn multiply<T: Float>(job: &Job<'_, T>, count: usize, accumulate: bool) {
    let Job { c, k, steps, .. } = *job;
    let spec = Gemm {
        a_rs: 1,
        a_cs: c as isize,
        a_bs: steps[0] as isize,
        b_bs: steps[1] as isize,
        c_bs: steps[2] as isize,
        accumulate,
        ..Gemm::new(c, k, count).batch(POINTS)
    };
    // SAFETY: the three lie in the scratch as the strides say; the transforms have filled inputs and
    // gradients of `count` tiles, and the first product all sums.
    unsafe { gemm(&spec, job.inputs, job.grads, job.sums, &Epilogue::NONE) };
}

fn transform_back<T: Float>(job: &Job<'_, T>) {
    let isa = level();
    let rows = job.cor.source_c;
    parallel_for(rows, 6 * POINTS * rows * job.k, |row| {
        at_level(isa, || dispatch(Back { job, row }));
    });
}

/// Tiles `from..to` of the block that starts at tile `first`.
struct Transform<'a, T> {
    job: &'a Job<'a, T>,
    first: usize,
    from: usize,
    to: usize,
    /// A row of zeros and half transformed vectors: had outside, since closures in here would be
    /// compiled without the instruction set.
    scratch: *mut T,
}

impl<T: Float> Kernel for Transform<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        let Transform {
            job,
            first,
            from,
            to,
            scratch: zero,
        } = self;
        let k = Constants::new::<T, T::Simd<I>>();
        let zeros = job.c.max(job.k);
        for i in 0..zeros {
            zero.add(i).write(T::ZERO);
        }
        transform_tiles::<T, T::Simd<I>>(job, first, from..to, zero, zero.add(zeros), &k);
    }
}

#[inline(always)]
unsafe fn transform_tiles<T: Float, L: Lanes<T>>(
    job: &Job<'_, T>,
    first: usize,
    tiles: std::ops::Range<usize>,
    zeros: *const T,
    half: *mut T,
    k: &Constants<L::V>,
) {
    let cor = job.cor;
    for t in tiles {
        let patch = patch(cor, &job.tiles, first + t, job.x, zeros);
        let to = job.inputs.add(t * job.c);
        transform_patch::<T, L>(&patch, cor.source_c, half, to, job.steps[0], k);
        let patch = outputs(job, first + t, zeros);
        let to = job.grads.add(t * job.k);
        transform_outputs::<T, L>(&patch, cor.target_c, half, to, job.steps[1], k);
    }
}

/// The 4 x 4 output gradients of tile `i`; `zeros` stands for those that do not exist.
#[inline(always)]
unsafe fn outputs<T>(job: &Job<'_, T>, i: usize, zeros: *const T) -> [*const T; OUT * OUT] {
    let [n, z, y, x] = job.tiles.at(i);
    let [d, h, w] = &job.cor.axes;
    let mut p = [zeros; OUT * OUT];
    for r in 0..OUT.min(h.count - y) {
        let line = ((n * d.count + z) * h.count + y + r) * w.count + x;
        for c in 0..OUT.min(w.count - x) {
            p[r * OUT + c] = job.dy.add((line + c) * job.cor.target_c);
        }
    }
    p
}

/// Transforms the gradients of one tile, as [`transform_patch`] its inputs.
#[inline(always)]
unsafe fn transform_outputs<T: Float, L: Lanes<T>>(
    patch: &[*const T; OUT * OUT],
    channels: usize,
    half: *mut T,
    to: *mut T,
    step: usize,
    k: &Constants<L::V>,
) {
    for channel in (0..channels).step_by(L::N) {
        let left = channels - channel;
        for c in 0..OUT {
            let mut g = [L::zero(); OUT];
            for r in 0..OUT {
                g[r] = L::load_partial(patch[r * OUT + c].add(channel), left);
            }
            let g = filter::<T, L, OUT>(g, k);
            for r in 0..IN {
                L::store(half.add((r * OUT + c) * L::N), g[r]);
            }
        }
        for r in 0..IN {
            let mut g = [L::zero(); OUT];
            for c in 0..OUT {
                g[c] = L::load(half.add((r * OUT + c) * L::N));
            }
            let g = filter::<T, L, OUT>(g, k);
            for c in 0..IN {
                L::store(to.add((r * IN + c) * step + channel), g[c]);
            }
        }
    }
}

/// The nine taps of one input channel.
struct Back<'a, T> {
    job: &'a Job<'a, T>,
    row: usize,
}

impl<T: Float> Kernel for Back<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        transform_row::<T, T::Simd<I>>(self.job, self.row);
    }
}

#[inline(always)]
unsafe fn transform_row<T: Float, L: Lanes<T>>(job: &Job<'_, T>, row: usize) {
    let constants = Constants::new::<T, L>();
    let step = job.steps[2];
    let filters = job.cor.target_c;
    for at in (0..filters).step_by(L::N) {
        let from = job.sums.add(row * job.k + at);
        let mut half = [[L::zero(); IN]; 3];
        for c in 0..IN {
            let mut m = [L::zero(); IN];
            for r in 0..IN {
                m[r] = L::load(from.add((r * IN + c) * step));
            }
            let y = output::<T, L, 3>(m, &constants);
            for r in 0..3 {
                half[r][c] = y[r];
            }
        }
        for r in 0..3 {
            let y = output::<T, L, 3>(half[r], &constants);
            for c in 0..3 {
                let tap = (r * 3 + c) * job.cor.source_c + row;
                L::store_partial(job.dw.add(tap * filters + at), y[c], filters - at);
            }
        }
    }
}
