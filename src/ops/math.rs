//! Elementwise arithmetic: sums, products, quotients, powers, rounding, extrema.

use super::map::{self, binary, binary_as, binary_float, unary, unary_as, unary_float};
use super::samples::{elementwise, elementwise_flat, known, pairs, pairs_flat, tensor, values};
use crate::aval::DType;
use crate::error::{Error, Result};
use crate::expr::{BinOp, Builder, CmpOp, Id, OutKind, Program, Ty, UnOp};
use crate::op;
use crate::op::{Avals, Grads, Kind, Op, Sample, Vjp};
use crate::tensor::Tensor;

/// [`binary`] for operations that truth values lack: two booleans are computed as `int32`.
fn binary_number(
    name: &'static str,
    x1: &Tensor,
    x2: &Tensor,
    f: impl FnOnce(&mut Builder, Id, Id) -> Id,
) -> Result<Tensor> {
    if map::common_dtype(x1, x2) == DType::Bool {
        return binary_as(name, x1, x2, DType::I32, DType::I32, f);
    }
    binary(name, x1, x2, f)
}

/// Refuses booleans, for which the function is not defined.
fn require_number(op: &'static str, x: &Tensor) -> Result<()> {
    if x.dtype() == DType::Bool {
        return Err(Error::dtype(
            op,
            "not defined for bool; use logical_not, or cast(x, \"int32\") first",
        ));
    }
    Ok(())
}

