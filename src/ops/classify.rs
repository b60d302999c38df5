//! What kind of number each element is: NaN, infinite, negative, real; and the parts of real numbers.

use super::map::{binary_as, common_dtype, predicate, unary, unary_as, unary_float};
use super::samples::{elementwise, elementwise_flat, known, pairs_flat, tensor};
use super::{logic, reduce};
use crate::args::Axes;
use crate::aval::DType;
use crate::error::Result;
use crate::expr::{BinOp, Builder, CmpOp, Id, Scalar, Ty, UnOp};
use crate::op;
use crate::tensor::Tensor;

/// A predicate of real numbers; other types are converted to `float32` for it.
fn real_predicate(
    name: &'static str,
    x: &Tensor,
    f: impl FnOnce(&mut Builder, Id) -> Id,
) -> Result<Tensor> {
    predicate(name, x, |b, x| {
        let x = if b.ty(x).is_float() {
            x
        } else {
            b.cast(x, Ty::F32)
        };
        f(b, x)
    })
}

fn flag(v: bool) -> f64 {
    f64::from(u8::from(v))
}

op! {
    /// Is the element NaN?
    fn isnan(x: &Tensor) -> Tensor {
        real_predicate("isnan", x, |b, x| b.un(UnOp::IsNan, x))
    }
    samples {
        let mut s = elementwise_flat(isnan, |x| flag(x.is_nan()), -3.0, 3.0);
        s.push(known("special", vec![tensor(&SPECIAL, &[4])], |x| isnan(&x[0]), &[4], &[1.0, 0.0, 0.0, 0.0]).order(0));
        s
    }
}
op! {
    /// Is the element plus or minus infinity?
    fn isinf(x: &Tensor) -> Tensor {
        real_predicate("isinf", x, |b, x| b.un(UnOp::IsInf, x))
    }
    samples {
        let mut s = elementwise_flat(isinf, |x| flag(x.is_infinite()), -3.0, 3.0);
        s.push(known("special", vec![tensor(&SPECIAL, &[4])], |x| isinf(&x[0]), &[4], &[0.0, 1.0, 1.0, 0.0]).order(0));
        s
    }
}
op! {
    /// Is the element neither NaN nor infinite?
    fn isfinite(x: &Tensor) -> Tensor {
        real_predicate("isfinite", x, |b, x| b.un(UnOp::IsFinite, x))
    }
    samples {
        let mut s = elementwise_flat(isfinite, |x| flag(x.is_finite()), -3.0, 3.0);
        s.push(known("special", vec![tensor(&SPECIAL, &[4])], |x| isfinite(&x[0]), &[4], &[0.0, 0.0, 0.0, 1.0]).order(0));
        s
    }
}
op! {
    /// Is the element plus infinity?
    fn isposinf(x: &Tensor) -> Tensor {
        real_predicate("isposinf", x, |b, x| {
            let inf = b.real(b.ty(x), f64::INFINITY);
            b.cmp(CmpOp::Eq, x, inf)
        })
    }
    samples {
        let mut s = elementwise_flat(isposinf, |_| 0.0, -3.0, 3.0);
        s.push(known("special", vec![tensor(&SPECIAL, &[4])], |x| isposinf(&x[0]), &[4], &[0.0, 1.0, 0.0, 0.0]).order(0));
        s
    }
}
op! {
    /// Is the element minus infinity?
    fn isneginf(x: &Tensor) -> Tensor {
        real_predicate("isneginf", x, |b, x| {
            let inf = b.real(b.ty(x), f64::NEG_INFINITY);
            b.cmp(CmpOp::Eq, x, inf)
        })
    }
    samples {
        let mut s = elementwise_flat(isneginf, |_| 0.0, -3.0, 3.0);
        s.push(known("special", vec![tensor(&SPECIAL, &[4])], |x| isneginf(&x[0]), &[4], &[0.0, 0.0, 1.0, 0.0]).order(0));
        s
    }
}

/// One of each kind of number.
const SPECIAL: [f64; 4] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -2.5];

