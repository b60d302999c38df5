//! Statistics along axes: variance, deviation, weighted mean, quantiles, and the versions that leave NaN out.

use super::reduce::{self, at_least_one, count, in_rows, reduce, without_nan};
use super::samples::{grouped, nd, reductions, tensor, values};
use super::{arg, classify, gather, logic, map, math, rows, sort, view};
use crate::args::Axes;
use crate::aval::{DType, Shape, normalize_axes};
use crate::error::{Error, Result};
use crate::expr::{BinOp, ReduceOp};
use crate::op;
use crate::op::Sample;
use crate::tensor::Tensor;

/// Drops the axes of a result that keeps them, unless they are wanted.
fn finish(y: Tensor, axes: &[usize], keepdims: bool) -> Result<Tensor> {
    if keepdims {
        Ok(y)
    } else {
        view::drop_axes(&y, axes)
    }
}

/// sum / max(n - ddof, 0).
fn divided(s: &Tensor, n: f64) -> Result<Tensor> {
    map::unary("mean", s, |b, s| {
        let n = b.real(b.ty(s), n);
        b.bin(BinOp::Div, s, n)
    })
}

fn variance(g: &[f64], ddof: f64) -> f64 {
    let mean = g.iter().sum::<f64>() / g.len() as f64;
    g.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (g.len() as f64 - ddof)
}

op! {
    /// The variance along `axis`: y = 1/(n - ddof) sum_i (x_i - mean)^2, by two passes.
    fn var(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false, ddof: f64 = 0.0) -> Tensor {
        let x = &math::cast(x, x.dtype().to_float())?;
        let axes = normalize_axes("var", axis.as_slice(), x.rank())?;
        let n = count(x, &axes) as f64;
        let mean = divided(&reduce(ReduceOp::Sum, x, &axes)?, n)?;
        let squares = math::square(&math::subtract(x, &mean)?)?;
        finish(divided(&reduce(ReduceOp::Sum, &squares, &axes)?, (n - ddof).max(0.0))?, &axes, keepdims)
    }
    samples {
        let mut s = reductions(|x, a, k| var(x, a, k, 0.0), |g| variance(g, 0.0), -2.0, 2.0, 2);
        s.extend(reductions(|x, _, k| var(x, Axes::from(1), k, 1.0), |_| 0.0, -2.0, 2.0, 2).into_iter().take(1).map(|s|
            s.reference(|x| vec![grouped(&nd(&x[0]), &[1], false, |g| variance(g, 1.0))])));
        s
    }
}
op! {
    /// The standard deviation along `axis`: the square root of the variance.
    fn std_(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false, ddof: f64 = 0.0) -> Tensor {
        var(x, axis, keepdims, ddof)?.sqrt()
    }
    samples { reductions(|x, a, k| std_(x, a, k, 0.0), |g| variance(g, 0.0).sqrt(), -2.0, 2.0, 2).into_iter().filter(|s| s.label != "no axis").collect() }
}
/// Mean and variance of columns in one pass over memory: with d = x - s for a constant s near the mean,
/// mean = s + mean(d) and variance = mean(d^2) - mean(d)^2.
///
/// s is the mean of the first slice of axis 0. Like any constant it changes the result by rounding alone, and
/// little as long as |s - mean| is not many standard deviations (Chan, Golub and LeVeque, 1983).
fn shifted_moments(x: &Tensor, axes: &[usize]) -> Result<(Tensor, Tensor)> {
    let n = count(x, axes) as f64;
    let first = view::narrow(x, 0, 0, 1)?;
    let shift = divided(
        &reduce(ReduceOp::Sum, &first, axes)?,
        n / x.shape()[0] as f64,
    )?;
    let shift = math::stop_gradient(&shift)?;
    let d = math::subtract(x, &shift)?;
    let mean = divided(&reduce(ReduceOp::Sum, &d, axes)?, n)?;
    let square = divided(&reduce(ReduceOp::Sum, &math::square(&d)?, axes)?, n)?;
    // Rounding may leave less than nothing.
    let variance = super::activation::relu(&math::subtract(&square, &math::square(&mean)?)?)?;
    Ok((math::add(&shift, &mean)?, variance))
}