op! {
    /// Sum of two tensors, element by element: z = x1 + x2.
    ///
    /// Shapes broadcast by numpy's rule and dtypes promote; booleans are or-ed.
    fn add(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary("add", x1, x2, |b, x, y| b.bin(BinOp::Add, x, y))
    }
    samples { pairs(add, |x, y| x + y, (-3.0, 3.0), (-3.0, 3.0)) }
}
op! {
    /// Difference of two tensors, element by element: z = x1 - x2.
    fn subtract(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary("subtract", x1, x2, |b, x, y| b.bin(BinOp::Sub, x, y))
    }
    samples { pairs(subtract, |x, y| x - y, (-3.0, 3.0), (-3.0, 3.0)) }
}
op! {
    /// Product of two tensors, element by element: z = x1 x2; booleans are and-ed.
    fn multiply(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary("multiply", x1, x2, |b, x, y| b.bin(BinOp::Mul, x, y))
    }
    samples { pairs(multiply, |x, y| x * y, (-3.0, 3.0), (-3.0, 3.0)) }
}
op! {
    /// True division, element by element: z = x1 / x2; integers are divided as `float32`.
    fn divide(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_float("divide", x1, x2, |b, x, y| b.bin(BinOp::Div, x, y))
    }
    samples { pairs(divide, |x, y| x / y, (-3.0, 3.0), (0.5, 3.0)) }
}
op! {
    /// True division, element by element: z = x1 / x2; another name of `divide`.
    fn true_divide(x1: &Tensor, x2: &Tensor) -> Tensor {
        divide(x1, x2)
    }
    samples { pairs(true_divide, |x, y| x / y, (-3.0, 3.0), (-3.0, -0.5)) }
}
op! {
    /// z = x1 / x2, and 0 where x2 is 0; the gradients there are 0 as well.
    fn divide_no_nan(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_float("divide_no_nan", x1, x2, |b, x, y| {
            let ty = b.ty(y);
            let (zero, one) = (b.real(ty, 0.0), b.real(ty, 1.0));
            let bad = b.cmp(CmpOp::Eq, y, zero);
            let safe = b.select(bad, one, y);
            let ratio = b.bin(BinOp::Div, x, safe);
            b.select(bad, zero, ratio)
        })
    }
    samples {
        let mut s = pairs(divide_no_nan, |x, y| x / y, (-3.0, 3.0), (0.5, 3.0));
        s.push(known("zeros", vec![tensor(&[1.0, 0.0], &[2]), tensor(&[0.0, 0.0], &[2])], |x| divide_no_nan(&x[0], &x[1]), &[2], &[0.0, 0.0]).order(0));
        s
    }
}
op! {
    /// The quotient rounded towards minus infinity: z = floor(x1 / x2). Integers divided by 0 give 0.
    fn floor_divide(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_number("floor_divide", x1, x2, |b, x, y| b.bin(BinOp::FloorDiv, x, y))
    }
    samples { pairs_flat(floor_divide, |x, y| (x / y).floor(), (-9.0, 9.0), (0.6, 3.0)) }
}
op! {
    /// The remainder with the sign of the divisor, as in Python: z = x1 - x2 floor(x1 / x2).
    fn mod_(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_number("mod", x1, x2, |b, x, y| b.bin(BinOp::Rem, x, y))
    }
    samples { pairs(mod_, |x, y| x - y * (x / y).floor(), (-9.0, 9.0), (1.6, 3.0)) }
}
op! {
    /// The remainder with the sign of the divisor; another name of `mod`.
    fn remainder(x1: &Tensor, x2: &Tensor) -> Tensor {
        mod_(x1, x2)
    }
    samples { pairs(remainder, |x, y| x - y * (x / y).floor(), (-9.0, 9.0), (-3.0, -1.6)) }
}
op! {
    /// The remainder with the sign of the dividend, as in C: z = x1 - x2 trunc(x1 / x2).
    fn fmod(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_number("fmod", x1, x2, |b, x, y| b.bin(BinOp::Fmod, x, y))
    }
    samples { pairs(fmod, |x, y| x - y * (x / y).trunc(), (-9.0, 9.0), (1.6, 3.0)) }
}
op! {
    /// Powers, element by element: z = x1 ^ x2.
    fn power(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_number("power", x1, x2, |b, x, y| b.bin(BinOp::Pow, x, y))
    }
    samples {
        let mut s = pairs(power, f64::powf, (0.3, 3.0), (-2.0, 2.0));
        s.push(Sample::new("cube of negatives", vec![values(&[9], -2.0, 2.0, 1)], |x| Ok(vec![power(&x[0], &Tensor::weak(3.0, DType::I32)?)?])));
        s
    }
}
op! {
    /// z = x1 2^x2, where x2 holds whole numbers.
    fn ldexp(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_float("ldexp", x1, x2, |b, x, y| {
            let scale = b.un(UnOp::Exp2, y);
            b.bin(BinOp::Mul, x, scale)
        })
    }
    samples { pairs(ldexp, |x, y| x * y.exp2(), (-3.0, 3.0), (-3.0, 3.0)) }
}
op! {
    /// The larger of each pair of elements; NaN if either is. Equal elements share the gradient.
    fn maximum(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary("maximum", x1, x2, |b, x, y| b.bin(BinOp::Max, x, y))
    }
    samples { pairs(maximum, f64::max, (-3.0, 3.0), (-3.0, 3.0)) }
}
op! {
    /// The smaller of each pair of elements; NaN if either is. Equal elements share the gradient.
    fn minimum(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary("minimum", x1, x2, |b, x, y| b.bin(BinOp::Min, x, y))
    }
    samples { pairs(minimum, f64::min, (-3.0, 3.0), (-3.0, 3.0)) }
}

/// The extremum that ignores a NaN on one side.
fn extremum_of_numbers(b: &mut Builder, op: BinOp, x: Id, y: Id) -> Id {
    let both = b.bin(op, x, y);
    if !b.ty(x).is_float() {
        return both;
    }
    let (x_nan, y_nan) = (b.un(UnOp::IsNan, x), b.un(UnOp::IsNan, y));
    let rest = b.select(y_nan, x, both);
    b.select(x_nan, y, rest)
}

