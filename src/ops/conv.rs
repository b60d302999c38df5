//! Convolution: one op in three directions whose gradients are each other.
//!
//! `y = conv(x, w)` is bilinear. With a cotangent `g` of `y`, the gradient of `x` is
//! `input_grad(g, w)` and that of `w` is `kernel_grad(x, g)`; the gradients of these two are the
//! other two again, so gradients of any order need no further rule. A transposed convolution is
//! `input_grad` used forward.

use crate::args::{DataFormat, Ints, Padding};
use crate::aval::{Aval, DType, Shape, checked_bytes};
use crate::bind::bind1;
use crate::error::{Error, Result};
use crate::kernels::conv::{self as kernels, Activation, ConvShape, Epilogue};
use crate::op;
use crate::op::{Avals, Grads, Op, Run, Vjp, one};
use crate::ops::window::{Window, channels_last, per_axis, restore, spatial, spatial_rank};
use crate::ops::{map, math, view};
use crate::simd::Float;
use crate::tensor::Tensor;
use smallvec::smallvec;
use std::sync::Arc;

/// Which of the three arrays of a convolution is computed from the other two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dir {
    /// `y` from `(x, w)`.
    Forward,
    /// `x` from `(y, w)`.
    InputGrad,
    /// `w` from `(x, y)`.
    KernelGrad,
}

/// A convolution in one direction.
#[derive(Clone, Debug)]
struct Conv {
    dir: Dir,
    /// Spatial axes of the tensors; the sizes in `shape` have ones in front.
    rank: usize,
    shape: ConvShape,
}

impl Conv {
    fn towards(&self, dir: Dir) -> Conv {
        Conv {
            dir,
            ..self.clone()
        }
    }

    fn x(&self) -> Shape {
        let s = &self.shape;
        self.array(&[s.n], &s.input, &[s.c])
    }
    fn y(&self) -> Shape {
        let s = &self.shape;
        self.array(&[s.n], &s.output, &[s.k])
    }
    fn w(&self) -> Shape {
        let s = &self.shape;
        self.array(&[], &s.kernel, &[s.c / s.groups, s.k])
    }
    fn array(&self, first: &[usize], axes: &[usize; 3], last: &[usize]) -> Shape {
        [first, &axes[3 - self.rank..], last].concat().into()
    }
}

impl Op for Conv {
    fn name(&self) -> &'static str {
        match self.dir {
            Dir::Forward => "conv",
            Dir::InputGrad => "conv_input_grad",
            Dir::KernelGrad => "conv_kernel_grad",
        }
    }

    fn infer(&self, inputs: &[Aval]) -> Result<Avals> {
        let (a, b, out) = match self.dir {
            Dir::Forward => (self.x(), self.w(), self.y()),
            Dir::InputGrad => (self.y(), self.w(), self.x()),
            Dir::KernelGrad => (self.x(), self.y(), self.w()),
        };
        let dtype = inputs[0].dtype;
        if inputs[0].shape != a || inputs[1].shape != b || inputs[1].dtype != dtype {
            return Err(Error::shape(
                self.name(),
                format!(
                    "got {:?} and {:?}, expected {dtype} of shapes {a:?} and {b:?}",
                    inputs[0], inputs[1]
                ),
            ));
        }
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(Error::dtype(
                self.name(),
                format!("computes float32 and float64, not {dtype}"),
            ));
        }
        checked_bytes(self.name(), &out, dtype)?;
        Ok(one(out, dtype))
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let (a, b, g) = (cx.x(0), cx.x(1), cx.g(0)?);
        let [first, second] = match self.dir {
            Dir::Forward => [(Dir::InputGrad, &g, b), (Dir::KernelGrad, a, &g)],
            Dir::InputGrad => [(Dir::Forward, &g, b), (Dir::KernelGrad, &g, a)],
            Dir::KernelGrad => [(Dir::InputGrad, b, &g), (Dir::Forward, a, &g)],
        };
        let grad = |i, (dir, a, b): (Dir, &Tensor, &Tensor)| {
            cx.wants(i)
                .then(|| bind1(self.towards(dir), &[a, b]))
                .transpose()
        };
        Ok(smallvec![grad(0, first)?, grad(1, second)?])
    }

    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        // Examples become more images, as long as all share the kernel.
        let images = match self.dir {
            Dir::KernelGrad => return Ok(None),
            Dir::Forward | Dir::InputGrad => !batched[1],
        };
        if !images {
            return Ok(None);
        }
        let mut more = self.clone();
        more.shape.n *= size;
        let y = bind1(more, &[&crate::batching::fold(&x[0])?, &x[1]])?;
        Ok(Some(smallvec![crate::batching::unfold(&y, size)?]))
    }
    fn sum_over_steps(&self, stacked: &[Tensor]) -> Option<Result<Tensor>> {
        // The gradient of a kernel is a sum over images anyway: the steps are more of them.
        (self.dir == Dir::KernelGrad).then(|| {
            let mut all = self.clone();
            all.shape.n *= stacked[0].shape()[0];
            let [x, y] = [&stacked[0], &stacked[1]].map(crate::batching::fold);
            bind1(all, &[&x?, &y?])
        })
    }
    fn run(&self, cx: &mut Run) {
        match cx.outs[0].dtype() {
            DType::F32 => self.run_as::<f32>(cx),
            DType::F64 => self.run_as::<f64>(cx),
            other => unreachable!("conv of {other}: infer takes float32 and float64 only"),
        }
    }

    fn with_bias(&self, _: &[Aval], relu: bool) -> Option<Arc<dyn Op>> {
        (self.dir == Dir::Forward).then(|| {
            let conv = self.clone();
            Arc::new(BiasedConv { conv, relu }) as Arc<dyn Op>
        })
    }
}

