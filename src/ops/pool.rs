//! Max and average pooling.
//!
//! Max pooling carries the position of each maximum; its gradient scatters by these positions, and
//! the gradient of the scatter gathers by the same, so gradients of any order need no further rule.
//! Average pooling is linear: its gradient is its transpose, whose gradient is average pooling.

use crate::args::{DataFormat, Ints, Padding};
use crate::aval::{Aval, DType, Shape, checked_bytes};
use crate::bind::{bind, bind1, is_recording};
use crate::error::{Error, Result};
use crate::kernels::pool::{self as kernels, PoolShape};
use crate::op;
use crate::op::{Avals, Grads, Op, Run, Vjp, one};
use crate::ops::window::{Window, channels_last, per_axis, restore, spatial, spatial_rank};
use crate::ops::{map, math};
use crate::simd::Float;
use crate::tensor::Tensor;
use smallvec::smallvec;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// `(y, index)` from `x`.
    MaxIndex,
    /// `y` from `x`: for results that nobody differentiates.
    Max,
    /// `dx` from `(dy, index)`.
    Scatter,
    /// `y` from `(x, index)`.
    Gather,
    /// `y` from `x`.
    Average,
    /// `dx` from `dy`.
    Spread,
}

/// A pooling in one direction.
#[derive(Clone, Debug)]
struct Pool {
    what: What,
    /// Spatial axes of the tensors; the sizes in `shape` have ones in front.
    rank: usize,
    shape: PoolShape,
}

impl Pool {
    fn towards(&self, what: What) -> Pool {
        Pool {
            what,
            ..self.clone()
        }
    }
    fn large(&self) -> Shape {
        self.array(&self.shape.input)
    }
    fn small(&self) -> Shape {
        self.array(&self.shape.output)
    }
    fn array(&self, axes: &[usize; 3]) -> Shape {
        [&[self.shape.n], &axes[3 - self.rank..], &[self.shape.c]]
            .concat()
            .into()
    }
}

impl Op for Pool {
    fn name(&self) -> &'static str {
        match self.what {
            What::MaxIndex | What::Max => "max_pool",
            What::Scatter => "max_pool_grad",
            What::Gather => "max_pool_gather",
            What::Average => "average_pool",
            What::Spread => "average_pool_grad",
        }
    }

    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let (large, small, dtype) = (self.large(), self.small(), x[0].dtype);
        let scatters = matches!(self.what, What::Scatter | What::Spread);
        let (from, to) = if scatters {
            (&small, &large)
        } else {
            (&large, &small)
        };
        let index = Aval::new(&small, DType::I32);
        let indexed = matches!(self.what, What::Scatter | What::Gather);
        if x[0].shape != *from || (indexed && x[1] != index) {
            return Err(Error::shape(
                self.name(),
                format!(
                    "got {x:?}, expected {dtype}{:?}{}",
                    from.as_slice(),
                    if indexed {
                        format!(" and {index:?}")
                    } else {
                        String::new()
                    }
                ),
            ));
        }
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(Error::dtype(
                self.name(),
                format!("computes float32 and float64, not {dtype}"),
            ));
        }
        checked_bytes(self.name(), to, dtype)?;
        let mut outs = one(to.clone(), dtype);
        if self.what == What::MaxIndex {
            outs.push(index);
        }
        Ok(outs)
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let g = cx.g(0)?;
        let by_index = |what| bind1(self.towards(what), &[&g, cx.x(1)]).map(Some);
        Ok(match self.what {
            What::MaxIndex => smallvec![Some(bind1(self.towards(What::Scatter), &[&g, &cx.y(1)])?)],
            What::Max => {
                let index = bind(self.towards(What::MaxIndex), &[cx.x(0)])?.remove(1);
                smallvec![Some(bind1(self.towards(What::Scatter), &[&g, &index])?)]
            }
            What::Scatter => smallvec![by_index(What::Gather)?, None],
            What::Gather => smallvec![by_index(What::Scatter)?, None],
            What::Average => smallvec![Some(bind1(self.towards(What::Spread), &[&g])?)],
            What::Spread => smallvec![Some(bind1(self.towards(What::Average), &[&g])?)],
        })
    }

    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        // Examples become more images; indices count within their image.
        let mut more = self.clone();
        more.shape.n *= size;
        let folded: Vec<Tensor> = x
            .iter()
            .zip(batched)
            .map(|(t, &b)| crate::batching::fold(&crate::batching::lead(t, b, size)?))
            .collect::<Result<_>>()?;
        let refs: Vec<&Tensor> = folded.iter().collect();
        bind(more, &refs)?
            .iter()
            .map(|y| crate::batching::unfold(y, size))
            .collect::<Result<_>>()
            .map(Some)
    }
    fn run(&self, cx: &mut Run) {
        match cx.outs[0].dtype() {
            DType::F32 => self.run_as::<f32>(cx),
            DType::F64 => self.run_as::<f64>(cx),
            other => unreachable!("pooling of {other}: infer takes float32 and float64 only"),
        }
    }
}

