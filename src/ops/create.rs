//! Tensors made from nothing: constants, ranges, identity matrices.

use super::samples::{elementwise_flat, known, made, tensor};
use super::{map, math, rearrange, view};
use crate::args::Ints;
use crate::aval::{Aval, DType, Shape, checked_bytes, normalize_axis};
use crate::buffer::{Buffer, Element};
use crate::error::{Error, Result};
use crate::op;
use crate::tensor::{Array, Tensor};
use crate::with_element;

/// A tensor whose element `i` (in row-major order) is `f(i)`.
pub fn generate(
    op: &'static str,
    shape: &[usize],
    dtype: DType,
    f: impl Fn(usize) -> f64,
) -> Result<Tensor> {
    let buffer = Buffer::new(op, checked_bytes(op, shape, dtype)?)?;
    with_element!(dtype, T => {
        for (i, e) in buffer.writer(dtype, shape).slice_mut::<T>().iter_mut().enumerate() {
            *e = T::from_f64(f(i));
        }
    });
    Ok(Tensor::from_array(
        Aval::new(shape, dtype),
        Array::contiguous(buffer, shape),
    ))
}

/// 0, 1, .., n - 1.
pub fn iota(n: usize, dtype: DType) -> Result<Tensor> {
    generate("arange", &[n], dtype, |i| i as f64)
}

/// A tensor of x's shape filled with `v`.
pub fn full_like_of(x: &Tensor, v: f64, dtype: DType) -> Result<Tensor> {
    Tensor::full(x.shape(), v, dtype)
}

/// A shape from an argument; sizes must not be negative.
pub fn shape_of(op: &'static str, shape: &Ints) -> Result<Shape> {
    shape
        .0
        .iter()
        .map(|&n| {
            usize::try_from(n).map_err(|_| {
                Error::argument(op, format!("shape={:?} has the negative size {n}", shape.0))
            })
        })
        .collect()
}