op! {
    /// The mean and the variance along `axes`, the latter of the population: 1/n sum_i (x_i - mean)^2.
    fn moments(x: &Tensor, axes: Axes, keepdims: bool = false) -> Vec<Tensor> {
        let x = &math::cast(x, x.dtype().to_float())?;
        let over = normalize_axes("moments", axes.as_slice(), x.rank())?;
        let columns = over.first() == Some(&0) && !over.contains(&(x.rank() - 1));
        if !columns || x.shape()[0] < 2 {
            return Ok(vec![reduce::mean(x, axes.clone(), keepdims)?, var(x, axes, keepdims, 0.0)?]);
        }
        let (mean, variance) = shifted_moments(x, &over)?;
        Ok(vec![finish(mean, &over, keepdims)?, finish(variance, &over, keepdims)?])
    }
    samples {
        let sample = |label, shape: &[usize], axes: &'static [i64]| {
            Sample::new(label, vec![values(shape, -2.0, 2.0, 1)], move |x| moments(&x[0], Axes::from(axes.to_vec()), false)).reference(move |x| {
                let axes: Vec<usize> = axes.iter().map(|&a| a as usize).collect();
                let mean = |g: &[f64]| g.iter().sum::<f64>() / g.len() as f64;
                vec![grouped(&nd(&x[0]), &axes, false, mean), grouped(&nd(&x[0]), &axes, false, |g| variance(g, 0.0))]
            })
        };
        vec![sample("rows", &[3, 5], &[1]), sample("columns", &[4, 3], &[0]), sample("channels", &[3, 2, 2, 3], &[0, 1, 2])]
    }
}
op! {
    /// The mean along `axis` weighted by `weights`: y = sum_i w_i x_i / sum_i w_i. Weights have x's shape, or rank 1 along one axis.
    fn average(x: &Tensor, axis: Axes = Axes::all(), weights: Option<Tensor> = None) -> Tensor {
        let Some(w) = weights else {
            return reduce::mean(x, axis, false);
        };
        let axes = normalize_axes("average", axis.as_slice(), x.rank())?;
        let dtype = map::common_dtype(x, &w).to_float();
        let (x, w) = (math::cast(x, dtype)?, math::cast(&w, dtype)?);
        let w = if w.shape() == x.shape() {
            w
        } else if w.rank() == 1 && axes.len() == 1 && w.size() == x.shape()[axes[0]] {
            let mut shape = Shape::from_elem(1, x.rank());
            shape[axes[0]] = w.size();
            view::broadcast_to_shape(&view::reshape_to(&w, &shape)?, x.shape())?
        } else {
            return Err(Error::shape("average", format!("weights of shape {:?} must have the shape of x, {:?}, or rank 1 and the size of one axis", w.shape(), x.shape())));
        };
        let (top, bottom) = (reduce(ReduceOp::Sum, &math::multiply(&x, &w)?, &axes)?, reduce(ReduceOp::Sum, &w, &axes)?);
        finish(math::divide(&top, &bottom)?, &axes, false)
    }
    samples {
        vec![
            Sample::new("rank 1", vec![values(&[2, 3], -2.0, 2.0, 1), tensor(&[1.0, 2.0, 0.5], &[3])], |x| Ok(vec![average(&x[0], Axes::from(1), Some(x[1].clone()))?]))
                .reference(|x| { let w = nd(&x[1]).1; vec![grouped(&nd(&x[0]), &[1], false, move |g| g.iter().zip(&w).map(|(a, b)| a * b).sum::<f64>() / w.iter().sum::<f64>())] }),
            Sample::new("none", vec![values(&[2, 3], -2.0, 2.0, 1)], |x| Ok(vec![average(&x[0], Axes::all(), None)?]))
                .reference(|x| vec![grouped(&nd(&x[0]), &[0, 1], false, |g| g.iter().sum::<f64>() / 6.0)]),
        ]
    }
}
op! {
    /// The norm along `axis`: (sum |x|^ord)^(1/ord); Euclidean by default, `inf`, `-inf` and 0 as numpy.
    fn vector_norm(x: &Tensor, ord: f64 = 2.0, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        let x = &math::cast(x, x.dtype().to_float())?;
        let axes = normalize_axes("norm", axis.as_slice(), x.rank())?;
        finish(rows::p_norm(x, &axes, ord)?, &axes, keepdims)
    }
    samples {
        let mut s = reductions(|x, a, k| vector_norm(x, 2.0, a, k), |g| g.iter().map(|v| v * v).sum::<f64>().sqrt(), 0.1, 2.0, 2);
        s.extend(reductions(|x, a, k| vector_norm(x, 3.0, a, k), |g| g.iter().map(|v| v.abs().powi(3)).sum::<f64>().cbrt(), -2.0, 2.0, 2));
        s.extend(reductions(|x, a, k| vector_norm(x, 1.0, a, k), |g| g.iter().map(|v| v.abs()).sum::<f64>(), -2.0, 2.0, 2));
        s.extend(reductions(|x, a, k| vector_norm(x, f64::INFINITY, a, k), |g| g.iter().fold(0.0, |m, v| v.abs().max(m)), -2.0, 2.0, 2));
        s
    }
}