/// A forward [`Conv`] and what [`Op::with_bias`] says.
#[derive(Clone, Debug)]
struct BiasedConv {
    conv: Conv,
    relu: bool,
}

impl Op for BiasedConv {
    fn name(&self) -> &'static str {
        if self.relu {
            "conv+add+relu"
        } else {
            "conv+add"
        }
    }

    fn infer(&self, inputs: &[Aval]) -> Result<Avals> {
        self.conv.infer(&inputs[..2])
    }

    fn run(&self, cx: &mut Run) {
        match cx.outs[0].dtype() {
            DType::F64 => self.run_as::<f64>(cx),
            _ => self.run_as::<f32>(cx),
        }
    }
}

impl BiasedConv {
    fn run_as<T: Float + crate::buffer::Element>(&self, cx: &mut Run) {
        let [x, w, bias] = [0, 1, 2].map(|i| cx.ins[i].slice::<T>());
        let epilogue = Epilogue {
            bias: Some(bias),
            activation: if self.relu {
                Activation::Relu
            } else {
                Activation::None
            },
        };
        let y = cx.outs[0].slice_mut::<T>();
        kernels::forward(&self.conv.shape, x, w, y, &epilogue);
    }
}

impl Conv {
    fn run_as<T: Float + crate::buffer::Element>(&self, cx: &mut Run) {
        let (a, b) = (cx.ins[0].slice::<T>(), cx.ins[1].slice::<T>());
        let out = cx.outs[0].slice_mut::<T>();
        match self.dir {
            Dir::Forward => kernels::forward(&self.shape, a, b, out, &Epilogue::default()),
            Dir::InputGrad => kernels::input_grad(&self.shape, a, b, out),
            Dir::KernelGrad => kernels::kernel_grad(&self.shape, a, b, out),
        }
    }
}

/// Both operands in the dtype of the computation, and the dtype of the result: half precision is
/// computed in `f32`.
fn operands(op: &'static str, x: &Tensor, w: &Tensor) -> Result<(Tensor, Tensor, DType)> {
    map::require_float(op, x)?;
    map::require_float(op, w)?;
    let dtype = map::common_dtype(x, w);
    let compute = if dtype == DType::F64 {
        DType::F64
    } else {
        DType::F32
    };
    Ok((math::cast(x, compute)?, math::cast(w, compute)?, dtype))
}

/// The kernel's rank must be that of the input.
fn check_kernel(op: &'static str, rank: usize, kernel: &Tensor, axes: &str) -> Result<()> {
    if kernel.rank() == rank + 2 {
        return Ok(());
    }
    Err(Error::shape(
        op,
        format!(
            "inputs of rank {} need a kernel of rank {}, (spatial.., {axes}), not one of shape {:?}",
            rank + 2,
            rank + 2,
            kernel.shape()
        ),
    ))
}