op! {
    /// Is the sign bit set? True for negative numbers and -0.0.
    fn signbit(x: &Tensor) -> Tensor {
        predicate("signbit", x, |b, x| {
            let ty = b.ty(x);
            if ty == Ty::Bool {
                return b.constant(Scalar::Bool(false));
            }
            let zero = b.real(ty, 0.0);
            if !ty.is_float() {
                return b.cmp(CmpOp::Lt, x, zero);
            }
            let one = b.real(ty, 1.0);
            let signed = b.bin(BinOp::CopySign, one, x);
            b.cmp(CmpOp::Lt, signed, zero)
        })
    }
    samples {
        let mut s = elementwise_flat(signbit, |x| flag(x.is_sign_negative()), -3.0, 3.0);
        s.push(known("zeros", vec![tensor(&[0.0, -0.0], &[2])], |x| signbit(&x[0]), &[2], &[0.0, 1.0]).order(0));
        s
    }
}
op! {
    /// Is the element a real number? Always true, since there are no complex tensors.
    fn isreal(x: &Tensor) -> Tensor {
        predicate("isreal", x, |b, _| b.constant(Scalar::Bool(true)))
    }
    samples { elementwise_flat(isreal, |_| 1.0, -3.0, 3.0) }
}
op! {
    /// The real part: x itself.
    fn real(x: &Tensor) -> Tensor {
        Ok(x.clone())
    }
    samples { elementwise(real, |x| x, -3.0, 3.0) }
}
op! {
    /// The imaginary part: zeros of x's shape.
    fn imag(x: &Tensor) -> Tensor {
        super::create::full_like_of(x, 0.0, x.dtype())
    }
    samples { elementwise_flat(imag, |_| 0.0, -3.0, 3.0) }
}
op! {
    /// The complex conjugate: x itself.
    fn conj(x: &Tensor) -> Tensor {
        Ok(x.clone())
    }
    samples { elementwise(conj, |x| x, -3.0, 3.0) }
}
op! {
    /// The complex conjugate: x itself; another name of `conj`.
    fn conjugate(x: &Tensor) -> Tensor {
        Ok(x.clone())
    }
    samples { elementwise(conjugate, |x| x, -3.0, 3.0) }
}
op! {
    /// The angle of the number in the complex plane: 0 for x >= 0, pi for x < 0, NaN for NaN.
    fn angle(x: &Tensor) -> Tensor {
        unary_float("angle", x, |b, x| {
            let ty = b.ty(x);
            let (zero, pi) = (b.real(ty, 0.0), b.real(ty, std::f64::consts::PI));
            // The angle of -0 is pi too.
            let one = b.real(ty, 1.0);
            let signed = b.bin(BinOp::CopySign, one, x);
            let negative = b.cmp(CmpOp::Lt, signed, zero);
            let nan = b.un(UnOp::IsNan, x);
            let y = b.select(negative, pi, zero);
            b.select(nan, x, y)
        })
    }
    samples { elementwise_flat(angle, |x| if x < 0.0 { std::f64::consts::PI } else { 0.0 }, -3.0, 3.0) }
}

/// The largest finite number of a floating type.
pub fn largest(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => half::f16::MAX.to_f64(),
        DType::BF16 => half::bf16::MAX.to_f64(),
        DType::F64 => f64::MAX,
        _ => f64::from(f32::MAX),
    }
}

