//! Elementwise arithmetic and mathematics.

use super::map::{binary, binary_float, unary, unary_as, unary_float};
use crate::aval::DType;
use crate::expr::{BinOp, UnOp};
use crate::op;
use crate::tensor::Tensor;

op! {
    /// Sum of two tensors, element by element: z = x1 + x2.
    ///
    /// Shapes broadcast by numpy's rule and dtypes promote; booleans are or-ed.
    fn add(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary("add", x1, x2, |b, x, y| b.bin(BinOp::Add, x, y))
    }
}
op! {
    /// Difference of two tensors, element by element: z = x1 - x2.
    fn subtract(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary("subtract", x1, x2, |b, x, y| b.bin(BinOp::Sub, x, y))
    }
}
op! {
    /// Product of two tensors, element by element: z = x1 x2; booleans are and-ed.
    fn multiply(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary("multiply", x1, x2, |b, x, y| b.bin(BinOp::Mul, x, y))
    }
}
op! {
    /// True division, element by element: z = x1 / x2; integers are divided as `float32`.
    fn divide(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary_float("divide", x1, x2, |b, x, y| b.bin(BinOp::Div, x, y))
    }
}
op! {
    /// The negative of each element: y = -x.
    fn negative(x: &Tensor) -> Tensor {
        unary("negative", x, |b, x| b.un(UnOp::Neg, x))
    }
}
op! {
    /// The exponential of each element: y = e^x. Integers are computed as `float32`.
    fn exp(x: &Tensor) -> Tensor {
        unary_float("exp", x, |b, x| b.un(UnOp::Exp, x))
    }
}
op! {
    /// The natural logarithm of each element: y = ln x.
    fn log(x: &Tensor) -> Tensor {
        unary_float("log", x, |b, x| b.un(UnOp::Log, x))
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
}
op! {
    /// The absolute value of each element.
    fn abs(x: &Tensor) -> Tensor {
        unary("abs", x, |b, x| b.un(UnOp::Abs, x))
    }
}
op! {
    /// The quotient rounded towards minus infinity: z = floor(x1 / x2).
    fn floor_divide(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary("floor_divide", x1, x2, |b, x, y| b.bin(BinOp::FloorDiv, x, y))
    }
}
op! {
    /// The remainder with the sign of the divisor, as in Python: z = x1 - x2 floor(x1 / x2).
    fn mod_(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary("mod", x1, x2, |b, x, y| b.bin(BinOp::Rem, x, y))
    }
}
op! {
    /// Powers, element by element: z = x1 ^ x2.
    fn power(x1: &Tensor, x2: &Tensor) -> Tensor {
        binary("power", x1, x2, |b, x, y| b.bin(BinOp::Pow, x, y))
    }
}