/// The number of elements that are not NaN, in x's dtype.
fn numbers_in(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let present = math::cast(&logic::logical_not(&classify::isnan(x)?)?, x.dtype())?;
    reduce(ReduceOp::Sum, &present, axes)
}

/// Samples with two NaN among the elements.
fn nan_samples(
    f: fn(&Tensor, Axes, bool) -> Result<Tensor>,
    reference: fn(&[f64]) -> f64,
) -> Vec<Sample> {
    let whole = super::samples::numbers(12, 0.5, 2.0, 4);
    let mut data = whole.clone();
    (data[1], data[7]) = (f64::NAN, f64::NAN);
    let case = |label: &str, data: &[f64], axes: &'static [usize], order: u8| {
        let axis: Vec<i64> = axes.iter().map(|&a| a as i64).collect();
        Sample::new(label, vec![tensor(data, &[3, 4])], move |x| {
            Ok(vec![f(&x[0], Axes::from(axis.clone()), true)?])
        })
        .reference(move |x| {
            vec![grouped(&nd(&x[0]), axes, true, |g| {
                let numbers: Vec<f64> = g.iter().copied().filter(|v| !v.is_nan()).collect();
                reference(&numbers)
            })]
        })
        .order(order)
    };
    vec![
        case("rows", &data, &[1], 0),
        case("columns", &data, &[0], 0),
        case("all", &data, &[0, 1], 0),
        case("without NaN", &whole, &[1], 2),
    ]
}

op! {
    /// The sum along `axis`, NaN counting as 0.
    fn nansum(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        reduce::sum(&without_nan(x, 0.0)?, axis, keepdims)
    }
    samples { let mut s = nan_samples(nansum, |g| g.iter().sum()); s.extend(reductions(nansum, |g| g.iter().sum(), -2.0, 2.0, 2)); s }
}
op! {
    /// The product along `axis`, NaN counting as 1.
    fn nanprod(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        reduce::prod(&without_nan(x, 1.0)?, axis, keepdims)
    }
    samples { let mut s = nan_samples(nanprod, |g| g.iter().product()); s.extend(reductions(nanprod, |g| g.iter().product(), 0.5, 1.5, 2)); s }
}
op! {
    /// The mean along `axis` of what is not NaN; NaN if there is nothing.
    fn nanmean(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        let x = &math::cast(x, x.dtype().to_float())?;
        let axes = normalize_axes("nanmean", axis.as_slice(), x.rank())?;
        let total = reduce(ReduceOp::Sum, &without_nan(x, 0.0)?, &axes)?;
        finish(math::divide(&total, &numbers_in(x, &axes)?)?, &axes, keepdims)
    }
    samples { let mut s = nan_samples(nanmean, |g| g.iter().sum::<f64>() / g.len() as f64); s.extend(reductions(nanmean, |g| g.iter().sum::<f64>() / g.len() as f64, -2.0, 2.0, 2)); s }
}
op! {
    /// The variance along `axis` of what is not NaN.
    fn nanvar(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        let x = &math::cast(x, x.dtype().to_float())?;
        let axes = normalize_axes("nanvar", axis.as_slice(), x.rank())?;
        let n = numbers_in(x, &axes)?;
        let mean = math::divide(&reduce(ReduceOp::Sum, &without_nan(x, 0.0)?, &axes)?, &n)?;
        let squares = without_nan(&math::square(&math::subtract(x, &mean)?)?, 0.0)?;
        finish(math::divide(&reduce(ReduceOp::Sum, &squares, &axes)?, &n)?, &axes, keepdims)
    }
    samples { let mut s = nan_samples(nanvar, |g| variance(g, 0.0)); s.extend(reductions(nanvar, |g| variance(g, 0.0), -2.0, 2.0, 2)); s }
}
op! {
    /// The standard deviation along `axis` of what is not NaN.
    fn nanstd(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        nanvar(x, axis, keepdims)?.sqrt()
    }
    samples {
        let mut s = nan_samples(nanstd, |g| variance(g, 0.0).sqrt());
        s.extend(reductions(nanstd, |g| variance(g, 0.0).sqrt(), -2.0, 2.0, 2).into_iter().filter(|s| s.label != "no axis"));
        s
    }
}

