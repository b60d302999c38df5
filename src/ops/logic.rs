//! Comparisons, logic and bitwise operations, and selection.

use super::map::{self, binary, binary_as, compare, predicate, unary};
use super::samples::{bools, elementwise_flat, known, nd, pairs_flat, tensor, values, zip};
use crate::aval::{DType, promote_weak};
use crate::error::{Error, Result};
use crate::expr::{BinOp, Builder, CmpOp, OutKind, Ty, UnOp};
use crate::op;
use crate::op::Sample;
use crate::tensor::Tensor;

fn require_discrete(op: &'static str, x: &Tensor) -> Result<()> {
    if x.dtype().is_float() {
        return Err(Error::dtype(
            op,
            format!("needs integers or bool, not {}", x.dtype()),
        ));
    }
    Ok(())
}

op! {
    /// Where x1 = x2, element by element, with broadcasting; comparisons with NaN are false.
    fn equal(x1: &Tensor, x2: &Tensor) -> Tensor {
        compare("equal", x1, x2, |b, x, y| b.cmp(CmpOp::Eq, x, y))
    }
    samples { pairs_flat(|x, y| equal(&halves(x)?, &halves(y)?), |x, y| flag(half(x) == half(y)), (-2.0, 2.0), (-2.0, 2.0)) }
}
op! {
    /// Where x1 != x2, element by element, with broadcasting; comparisons with NaN are false except this one.
    fn not_equal(x1: &Tensor, x2: &Tensor) -> Tensor {
        compare("not_equal", x1, x2, |b, x, y| b.cmp(CmpOp::Ne, x, y))
    }
    samples { pairs_flat(|x, y| not_equal(&halves(x)?, &halves(y)?), |x, y| flag(half(x) != half(y)), (-2.0, 2.0), (-2.0, 2.0)) }
}
op! {
    /// Where x1 < x2, element by element, with broadcasting; comparisons with NaN are false.
    fn less(x1: &Tensor, x2: &Tensor) -> Tensor {
        compare("less", x1, x2, |b, x, y| b.cmp(CmpOp::Lt, x, y))
    }
    samples { pairs_flat(|x, y| less(&halves(x)?, &halves(y)?), |x, y| flag(half(x) < half(y)), (-2.0, 2.0), (-2.0, 2.0)) }
}
op! {
    /// Where x1 <= x2, element by element, with broadcasting; comparisons with NaN are false.
    fn less_equal(x1: &Tensor, x2: &Tensor) -> Tensor {
        compare("less_equal", x1, x2, |b, x, y| b.cmp(CmpOp::Le, x, y))
    }
    samples { pairs_flat(|x, y| less_equal(&halves(x)?, &halves(y)?), |x, y| flag(half(x) <= half(y)), (-2.0, 2.0), (-2.0, 2.0)) }
}
op! {
    /// Where x1 > x2, element by element, with broadcasting; comparisons with NaN are false.
    fn greater(x1: &Tensor, x2: &Tensor) -> Tensor {
        compare("greater", x1, x2, |b, x, y| b.cmp(CmpOp::Gt, x, y))
    }
    samples { pairs_flat(|x, y| greater(&halves(x)?, &halves(y)?), |x, y| flag(half(x) > half(y)), (-2.0, 2.0), (-2.0, 2.0)) }
}
op! {
    /// Where x1 >= x2, element by element, with broadcasting; comparisons with NaN are false.
    fn greater_equal(x1: &Tensor, x2: &Tensor) -> Tensor {
        compare("greater_equal", x1, x2, |b, x, y| b.cmp(CmpOp::Ge, x, y))
    }
    samples { pairs_flat(|x, y| greater_equal(&halves(x)?, &halves(y)?), |x, y| flag(half(x) >= half(y)), (-2.0, 2.0), (-2.0, 2.0)) }
}
op! {
    /// The bitwise (for bool: logical) and of each pair of elements.
    fn bitwise_and(x1: &Tensor, x2: &Tensor) -> Tensor {
        require_discrete("bitwise_and", x1)?;
        require_discrete("bitwise_and", x2)?;
        binary("bitwise_and", x1, x2, |b, x, y| b.bin(BinOp::And, x, y))
    }
    samples { pairs_flat(|x, y| bitwise_and(&whole(x)?, &whole(y)?), |x, y| (x as i64 & y as i64) as f64, (-99.0, 99.0), (-99.0, 99.0)) }
}
op! {
    /// The bitwise (for bool: logical) or of each pair of elements.
    fn bitwise_or(x1: &Tensor, x2: &Tensor) -> Tensor {
        require_discrete("bitwise_or", x1)?;
        require_discrete("bitwise_or", x2)?;
        binary("bitwise_or", x1, x2, |b, x, y| b.bin(BinOp::Or, x, y))
    }
    samples { pairs_flat(|x, y| bitwise_or(&whole(x)?, &whole(y)?), |x, y| (x as i64 | y as i64) as f64, (-99.0, 99.0), (-99.0, 99.0)) }
}
op! {
    /// The bitwise (for bool: logical) exclusive or of each pair of elements.
    fn bitwise_xor(x1: &Tensor, x2: &Tensor) -> Tensor {
        require_discrete("bitwise_xor", x1)?;
        require_discrete("bitwise_xor", x2)?;
        binary("bitwise_xor", x1, x2, |b, x, y| b.bin(BinOp::Xor, x, y))
    }
    samples { pairs_flat(|x, y| bitwise_xor(&whole(x)?, &whole(y)?), |x, y| (x as i64 ^ y as i64) as f64, (-99.0, 99.0), (-99.0, 99.0)) }
}
op! {
    /// x1 shifted left by x2 bits.
    fn left_shift(x1: &Tensor, x2: &Tensor) -> Tensor {
        require_discrete("left_shift", x1)?;
        require_discrete("left_shift", x2)?;
        binary("left_shift", x1, x2, |b, x, y| b.bin(BinOp::Shl, x, y))
    }
    samples { pairs_flat(|x, y| left_shift(&whole(x)?, &whole(y)?), |x, y| ((x as i64) << y as i64) as f64, (-99.0, 99.0), (0.0, 6.0)) }
}
op! {
    /// x1 shifted right by x2 bits (arithmetic for signed types).
    fn right_shift(x1: &Tensor, x2: &Tensor) -> Tensor {
        require_discrete("right_shift", x1)?;
        require_discrete("right_shift", x2)?;
        binary("right_shift", x1, x2, |b, x, y| b.bin(BinOp::Shr, x, y))
    }
    samples { pairs_flat(|x, y| right_shift(&whole(x)?, &whole(y)?), |x, y| (x as i64 >> y as i64) as f64, (-99.0, 99.0), (0.0, 6.0)) }
}
op! {
    /// All bits turned over; for bool the logical not.
    fn bitwise_not(x: &Tensor) -> Tensor {
        require_discrete("bitwise_not", x)?;
        unary("bitwise_not", x, |b, x| if b.ty(x) == Ty::Bool { b.un(UnOp::Not, x) } else { b.un(UnOp::BitNot, x) })
    }
    samples { elementwise_flat(|x| bitwise_not(&whole(x)?), |x| !(x as i64) as f64, -99.0, 99.0) }
}
op! {
    /// x1 where `condition` holds, else x2; all three broadcast. Gradients are selected the same way,
    /// so a NaN on the side not taken does no harm.
    fn where_(condition: &Tensor, x1: &Tensor, x2: &Tensor) -> Tensor {
        let dtype = promote_weak((x1.dtype(), x1.is_weak()), (x2.dtype(), x2.is_weak())).0;
        let condition = &super::math::cast(condition, DType::Bool)?;
        let mut b = Builder::new(&[Ty::Bool, Ty::of(x1.dtype()), Ty::of(x2.dtype())]);
        let (c, p, q) = (b.load(0), b.load(1), b.load(2));
        let (p, q) = (b.cast(p, Ty::of(dtype)), b.cast(q, Ty::of(dtype)));
        let y = b.select(c, p, q);
        Ok(map::apply("where", b.finish(&[(y, OutKind::Full)]), &[condition, x1, x2], &[dtype])?.remove(0))
    }
    samples {
        let pick = |c: &Tensor, a: &Tensor, b: &Tensor| {
            let (c, a, b) = (nd(c), nd(a), nd(b));
            let chosen = zip(&c, &zip(&a, &b, |a, _| a), |c, a| if c != 0.0 { a } else { f64::NAN });
            vec![zip(&chosen, &zip(&a, &b, |_, b| b), |a, b| if a.is_nan() { b } else { a })]
        };
        vec![
            Sample::new("broadcast", vec![bools(&[true, false], &[2, 1]), values(&[2, 3], -1.0, 1.0, 1), values(&[3], -1.0, 1.0, 2)], |x| Ok(vec![where_(&x[0], &x[1], &x[2])?]))
                .reference(move |x| pick(&x[0], &x[1], &x[2])),
            known("NaN not taken", vec![bools(&[true], &[1]), tensor(&[2.0], &[1]), tensor(&[f64::NAN], &[1])], |x| where_(&x[0], &x[1], &x[2]), &[1], &[2.0]).order(0),
        ]
     }
}

