//! Functions of whole rows: softmax, its logarithm, normalisation. They are compositions that the graph compiler turns
//! into one loop.

use super::map;
use super::reduce::{self, count, reduce};
use super::samples::{at, from_index, grouped, values, whole};
use super::{cumulative, logic, math, sort, view};
use crate::args::Axes;
use crate::aval::normalize_axes;
use crate::error::{Error, Result};
use crate::expr::{BinOp, ReduceOp};
use crate::op;
use crate::tensor::Tensor;

/// x - max(x) along the axes; no gradient flows through the maximum, whose contributions cancel.
fn centred(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let peak = math::stop_gradient(&reduce(ReduceOp::Max, x, axes)?)?;
    math::subtract(x, &peak)
}

op! {
    /// y_i = e^(x_i) / sum_j e^(x_j) along `axis` (one or several), computed without overflow.
    fn softmax(x: &Tensor, axis: Axes = Axes::from(-1)) -> Tensor {
        let x = math::cast(x, x.dtype().to_float())?;
        let axes = normalize_axes("softmax", axis.as_slice(), x.rank())?;
        if x.size() == 0 {
            return Ok(x);
        }
        let e = centred(&x, &axes)?.exp()?;
        math::divide(&e, &reduce(ReduceOp::Sum, &e, &axes)?)
    }
    samples {
        let share = |x: &super::samples::Nd, axes: &[usize]| {
            let total = grouped(x, axes, true, |g| g.iter().map(|v| v.exp()).sum());
            from_index(&x.0, |i| {
                let row: Vec<usize> = i.iter().enumerate().map(|(d, &k)| if axes.contains(&d) { 0 } else { k }).collect();
                at(x, i).exp() / at(&total, &row)
            })
        };
        vec![
            whole("last axis", values(&[3, 5], -3.0, 3.0, 1), |x| softmax(x, Axes::from(-1)), move |x| share(x, &[1])),
            whole("first axis", values(&[3, 2], -3.0, 3.0, 1), |x| softmax(x, Axes::from(0)), move |x| share(x, &[0])),
            whole("two axes", values(&[2, 3, 2], -3.0, 3.0, 1), |x| softmax(x, Axes::from([1, 2])), move |x| share(x, &[1, 2])),
        ]
    }
}
op! {
    /// y_i = x_i - ln sum_j e^(x_j) along `axis`: the logarithm of softmax, computed without overflow.
    fn log_softmax(x: &Tensor, axis: Axes = Axes::from(-1)) -> Tensor {
        let x = math::cast(x, x.dtype().to_float())?;
        let axes = normalize_axes("log_softmax", axis.as_slice(), x.rank())?;
        if x.size() == 0 {
            return Ok(x);
        }
        let z = centred(&x, &axes)?;
        let total = reduce(ReduceOp::Sum, &z.exp()?, &axes)?;
        math::subtract(&z, &total.log()?)
    }
    samples {
        vec![whole("last axis", values(&[3, 5], -3.0, 3.0, 1), |x| log_softmax(x, Axes::from(-1)), |x| {
            let total = grouped(x, &[1], false, |g| g.iter().map(|v| v.exp()).sum::<f64>().ln());
            from_index(&x.0, |i| at(x, i) - total.1[i[0]])
        })]
    }
}
op! {
    /// ln sum_i e^(x_i) along `axis`, computed without overflow; -inf for no elements.
    fn logsumexp(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        let x = math::cast(x, x.dtype().to_float())?;
        let axes = normalize_axes("logsumexp", axis.as_slice(), x.rank())?;
        let y = if count(&x, &axes) == 0 || x.size() == 0 {
            reduce(ReduceOp::Sum, &x.exp()?, &axes)?.log()?
        } else {
            let peak = math::stop_gradient(&reduce(ReduceOp::Max, &x, &axes)?)?;
            // An infinite peak would give inf - inf: it is left out of the difference.
            let zero = Tensor::full(&[], 0.0, peak.dtype())?;
            let shift = logic::where_(&super::classify::isfinite(&peak)?, &peak, &zero)?;
            let total = reduce(ReduceOp::Sum, &math::subtract(&x, &shift)?.exp()?, &axes)?;
            math::add(&total.log()?, &shift)?
        };
        if keepdims { Ok(y) } else { view::drop_axes(&y, &axes) }
    }
    samples { super::samples::reductions(logsumexp, |g| g.iter().map(|v| v.exp()).sum::<f64>().ln(), -3.0, 3.0, 2) }
}
op! {
    /// x divided by its norm along `axis`: y = x / max(||x||_order, epsilon).
    fn normalize(x: &Tensor, axis: Axes = Axes::from(-1), order: f64 = 2.0, epsilon: Option<f64> = None) -> Tensor {
        let x = &math::cast(x, x.dtype().to_float())?;
        let epsilon = epsilon.unwrap_or(1e-7);
        let axes = normalize_axes("normalize", axis.as_slice(), x.rank())?;
        if order == 2.0 {
            // sqrt(max(sum x^2, epsilon^2)) keeps the gradient finite at 0.
            let squares = reduce(ReduceOp::Sum, &math::square(x)?, &axes)?;
            let scale = map::unary("normalize", &squares, |b, s| {
                let floor = b.real(b.ty(s), epsilon * epsilon);
                let kept = b.bin(BinOp::Max, s, floor);
                b.un(crate::expr::UnOp::Rsqrt, kept)
            })?;
            return math::multiply(x, &scale);
        }
        let norm = p_norm(x, &axes, order)?;
        let norm = map::unary("normalize", &norm, |b, n| {
            let floor = b.real(b.ty(n), epsilon);
            b.bin(BinOp::Max, n, floor)
        })?;
        math::divide(x, &norm)
    }
    samples {
        vec![
            whole("rows", values(&[3, 4], -2.0, 2.0, 1), |x| normalize(x, Axes::from(-1), 2.0, None), |x| {
                let n = grouped(x, &[1], false, |g| g.iter().map(|v| v * v).sum::<f64>().sqrt());
                from_index(&x.0, |i| at(x, i) / n.1[i[0]])
            }),
            whole("order 1", values(&[3, 4], -2.0, 2.0, 1), |x| normalize(x, Axes::from(0), 1.0, None), |x| {
                let n = grouped(x, &[0], false, |g| g.iter().map(|v| v.abs()).sum::<f64>());
                from_index(&x.0, |i| at(x, i) / n.1[i[1]])
            }),
        ]
    }
}