op! {
    /// A tensor of this shape filled with `fill_value` (a number, or a tensor that broadcasts to the shape).
    fn full(shape: Ints, fill_value: &Tensor, dtype: Option<DType> = None) -> Tensor {
        let shape = shape_of("full", &shape)?;
        let dtype = dtype.unwrap_or(fill_value.dtype());
        checked_bytes("full", &shape, dtype)?;
        view::broadcast_to_shape(&math::cast(fill_value, dtype)?, &shape)
    }
    samples { vec![made("plain", || full(Ints(vec![2, 2]), &Tensor::scalar(1.5)?, None), &[2, 2], &[1.5; 4])] }
}
op! {
    /// A tensor of this shape filled with 0.
    fn zeros(shape: Ints, dtype: DType = DType::F32) -> Tensor {
        Tensor::full(&shape_of("zeros", &shape)?, 0.0, dtype)
    }
    samples { vec![made("plain", || zeros(Ints(vec![2, 3]), DType::F64), &[2, 3], &[0.0; 6])] }
}
op! {
    /// A tensor of this shape filled with 1.
    fn ones(shape: Ints, dtype: DType = DType::F32) -> Tensor {
        Tensor::full(&shape_of("ones", &shape)?, 1.0, dtype)
    }
    samples { vec![made("plain", || ones(Ints(vec![2, 3]), DType::F64), &[2, 3], &[1.0; 6])] }
}
op! {
    /// A tensor of this shape; the elements are 0 (nothing is ever left uninitialised).
    fn empty(shape: Ints, dtype: DType = DType::F32) -> Tensor {
        Tensor::full(&shape_of("empty", &shape)?, 0.0, dtype)
    }
    samples { vec![made("plain", || empty(Ints(vec![2]), DType::F64), &[2], &[0.0; 2])] }
}
op! {
    /// A tensor of x's shape filled with `fill_value`, by default of x's dtype.
    fn full_like(x: &Tensor, fill_value: &Tensor, dtype: Option<DType> = None) -> Tensor {
        view::broadcast_to_shape(&math::cast(fill_value, dtype.unwrap_or(x.dtype()))?, x.shape())
    }
    samples { elementwise_flat(|x| full_like(x, &Tensor::weak(2.5, DType::F32)?, None), |_| 2.5, 0.0, 1.0) }
}
op! {
    /// Zeros of x's shape, by default of its dtype.
    fn zeros_like(x: &Tensor, dtype: Option<DType> = None) -> Tensor {
        full_like_of(x, 0.0, dtype.unwrap_or(x.dtype()))
    }
    samples { elementwise_flat(|x| zeros_like(x, None), |_| 0.0, 0.0, 1.0) }
}
op! {
    /// Ones of x's shape, by default of its dtype.
    fn ones_like(x: &Tensor, dtype: Option<DType> = None) -> Tensor {
        full_like_of(x, 1.0, dtype.unwrap_or(x.dtype()))
    }
    samples { elementwise_flat(|x| ones_like(x, None), |_| 1.0, 0.0, 1.0) }
}
op! {
    /// A tensor of x's shape; the elements are 0 (nothing is ever left uninitialised).
    fn empty_like(x: &Tensor, dtype: Option<DType> = None) -> Tensor {
        full_like_of(x, 0.0, dtype.unwrap_or(x.dtype()))
    }
    samples { elementwise_flat(|x| empty_like(x, None), |_| 0.0, 0.0, 1.0) }
}
op! {
    /// Numbers from `start` up to, but without, `stop`, in steps of `step`. With one argument from 0.
    ///
    /// The bounds must be known while a step is traced. The dtype is that of the arguments.
    fn arange(start: &Tensor, stop: Option<Tensor> = None, step: Option<Tensor> = None, dtype: Option<DType> = None) -> Tensor {
        let mut common = start.dtype();
        for t in [&stop, &step].into_iter().flatten() {
            common = crate::aval::promote(common, t.dtype());
        }
        let (start, stop) = match stop {
            Some(stop) => (start.item()?, stop.item()?),
            None => (0.0, start.item()?),
        };
        let step = step.map_or(Ok(1.0), |s| s.item())?;
        if step == 0.0 || !(start.is_finite() && stop.is_finite() && step.is_finite()) {
            return Err(Error::argument("arange", format!("start={start}, stop={stop} and step={step} must be finite, and step not 0")));
        }
        let count = ((stop - start) / step).ceil().max(0.0);
        if count > isize::MAX as f64 {
            return Err(Error::Memory { op: "arange", bytes: count as u128 });
        }
        generate("arange", &[count as usize], dtype.unwrap_or(common), |i| start + i as f64 * step)
    }
    samples {
        vec![
            made("one bound", || arange(&Tensor::scalar(4)?, None, None, None), &[4], &[0.0, 1.0, 2.0, 3.0]),
            made("backwards", || arange(&Tensor::scalar(3.0)?, Some(Tensor::scalar(0.0)?), Some(Tensor::scalar(-1.25)?), None), &[3], &[3.0, 1.75, 0.5]),
            made("empty", || arange(&Tensor::scalar(3)?, Some(Tensor::scalar(1)?), None, None), &[0], &[]),
        ]
    }
}
op! {
    /// `num` evenly spaced numbers from `start` to `stop` (left out if not `endpoint`) along a new axis of the result.
    ///
    /// `start` and `stop` may be tensors that broadcast together.
    fn linspace(start: &Tensor, stop: &Tensor, num: i64 = 50, endpoint: bool = true, dtype: Option<DType> = None, axis: i64 = 0) -> Tensor {
        let n = usize::try_from(num).map_err(|_| Error::argument("linspace", format!("num={num} must be >= 0")))?;
        let compute = map::common_dtype(start, stop).to_float();
        let rank = start.rank().max(stop.rank());
        let axis = normalize_axis("linspace", axis, rank + 1)?;
        let steps = if endpoint { n.saturating_sub(1) } else { n }.max(1) as f64;
        let mut shape = Shape::from_elem(1, rank + 1);
        shape[0] = n;
        let (t, rest) = (
            generate("linspace", &shape, compute, |i| i as f64 / steps)?,
            generate("linspace", &shape, compute, |i| 1.0 - i as f64 / steps)?,
        );
        // Both ends are exact: start (1 - t) + stop t.
        let y = math::add(&math::multiply(start, &rest)?, &math::multiply(stop, &t)?)?;
        let y = rearrange::moveaxis(&y, Ints(vec![0]), Ints(vec![axis as i64]))?;
        match dtype {
            Some(d) if !d.is_float() => math::cast(&math::floor(&y)?, d),
            Some(d) => math::cast(&y, d),
            None => math::cast(&y, compute),
        }
    }
    samples {
        vec![
            known("numbers", vec![tensor(&[1.0], &[]), tensor(&[3.0], &[])], |x| linspace(&x[0], &x[1], 5, true, None, 0), &[5], &[1.0, 1.5, 2.0, 2.5, 3.0]),
            known("open, last axis", vec![tensor(&[0.0, 1.0], &[2]), tensor(&[1.0], &[])], |x| linspace(&x[0], &x[1], 2, false, None, -1), &[2, 2], &[0.0, 0.5, 1.0, 1.0]),
        ]
    }
}
op! {
    /// `num` numbers from base^start to base^stop, evenly spaced in their logarithm.
    fn logspace(start: &Tensor, stop: &Tensor, num: i64 = 50, endpoint: bool = true, base: f64 = 10.0, dtype: Option<DType> = None, axis: i64 = 0) -> Tensor {
        let exponents = linspace(start, stop, num, endpoint, None, axis)?;
        let y = math::power(&Tensor::full(&[], base, exponents.dtype())?, &exponents)?;
        math::cast(&y, dtype.unwrap_or(y.dtype()))
    }
    samples { vec![known("decades", vec![tensor(&[0.0], &[]), tensor(&[2.0], &[])], |x| logspace(&x[0], &x[1], 3, true, 10.0, None, 0), &[3], &[1.0, 10.0, 100.0])] }
}
op! {
    /// `num` numbers from `start` to `stop` in geometric progression. Both must have the same sign.
    fn geomspace(start: &Tensor, stop: &Tensor, num: i64 = 50, endpoint: bool = true, dtype: Option<DType> = None, axis: i64 = 0) -> Tensor {
        let (sign, first, last) = (math::sign(start)?, math::abs(start)?.log()?, math::abs(stop)?.log()?);
        let y = linspace(&first, &last, num, endpoint, None, 0)?.exp()?;
        let y = math::multiply(&y, &math::cast(&sign, y.dtype())?)?;
        let y = rearrange::moveaxis(&y, Ints(vec![0]), Ints(vec![axis]))?;
        math::cast(&y, dtype.unwrap_or(y.dtype()))
    }
    samples {
        vec![
            known("doubling", vec![tensor(&[-1.0], &[]), tensor(&[-8.0], &[])], |x| geomspace(&x[0], &x[1], 4, true, None, 0), &[4], &[-1.0, -2.0, -4.0, -8.0]),
            known("last axis", vec![tensor(&[1.0, -1.0], &[2]), tensor(&[4.0, -9.0], &[2])], |x| geomspace(&x[0], &x[1], 3, true, None, -1), &[2, 3], &[1.0, 2.0, 4.0, -1.0, -3.0, -9.0]),
        ]
    }
}
op! {
    /// A matrix of `n` rows and `m` (default n) columns with ones on the diagonal `k` and zeros elsewhere.
    fn eye(n: i64, m: Option<i64> = None, k: i64 = 0, dtype: DType = DType::F32) -> Tensor {
        let shape = shape_of("eye", &Ints(vec![n, m.unwrap_or(n)]))?;
        let columns = shape[1].max(1);
        generate("eye", &shape, dtype, |e| {
            let (i, j) = ((e / columns) as i64, (e % columns) as i64);
            f64::from(u8::from(j.checked_sub(i) == Some(k)))
        })
    }
    samples {
        vec![
            made("square", || eye(2, None, 0, DType::F64), &[2, 2], &[1.0, 0.0, 0.0, 1.0]),
            made("shifted", || eye(2, Some(3), 1, DType::I32), &[2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 1.0]),
        ]
    }
}
op! {
    /// The identity matrix of `n` rows.
    fn identity(n: i64, dtype: DType = DType::F32) -> Tensor {
        eye(n, None, 0, dtype)
    }
    samples { vec![made("plain", || identity(2, DType::F64), &[2, 2], &[1.0, 0.0, 0.0, 1.0])] }
}
op! {
    /// A matrix with ones on and below the diagonal `k` and zeros above it.
    fn tri(n: i64, m: Option<i64> = None, k: i64 = 0, dtype: DType = DType::F32) -> Tensor {
        let shape = shape_of("tri", &Ints(vec![n, m.unwrap_or(n)]))?;
        let columns = shape[1].max(1);
        generate("tri", &shape, dtype, |e| {
            let (i, j) = ((e / columns) as i64, (e % columns) as i64);
            f64::from(u8::from(j - i <= k))
        })
    }
    samples { vec![made("plain", || tri(2, Some(3), 0, DType::F64), &[2, 3], &[1.0, 0.0, 0.0, 1.0, 1.0, 0.0])] }
}
