//! Reductions along axes.

use super::samples::reductions;
use super::{arg, classify, cumulative, logic, view};
use crate::args::Axes;
use crate::aval::{Aval, DType, Shape, normalize_axes};
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
                && x[0].dtype != DType::Bool
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
            ReduceOp::Prod => math::multiply(&g, &products_of_others(x, &self.axes)?)?,
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

/// For each element the product of all others of its group, without division, so that zeros do no harm:
/// the product of those before times the product of those behind.
fn products_of_others(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let kept = (0..x.rank()).filter(|i| !axes.contains(i));
    let order: Vec<usize> = kept.chain(axes.iter().copied()).collect();
    let moved = view::permute(x, &order)?;
    let n = count(x, axes);
    let rows = x.size() / n.max(1);
    let flat = view::reshape_to(&moved, &[rows, n])?;
    let before = cumulative::cumprod(&flat, Some(1), None, false, true)?;
    let behind = cumulative::cumprod(&flat, Some(1), None, true, true)?;
    let others = math::multiply(&before, &behind)?;
    let mut inverse = vec![0; order.len()];
    for (i, &a) in order.iter().enumerate() {
        inverse[a] = i;
    }
    view::permute(&view::reshape_to(&others, moved.shape())?, &inverse)
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
    samples { reductions(sum, |g| g.iter().sum(), -2.0, 2.0, 2) }
}
op! {
    /// The arithmetic mean along `axis`: y = (1/n) sum_i x_i; NaN for no elements.
    fn mean(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        let dtype = x.dtype().to_float();
        // A sum of halves may be larger than a half can be.
        let wide = if dtype == DType::F16 { DType::F32 } else { dtype };
        let x = &math::cast(x, wide)?;
        let axes = normalize_axes("mean", axis.as_slice(), x.rank())?;
        let n = count(x, &axes) as f64;
        let s = reduce_axes("mean", ReduceOp::Sum, x, &axis, keepdims)?;
        let y = map::unary("mean", &s, |b, s| {
            let n = b.real(b.ty(s), n);
            b.bin(crate::expr::BinOp::Div, s, n)
        })?;
        math::cast(&y, dtype)
    }
    samples { reductions(mean, |g| g.iter().sum::<f64>() / g.len() as f64, -2.0, 2.0, 2) }
}
op! {
    /// The largest element along `axis`; NaN if there is one.
    fn max(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        reduce_axes("max", ReduceOp::Max, x, &axis, keepdims)
    }
    samples { reductions(max, |g| g.iter().copied().fold(f64::NEG_INFINITY, f64::max), -2.0, 2.0, 2) }
}
op! {
    /// The smallest element along `axis`; NaN if there is one.
    fn min(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        reduce_axes("min", ReduceOp::Min, x, &axis, keepdims)
    }
    samples { reductions(min, |g| g.iter().copied().fold(f64::INFINITY, f64::min), -2.0, 2.0, 2) }
}
op! {
    /// The product of the elements along `axis`: y = prod_i x_i. The gradient divides by nothing, so zeros are no harm.
    fn prod(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        reduce_axes("prod", ReduceOp::Prod, &sum_operand(x)?, &axis, keepdims)
    }
    samples {
        let mut s = reductions(prod, |g| g.iter().product(), 0.5, 1.6, 2);
        let zeros = super::samples::tensor(&[0.0, 2.0, 3.0, 0.0, 0.0, 4.0], &[2, 3]);
        s.push(super::samples::known("zeros", vec![zeros], |x| prod(&x[0], Axes::from(1), false), &[2], &[0.0, 0.0]));
        s
     }
}

/// Sums of narrow integers are taken (and returned) in 32 bits, as JAX and Keras do.
pub fn sum_operand(x: &Tensor) -> Result<Tensor> {
    use crate::aval::DType::{Bool, I8, I16, I32, U8, U16, U32};
    let dtype = match x.dtype() {
        Bool | I8 | I16 => I32,
        U8 | U16 => U32,
        other => other,
    };
    math::cast(x, dtype)
}