op! {
    /// The larger of each pair of elements; where one is NaN, the other.
    fn fmax(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary("fmax", x1, x2, |b, x, y| extremum_of_numbers(b, BinOp::Max, x, y))
    }
    samples { pairs(fmax, f64::max, (-3.0, 3.0), (-3.0, 3.0)) }
}
op! {
    /// The smaller of each pair of elements; where one is NaN, the other.
    fn fmin(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary("fmin", x1, x2, |b, x, y| extremum_of_numbers(b, BinOp::Min, x, y))
    }
    samples { pairs(fmin, f64::min, (-3.0, 3.0), (-3.0, 3.0)) }
}
op! {
    /// The negative of each element: y = -x.
    fn negative(x: &Tensor) -> Tensor {
        require_number("negative", x)?;
        unary("negative", x, |b, x| b.un(UnOp::Neg, x))
    }
    samples { elementwise(negative, |x| -x, -3.0, 3.0) }
}
op! {
    /// The absolute value of each element.
    fn abs(x: &Tensor) -> Tensor {
        if x.dtype() == DType::Bool {
            return Ok(x.clone());
        }
        unary("abs", x, |b, x| b.un(UnOp::Abs, x))
    }
    samples { elementwise(abs, f64::abs, -3.0, 3.0) }
}
op! {
    /// The absolute value of each element; another name of `abs`.
    fn absolute(x: &Tensor) -> Tensor {
        abs(x)
    }
    samples { elementwise(absolute, f64::abs, -3.0, 3.0) }
}
op! {
    /// The absolute value of each element in a floating type.
    fn fabs(x: &Tensor) -> Tensor {
        unary_float("fabs", x, |b, x| b.un(UnOp::Abs, x))
    }
    samples { elementwise(fabs, f64::abs, -3.0, 3.0) }
}
op! {
    /// -1, 0 or 1 by the sign of each element; NaN for NaN.
    fn sign(x: &Tensor) -> Tensor {
        if x.dtype() == DType::Bool {
            return Ok(x.clone());
        }
        unary("sign", x, |b, x| b.un(UnOp::Sign, x))
    }
    samples { elementwise_flat(sign, f64::signum, -3.0, 3.0) }
}
op! {
    /// The square of each element: y = x^2. Booleans are squared as `int32`.
    fn square(x: &Tensor) -> Tensor {
        let dtype = if x.dtype() == DType::Bool { DType::I32 } else { x.dtype() };
        unary_as("square", x, dtype, |b, x| b.un(UnOp::Square, x))
    }
    samples { elementwise(square, |x| x * x, -3.0, 3.0) }
}
op! {
    /// The largest whole number <= x. Integers become `float32`.
    fn floor(x: &Tensor) -> Tensor {
        unary_float("floor", x, |b, x| b.un(UnOp::Floor, x))
    }
    samples { elementwise_flat(floor, f64::floor, -9.0, 9.0) }
}
op! {
    /// The smallest whole number >= x. Integers become `float32`.
    fn ceil(x: &Tensor) -> Tensor {
        unary_float("ceil", x, |b, x| b.un(UnOp::Ceil, x))
    }
    samples { elementwise_flat(ceil, f64::ceil, -9.0, 9.0) }
}
op! {
    /// x without its fractional part. Integers stay as they are.
    fn trunc(x: &Tensor) -> Tensor {
        if !x.dtype().is_float() {
            return Ok(x.clone());
        }
        unary("trunc", x, |b, x| b.un(UnOp::Trunc, x))
    }
    samples { elementwise_flat(trunc, f64::trunc, -9.0, 9.0) }
}
op! {
    /// x rounded to `decimals` decimal places, ties to even; negative `decimals` round to tens, hundreds, ...
    /// Integers stay integers.
    fn round(x: &Tensor, decimals: i64 = 0) -> Tensor {
        if !x.dtype().is_float() {
            if decimals >= 0 {
                return Ok(x.clone());
            }
            let wide = round(&cast(x, DType::F64)?, decimals)?;
            return cast(&wide, x.dtype());
        }
        let scale = 10f64.powi(decimals.unsigned_abs().min(300) as i32);
        unary("round", x, |b, x| {
            if decimals == 0 {
                return b.un(UnOp::Round, x);
            }
            let scale = b.real(b.ty(x), scale);
            let (there, back) = if decimals > 0 { (BinOp::Mul, BinOp::Div) } else { (BinOp::Div, BinOp::Mul) };
            let scaled = b.bin(there, x, scale);
            let rounded = b.un(UnOp::Round, scaled);
            b.bin(back, rounded, scale)
        })
    }
    samples {
        let mut s = elementwise_flat(|x| round(x, 0), f64::round_ties_even, -9.0, 9.0);
        s.extend(elementwise_flat(|x| round(x, 2), |x| (x * 100.0).round_ties_even() / 100.0, -9.0, 9.0));
        s.extend(elementwise_flat(|x| round(x, -1), |x| (x / 10.0).round_ties_even() * 10.0, -90.0, 90.0));
        s
    }
}
op! {
    /// The angle of the point (x2, x1) with the positive x-axis, in (-pi, pi].
    fn arctan2(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_float("arctan2", x1, x2, |b, x, y| b.bin(BinOp::Atan2, x, y))
    }
    samples {
        let mut s = pairs(arctan2, f64::atan2, (0.2, 3.0), (-3.0, 3.0));
        s.extend(pairs(arctan2, f64::atan2, (-3.0, -0.2), (-3.0, 3.0)));
        s
    }
}
op! {
    /// sqrt(x1^2 + x2^2) without overflow.
    fn hypot(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_float("hypot", x1, x2, |b, x, y| b.bin(BinOp::Hypot, x, y))
    }
    samples { pairs(hypot, f64::hypot, (-3.0, 3.0), (0.3, 3.0)) }
}
op! {
    /// ln(e^x1 + e^x2) without overflow.
    fn logaddexp(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_float("logaddexp", x1, x2, |b, x, y| b.bin(BinOp::LogAddExp, x, y))
    }
    samples { pairs(logaddexp, |x, y| (x.exp() + y.exp()).ln(), (-3.0, 3.0), (-3.0, 3.0)) }
}
op! {
    /// log2(2^x1 + 2^x2) without overflow.
    fn logaddexp2(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_float("logaddexp2", x1, x2, |b, x, y| {
            let ln2 = b.real(b.ty(x), std::f64::consts::LN_2);
            let (p, q) = (b.bin(BinOp::Mul, x, ln2), b.bin(BinOp::Mul, y, ln2));
            let z = b.bin(BinOp::LogAddExp, p, q);
            b.bin(BinOp::Div, z, ln2)
        })
    }
    samples { pairs(logaddexp2, |x, y| (x.exp2() + y.exp2()).log2(), (-3.0, 3.0), (-3.0, 3.0)) }
}
op! {
    /// The step function: 0 for x1 < 0, x2 for x1 = 0, 1 for x1 > 0.
    fn heaviside(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_float("heaviside", x1, x2, |b, x, y| {
            let ty = b.ty(x);
            let (zero, one) = (b.real(ty, 0.0), b.real(ty, 1.0));
            let (below, at) = (b.cmp(CmpOp::Lt, x, zero), b.cmp(CmpOp::Eq, x, zero));
            let nan = b.un(UnOp::IsNan, x);
            let step = b.select(below, zero, one);
            let step = b.select(at, y, step);
            b.select(nan, x, step)
        })
    }
    samples {
        let mut s = pairs_flat(heaviside, |x, _| if x < 0.0 { 0.0 } else { 1.0 }, (-3.0, 3.0), (0.0, 1.0));
        s.push(known("at zero", vec![tensor(&[0.0, -0.0], &[2]), tensor(&[0.5, 2.0], &[2])], |x| heaviside(&x[0], &x[1]), &[2], &[0.5, 2.0]).order(0));
        s
    }
}
op! {
    /// The magnitude of x1 with the sign of x2.
    fn copysign(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_float("copysign", x1, x2, |b, x, y| b.bin(BinOp::CopySign, x, y))
    }
    samples { pairs(copysign, f64::copysign, (-3.0, 3.0), (-3.0, 3.0)) }
}
op! {
    /// The next floating point number after x1 in the direction of x2.
    fn nextafter(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_float("nextafter", x1, x2, |b, x, y| b.bin(BinOp::NextAfter, x, y))
    }
    samples { pairs_flat(nextafter, |x, y| if y > x { x.next_up() } else { x.next_down() }, (-3.0, 0.0), (0.1, 3.0)) }
}
op! {
    /// x kept between `x_min` and `x_max`: min(max(x, x_min), x_max). `None` leaves a side open.
    fn clip(x: &Tensor, x_min: Option<Tensor> = None, x_max: Option<Tensor> = None) -> Tensor {
        let x = &if x.dtype() == DType::Bool { cast(x, DType::I32)? } else { x.clone() };
        // With two numbers as bounds it is one expression.
        let constant = |t: &Option<Tensor>| t.as_ref().filter(|t| t.is_weak() && t.rank() == 0 && t.node().is_none()).and_then(|t| t.item().ok());
        if let (Some(lo), Some(hi)) = (constant(&x_min), constant(&x_max))
            && (x.dtype().is_float() || (lo.fract() == 0.0 && hi.fract() == 0.0))
        {
            return unary("clip", x, |b, x| {
                let (lo, hi) = (b.real(b.ty(x), lo), b.real(b.ty(x), hi));
                let raised = b.bin(BinOp::Max, x, lo);
                b.bin(BinOp::Min, raised, hi)
            });
        }
        let raised = match &x_min {
            Some(lo) => maximum(x, lo)?,
            None => x.clone(),
        };
        match &x_max {
            Some(hi) => minimum(&raised, hi),
            None => Ok(raised),
        }
    }
    samples {
        let number = |v| Tensor::weak(v, DType::F32).ok();
        let mut s = elementwise(move |x| clip(x, number(-1.0), number(1.5)), |x| x.clamp(-1.0, 1.5), -3.0, 3.0);
        s.extend(elementwise(move |x| clip(x, None, number(0.5)), |x| x.min(0.5), -3.0, 3.0));
        s.extend(pairs(|x, lo| clip(x, Some(lo.clone()), None), f64::max, (-3.0, 3.0), (-1.0, 1.0)));
        s
    }
}
op! {
    /// The tensor converted to another dtype. Floats become integers by truncation.
    fn cast(x: &Tensor, dtype: DType) -> Tensor {
        if x.dtype() == dtype && !x.is_weak() {
            return Ok(x.clone());
        }
        unary_as("cast", x, dtype, |_, x| x)
    }
    samples {
        let mut s = elementwise_flat(|x| cast(x, DType::I32), f64::trunc, -9.0, 9.0);
        s.extend(elementwise(|x| cast(x, DType::F64), |x| x, -9.0, 9.0));
        s.extend(elementwise_flat(|x| cast(&cast(x, DType::I32)?, DType::U8), |x| (x.trunc() as i64 & 255) as f64, -300.0, 300.0));
        s
    }
}
op! {
    /// The polynomial with these coefficients (highest power first) at x: y = sum_k p_k x^(n-1-k).
    fn polyval(p: &Tensor, x: &Tensor) -> Tensor {
        if p.rank() != 1 {
            return Err(Error::shape("polyval", format!("p must have rank 1, not shape {:?}", p.shape())));
        }
        let dtype = map::common_dtype(p, x);
        let mut y = super::create::full_like_of(x, 0.0, dtype)?;
        for k in 0..p.size() {
            let c = super::view::drop_axes(&super::view::narrow(p, 0, k, 1)?, &[0])?;
            y = add(&multiply(&y, x)?, &c)?;
        }
        Ok(y)
    }
    samples {
        vec![Sample::new("cubic", vec![tensor(&[2.0, -1.0, 0.5, 3.0], &[4]), values(&[2, 3], -2.0, 2.0, 1)], |x| Ok(vec![polyval(&x[0], &x[1])?]))
            .reference(|x| {
                let (p, (shape, data)) = (super::samples::nd(&x[0]).1, super::samples::nd(&x[1]));
                vec![(shape, data.iter().map(|x| p[0] * x.powi(3) + p[1] * x.powi(2) + p[2] * x + p[3]).collect())]
            })]
    }
}

/// The identity that no gradient passes.
#[derive(Debug)]
struct StopGradient(Program);

impl Op for StopGradient {
    fn name(&self) -> &'static str {
        "stop_gradient"
    }
    fn infer(&self, x: &[crate::aval::Aval]) -> Result<Avals> {
        Ok(x.iter().cloned().collect())
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        Ok(smallvec::smallvec![None; cx.inputs()])
    }
    fn kind(&self) -> Kind<'_> {
        Kind::Map(&self.0)
    }
}

op! {
    /// The same value, through which no gradient flows.
    fn stop_gradient(x: &Tensor) -> Tensor {
        if !x.is_traced() {
            return Ok(x.detach());
        }
        let b = {
            let mut b = Builder::new(&[Ty::of(x.dtype())]);
            let id = b.load(0);
            b.finish(&[(id, OutKind::Full)])
        };
        crate::bind::bind1(StopGradient(b), &[x])
    }
    samples { elementwise_flat(stop_gradient, |x| x, -3.0, 3.0) }
}
