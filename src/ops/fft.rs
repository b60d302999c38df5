//! Fourier transforms along the last axis. Complex numbers are pairs of real tensors.
//!
//! The three kernels are linear and each other's transposes: that of the complex transform is the inverse transform
//! without its factor, and the two real ones are transposed into each other with weights (1, 2, .., 2, 1).

use super::samples::{Nd, at, from_index, nd, values};
use super::solve::real;
use super::{concat, math, rearrange, view};
use crate::args::Ints;
use crate::aval::{Aval, DType};
use crate::bind::bind;
use crate::error::{Error, Result};
use crate::kernels::fft as kernel;
use crate::op;
use crate::op::{Avals, Grads, Op, Run, Sample, Vjp, one};
use crate::tensor::Tensor;
use smallvec::smallvec;
use std::f64::consts::TAU;

/// The complex transform: y_k = sum_j x_j e^(-2 pi i j k / n), with +i for the inverse; no factor.
#[derive(Debug)]
struct Complex {
    inverse: bool,
}

impl Op for Complex {
    fn name(&self) -> &'static str {
        if self.inverse { "ifft" } else { "fft" }
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(smallvec![x[0].clone(), x[1].clone()])
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        // The matrix is symmetric, so the transpose over pairs of reals is its conjugate.
        let inverse = !self.inverse;
        let g = bind(Complex { inverse }, &[&cx.g(0)?, &cx.g(1)?])?;
        Ok(g.into_iter().map(Some).collect())
    }
    fn run(&self, cx: &mut Run) {
        let n = last(cx.ins[0].shape());
        let [a, b] = &mut cx.outs[..] else {
            unreachable!("two outputs")
        };
        real!(cx.ins[0].dtype(), T => kernel::complex(
            cx.ins[0].slice::<T>(), cx.ins[1].slice::<T>(), n, self.inverse, a.slice_mut::<T>(), b.slice_mut::<T>(),
        ));
    }
}

/// The first n / 2 + 1 elements of the transform of `n` real numbers.
#[derive(Debug)]
struct Forward;

impl Op for Forward {
    fn name(&self) -> &'static str {
        "rfft"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let mut y = x[0].clone();
        *y.shape.last_mut().expect("rank checked") = last(&x[0].shape) / 2 + 1;
        crate::aval::checked_bytes("rfft", &y.shape, y.dtype)?;
        Ok(smallvec![y.clone(), y])
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        // dx_j = Re sum_k g_k e^(+2 pi i j k / n); the backward transform counts all but the ends twice.
        let n = last(cx.x(0).shape());
        let half = weights(n, 0.5, cx.x(0).dtype())?;
        let g = [
            math::multiply(&cx.g(0)?, &half)?,
            math::multiply(&cx.g(1)?, &half)?,
        ];
        let g = bind(Backward { n }, &[&g[0], &g[1]])?;
        Ok(smallvec![Some(g[0].clone())])
    }
    fn run(&self, cx: &mut Run) {
        let n = last(cx.ins[0].shape());
        let [a, b] = &mut cx.outs[..] else {
            unreachable!("two outputs")
        };
        real!(cx.ins[0].dtype(), T => kernel::real_forward(
            cx.ins[0].slice::<T>(), n, a.slice_mut::<T>(), b.slice_mut::<T>(),
        ));
    }
}

/// `n` real numbers from the first n / 2 + 1 elements of their transform; no factor.
#[derive(Debug)]
struct Backward {
    n: usize,
}

impl Op for Backward {
    fn name(&self) -> &'static str {
        "irfft"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let mut shape = x[0].shape.clone();
        *shape.last_mut().expect("rank checked") = self.n;
        crate::aval::checked_bytes("irfft", &shape, x[0].dtype)?;
        Ok(one(shape, x[0].dtype))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let y = bind(Forward, &[&cx.g(0)?])?;
        let twice = weights(self.n, 2.0, y[0].dtype())?;
        y.iter()
            .map(|y| math::multiply(y, &twice).map(Some))
            .collect()
    }
    fn run(&self, cx: &mut Run) {
        real!(cx.ins[0].dtype(), T => kernel::real_backward(
            cx.ins[0].slice::<T>(), cx.ins[1].slice::<T>(), self.n, cx.outs[0].slice_mut::<T>(),
        ));
    }
}