/// max(k, 1), for counts by which something is divided.
pub fn at_least_one(k: &Tensor) -> Result<Tensor> {
    map::unary("count", k, |b, k| {
        let one = b.real(b.ty(k), 1.0);
        b.bin(crate::expr::BinOp::Max, k, one)
    })
}

op! {
    /// The largest element along `axis`; another name of `max`.
    fn amax(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        max(x, axis, keepdims)
    }
    samples { reductions(amax, |g| g.iter().copied().fold(f64::NEG_INFINITY, f64::max), -2.0, 2.0, 2) }
}
op! {
    /// The smallest element along `axis`; another name of `min`.
    fn amin(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        min(x, axis, keepdims)
    }
    samples { reductions(amin, |g| g.iter().copied().fold(f64::INFINITY, f64::min), -2.0, 2.0, 2) }
}
op! {
    /// The range of the elements along `axis`: max - min.
    fn ptp(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        math::subtract(&max(x, axis.clone(), keepdims)?, &min(x, axis, keepdims)?)
    }
    samples {
        reductions(ptp, |g| g.iter().copied().fold(f64::NEG_INFINITY, f64::max) - g.iter().copied().fold(f64::INFINITY, f64::min), -2.0, 2.0, 2)
    }
}
op! {
    /// Are all elements along `axis` true (not 0)? True for no elements.
    fn all(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        reduce_axes("all", ReduceOp::Min, &classify::truth(x)?, &axis, keepdims)
    }
    samples { reductions(|x, a, k| all(&truncated(x)?, a, k), |g| f64::from(u8::from(g.iter().all(|v| v.trunc() != 0.0))), -4.0, 4.0, 0) }
}
op! {
    /// Is any element along `axis` true (not 0)? False for no elements.
    fn any(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        reduce_axes("any", ReduceOp::Max, &classify::truth(x)?, &axis, keepdims)
    }
    samples { reductions(|x, a, k| any(&truncated(x)?, a, k), |g| f64::from(u8::from(g.iter().any(|v| v.trunc() != 0.0))), -1.2, 1.2, 0) }
}
op! {
    /// The number of elements along `axis` that are not 0, as `int32`.
    fn count_nonzero(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        sum(&math::cast(&classify::truth(x)?, DType::I32)?, axis, keepdims)
    }
    samples { reductions(|x, a, k| count_nonzero(&truncated(x)?, a, k), |g| g.iter().filter(|v| v.trunc() != 0.0).count() as f64, -2.0, 2.0, 0) }
}

/// Whole numbers, many of them 0, for samples.
fn truncated(x: &Tensor) -> Result<Tensor> {
    math::cast(x, DType::I32)
}

/// Groups in rows: the reduced axes last and merged, for kernels that take one axis. Gives `[kept.., n]`.
pub fn in_rows(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let kept: Vec<usize> = (0..x.rank()).filter(|i| !axes.contains(i)).collect();
    let order: Vec<usize> = kept.iter().chain(axes).copied().collect();
    let mut shape: Shape = kept.iter().map(|&i| x.shape()[i]).collect();
    shape.push(count(x, axes));
    view::reshape_to(&view::permute(x, &order)?, &shape)
}

op! {
    /// The index of the largest element along `axis` (of the flattened tensor if `None`), as `int32`; the first of
    /// several, and the first NaN if there is one.
    fn argmax(x: &Tensor, axis: Option<i64> = None, keepdims: bool = false) -> Tensor {
        arg::arg_extremum("argmax", x, axis, keepdims, true)
    }
    samples { arg::samples(argmax, f64::gt) }
}
op! {
    /// The index of the smallest element along `axis` (of the flattened tensor if `None`), as `int32`; the first of
    /// several, and the first NaN if there is one.
    fn argmin(x: &Tensor, axis: Option<i64> = None, keepdims: bool = false) -> Tensor {
        arg::arg_extremum("argmin", x, axis, keepdims, false)
    }
    samples { arg::samples(argmin, f64::lt) }
}

/// `x` with `v` in place of NaN.
pub fn without_nan(x: &Tensor, v: f64) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return Ok(x.clone());
    }
    logic::where_(&classify::isnan(x)?, &Tensor::weak(v, x.dtype())?, x)
}
