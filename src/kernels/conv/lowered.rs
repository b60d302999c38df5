//! Large kernels that Winograd's algorithm does not take: matrix products over gathered windows.
//!
//! Where the weights do not fit the second-level cache, blocks of positions that do are too few to
//! repay reading all the weights, or adding to all their gradients, for each. The windows of many
//! positions are written side by side (im2col: Chellapilla, Puri and Simard 2006) and the blocks
//! of the matrix product do the rest. A window of `r` elements takes part in `2 r k` operations, so
//! copying it costs little where there are many filters.

use super::geometry::Correlation;
use super::{Epilogue, at_level};
use crate::buffer::with_scratch;
use crate::kernels::gemm::{self, Gemm, gemm};
use crate::par::parallel_for;
use crate::simd::{Float, level};
use std::ops::Range;

/// Bytes of weights from which products pay: about a second-level cache.
const WEIGHTS_BYTES: usize = 1 << 20;
/// Filters from which copying windows costs little.
const MIN_FILTERS: usize = 128;
/// Bytes of windows at a time: each part reads all the weights, or reads and writes their sums.
/// Tests see several parts of small arrays.
const WINDOWS_BYTES: usize = if cfg!(test) { 1 << 18 } else { 16 << 20 };

/// Do the forward correlation `cor` and its kernel gradient pay as matrix products?
pub(super) fn applies<T>(cor: &Correlation) -> bool {
    let whole = cor.axes.iter().all(|a| a.taps.len() == a.kernel);
    whole
        && cor.groups == 1
        && !cor.depthwise
        && cor.target_c >= MIN_FILTERS
        && cor.positions() > 0
        && rows(cor) * cor.target_c * size_of::<T>() >= WEIGHTS_BYTES
}

/// Elements of a window.
fn rows(cor: &Correlation) -> usize {
    cor.taps() * cor.source_c
}

/// `y = epilogue(windows w)`.
pub(super) fn forward<T: Float>(
    cor: &Correlation,
    x: &[T],
    w: &[T],
    y: &mut [T],
    epilogue: &Epilogue<'_, T>,
) {
    let after = epilogue.of_product();
    let k = cor.target_c;
    with_windows(cor, x, |windows, positions| {
        let product = Gemm::new(positions.len(), k, rows(cor));
        let y = &mut y[positions.start * k..positions.end * k];
        // SAFETY: dense matrices: windows of these positions, the kernel, and their outputs.
        unsafe { gemm(&product, windows, w.as_ptr(), y.as_mut_ptr(), &after) };
    });
}

/// `dw = windows^T dy`.
pub(super) fn kernel_grad<T: Float>(cor: &Correlation, x: &[T], dy: &[T], dw: &mut [T]) {
    let k = cor.target_c;
    with_windows(cor, x, |windows, positions| {
        let mut product = Gemm::new(rows(cor), k, positions.len()).transpose_a();
        product.accumulate = positions.start > 0;
        let dy = &dy[positions.start * k..positions.end * k];
        let none = gemm::Epilogue::NONE;
        // SAFETY: dense matrices: windows of these positions, their gradients, and the kernel's.
        unsafe { gemm(&product, windows, dy.as_ptr(), dw.as_mut_ptr(), &none) };
    });
}

/// Calls `f` with the windows of some positions at a time, in their order.
fn with_windows<T: Float>(cor: &Correlation, x: &[T], mut f: impl FnMut(*const T, Range<usize>)) {
    let [depth, height, width] = [0, 1, 2].map(|a| cor.axes[a].count);
    let (lines, rows) = (cor.n * depth * height, rows(cor));
    let most = WINDOWS_BYTES / size_of::<T>() / (width * rows);
    // Equal parts.
    let part = lines.div_ceil(lines.div_ceil(most.max(1)));
    let isa = level();
    with_scratch::<T, _>(part * width * rows, |scratch| {
        let windows = Shared(scratch.as_mut_ptr().cast::<T>());
        for first in (0..lines).step_by(part) {
            let count = part.min(lines - first);
            parallel_for(count, 2 * count * width * rows * size_of::<T>(), |i| {
                at_level(isa, || {
                    let to = windows.get().wrapping_add(i * width * rows);
                    // SAFETY: each task writes the windows of one line.
                    unsafe { gather(cor, x, first + i, to) };
                });
            });
            f(windows.get(), first * width..(first + count) * width);
        }
    });
}

/// The windows of line number `line`, zeros outside the source.
///
/// # Safety
/// `to` has room for the windows of all positions of the line.
unsafe fn gather<T: Float>(cor: &Correlation, x: &[T], line: usize, mut to: *mut T) {
    let [d, h, w] = &cor.axes;
    let (y, z, image) = (
        line % h.count * h.stride,
        line / h.count % d.count * d.stride,
        line / h.count / d.count,
    );
    let inside = |at: isize, size: usize| usize::try_from(at).is_ok_and(|at| at < size);
    for q in 0..w.count {
        for td in &d.taps {
            for th in &h.taps {
                let (sz, sy) = (z as isize + td.at, y as isize + th.at);
                let exists = inside(sz, d.source) && inside(sy, h.source);
                for tw in &w.taps {
                    let sx = (q * w.stride) as isize + tw.at;
                    if exists && inside(sx, w.source) {
                        let row = (image * d.source + sz as usize) * h.source + sy as usize;
                        let from = (row * w.source + sx as usize) * cor.source_c;
                        let from = &x[from..][..cor.source_c];
                        std::ptr::copy_nonoverlapping(from.as_ptr(), to, cor.source_c);
                    } else {
                        for i in 0..cor.source_c {
                            to.add(i).write(T::ZERO);
                        }
                    }
                    to = to.add(cor.source_c);
                }
            }
        }
    }
}

/// Memory of which every task writes its own part.
struct Shared<T>(*mut T);
// SAFETY: see above.
unsafe impl<T: Send> Sync for Shared<T> {}
impl<T> Shared<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}