/// The window of a kernel, with its strides and dilations.
fn window(
    op: &'static str,
    rank: usize,
    kernel: &Tensor,
    strides: &Ints,
    dilation_rate: &Ints,
) -> Result<Window> {
    let size = spatial(rank, 1, |a| kernel.shape()[a]);
    if size.contains(&0) {
        return Err(Error::shape(
            op,
            format!("the kernel {:?} has no taps", kernel.shape()),
        ));
    }
    Ok(Window {
        rank,
        size,
        stride: per_axis(op, "strides", strides, rank)?,
        dilation: per_axis(op, "dilation_rate", dilation_rate, rank)?,
    })
}

/// Channels of the input divided into groups of what one filter reads.
fn groups(op: &'static str, x: &Tensor, w: &Tensor, given: Option<i64>) -> Result<usize> {
    let (c, r) = (x.shape()[x.rank() - 1], w.rank());
    let (reads, filters) = (w.shape()[r - 2], w.shape()[r - 1]);
    let wrong = |why: String| {
        Err(Error::shape(
            op,
            format!(
                "the input channels must match the kernel: inputs with {c} channels do not fit one of shape {:?}, \
                 whose filters read {reads} channels each: {why}",
                w.shape()
            ),
        ))
    };
    let groups = match given {
        Some(g) if g >= 1 => g as usize,
        Some(g) => {
            return Err(Error::argument(
                op,
                format!("groups = {g} must be positive"),
            ));
        }
        None if reads == 0 => 1,
        None => (c / reads).max(1),
    };
    if groups.checked_mul(reads) != Some(c) {
        return wrong(match given {
            Some(_) => {
                format!("with groups = {groups} the input must have {groups} * {reads} channels")
            }
            None => format!(
                "the number of input channels must be {reads}, or a multiple of it for a grouped convolution"
            ),
        });
    }
    if !filters.is_multiple_of(groups) {
        return wrong(format!(
            "{filters} filters cannot be divided among {groups} groups"
        ));
    }
    Ok(groups)
}

op! {
    /// Convolution over one to three spatial axes (cross-correlation, as in every library):
    /// y\[n, o, k\] = sum over taps t and channels c of x\[n, o * stride + t * dilation - pad, c\] w\[t, c, k\].
    ///
    /// `inputs` is `(batch, spatial.., channels)`, or `(batch, channels, spatial..)` with
    /// `data_format="channels_first"`; `kernel` is `(spatial.., channels / groups, filters)` either way.
    /// `padding` is `"valid"` (none), `"same"` (`ceil(in / stride)` outputs, zeros on both sides, an odd
    /// one at the end), `"causal"` (one axis, all zeros in front), or numbers: one for all axes, one for
    /// each, or a pair (low, high) for each. `groups` follows from the shapes when it is not given.
    /// Half precision is computed in `float32`.
    ///
    /// # Errors
    /// `ShapeError` when channels or ranks do not fit or the window is larger than the padded input;
    /// `ArgumentError` for strides or dilations below 1.
    fn conv(
        inputs: &Tensor,
        kernel: &Tensor,
        strides: Ints = Ints::from(1),
        padding: Padding = Padding::Valid,
        data_format: Option<DataFormat> = None,
        dilation_rate: Ints = Ints::from(1),
        groups: Option<i64> = None,
    ) -> Tensor {
        let rank = spatial_rank("conv", inputs)?;
        check_kernel("conv", rank, kernel, "channels / groups, filters")?;
        let (x, w, dtype) = operands("conv", &channels_last(inputs, data_format)?, kernel)?;
        let y = conv_last(Call {
            op: "conv",
            x: &x,
            w: &w,
            window: window("conv", rank, kernel, &strides, &dilation_rate)?,
            padding: &padding,
            groups: self::groups("conv", &x, &w, groups)?,
        })?;
        restore(&math::cast(&y, dtype)?, data_format)
    }
    samples { super::conv_samples::of_conv() }
}

/// A convolution with channels last, in the dtype of the computation.
struct Call<'a> {
    op: &'static str,
    x: &'a Tensor,
    w: &'a Tensor,
    window: Window,
    padding: &'a Padding,
    groups: usize,
}

