//! Reductions along axes.

use super::view;
use crate::args::Axes;
use crate::aval::{Aval, normalize_axes};
use crate::bind::bind1;
use crate::error::{Error, Result};
use crate::expr::ReduceOp;
use crate::op;
use crate::op::{Avals, Grads, Kind, Op, Vjp, one};
use crate::ops::{map, math};
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// A reduction that keeps its axes with size 1.
///
/// Either the trailing axes are reduced, or the last axis is kept: [`reduce`] splits the other
/// cases, so that every pass and the loop machine see two forms only.
#[derive(Debug)]
pub struct Reduce {
    op: ReduceOp,
    axes: SmallVec<[usize; 6]>,
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        match self.op {
            ReduceOp::Sum => "sum",
            ReduceOp::Prod => "prod",
            ReduceOp::Max => "max",
            ReduceOp::Min => "min",
        }
    }

    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let mut shape = x[0].shape.clone();
        for &a in &self.axes {
            if shape[a] == 0
                && matches!(self.op, ReduceOp::Max | ReduceOp::Min)
                && !x[0]
                    .shape
                    .iter()
                    .enumerate()
                    .any(|(i, &n)| n == 0 && !self.axes.contains(&i))
            {
                return Err(Error::argument(
                    self.name(),
                    format!(
                        "axis {a} of shape {:?} is empty: it has no {}",
                        x[0].shape.as_slice(),
                        self.name()
                    ),
                ));
            }
            shape[a] = 1;
        }
        Ok(one(shape, x[0].dtype))
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let (x, g) = (cx.x(0), cx.g(0)?);
        let grad = match self.op {
            ReduceOp::Sum => view::broadcast_to_shape(&g, x.shape())?,
            ReduceOp::Max | ReduceOp::Min => extremum_grad(x, &cx.y(0), &g, &self.axes)?,
            ReduceOp::Prod => return Err(Error::unsupported("prod", "gradient")),
        };
        Ok(smallvec::smallvec![Some(grad)])
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Reduce(self.op, &self.axes)
    }
}

/// The gradient goes to the elements equal to the extremum, in equal shares among ties (as JAX).
fn extremum_grad(x: &Tensor, y: &Tensor, g: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let hit = math::cast(&crate::ops::logic::equal(x, y)?, x.dtype())?;
    let ties = reduce(ReduceOp::Sum, &hit, axes)?;
    math::multiply(&hit, &math::divide(g, &ties)?)
}

/// Reduces axes (sorted), keeping them with size 1.
pub fn reduce(op: ReduceOp, x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let axes: SmallVec<[usize; 6]> = axes
        .iter()
        .copied()
        .filter(|&a| x.shape()[a] != 1)
        .collect();
    if axes.is_empty() {
        return Ok(x.clone());
    }
    // Axes of size 1 at the end do not matter for the form.
    let rank = (0..x.rank())
        .rev()
        .find(|&i| x.shape()[i] != 1)
        .map_or(0, |i| i + 1);
    let mut first = rank;
    while first > 0 && (axes.contains(&(first - 1)) || x.shape()[first - 1] == 1) {
        first -= 1;
    }
    let (trailing, leading): (SmallVec<[usize; 6]>, SmallVec<[usize; 6]>) =
        axes.iter().copied().partition(|&a| a >= first);
    let mut y = x.clone();
    for part in [trailing, leading] {
        if !part.is_empty() {
            y = bind1(Reduce { op, axes: part }, &[&y])?;
        }
    }
    Ok(y)
}

/// Reduces with numpy's `axis` and `keepdims`.
pub fn reduce_axes(
    name: &'static str,
    op: ReduceOp,
    x: &Tensor,
    axis: &Axes,
    keepdims: bool,
) -> Result<Tensor> {
    let axes = normalize_axes(name, axis.as_slice(), x.rank())?;
    let y = reduce(op, x, &axes)?;
    if keepdims {
        Ok(y)
    } else {
        view::drop_axes(&y, &axes)
    }
}

/// Number of elements that each result of a reduction stands for.
pub fn count(x: &Tensor, axes: &[usize]) -> usize {
    axes.iter().map(|&a| x.shape()[a]).product()
}

op! {
    /// The sum of the elements along `axis` (all axes when it is `None`): y = sum_i x_i.
    ///
    /// Booleans are counted and small integers summed as `int32`. f32 sums are accumulated
    /// blockwise, so the error grows with log n, not n.
    fn sum(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        reduce_axes("sum", ReduceOp::Sum, &sum_operand(x)?, &axis, keepdims)
    }
}
op! {
    /// The arithmetic mean along `axis`: y = (1/n) sum_i x_i; NaN for no elements.
    fn mean(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        let x = &math::cast(x, x.dtype().to_float())?;
        let axes = normalize_axes("mean", axis.as_slice(), x.rank())?;
        let n = count(x, &axes) as f64;
        let s = reduce_axes("mean", ReduceOp::Sum, x, &axis, keepdims)?;
        map::unary("mean", &s, |b, s| {
            let n = b.real(b.ty(s), n);
            b.bin(crate::expr::BinOp::Div, s, n)
        })
    }
}
op! {
    /// The largest element along `axis`; NaN if there is one.
    fn max(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        reduce_axes("max", ReduceOp::Max, x, &axis, keepdims)
    }
}
op! {
    /// The smallest element along `axis`; NaN if there is one.
    fn min(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        reduce_axes("min", ReduceOp::Min, x, &axis, keepdims)
    }
}
op! {
    /// The product of the elements along `axis`: y = prod_i x_i.
    fn prod(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        reduce_axes("prod", ReduceOp::Prod, &sum_operand(x)?, &axis, keepdims)
    }
}

/// Sums of narrow integers are taken (and returned) in 32 bits, as JAX and Keras do.
fn sum_operand(x: &Tensor) -> Result<Tensor> {
    use crate::aval::DType::{Bool, I8, I16, I32, U8, U16, U32};
    let dtype = match x.dtype() {
        Bool | I8 | I16 => I32,
        U8 | U16 => U32,
        other => other,
    };
    math::cast(x, dtype)
}