/// An extremum that ignores NaN; NaN where there is nothing else.
fn nan_extremum(
    name: &'static str,
    op: ReduceOp,
    x: &Tensor,
    axis: &Axes,
    keepdims: bool,
) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return reduce::reduce_axes(name, op, x, axis, keepdims);
    }
    let axes = normalize_axes(name, axis.as_slice(), x.rank())?;
    let fill = if op == ReduceOp::Max {
        f64::NEG_INFINITY
    } else {
        f64::INFINITY
    };
    let best = reduce(op, &without_nan(x, fill)?, &axes)?;
    let nothing = logic::equal(&numbers_in(x, &axes)?, &Tensor::weak(0.0, x.dtype())?)?;
    finish(
        logic::where_(&nothing, &Tensor::weak(f64::NAN, x.dtype())?, &best)?,
        &axes,
        keepdims,
    )
}

op! {
    /// The largest element along `axis` that is not NaN; NaN if there is none.
    fn nanmax(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        nan_extremum("nanmax", ReduceOp::Max, x, &axis, keepdims)
    }
    samples { let mut s = nan_samples(nanmax, |g| g.iter().copied().fold(f64::NAN, f64::max)); s.extend(reductions(nanmax, |g| g.iter().copied().fold(f64::NAN, f64::max), -2.0, 2.0, 2)); s }
}
op! {
    /// The smallest element along `axis` that is not NaN; NaN if there is none.
    fn nanmin(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        nan_extremum("nanmin", ReduceOp::Min, x, &axis, keepdims)
    }
    samples { let mut s = nan_samples(nanmin, |g| g.iter().copied().fold(f64::NAN, f64::min)); s.extend(reductions(nanmin, |g| g.iter().copied().fold(f64::NAN, f64::min), -2.0, 2.0, 2)); s }
}
op! {
    /// The index of the largest element along `axis` that is not NaN; -1 where all are NaN.
    fn nanargmax(x: &Tensor, axis: Option<i64> = None, keepdims: bool = false) -> Tensor {
        nan_arg("nanargmax", x, axis, keepdims, true)
    }
    samples { arg::samples(nanargmax, f64::gt) }
}
op! {
    /// The index of the smallest element along `axis` that is not NaN; -1 where all are NaN.
    fn nanargmin(x: &Tensor, axis: Option<i64> = None, keepdims: bool = false) -> Tensor {
        nan_arg("nanargmin", x, axis, keepdims, false)
    }
    samples { arg::samples(nanargmin, f64::lt) }
}

fn nan_arg(
    name: &'static str,
    x: &Tensor,
    axis: Option<i64>,
    keepdims: bool,
    largest: bool,
) -> Result<Tensor> {
    let fill = if largest {
        f64::NEG_INFINITY
    } else {
        f64::INFINITY
    };
    let best = arg::arg_extremum(name, &without_nan(x, fill)?, axis, keepdims, largest)?;
    let axes = axis.map_or(Axes::all(), Axes::from);
    let nothing = reduce::all(&classify::isnan(x)?, axes, keepdims)?;
    logic::where_(&nothing, &Tensor::weak(-1.0, DType::I32)?, &best)
}