fn last(shape: &[usize]) -> usize {
    shape[shape.len() - 1]
}

/// The numbers 1, `inner`, .., `inner`, 1 (the last one only for an even n), one for each element of half a spectrum.
fn weights(n: usize, inner: f64, dtype: DType) -> Result<Tensor> {
    let m = n / 2 + 1;
    let ends = if n.is_multiple_of(2) && n > 0 { 2 } else { 1 }.min(m);
    let one = |n: usize| Tensor::full(&[n], 1.0, dtype);
    let parts = [
        one(1)?,
        Tensor::full(&[m - ends], inner, dtype)?,
        one(ends - 1)?,
    ];
    concat::concatenate(parts.to_vec(), 0)
}

/// `x` in a type that is transformed, with at least one axis and `n` elements along the last.
fn ready(op: &'static str, x: &Tensor, n: Option<usize>) -> Result<Tensor> {
    if x.rank() == 0 {
        return Err(Error::shape(op, "needs at least one axis, not a scalar"));
    }
    let dtype = x.dtype().to_float();
    let wide = if dtype == DType::F64 {
        DType::F64
    } else {
        DType::F32
    };
    let (x, have) = (math::cast(x, wide)?, last(x.shape()));
    let n = n.unwrap_or(have);
    if n == 0 {
        return Err(Error::shape(
            op,
            format!(
                "the transformed axis of shape {:?} is empty; it needs at least one element",
                x.shape()
            ),
        ));
    }
    let axis = x.rank() - 1;
    if n < have {
        return view::narrow(&x, axis, 0, n);
    }
    if n > have {
        let mut widths = vec![0; 2 * x.rank()];
        widths[2 * axis + 1] = (n - have) as i64;
        return view::pad_zeros(&x, Ints(widths));
    }
    Ok(x)
}

/// Both parts of complex numbers, in one type and shape.
fn parts(op: &'static str, real: &Tensor, imag: &Tensor, n: Option<usize>) -> Result<[Tensor; 2]> {
    if real.shape() != imag.shape() {
        return Err(Error::shape(
            op,
            format!(
                "real and imaginary parts have shapes {:?} and {:?}; they must be equal",
                real.shape(),
                imag.shape()
            ),
        ));
    }
    let dtype = super::map::common_dtype(real, imag);
    Ok([
        ready(op, &math::cast(real, dtype)?, n)?,
        ready(op, &math::cast(imag, dtype)?, n)?,
    ])
}

/// The complex transform over the given trailing axes; the inverse has its factor 1 / n.
fn transformed(
    op: &'static str,
    inverse: bool,
    axes: usize,
    real: &Tensor,
    imag: &Tensor,
) -> Result<Vec<Tensor>> {
    if real.rank() < axes {
        return Err(Error::shape(
            op,
            format!("needs at least {axes} axes, not shape {:?}", real.shape()),
        ));
    }
    let dtype = super::map::common_dtype(real, imag).to_float();
    let r = real.rank();
    let (mut x, mut count) = (parts(op, real, imag, None)?, 1);
    for axis in (r.max(1) - axes..r).rev() {
        if x[0].shape()[axis] == 0 {
            ready(op, &view::narrow(&x[0], axis, 0, 0)?, None)?;
        }
        count *= x[0].shape()[axis];
        let turn = |x: &Tensor| rearrange::swapaxes(x, axis as i64, -1);
        let y = bind(Complex { inverse }, &[&turn(&x[0])?, &turn(&x[1])?])?;
        x = [turn(&y[0])?, turn(&y[1])?];
    }
    let factor = Tensor::weak(1.0 / count as f64, x[0].dtype())?;
    x.iter()
        .map(|y| {
            math::cast(
                &if inverse {
                    math::multiply(y, &factor)?
                } else {
                    y.clone()
                },
                dtype,
            )
        })
        .collect()
}

/// The length of a real transform.
fn length(op: &'static str, n: Option<i64>, default: usize) -> Result<usize> {
    match n {
        None => Ok(default),
        Some(n) if n > 0 => Ok(n as usize),
        Some(n) => Err(Error::argument(
            op,
            format!("fft_length = {n}: must be positive"),
        )),
    }
}