fn conv_last(call: Call) -> Result<Tensor> {
    let Call {
        op,
        x,
        w,
        window,
        padding,
        groups,
    } = call;
    let input = spatial(window.rank, 1, |a| x.shape()[a + 1]);
    let (output, pad) = window.slide(op, input, padding)?;
    let shape = ConvShape {
        n: x.shape()[0],
        input,
        c: x.shape()[x.rank() - 1],
        output,
        k: w.shape()[w.rank() - 1],
        kernel: window.size,
        stride: window.stride,
        dilation: window.dilation,
        pad,
        groups,
    };
    bind1(
        Conv {
            dir: Dir::Forward,
            rank: window.rank,
            shape,
        },
        &[x, w],
    )
}

op! {
    /// Transposed convolution: the gradient of [`conv`] with respect to its input, used forward, so
    /// that every input spreads the kernel over the output, `strides` apart.
    ///
    /// `kernel` is `(spatial.., filters, channels)`: the kernel of the convolution that goes back.
    /// Output sizes, with span = (kernel - 1) * dilation + 1: for `padding="valid"`
    /// `(in - 1) * stride + span + output_padding`, where the default makes it at least
    /// `in * stride`; for `"same"` `in * stride`, or `(in - 1) * stride + span % 2 + output_padding`
    /// when `output_padding` is given.
    ///
    /// # Errors
    /// `ShapeError` when channels or ranks do not fit; `ArgumentError` for another padding or an
    /// output padding that is not less than the stride.
    fn conv_transpose(
        inputs: &Tensor,
        kernel: &Tensor,
        strides: Ints = Ints::from(1),
        padding: Padding = Padding::Valid,
        output_padding: Option<Ints> = None,
        data_format: Option<DataFormat> = None,
        dilation_rate: Ints = Ints::from(1),
    ) -> Tensor {
        const OP: &str = "conv_transpose";
        let rank = spatial_rank(OP, inputs)?;
        check_kernel(OP, rank, kernel, "filters, channels")?;
        let (y, w, dtype) = operands(OP, &channels_last(inputs, data_format)?, kernel)?;
        let window = window(OP, rank, kernel, &strides, &dilation_rate)?;
        let (channels, reads) = (y.shape()[rank + 1], w.shape()[rank + 1]);
        if channels != reads {
            return Err(Error::shape(OP, format!(
                "the input channels must match the kernel: inputs with {channels} channels (shape {:?}) need one of \
                 shape (spatial.., filters, {channels}), not {:?}", inputs.shape(), kernel.shape()
            )));
        }
        let extra = output_padding.map(|p| output_pads(rank, &p, &window)).transpose()?;
        let output = spatial(rank, 1, |a| y.shape()[a + 1]);
        let (input, pad) = spread(&window, output, &padding, extra)?;
        let shape = ConvShape {
            n: y.shape()[0],
            input,
            c: w.shape()[rank],
            output,
            k: channels,
            kernel: window.size,
            stride: window.stride,
            dilation: window.dilation,
            pad,
            groups: 1,
        };
        let x = bind1(Conv { dir: Dir::InputGrad, rank, shape }, &[&y, &w])?;
        restore(&math::cast(&x, dtype)?, data_format)
    }
    samples { super::conv_samples::of_transpose() }
}

fn output_pads(rank: usize, p: &Ints, window: &Window) -> Result<[usize; 3]> {
    let fits = p.0.len() == 1 || p.0.len() == rank;
    let at = |a: usize| p.0[if p.0.len() == 1 { 0 } else { a }];
    let small = |a: usize| (0..window.stride[a + 3 - rank] as i64).contains(&at(a));
    if !fits || !(0..rank).all(small) {
        return Err(Error::argument(
            "conv_transpose",
            format!(
                "output_padding = {:?}: expected 1 integer or {rank}, from 0 to less than the strides {:?}",
                p.0,
                &window.stride[3 - rank..]
            ),
        ));
    }
    Ok(spatial(rank, 0, |a| at(a) as usize))
}