fn flag(v: bool) -> f64 {
    f64::from(u8::from(v))
}

fn half(v: f64) -> f64 {
    (v * 2.0).round_ties_even()
}

/// Numbers rounded to halves, so that some are equal: for samples.
fn halves(x: &Tensor) -> Result<Tensor> {
    super::math::round(
        &super::math::multiply(x, &Tensor::weak(2.0, DType::F32)?)?,
        0,
    )
}

/// Numbers without their fractions, for samples.
fn whole(x: &Tensor) -> Result<Tensor> {
    super::math::cast(x, DType::I32)
}

/// z = f(x1 != 0, x2 != 0) of type bool.
fn logical(name: &'static str, op: BinOp, x1: &Tensor, x2: &Tensor) -> Result<Tensor> {
    let (x1, x2) = (super::classify::truth(x1)?, super::classify::truth(x2)?);
    binary_as(name, &x1, &x2, DType::Bool, DType::Bool, |b, x, y| {
        b.bin(op, x, y)
    })
}

op! {
    /// Are both elements true (not 0)?
    fn logical_and(x1: &Tensor, x2: &Tensor) -> Tensor {
        logical("logical_and", BinOp::And, x1, x2)
    }
    samples { pairs_flat(|x, y| logical_and(&whole(x)?, &whole(y)?), |x, y| flag(x.trunc() != 0.0 && y.trunc() != 0.0), (-2.0, 2.0), (-2.0, 2.0)) }
}
op! {
    /// Is either element true (not 0)?
    fn logical_or(x1: &Tensor, x2: &Tensor) -> Tensor {
        logical("logical_or", BinOp::Or, x1, x2)
    }
    samples { pairs_flat(|x, y| logical_or(&whole(x)?, &whole(y)?), |x, y| flag(x.trunc() != 0.0 || y.trunc() != 0.0), (-2.0, 2.0), (-2.0, 2.0)) }
}
op! {
    /// Is exactly one of the elements true (not 0)?
    fn logical_xor(x1: &Tensor, x2: &Tensor) -> Tensor {
        logical("logical_xor", BinOp::Xor, x1, x2)
    }
    samples { pairs_flat(|x, y| logical_xor(&whole(x)?, &whole(y)?), |x, y| flag((x.trunc() != 0.0) != (y.trunc() != 0.0)), (-2.0, 2.0), (-2.0, 2.0)) }
}
op! {
    /// Is the element false (0)?
    fn logical_not(x: &Tensor) -> Tensor {
        predicate("logical_not", x, |b, x| {
            let zero = b.real(b.ty(x), 0.0);
            b.cmp(CmpOp::Eq, x, zero)
        })
    }
    samples { elementwise_flat(|x| logical_not(&whole(x)?), |x| flag(x.trunc() == 0.0), -2.0, 2.0) }
}
op! {
    /// All bits turned over; another name of `bitwise_not`.
    fn bitwise_invert(x: &Tensor) -> Tensor {
        bitwise_not(x)
    }
    samples { elementwise_flat(|x| bitwise_invert(&whole(x)?), |x| !(x as i64) as f64, -99.0, 99.0) }
}
op! {
    /// x shifted left by y bits; another name of `left_shift`.
    fn bitwise_left_shift(x: &Tensor, y: &Tensor) -> Tensor {
        left_shift(x, y)
    }
    samples { pairs_flat(|x, y| bitwise_left_shift(&whole(x)?, &whole(y)?), |x, y| ((x as i64) << y as i64) as f64, (-99.0, 99.0), (0.0, 6.0)) }
}
op! {
    /// x shifted right by y bits; another name of `right_shift`.
    fn bitwise_right_shift(x: &Tensor, y: &Tensor) -> Tensor {
        right_shift(x, y)
    }
    samples { pairs_flat(|x, y| bitwise_right_shift(&whole(x)?, &whole(y)?), |x, y| (x as i64 >> y as i64) as f64, (-99.0, 99.0), (0.0, 6.0)) }
}
op! {
    /// Is each element of x1 among the elements of x2 (`invert`: not among them)?
    fn isin(x1: &Tensor, x2: &Tensor, invert: bool = false) -> Tensor {
        let dtype = map::common_dtype(x1, x2);
        let list = super::sort::sort(&super::rearrange::ravel(&super::math::cast(x2, dtype)?)?, 0)?;
        let x = super::math::cast(x1, dtype)?;
        if list.size() == 0 {
            return Tensor::full(x.shape(), flag(invert), DType::Bool);
        }
        let place = super::sort::searchsorted(&list, &x, "left".to_string())?;
        let found = super::gather::take(&list, &place, Some(0), "clip".to_string())?;
        if invert { not_equal(&found, &x) } else { equal(&found, &x) }
    }
    samples { vec![
        known("some", vec![tensor(&[1.0, 5.0, 3.0], &[3]), tensor(&[3.0, 1.0], &[2])], |x| isin(&x[0], &x[1], false), &[3], &[1.0, 0.0, 1.0]).order(0),
        known("inverted", vec![tensor(&[1.0, 5.0, 3.0], &[3]), tensor(&[3.0, 1.0], &[2])], |x| isin(&x[0], &x[1], true), &[3], &[0.0, 1.0, 0.0]).order(0),
    ] }
}