op! {
    /// The discrete Fourier transform along the last axis: y_k = sum_j x_j e^(-2 pi i j k / n).
    ///
    /// Takes and returns real and imaginary parts, of equal shapes.
    fn fft(real: &Tensor, imag: &Tensor) -> Vec<Tensor> {
        transformed("fft", false, 1, real, imag)
    }
    samples { complex_samples(false, 1, |x| fft(&x[0], &x[1])) }
}
op! {
    /// The inverse of `fft`: x_j = 1/n sum_k y_k e^(2 pi i j k / n) along the last axis.
    fn ifft(real: &Tensor, imag: &Tensor) -> Vec<Tensor> {
        transformed("ifft", true, 1, real, imag)
    }
    samples { complex_samples(true, 1, |x| ifft(&x[0], &x[1])) }
}
op! {
    /// `fft` along each of the last two axes.
    fn fft2(real: &Tensor, imag: &Tensor) -> Vec<Tensor> {
        transformed("fft2", false, 2, real, imag)
    }
    samples { complex_samples(false, 2, |x| fft2(&x[0], &x[1])) }
}
op! {
    /// `ifft` along each of the last two axes.
    fn ifft2(real: &Tensor, imag: &Tensor) -> Vec<Tensor> {
        transformed("ifft2", true, 2, real, imag)
    }
    samples { complex_samples(true, 2, |x| ifft2(&x[0], &x[1])) }
}
op! {
    /// The first n / 2 + 1 elements of the transform of real numbers along the last axis (the others are their
    /// conjugates), as real and imaginary parts. `fft_length`: the number n of elements that are transformed; the axis is
    /// cut or filled with zeros at its end.
    fn rfft(x: &Tensor, fft_length: Option<i64> = None) -> Vec<Tensor> {
        let have = x.shape().last().copied().unwrap_or(0);
        let n = length("rfft", fft_length, have)?;
        let y = bind(Forward, &[&ready("rfft", x, Some(n))?])?;
        y.iter().map(|y| math::cast(y, x.dtype().to_float())).collect()
    }
    samples {
        let case = |label: &str, shape: &[usize], n: Option<i64>| Sample::new(label, vec![values(shape, -1.0, 1.0, 1)], move |x| rfft(&x[0], n))
            .reference(move |x| {
                let x = nd(&x[0]);
                let n = n.unwrap_or(x.0[x.0.len() - 1] as i64) as usize;
                let zero = resized(&(x.0.clone(), vec![0.0; x.1.len()]), n);
                dft(&resized(&x, n), &zero, -1.0).map(|y| resized(&y, n / 2 + 1)).to_vec()
            });
        vec![
            case("even", &[2, 6], None),
            case("odd", &[5], None),
            case("one", &[3, 1], None),
            case("two", &[2], None),
            case("cut", &[2, 6], Some(5)),
            case("filled", &[2, 3], Some(8)),
            case("no rows", &[0, 4], None),
        ]
    }
}
op! {
    /// The inverse of `rfft`: n real numbers from the first n / 2 + 1 elements of their transform, times 1 / n.
    ///
    /// `fft_length`: n, by default 2 (m - 1) for m elements; the axis is cut or filled with zeros to n / 2 + 1. The
    /// imaginary parts of the first element and, for an even n, of the last do not count.
    fn irfft(real: &Tensor, imag: &Tensor, fft_length: Option<i64> = None) -> Tensor {
        let have = real.shape().last().copied().unwrap_or(0);
        let n = length("irfft", fft_length, 2 * have.saturating_sub(1))?;
        let x = parts("irfft", real, imag, Some(n / 2 + 1))?;
        if n == 0 {
            return Err(Error::shape("irfft", format!("{have} elements of a spectrum give no number; give fft_length=1 for one")));
        }
        let y = bind(Backward { n }, &[&x[0], &x[1]])?;
        let y = math::multiply(&y[0], &Tensor::weak(1.0 / n as f64, x[0].dtype())?)?;
        math::cast(&y, super::map::common_dtype(real, imag).to_float())
    }
    samples {
        let case = |label: &str, shape: &[usize], n: Option<i64>| {
            let inputs = vec![values(shape, -1.0, 1.0, 1), values(shape, -1.0, 1.0, 2)];
            Sample::new(label, inputs, move |x| Ok(vec![irfft(&x[0], &x[1], n)?])).reference(move |x| {
                let (re, im) = (nd(&x[0]), nd(&x[1]));
                let n = n.map_or(2 * (re.0[re.0.len() - 1] - 1), |n| n as usize);
                vec![hermitian(&resized(&re, n / 2 + 1), &resized(&im, n / 2 + 1), n)]
            })
        };
        vec![
            case("even", &[2, 4], None),
            case("odd", &[2, 4], Some(7)),
            case("one", &[2, 1], Some(1)),
            case("cut", &[6], Some(4)),
            case("filled", &[3], Some(9)),
            case("no rows", &[0, 4], None),
        ]
    }
}