impl Pool {
    fn run_as<T: Float + crate::buffer::Element>(&self, cx: &mut Run) {
        let (s, x) = (&self.shape, cx.ins[0].slice::<T>());
        let index = cx.ins.get(1).map_or(&[][..], |v| v.slice::<i32>());
        let (first, rest) = cx.outs.split_at_mut(1);
        let out = first[0].slice_mut::<T>();
        match self.what {
            What::MaxIndex => kernels::max_pool(s, x, out, Some(rest[0].slice_mut())),
            What::Max => kernels::max_pool(s, x, out, None),
            What::Scatter => kernels::max_pool_scatter(s, x, index, out),
            What::Gather => kernels::max_pool_gather(s, x, index, out),
            What::Average => kernels::average_pool(s, x, out, false),
            What::Spread => kernels::average_pool_grad(s, x, out, false),
        }
    }
}

/// Pools with channels last and in the dtype of the computation, then goes back.
fn pool(
    op: &'static str,
    what: What,
    inputs: &Tensor,
    pool_size: &Ints,
    strides: Option<&Ints>,
    padding: &Padding,
    format: Option<DataFormat>,
) -> Result<Tensor> {
    map::require_float(op, inputs)?;
    let rank = spatial_rank(op, inputs)?;
    let size = per_axis(op, "pool_size", pool_size, rank)?;
    let window = Window {
        rank,
        size,
        stride: strides.map_or(Ok(size), |s| per_axis(op, "strides", s, rank))?,
        dilation: [1; 3],
    };
    let compute = if inputs.dtype() == DType::F64 {
        DType::F64
    } else {
        DType::F32
    };
    let x = math::cast(&channels_last(inputs, format)?, compute)?;
    let input = spatial(rank, 1, |a| x.shape()[a + 1]);
    if input
        .iter()
        .try_fold(1i32, |p, &n| p.checked_mul(i32::try_from(n).ok()?))
        .is_none()
    {
        return Err(Error::shape(
            op,
            format!("an image of {input:?} positions: more than 2^31"),
        ));
    }
    let (output, pad) = window.slide(op, input, padding)?;
    let shape = PoolShape {
        n: x.shape()[0],
        input,
        c: x.shape()[rank + 1],
        output,
        window: window.size,
        stride: window.stride,
        dilation: window.dilation,
        pad,
    };
    let y = bind(Pool { what, rank, shape }, &[&x])?.remove(0);
    restore(&math::cast(&y, inputs.dtype())?, format)
}

/// Whether `f64` holds all numbers of an integer type.
fn is_small_integer(dtype: DType) -> bool {
    !dtype.is_float() && dtype.size() <= 4
}

op! {
    /// The largest element of each window, channel by channel.
    ///
    /// `inputs` is `(batch, spatial.., channels)` with one to three spatial axes, or
    /// `(batch, channels, spatial..)` with `data_format="channels_first"`. `strides` is `pool_size` by
    /// default. With `padding="same"` there are `ceil(in / stride)` outputs; padding is never chosen.
    /// NaN propagates; among equal elements the gradient goes to the first. Integers stay what they are.
    ///
    /// # Errors
    /// `DTypeError` for integers of 64 bits; `ShapeError` for a wrong rank or a window larger than the input; `ArgumentError` for sizes or
    /// strides below 1.
    fn max_pool(
        inputs: &Tensor,
        pool_size: Ints,
        strides: Option<Ints> = None,
        padding: Padding = Padding::Valid,
        data_format: Option<DataFormat> = None,
    ) -> Tensor {
        if is_small_integer(inputs.dtype()) {
            let wide = math::cast(inputs, DType::F64)?;
            return math::cast(&max_pool(&wide, pool_size, strides, padding, data_format)?, inputs.dtype());
        }
        let differentiable = inputs.is_traced() || (is_recording() && inputs.node().is_some());
        let what = if differentiable { What::MaxIndex } else { What::Max };
        pool("max_pool", what, inputs, &pool_size, strides.as_ref(), &padding, data_format)
    }
    samples { super::conv_samples::of_pool(false) }
}

op! {
    /// The mean of each window, channel by channel. Padding is not counted.
    ///
    /// The arguments are those of [`max_pool`].
    ///
    /// # Errors
    /// As [`max_pool`].
    fn average_pool(
        inputs: &Tensor,
        pool_size: Ints,
        strides: Option<Ints> = None,
        padding: Padding = Padding::Valid,
        data_format: Option<DataFormat> = None,
    ) -> Tensor {
        pool("average_pool", What::Average, inputs, &pool_size, strides.as_ref(), &padding, data_format)
    }
    samples { super::conv_samples::of_pool(true) }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
