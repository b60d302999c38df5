//! Winograd's algorithm for kernels of 3 x 3 with stride 1: a quarter of the multiplications.
//!
//! The output is cut into tiles of 4 x 4. Their input patches of 6 x 6 are transformed, 36
//! products of matrices (tiles by channels) follow, and their results are transformed back, block
//! by block in cache. Rounding errors are two to three times those of the direct sum (1.5e-6 of the
//! largest output instead of 0.6e-6, measured), which training does not notice; `f64` is always
//! computed directly. Infinities become NaN in all outputs of a tile.

mod forward;
mod kernel_grad;
mod transform;

pub(super) use forward::correlate;
pub(super) use kernel_grad::kernel_grad;

use super::geometry::Correlation;
use crate::simd::{Float, Lanes};
use transform::{Constants, IN, OUT, POINTS, signal};

/// Channels below which the transforms cost more than they save.
const MIN_CHANNELS: usize = 16;
/// Tiles below which transforming the kernel costs too much.
const MIN_TILES: usize = 32;
/// Input times output channels beyond which the transformed kernels take too much memory.
const MAX_CHANNEL_PAIRS: usize = 1 << 20;

/// The tiles of a correlation.
#[derive(Clone, Copy, Debug)]
struct Tiles {
    /// Output depths of an image, rows and columns of tiles.
    grid: [usize; 3],
    /// Tiles of all images.
    count: usize,
    /// Source position of the first output's first tap, along each axis.
    low: [isize; 3],
}

impl Tiles {
    fn new(cor: &Correlation) -> Tiles {
        let [d, h, w] = &cor.axes;
        let grid = [d.count, h.count.div_ceil(OUT), w.count.div_ceil(OUT)];
        Tiles {
            grid,
            count: cor.n * grid.iter().product::<usize>(),
            low: [d.low(), h.low(), w.low()],
        }
    }

    /// Image, depth, first output row and column of tile `i`.
    #[inline(always)]
    fn at(&self, i: usize) -> [usize; 4] {
        let [d, h, w] = self.grid;
        [
            i / (d * h * w),
            i / (h * w) % d,
            i / w % h * OUT,
            i % w * OUT,
        ]
    }
}

/// Is the correlation one of 3 x 3 taps side by side, large enough for Winograd's algorithm?
pub(super) fn applies<T>(cor: &Correlation) -> bool {
    let [d, h, w] = &cor.axes;
    let plain = |axis: &super::geometry::Axis| {
        axis.taps.len() == 3
            && axis.kernel == 3
            && axis.dense()
            && axis.stride == 1
            && axis.target_step == 1
    };
    let tiles = Tiles::new(cor).count;
    size_of::<T>() == 4
        && cor.groups == 1
        && !cor.depthwise
        && d.taps.len() == 1
        && plain(h)
        && plain(w)
        && cor.source_c.min(cor.target_c) >= MIN_CHANNELS
        && cor.source_c.saturating_mul(cor.target_c) <= MAX_CHANNEL_PAIRS
        && tiles >= MIN_TILES
        // Tiles that hang over the edge: at least half of each is used.
        && tiles * OUT * OUT <= 2 * cor.positions()
}

/// `elements` and a few more, to make an odd number of cache lines: neighbours at that distance
/// never fall into the same few sets of the cache.
fn odd_lines<T>(elements: usize) -> usize {
    let line = 64 / size_of::<T>();
    (elements.div_ceil(line) | 1) * line
}

/// Elements of a transformed tile with rows of `row` elements.
fn tile_len<T>(row: usize) -> usize {
    odd_lines::<T>(POINTS * row)
}

/// The 6 x 6 inputs of tile `i`; `zeros` stands for those outside the source.
#[inline(always)]
unsafe fn patch<T>(
    cor: &Correlation,
    tiles: &Tiles,
    i: usize,
    source: *const T,
    zeros: *const T,
) -> [*const T; POINTS] {
    let [n, z, y, x] = tiles.at(i);
    let [d, h, w] = &cor.axes;
    let inside = |v: isize, axis: &super::geometry::Axis| v >= 0 && (v as usize) < axis.source;
    let z = (z * d.stride) as isize + tiles.low[0];
    let mut p = [zeros; POINTS];
    if !inside(z, d) {
        return p;
    }
    let plane = (n * d.source + z as usize) * h.source;
    for r in 0..IN {
        let row = (y + r) as isize + tiles.low[1];
        if !inside(row, h) {
            continue;
        }
        let line = (plane + row as usize) * w.source;
        for c in 0..IN {
            let column = (x + c) as isize + tiles.low[2];
            if inside(column, w) {
                p[r * IN + c] = source.add((line + column as usize) * cor.source_c);
            }
        }
    }
    p
}

/// Transforms a patch of `c` channels; point `p` goes to `to + p * step`; the last vector is
/// filled with zeros. `half` is 64-byte aligned scratch for [`POINTS`] vectors: left to the
/// compiler, what lies between rows and columns would be spilled across cache lines and pages.
#[inline(always)]
unsafe fn transform_patch<T: Float, L: Lanes<T>>(
    patch: &[*const T; POINTS],
    c: usize,
    half: *mut T,
    to: *mut T,
    step: usize,
    k: &Constants<L::V>,
) {
    for channel in (0..c).step_by(L::N) {
        let lanes = c - channel;
        for c in 0..IN {
            let mut s = [L::zero(); IN];
            if lanes >= L::N {
                for r in 0..IN {
                    s[r] = L::load(patch[r * IN + c].add(channel));
                }
            } else {
                for r in 0..IN {
                    s[r] = L::load_partial(patch[r * IN + c].add(channel), lanes);
                }
            }
            let s = signal::<T, L>(s, k);
            for r in 0..IN {
                L::store(half.add((r * IN + c) * L::N), s[r]);
            }
        }
        for r in 0..IN {
            let mut s = [L::zero(); IN];
            for c in 0..IN {
                s[c] = L::load(half.add((r * IN + c) * L::N));
            }
            let s = signal::<T, L>(s, k);
            for c in 0..IN {
                L::store(to.add((r * IN + c) * step + channel), s[c]);
            }
        }
    }
}
