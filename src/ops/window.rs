//! What convolution and pooling share: spatial axes, sizes, strides, padding, data format.
//!
//! One and two spatial axes are treated as three with ones in front.

use crate::args::{DataFormat, Ints, Padding};
use crate::error::{Error, Result};
use crate::ops::view;
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// No stride, size or dilation may exceed this, so that products with axis sizes stay small.
const LIMIT: i64 = 1 << 31;

/// The number of spatial axes of `x`, or an error that says which ranks there are.
pub fn spatial_rank(op: &'static str, x: &Tensor) -> Result<usize> {
    match x.rank() {
        r @ 3..=5 => Ok(r - 2),
        r => Err(Error::shape(
            op,
            format!(
                "inputs must have rank 3, 4 or 5 (batch, 1 to 3 spatial axes, channels), not {r} \
                 (shape {:?}); add the missing axes with expand_dims",
                x.shape()
            ),
        )),
    }
}

/// An argument that is one positive number for all spatial axes or one for each.
pub fn per_axis(op: &'static str, name: &str, v: &Ints, rank: usize) -> Result<[usize; 3]> {
    let bad = |why: String| Err(Error::argument(op, format!("{name} = {:?}: {why}", v.0)));
    if v.0.len() != 1 && v.0.len() != rank {
        return bad(format!(
            "expected 1 integer or {rank}, one for each spatial axis"
        ));
    }
    if v.0.iter().any(|n| !(1..LIMIT).contains(n)) {
        return bad("must be positive and less than 2^31".to_string());
    }
    Ok(spatial(rank, 1, |a| {
        v.0[if v.0.len() == 1 { 0 } else { a }] as usize
    }))
}

/// Three axes of which the last `rank` are `f(0), f(1), ..`, the others `neutral`.
pub fn spatial<T: Copy>(rank: usize, neutral: T, f: impl Fn(usize) -> T) -> [T; 3] {
    std::array::from_fn(|a| {
        if a < 3 - rank {
            neutral
        } else {
            f(a + rank - 3)
        }
    })
}

/// The channels moved to the end.
pub fn channels_last(x: &Tensor, format: Option<DataFormat>) -> Result<Tensor> {
    if format != Some(DataFormat::ChannelsFirst) {
        return Ok(x.clone());
    }
    let mut order: SmallVec<[usize; 6]> = (0..x.rank()).collect();
    order[1..].rotate_left(1);
    view::permute(x, &order)
}

/// The channels moved back to where `format` has them.
pub fn restore(y: &Tensor, format: Option<DataFormat>) -> Result<Tensor> {
    if format != Some(DataFormat::ChannelsFirst) {
        return Ok(y.clone());
    }
    let mut order: SmallVec<[usize; 6]> = (0..y.rank()).collect();
    order[1..].rotate_right(1);
    view::permute(y, &order)
}

/// A window that slides along spatial axes.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Spatial axes.
    pub rank: usize,
    /// Taps along each axis.
    pub size: [usize; 3],
    /// Input positions between outputs.
    pub stride: [usize; 3],
    /// Input positions between taps.
    pub dilation: [usize; 3],
}

impl Window {
    /// Input positions from the first tap to the last along axis `a`.
    pub fn span(&self, a: usize) -> i128 {
        (self.size[a] as i128 - 1) * self.dilation[a] as i128 + 1
    }

    /// Output sizes and padding on the low side.
    ///
    /// `valid`: every tap lies inside, `out = (in - span) / stride + 1`. `same` (as TensorFlow):
    /// `out = ceil(in / stride)`, and of an odd number of zeros the extra one stands at the end.
    /// `causal`: all `span - 1` zeros in front, so output `t` sees nothing after `t * stride`.
    ///
    /// # Errors
    /// When the window does not fit into the padded input, or the padding does not fit the rank.
    pub fn slide(
        &self,
        op: &'static str,
        input: [usize; 3],
        padding: &Padding,
    ) -> Result<([usize; 3], [isize; 3])> {
        let (mut output, mut low) = ([1; 3], [0; 3]);
        for axis in 0..self.rank {
            let a = axis + 3 - self.rank;
            let (size, stride, span) = (input[a] as i128, self.stride[a] as i128, self.span(a));
            let (before, after) = match padding {
                Padding::Valid => (0, 0),
                Padding::Same => {
                    let out = (size + stride - 1) / stride;
                    let total = ((out - 1) * stride + span - size).max(0);
                    (total / 2, total - total / 2)
                }
                Padding::Causal if self.rank == 1 => (span - 1, 0),
                Padding::Causal => {
                    return Err(Error::argument(
                        op,
                        "padding=\"causal\" is for one spatial axis; use \"same\" or \"valid\"",
                    ));
                }
                Padding::Explicit(pairs) => explicit(op, pairs, self.rank, axis)?,
            };
            let room = size + before + after - span;
            if room < 0 {
                return Err(Error::shape(
                    op,
                    format!(
                        "a window of {} taps with dilation {} spans {span} positions, but spatial \
                         axis {axis} has {} after padding (input size {}); use a larger input, a \
                         smaller window or padding=\"same\"",
                        self.size[a],
                        self.dilation[a],
                        room + span,
                        input[a]
                    ),
                ));
            }
            output[a] = (room / stride + 1) as usize;
            low[a] = before as isize;
        }
        Ok((output, low))
    }
}

fn explicit(
    op: &'static str,
    pairs: &[(i64, i64)],
    rank: usize,
    axis: usize,
) -> Result<(i128, i128)> {
    let i = if pairs.len() == 1 { 0 } else { axis };
    match pairs.get(i) {
        Some(&(low, high))
            if (pairs.len() == rank || pairs.len() == 1)
                && low.abs() < LIMIT
                && high.abs() < LIMIT =>
        {
            Ok((low.into(), high.into()))
        }
        _ => Err(Error::argument(
            op,
            format!(
                "padding = {pairs:?}: expected \"valid\", \"same\", \"causal\", or one pair \
                 (low, high) less than 2^31 for each of the {rank} spatial axes"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(size: usize, stride: usize, dilation: usize) -> Window {
        Window {
            rank: 1,
            size: [1, 1, size],
            stride: [1, 1, stride],
            dilation: [1, 1, dilation],
        }
    }

    #[test]
    fn same_pads_the_end_more() {
        let slide = |w: Window, n| {
            let (out, low) = w.slide("t", [1, 1, n], &Padding::Same).unwrap();
            (out[2], low[2])
        };
        assert_eq!(slide(window(3, 1, 1), 5), (5, 1));
        assert_eq!(slide(window(3, 2, 1), 6), (3, 0));
        assert_eq!(slide(window(2, 1, 1), 5), (5, 0));
        assert_eq!(slide(window(1, 3, 1), 7), (3, 0));
        assert_eq!(slide(window(3, 1, 4), 5), (5, 4));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let e = window(5, 1, 1)
            .slide("conv", [1, 1, 4], &Padding::Valid)
            .unwrap_err();
        assert!(e.to_string().contains("5 positions"), "{e}");
        let mut w = window(2, 1, 1);
        w.rank = 2;
        assert!(w.slide("conv", [1, 4, 4], &Padding::Causal).is_err());
        assert!(
            w.slide("conv", [1, 4, 4], &Padding::Explicit(vec![(0, 0); 3]))
                .is_err()
        );
        assert!(per_axis("conv", "strides", &Ints(vec![1, 0]), 2).is_err());
        assert!(per_axis("conv", "strides", &Ints(vec![1, 2, 3]), 2).is_err());
    }
}