/// Sizes of a transposed convolution's result and the padding of the convolution that goes back.
fn spread(
    window: &Window,
    from: [usize; 3],
    padding: &Padding,
    extra: Option<[usize; 3]>,
) -> Result<([usize; 3], [isize; 3])> {
    let (mut to, mut pad) = ([1; 3], [0; 3]);
    for a in 3 - window.rank..3 {
        let (n, stride, span) = (from[a] as i128, window.stride[a] as i128, window.span(a));
        let extra = extra.map(|e| e[a] as i128);
        let (size, low) = match padding {
            Padding::Valid => {
                let extra = extra.unwrap_or((stride - span).max(0));
                ((n - 1) * stride + span + extra, 0)
            }
            Padding::Same => {
                // Of the zeros around the stretched input the larger half stands in front.
                let zeros = match extra {
                    None => stride + span - 2,
                    Some(e) => span + span % 2 - 2 + e,
                };
                let size = (n - 1) * stride + zeros + 2 - span;
                (size, span - 1 - (zeros - zeros.div_euclid(2)).min(span - 1))
            }
            other => {
                return Err(Error::argument(
                    "conv_transpose",
                    format!("padding = {other:?}: expected \"valid\" or \"same\""),
                ));
            }
        };
        if from[a] == 0 || size > isize::MAX as i128 {
            return Err(Error::shape(
                "conv_transpose",
                format!(
                    "spatial sizes {:?} cannot be spread",
                    &from[3 - window.rank..]
                ),
            ));
        }
        to[a] = size.max(0) as usize;
        pad[a] = low as isize;
    }
    Ok((to, pad))
}

op! {
    /// Depthwise convolution: each channel is filtered on its own, `multiplier` times:
    /// y\[n, o, c * multiplier + m\] = sum over t of x\[n, o * stride + t * dilation - pad, c\] w\[t, c, m\].
    ///
    /// `kernel` is `(spatial.., channels, multiplier)`; the other arguments are those of [`conv`].
    ///
    /// # Errors
    /// As [`conv`].
    fn depthwise_conv(
        inputs: &Tensor,
        kernel: &Tensor,
        strides: Ints = Ints::from(1),
        padding: Padding = Padding::Valid,
        data_format: Option<DataFormat> = None,
        dilation_rate: Ints = Ints::from(1),
    ) -> Tensor {
        const OP: &str = "depthwise_conv";
        let rank = spatial_rank(OP, inputs)?;
        check_kernel(OP, rank, kernel, "channels, multiplier")?;
        let (x, w, dtype) = operands(OP, &channels_last(inputs, data_format)?, kernel)?;
        let (channels, multiplier) = (w.shape()[rank], w.shape()[rank + 1]);
        if x.shape()[rank + 1] != channels {
            return Err(Error::shape(OP, format!(
                "inputs with {} channels (shape {:?}) need a kernel (spatial.., {0}, multiplier), not one of shape {:?}",
                x.shape()[rank + 1], inputs.shape(), kernel.shape()
            )));
        }
        let mut flat: Shape = w.shape().into();
        flat[rank] = 1;
        flat[rank + 1] = channels * multiplier;
        let y = conv_last(Call {
            op: OP,
            x: &x,
            w: &view::reshape_to(&w, &flat)?,
            window: window(OP, rank, kernel, &strides, &dilation_rate)?,
            padding: &padding,
            groups: channels.max(1),
        })?;
        restore(&math::cast(&y, dtype)?, data_format)
    }
    samples { super::conv_samples::of_depthwise() }
}

op! {
    /// Separable convolution: [`depthwise_conv`] and then a [`conv`] of one tap that mixes the channels.
    ///
    /// `depthwise_kernel` is `(spatial.., channels, multiplier)`, `pointwise_kernel`
    /// `(1.., channels * multiplier, filters)`; strides, padding and dilation belong to the first.
    ///
    /// # Errors
    /// As [`conv`].
    fn separable_conv(
        inputs: &Tensor,
        depthwise_kernel: &Tensor,
        pointwise_kernel: &Tensor,
        strides: Ints = Ints::from(1),
        padding: Padding = Padding::Valid,
        data_format: Option<DataFormat> = None,
        dilation_rate: Ints = Ints::from(1),
    ) -> Tensor {
        let each = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)?;
        conv(&each, pointwise_kernel, Ints::from(1), Padding::Valid, data_format, Ints::from(1), Some(1))
    }
    samples { super::conv_samples::of_separable() }
}

#[cfg(test)]
#[path = "conv_tests.rs"]
mod tests;