/// The quantiles of rows `[.., n]` sorted in rising order, of which the first `size` count: shape `[q.., rows..]`.
fn of_sorted(
    op: &'static str,
    sorted: &Tensor,
    size: &Tensor,
    q: &Tensor,
    method: &str,
) -> Result<Tensor> {
    let axis = sorted.rank() - 1;
    // Positions q (size - 1), with q along new leading axes.
    let mut q_shape: Shape = q.shape().into();
    q_shape.extend(std::iter::repeat_n(1, axis));
    let q = view::reshape_to(&math::cast(q, sorted.dtype())?, &q_shape)?;
    let one = Tensor::weak(1.0, sorted.dtype())?;
    let place = math::multiply(&q, &math::subtract(size, &one)?)?;
    let (low, high) = (math::floor(&place)?, math::ceil(&place)?);
    let pick = |at: &Tensor| {
        // Indices into the last axis, the quantiles moved there.
        let lead: usize = q.size();
        let rows: Shape = sorted.shape()[..axis].into();
        let mut flat = Shape::from_elem(lead, 1);
        flat.extend_from_slice(&rows);
        let mut full: Shape = q_shape[..q_shape.len() - axis].into();
        full.extend_from_slice(&rows);
        let at = view::reshape_to(&view::broadcast_to_shape(at, &full)?, &flat)?;
        let at = super::rearrange::moveaxis(
            &at,
            crate::args::Ints(vec![0]),
            crate::args::Ints(vec![-1]),
        )?;
        let y = gather::take_along_axis(sorted, &math::cast(&at, DType::I64)?, Some(-1))?;
        let y = super::rearrange::moveaxis(
            &y,
            crate::args::Ints(vec![-1]),
            crate::args::Ints(vec![0]),
        )?;
        view::reshape_to(&y, &full)
    };
    match method {
        "lower" => pick(&low),
        "higher" => pick(&high),
        "nearest" => pick(&math::round(&place, 0)?),
        "midpoint" => math::multiply(
            &math::add(&pick(&low)?, &pick(&high)?)?,
            &Tensor::weak(0.5, sorted.dtype())?,
        ),
        "linear" => {
            let share = math::subtract(&place, &low)?;
            let (a, b) = (pick(&low)?, pick(&high)?);
            let between = math::add(
                &math::multiply(&a, &math::subtract(&one, &share)?)?,
                &math::multiply(&b, &share)?,
            )?;
            // The element itself, also beside an infinite one.
            let zero = Tensor::weak(0.0, sorted.dtype())?;
            logic::where_(&logic::equal(&share, &zero)?, &a, &between)
        }
        other => Err(Error::argument(
            op,
            format!("method={other:?} must be linear, lower, higher, nearest or midpoint"),
        )),
    }
}

/// Quantiles along axes, with or without the NaN among the elements.
fn quantiles(
    op: &'static str,
    x: &Tensor,
    q: &Tensor,
    axis: &Axes,
    method: &str,
    keepdims: bool,
    skip_nan: bool,
) -> Result<Tensor> {
    let dtype = x.dtype().to_float();
    // Positions are counted in the dtype of the elements, for which halves are too coarse.
    let wide = if dtype == DType::F64 {
        dtype
    } else {
        DType::F32
    };
    let x = &math::cast(x, wide)?;
    let axes = normalize_axes(op, axis.as_slice(), x.rank())?;
    if count(x, &axes) == 0 {
        return Err(Error::argument(
            op,
            format!(
                "the quantile of no elements (shape {:?}) is not defined",
                x.shape()
            ),
        ));
    }
    let rows = in_rows(x, &axes)?;
    let last = rows.rank() - 1;
    let present = reduce(
        ReduceOp::Sum,
        &math::cast(&logic::logical_not(&classify::isnan(&rows)?)?, x.dtype())?,
        &[last],
    )?;
    let present = view::drop_axes(&present, &[last])?;
    let n = Tensor::full(present.shape(), rows.shape()[last] as f64, x.dtype())?;
    let sorted = sort::sort(&rows, -1)?;
    let size = if skip_nan {
        at_least_one(&present)?
    } else {
        n.clone()
    };
    let y = of_sorted(op, &sorted, &size, q, method)?;
    // A NaN anywhere makes the quantile NaN, unless NaN are skipped; then only if there is nothing else.
    let zero = Tensor::weak(0.0, x.dtype())?;
    let invalid = if skip_nan {
        logic::equal(&present, &zero)?
    } else {
        logic::less(&present, &n)?
    };
    let y = logic::where_(&invalid, &Tensor::weak(f64::NAN, x.dtype())?, &y)?;
    let y = math::cast(&y, dtype)?;
    if !keepdims {
        return Ok(y);
    }
    let mut shape: Shape = q.shape().into();
    shape.extend((0..x.rank()).map(|i| if axes.contains(&i) { 1 } else { x.shape()[i] }));
    view::reshape_to(&y, &shape)
}

