//! Kernels of one element: matrix products over pixels.
//!
//! With a stride only every `stride`-th pixel takes part; those are copied side by side first, which
//! costs little beside the product.

use super::geometry::ConvShape;
use super::{Epilogue, at_level};
use crate::buffer::with_scratch;
use crate::kernels::gemm::{self, Gemm, gemm};
use crate::par::parallel_for;
use crate::simd::{Float, level};

/// Elements of a kernel from which the blocks of the matrix product beat the direct loops.
const LARGE_KERNEL: usize = 1 << 14;

/// Is the convolution a matrix product, and better computed as one?
pub(super) fn applies(s: &ConvShape) -> bool {
    let whole = (0..3).all(|a| {
        let last = s.output[a].saturating_sub(1) * s.stride[a];
        s.kernel[a] == 1 && s.pad[a] == 0 && last < s.input[a]
    });
    whole && s.groups == 1 && s.y_len() > 0 && (is_strided(s) || s.c * s.k >= LARGE_KERNEL)
}

fn is_strided(s: &ConvShape) -> bool {
    s.input != s.output
}

/// Pixels of all outputs.
fn pixels(s: &ConvShape) -> usize {
    s.n * s.output.iter().product::<usize>()
}

/// `y = epilogue(x w)`.
pub(super) fn forward<T: Float>(
    s: &ConvShape,
    x: &[T],
    w: &[T],
    y: &mut [T],
    epilogue: &Epilogue<'_, T>,
) {
    let after = epilogue.of_product();
    with_pixels(s, x, |x| {
        let product = Gemm::new(pixels(s), s.k, s.c);
        // SAFETY: dense matrices of the sizes that `check` has found.
        unsafe { gemm(&product, x, w.as_ptr(), y.as_mut_ptr(), &after) };
    });
}

/// `dx = dy w^T`, and zero at the pixels that no output reads.
pub(super) fn input_grad<T: Float>(s: &ConvShape, dy: &[T], w: &[T], dx: &mut [T]) {
    let product = Gemm::new(pixels(s), s.c, s.k).transpose_b();
    let run = |dx: *mut T| {
        // SAFETY: dense matrices of the sizes that `check` has found.
        unsafe { gemm(&product, dy.as_ptr(), w.as_ptr(), dx, &gemm::Epilogue::NONE) };
    };
    if !is_strided(s) {
        return run(dx.as_mut_ptr());
    }
    with_scratch::<T, _>(pixels(s) * s.c, |packed| {
        run(packed.as_mut_ptr().cast());
        // SAFETY: the product has filled it.
        let packed =
            unsafe { std::slice::from_raw_parts(packed.as_ptr().cast::<T>(), packed.len()) };
        let to = Shared(dx.as_mut_ptr());
        let [d, h, w] = s.input;
        let isa = level();
        parallel_for(s.n * d * h, 2 * dx.len() * size_of::<T>(), |line| {
            at_level(isa, || {
                // SAFETY: each task writes one line of `dx`.
                let to = unsafe {
                    std::slice::from_raw_parts_mut(to.get().add(line * w * s.c), w * s.c)
                };
                to.fill(T::ZERO);
                let (y, z, image) = (line % h, line / h % d, line / h / d);
                let read = y.is_multiple_of(s.stride[1]) && z.is_multiple_of(s.stride[0]);
                let (oy, oz) = (y / s.stride[1], z / s.stride[0]);
                if !read || oy >= s.output[1] || oz >= s.output[0] {
                    return;
                }
                let row = (image * s.output[0] + oz) * s.output[1] + oy;
                let len = s.output[2] * s.c;
                for (pixel, from) in packed[row * len..][..len].chunks_exact(s.c).enumerate() {
                    to[pixel * s.stride[2] * s.c..][..s.c].copy_from_slice(from);
                }
            });
        });
    });
}

/// `dw = x^T dy`.
pub(super) fn kernel_grad<T: Float>(s: &ConvShape, x: &[T], dy: &[T], dw: &mut [T]) {
    with_pixels(s, x, |x| {
        let product = Gemm::new(s.c, s.k, pixels(s)).transpose_a();
        // SAFETY: dense matrices of the sizes that `check` has found.
        unsafe {
            gemm(
                &product,
                x,
                dy.as_ptr(),
                dw.as_mut_ptr(),
                &gemm::Epilogue::NONE,
            )
        };
    });
}

/// Calls `f` with the pixels of `x` that outputs read, side by side.
fn with_pixels<T: Float>(s: &ConvShape, x: &[T], f: impl FnOnce(*const T)) {
    if !is_strided(s) {
        return f(x.as_ptr());
    }
    let len = s.output[2] * s.c;
    with_scratch::<T, _>(pixels(s) * s.c, |packed| {
        let to = Shared(packed.as_mut_ptr().cast::<T>());
        let [d, h, w] = s.input;
        let lines = s.n * s.output[0] * s.output[1];
        parallel_for(lines, 2 * packed.len() * size_of::<T>(), |row| {
            let (y, z) = (row % s.output[1], row / s.output[1] % s.output[0]);
            let image = row / s.output[1] / s.output[0];
            let line = (image * d + z * s.stride[0]) * h + y * s.stride[1];
            let from = &x[line * w * s.c..][..w * s.c];
            for pixel in 0..s.output[2] {
                let from = &from[pixel * s.stride[2] * s.c..][..s.c];
                // SAFETY: each task writes one line of outputs.
                unsafe {
                    let to = to.get().add(row * len + pixel * s.c);
                    std::ptr::copy_nonoverlapping(from.as_ptr(), to, s.c);
                }
            }
        });
        f(packed.as_ptr().cast());
    });
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