op! {
    /// NaN becomes `nan`, infinities become `posinf` and `neginf` (`None`: the largest finite numbers of the dtype).
    fn nan_to_num(x: &Tensor, nan: f64 = 0.0, posinf: Option<f64> = None, neginf: Option<f64> = None) -> Tensor {
        if !x.dtype().is_float() {
            return Ok(x.clone());
        }
        let most = largest(x.dtype());
        let (hi, lo) = (posinf.unwrap_or(most), neginf.unwrap_or(-most));
        unary("nan_to_num", x, |b, x| {
            let ty = b.ty(x);
            let (plus, minus) = (b.real(ty, f64::INFINITY), b.real(ty, f64::NEG_INFINITY));
            let (is_nan, is_hi, is_lo) = (b.un(UnOp::IsNan, x), b.cmp(CmpOp::Eq, x, plus), b.cmp(CmpOp::Eq, x, minus));
            let (nan, hi, lo) = (b.real(ty, nan), b.real(ty, hi), b.real(ty, lo));
            let y = b.select(is_nan, nan, x);
            let y = b.select(is_hi, hi, y);
            b.select(is_lo, lo, y)
        })
    }
    samples {
        let mut s = elementwise(|x| nan_to_num(x, 0.0, None, None), |x| x, -3.0, 3.0);
        s.push(known("special", vec![tensor(&SPECIAL, &[4])], |x| nan_to_num(&x[0], 7.0, Some(8.0), Some(9.0)), &[4], &[7.0, 8.0, 9.0, -2.5]).order(0));
        s
    }
}
op! {
    /// Are two elements close: |x1 - x2| <= atol + rtol |x2|, or equal infinities (or NaN, with `equal_nan`)?
    fn isclose(x1: &Tensor, x2: &Tensor, rtol: f64 = 1e-5, atol: f64 = 1e-8, equal_nan: bool = false) -> Tensor {
        let dtype = common_dtype(x1, x2).to_float();
        binary_as("isclose", x1, x2, dtype, DType::Bool, |b, x, y| {
            let ty = b.ty(x);
            let difference = b.bin(BinOp::Sub, x, y);
            let distance = b.un(UnOp::Abs, difference);
            let (rtol, atol) = (b.real(ty, rtol), b.real(ty, atol));
            let size = b.un(UnOp::Abs, y);
            let relative = b.bin(BinOp::Mul, rtol, size);
            let bound = b.bin(BinOp::Add, relative, atol);
            let near = b.cmp(CmpOp::Le, distance, bound);
            let finite = b.un(UnOp::IsFinite, y);
            let near = b.bin(BinOp::And, near, finite);
            let same = b.cmp(CmpOp::Eq, x, y);
            let close = b.bin(BinOp::Or, near, same);
            if !equal_nan {
                return close;
            }
            let (p, q) = (b.un(UnOp::IsNan, x), b.un(UnOp::IsNan, y));
            let both = b.bin(BinOp::And, p, q);
            b.bin(BinOp::Or, close, both)
        })
    }
    samples {
        let mut s = pairs_flat(|x, y| isclose(x, y, 0.1, 0.2, false), |x, y| flag((x - y).abs() <= 0.2 + 0.1 * y.abs()), (-3.0, 3.0), (-3.0, 3.0));
        s.push(known("special", vec![tensor(&SPECIAL, &[4])], |x| isclose(&x[0], &x[0], 1e-5, 1e-8, true), &[4], &[1.0; 4]).order(0));
        s
    }
}
op! {
    /// Are all elements close, as `isclose` says? A scalar of type bool.
    fn allclose(x1: &Tensor, x2: &Tensor, rtol: f64 = 1e-5, atol: f64 = 1e-8, equal_nan: bool = false) -> Tensor {
        reduce::all(&isclose(x1, x2, rtol, atol, equal_nan)?, Axes::all(), false)
    }
    samples {
        vec![
            known("same", vec![tensor(&SPECIAL, &[4])], |x| allclose(&x[0], &x[0], 1e-5, 1e-8, true), &[], &[1.0]).order(0),
            known("NaN", vec![tensor(&SPECIAL, &[4])], |x| allclose(&x[0], &x[0], 1e-5, 1e-8, false), &[], &[0.0]).order(0),
        ]
    }
}
op! {
    /// Have both tensors the same shape and equal elements? A scalar of type bool.
    fn array_equal(x1: &Tensor, x2: &Tensor) -> Tensor {
        if x1.shape() != x2.shape() {
            return Tensor::scalar(false);
        }
        reduce::all(&logic::equal(x1, x2)?, Axes::all(), false)
    }
    samples {
        vec![
            known("same", vec![tensor(&[1.0, 2.0], &[2])], |x| array_equal(&x[0], &x[0]), &[], &[1.0]).order(0),
            known("other shape", vec![tensor(&[1.0, 2.0], &[2]), tensor(&[1.0, 2.0], &[1, 2])], |x| array_equal(&x[0], &x[1]), &[], &[0.0]).order(0),
        ]
    }
}

/// y = x converted to bool, as conditions are: whether it differs from 0.
pub fn truth(x: &Tensor) -> Result<Tensor> {
    if x.dtype() == DType::Bool {
        return Ok(x.clone());
    }
    unary_as("cast", x, DType::Bool, |_, x| x)
}
