//! Convolution over one to three dimensions, any stride, dilation, padding and number of groups:
//! forward, gradient of the input, gradient of the kernel.
//!
//! Images are `[n, depth, height, width, channels]`, kernels
//! `[depth, height, width, channels / groups, filters]`. All three directions run the same
//! register tiles ([`tile`]) over cache-sized regions of the padded source ([`region`]), without an
//! im2col matrix. Where shapes say that it pays, kernels of 3 x 3 go through Winograd's algorithm
//! ([`winograd`]), those of one element through matrix products ([`pointwise`]), large ones through
//! products over gathered windows ([`lowered`]), and those of single channels through loops of
//! their own ([`depthwise`]). Results are the same bits for any number of threads, since an
//! element's sum depends on shapes alone.

// Register tiles are read by row and column number.
#![allow(clippy::needless_range_loop)]

mod correlate;
mod depthwise;
mod geometry;
mod kernel_grad;
mod lowered;
mod pack;
mod pointwise;
mod region;
mod tile;
mod winograd;

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;

pub use geometry::ConvShape;

use super::gemm;
use crate::simd::{Float, Level, level, with_level};

/// What is applied to each output before it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `max(0, y)`; NaN stays NaN.
    Relu,
}

/// What happens to the sums while they are still in registers.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a, T> {
    /// Added to each output, by filter.
    pub bias: Option<&'a [T]>,
    /// Applied after that.
    pub activation: Activation,
}

impl<T> Default for Epilogue<'_, T> {
    fn default() -> Self {
        Epilogue {
            bias: None,
            activation: Activation::None,
        }
    }
}

impl<T: Float> Epilogue<'_, T> {
    /// The same for a matrix product whose columns are the filters.
    fn of_product(&self) -> gemm::Epilogue<T> {
        let activation = match self.activation {
            Activation::None => gemm::Activation::None,
            Activation::Relu => gemm::Activation::Relu,
        };
        let bias = self.bias.map_or(std::ptr::null(), <[T]>::as_ptr);
        gemm::Epilogue::bias(bias, activation)
    }
}

/// `y[o] = epilogue(sum over taps t and channels of x[o * stride + t * dilation - pad] * w[t])`.
///
/// # Panics
/// When a slice has another length than `s` says.
pub fn forward<T: Float>(s: &ConvShape, x: &[T], w: &[T], y: &mut [T], epilogue: &Epilogue<'_, T>) {
    s.check(x.len(), w.len(), y.len());
    assert!(epilogue.bias.is_none_or(|b| b.len() == s.k), "bias length");
    if pointwise::applies(s) {
        return pointwise::forward(s, x, w, y, epilogue);
    }
    let cor = s.forward();
    if !winograd::applies::<T>(&cor) && lowered::applies::<T>(&cor) {
        return lowered::forward(&cor, x, w, y, epilogue);
    }
    correlate::correlate(&cor, x, w, false, y, epilogue);
}

/// `dx = sum over outputs o and taps t that read it of dy[o] * w[t]`: the transpose of
/// [`forward`] in `x`, and the forward of a transposed convolution.
///
/// # Panics
/// When a slice has another length than `s` says.
pub fn input_grad<T: Float>(s: &ConvShape, dy: &[T], w: &[T], dx: &mut [T]) {
    s.check(dx.len(), w.len(), dy.len());
    if pointwise::applies(s) {
        return pointwise::input_grad(s, dy, w, dx);
    }
    for phase in s.input_grad_phases() {
        correlate::correlate(&phase, dy, w, true, dx, &Epilogue::default());
    }
}

/// `dw[t] = sum over outputs o of x[o * stride + t * dilation - pad] * dy[o]`: the transpose of
/// [`forward`] in `w`.
///
/// # Panics
/// When a slice has another length than `s` says.
pub fn kernel_grad<T: Float>(s: &ConvShape, x: &[T], dy: &[T], dw: &mut [T]) {
    s.check(x.len(), dw.len(), dy.len());
    let forward = s.forward();
    if pointwise::applies(s) {
        pointwise::kernel_grad(s, x, dy, dw);
    } else if forward.depthwise {
        depthwise::kernel_grad(&forward, x, dy, dw);
    } else if winograd::applies::<T>(&forward) {
        winograd::kernel_grad(&forward, x, dy, dw);
    } else if lowered::applies::<T>(&forward) {
        lowered::kernel_grad(&forward, x, dy, dw);
    } else {
        kernel_grad::kernel_grad(s, x, dy, dw);
    }
}

/// Lanes of the present level.
fn lanes<T>() -> usize {
    let bytes = match level() {
        Level::Avx512 => 64,
        Level::Avx2 => 32,
        Level::Neon => 16,
        Level::Scalar => size_of::<T>(),
    };
    bytes / size_of::<T>()
}

/// Runs a part of a kernel on whatever thread it landed on, at the level of the thread that began.
fn at_level<R>(l: Level, f: impl FnOnce() -> R) -> R {
    if level() == l { f() } else { with_level(l, f) }
}