/// The last axis cut or filled with zeros, for references.
fn resized(x: &Nd, n: usize) -> Nd {
    let axis = x.0.len() - 1;
    let mut shape = x.0.clone();
    shape[axis] = n;
    from_index(&shape, |i| if i[axis] < x.0[axis] { at(x, i) } else { 0.0 })
}

/// The transform along the last axis by its definition, for references.
fn dft(re: &Nd, im: &Nd, sign: f64) -> [Nd; 2] {
    let axis = re.0.len() - 1;
    let n = re.0[axis];
    let sum = |i: &[usize], imaginary: bool| -> f64 {
        (0..n)
            .map(|j| {
                let mut from = i.to_vec();
                from[axis] = j;
                let (sin, cos) = (sign * TAU * ((j * i[axis]) % n) as f64 / n as f64).sin_cos();
                let (a, b) = (at(re, &from), at(im, &from));
                if imaginary {
                    a * sin + b * cos
                } else {
                    a * cos - b * sin
                }
            })
            .sum()
    };
    [
        from_index(&re.0, |i| sum(i, false)),
        from_index(&re.0, |i| sum(i, true)),
    ]
}

/// Real numbers from half of a Hermitian spectrum, for references.
fn hermitian(re: &Nd, im: &Nd, n: usize) -> Nd {
    let axis = re.0.len() - 1;
    let mut shape = re.0.clone();
    shape[axis] = n;
    from_index(&shape, |i| {
        (0..n)
            .map(|k| {
                let mut from = i.to_vec();
                from[axis] = k.min(n - k);
                let (sin, cos) = (TAU * ((k * i[axis]) % n) as f64 / n as f64).sin_cos();
                let own = k == 0 || 2 * k == n;
                let b = if own {
                    0.0
                } else if 2 * k < n {
                    at(im, &from)
                } else {
                    -at(im, &from)
                };
                at(re, &from) * cos - b * sin
            })
            .sum::<f64>()
            / n as f64
    })
}

/// Samples of complex transforms over one or two axes.
fn complex_samples(
    inverse: bool,
    axes: usize,
    f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>> + Copy + Send + Sync + 'static,
) -> Vec<Sample> {
    let case = |label: &str, shape: &[usize]| {
        let inputs = vec![values(shape, -1.0, 1.0, 1), values(shape, -1.0, 1.0, 2)];
        Sample::new(label, inputs, f).reference(move |x| {
            let sign = if inverse { 1.0 } else { -1.0 };
            let mut y = dft(&nd(&x[0]), &nd(&x[1]), sign);
            let turned = |x: &Nd| {
                let mut shape = x.0.clone();
                let r = shape.len();
                shape.swap(r - 1, r - 2);
                from_index(&shape, |i| {
                    let mut i = i.to_vec();
                    i.swap(r - 1, r - 2);
                    at(x, &i)
                })
            };
            if axes == 2 {
                y = dft(&turned(&y[0]), &turned(&y[1]), sign).map(|y| turned(&y));
            }
            let r = y[0].0.len();
            let n: usize = y[0].0[r - axes..].iter().product();
            let factor = if inverse { 1.0 / n as f64 } else { 1.0 };
            y.map(|(shape, data)| (shape, data.iter().map(|v| v * factor).collect()))
                .to_vec()
        })
    };
    let mut all = vec![
        case("powers of two", &[2, 4]),
        case("odd", &[3, 5]),
        case("a prime", &[2, 13]),
        case("one", &[2, 1]),
    ];
    if axes == 1 {
        all.push(case("no rows", &[0, 3]));
        all.push(case("vector", &[6]));
    } else {
        all.push(case("batch", &[2, 3, 2]));
    }
    all
}