/// The quantile of a list by linear interpolation.
fn quantile_of(g: &[f64], q: f64) -> f64 {
    let mut v = g.to_vec();
    v.sort_by(f64::total_cmp);
    let p = q * (v.len() - 1) as f64;
    let (a, b) = (v[p.floor() as usize], v[p.ceil() as usize]);
    a + (b - a) * p.fract()
}

op! {
    /// The quantiles `q` (in 0..1, of any shape, which comes first in the result's shape) of the elements along `axis`.
    ///
    /// `method` between two elements: "linear", "lower", "higher", "nearest" or "midpoint".
    fn quantile(x: &Tensor, q: &Tensor, axis: Axes = Axes::all(), method: String = "linear".to_string(), keepdims: bool = false) -> Tensor {
        quantiles("quantile", x, q, &axis, &method, keepdims, false)
    }
    samples {
        let mut s = reductions(|x, a, k| quantile(x, &Tensor::scalar(0.3)?, a, "linear".into(), k), |g| quantile_of(g, 0.3), -2.0, 2.0, 2);
        s.push(Sample::new("several", vec![values(&[3, 5], -2.0, 2.0, 1), tensor(&[0.1, 0.3, 0.6], &[3])], |x| Ok(vec![quantile(&x[0], &x[1], Axes::from(1), "linear".into(), false)?]))
            .reference(|x| { let (x, q) = (nd(&x[0]), nd(&x[1]).1); vec![(vec![3, 3], q.iter().flat_map(|&q| grouped(&x, &[1], false, |g| quantile_of(g, q)).1).collect())] }));
        s
    }
}
op! {
    /// The percentiles `q` (in 0..100) of the elements along `axis`: `quantile` with q / 100.
    fn percentile(x: &Tensor, q: &Tensor, axis: Axes = Axes::all(), method: String = "linear".to_string(), keepdims: bool = false) -> Tensor {
        let q = math::divide(q, &Tensor::weak(100.0, DType::F32)?)?;
        quantiles("percentile", x, &q, &axis, &method, keepdims, false)
    }
    samples { reductions(|x, a, k| percentile(x, &Tensor::scalar(75.0)?, a, "linear".into(), k), |g| quantile_of(g, 0.75), -2.0, 2.0, 2) }
}
op! {
    /// The median of the elements along `axis`; the mean of the two in the middle for an even number.
    fn median(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        quantiles("median", x, &Tensor::full(&[], 0.5, DType::F32)?, &axis, "linear", keepdims, false)
    }
    samples { reductions(median, |g| quantile_of(g, 0.5), -2.0, 2.0, 2) }
}
op! {
    /// `quantile` of what is not NaN.
    fn nanquantile(x: &Tensor, q: &Tensor, axis: Axes = Axes::all(), method: String = "linear".to_string(), keepdims: bool = false) -> Tensor {
        quantiles("nanquantile", x, q, &axis, &method, keepdims, true)
    }
    samples { nan_samples(|x, a, k| nanquantile(x, &Tensor::scalar(0.3)?, a, "linear".into(), k), |g| quantile_of(g, 0.3)) }
}
op! {
    /// `percentile` of what is not NaN.
    fn nanpercentile(x: &Tensor, q: &Tensor, axis: Axes = Axes::all(), method: String = "linear".to_string(), keepdims: bool = false) -> Tensor {
        let q = math::divide(q, &Tensor::weak(100.0, DType::F32)?)?;
        quantiles("nanpercentile", x, &q, &axis, &method, keepdims, true)
    }
    samples { nan_samples(|x, a, k| nanpercentile(x, &Tensor::scalar(30.0)?, a, "linear".into(), k), |g| quantile_of(g, 0.3)) }
}
op! {
    /// The median of what is not NaN.
    fn nanmedian(x: &Tensor, axis: Axes = Axes::all(), keepdims: bool = false) -> Tensor {
        quantiles("nanmedian", x, &Tensor::full(&[], 0.5, DType::F32)?, &axis, "linear", keepdims, true)
    }
    samples { nan_samples(nanmedian, |g| quantile_of(g, 0.5)) }
}
