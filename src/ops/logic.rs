//! Comparisons, logic and bitwise operations, and selection.

use super::map::{self, binary, compare, unary};
use crate::aval::{DType, promote_weak};
use crate::error::{Error, Result};
use crate::expr::{BinOp, Builder, CmpOp, OutKind, Ty, UnOp};
use crate::op;
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
}
op! {
    /// Where x1 != x2, element by element, with broadcasting; comparisons with NaN are false except this one.
    fn not_equal(x1: &Tensor, x2: &Tensor) -> Tensor {
        compare("not_equal", x1, x2, |b, x, y| b.cmp(CmpOp::Ne, x, y))
    }
}
op! {
    /// Where x1 < x2, element by element, with broadcasting; comparisons with NaN are false.
    fn less(x1: &Tensor, x2: &Tensor) -> Tensor {
        compare("less", x1, x2, |b, x, y| b.cmp(CmpOp::Lt, x, y))
    }
}
op! {
    /// Where x1 <= x2, element by element, with broadcasting; comparisons with NaN are false.
    fn less_equal(x1: &Tensor, x2: &Tensor) -> Tensor {
        compare("less_equal", x1, x2, |b, x, y| b.cmp(CmpOp::Le, x, y))
    }
}
op! {
    /// Where x1 > x2, element by element, with broadcasting; comparisons with NaN are false.
    fn greater(x1: &Tensor, x2: &Tensor) -> Tensor {
        compare("greater", x1, x2, |b, x, y| b.cmp(CmpOp::Gt, x, y))
    }
}
op! {
    /// Where x1 >= x2, element by element, with broadcasting; comparisons with NaN are false.
    fn greater_equal(x1: &Tensor, x2: &Tensor) -> Tensor {
        compare("greater_equal", x1, x2, |b, x, y| b.cmp(CmpOp::Ge, x, y))
    }
}
op! {
    /// The bitwise (for bool: logical) and of each pair of elements.
    fn bitwise_and(x1: &Tensor, x2: &Tensor) -> Tensor {
        require_discrete("bitwise_and", x1)?;
        require_discrete("bitwise_and", x2)?;
        binary("bitwise_and", x1, x2, |b, x, y| b.bin(BinOp::And, x, y))
    }
}
op! {
    /// The bitwise (for bool: logical) or of each pair of elements.
    fn bitwise_or(x1: &Tensor, x2: &Tensor) -> Tensor {
        require_discrete("bitwise_or", x1)?;
        require_discrete("bitwise_or", x2)?;
        binary("bitwise_or", x1, x2, |b, x, y| b.bin(BinOp::Or, x, y))
    }
}
op! {
    /// The bitwise (for bool: logical) exclusive or of each pair of elements.
    fn bitwise_xor(x1: &Tensor, x2: &Tensor) -> Tensor {
        require_discrete("bitwise_xor", x1)?;
        require_discrete("bitwise_xor", x2)?;
        binary("bitwise_xor", x1, x2, |b, x, y| b.bin(BinOp::Xor, x, y))
    }
}
op! {
    /// x1 shifted left by x2 bits.
    fn left_shift(x1: &Tensor, x2: &Tensor) -> Tensor {
        require_discrete("left_shift", x1)?;
        require_discrete("left_shift", x2)?;
        binary("left_shift", x1, x2, |b, x, y| b.bin(BinOp::Shl, x, y))
    }
}
op! {
    /// x1 shifted right by x2 bits (arithmetic for signed types).
    fn right_shift(x1: &Tensor, x2: &Tensor) -> Tensor {
        require_discrete("right_shift", x1)?;
        require_discrete("right_shift", x2)?;
        binary("right_shift", x1, x2, |b, x, y| b.bin(BinOp::Shr, x, y))
    }
}
op! {
    /// All bits turned over; for bool the logical not.
    fn bitwise_not(x: &Tensor) -> Tensor {
        require_discrete("bitwise_not", x)?;
        unary("bitwise_not", x, |b, x| if b.ty(x) == Ty::Bool { b.un(UnOp::Not, x) } else { b.un(UnOp::BitNot, x) })
    }
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
}