/// (sum |x|^p)^(1/p) over the axes, kept with size 1; p may be infinite, 0 counts what is not zero.
pub fn p_norm(x: &Tensor, axes: &[usize], p: f64) -> Result<Tensor> {
    let size = math::abs(x)?;
    if p == f64::INFINITY {
        return reduce(ReduceOp::Max, &size, axes);
    }
    if p == f64::NEG_INFINITY {
        return reduce(ReduceOp::Min, &size, axes);
    }
    let zero = Tensor::weak(0.0, x.dtype())?;
    if p == 0.0 {
        return reduce(
            ReduceOp::Sum,
            &math::cast(&logic::not_equal(x, &zero)?, x.dtype())?,
            axes,
        );
    }
    if p == 1.0 {
        return reduce(ReduceOp::Sum, &size, axes);
    }
    if p == 2.0 {
        return reduce(ReduceOp::Sum, &math::square(x)?, axes)?.sqrt();
    }
    if p.is_nan() {
        return Err(Error::argument("norm", "the order must be a number"));
    }
    let powers = math::power(&size, &Tensor::weak(p, x.dtype())?)?;
    math::power(
        &reduce(ReduceOp::Sum, &powers, axes)?,
        &Tensor::weak(1.0 / p, x.dtype())?,
    )
}

/// The threshold tau of sparsemax with the axis kept: (sum of the k largest - 1) / k, where k is the largest count with
/// 1 + k z_k > z_1 + .. + z_k for the elements z in falling order.
pub fn simplex_threshold(x: &Tensor, axis: usize) -> Result<Tensor> {
    let n = x.shape()[axis];
    let falling = view::flip(&sort::sort(x, axis as i64)?, Axes::from(axis as i64))?;
    let sums = cumulative::cumsum(&falling, Some(axis as i64), None, false, false)?;
    let mut shape = crate::aval::Shape::from_elem(1, x.rank());
    shape[axis] = n;
    let rank = super::create::generate("sparsemax", &shape, x.dtype(), |i| i as f64 + 1.0)?;
    let one = Tensor::weak(1.0, x.dtype())?;
    let bound = math::add(&math::multiply(&rank, &falling)?, &one)?;
    let inside = math::cast(&logic::greater(&bound, &sums)?, x.dtype())?;
    let k = reduce(ReduceOp::Sum, &inside, &[axis])?;
    let k = reduce::at_least_one(&k)?;
    // The sum of the k largest, selected by a mask so that its gradient is the mask.
    let total = reduce(ReduceOp::Sum, &math::multiply(&falling, &inside)?, &[axis])?;
    math::divide(&math::subtract(&total, &one)?, &k)
}
