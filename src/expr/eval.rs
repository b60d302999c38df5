//! The reference interpreter: one element at a time, floats in `f64`, integers exactly with wrapping.
//!
//! It shares nothing with the VM, so that the two check each other. Also folds constants (rounded to the type after
//! every exactly rounded operation).

use super::ir::{BinOp, CmpOp, Node, Program, RandomKind, ReduceOp, Scalar, Ty, UnOp};
use super::special;

/// A value of the interpreter. Integers are kept in the range of their type.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Val {
    B(bool),
    I(i64),
    F(f64),
}

impl Val {
    /// The value of a constant.
    pub fn of(c: Scalar) -> Val {
        match c {
            Scalar::Bool(v) => Val::B(v),
            Scalar::I32(v) => Val::I(v.into()),
            Scalar::I64(v) => Val::I(v),
            Scalar::F32(v) => Val::F(v.into()),
            Scalar::F64(v) => Val::F(v),
        }
    }

    /// The number as `f64`.
    pub fn to_f64(self) -> f64 {
        match self {
            Val::B(v) => f64::from(u8::from(v)),
            Val::I(v) => v as f64,
            Val::F(v) => v,
        }
    }

    fn int(self) -> i64 {
        match self {
            Val::B(v) => v.into(),
            Val::I(v) => v,
            Val::F(v) => v as i64,
        }
    }

    fn truth(self) -> bool {
        match self {
            Val::B(v) => v,
            Val::I(v) => v != 0,
            Val::F(v) => v != 0.0,
        }
    }
}

/// The value as a constant of type `ty` (floats are rounded).
pub fn round_to(ty: Ty, v: Val) -> Scalar {
    match ty {
        Ty::Bool => Scalar::Bool(v.truth()),
        Ty::I32 => Scalar::I32(v.int() as i32),
        Ty::I64 => Scalar::I64(v.int()),
        Ty::F32 => Scalar::F32(v.to_f64() as f32),
        Ty::F64 => Scalar::F64(v.to_f64()),
    }
}

/// Brings an integer result into the range of its type by wrapping.
fn wrap(ty: Ty, v: i128) -> Val {
    match ty {
        Ty::I32 => Val::I((v as i32).into()),
        _ => Val::I(v as i64),
    }
}

/// Conversion to type `to`.
pub fn cast(to: Ty, v: Val) -> Val {
    match (to, v) {
        (Ty::Bool, v) => Val::B(v.truth()),
        (Ty::I32, Val::F(x)) => Val::I((x as i32).into()),
        (Ty::I32, v) => wrap(Ty::I32, v.int().into()),
        (Ty::I64, v) => Val::I(v.int()),
        (Ty::F32 | Ty::F64, v) => Val::F(v.to_f64()),
    }
}

/// Whether folding the operation gives the bits that the VM would compute.
pub(super) fn is_exact_un(op: UnOp) -> bool {
    use UnOp::*;
    matches!(
        op,
        Neg | Abs
            | Sign
            | Sqrt
            | Relu
            | Floor
            | Ceil
            | Round
            | Trunc
            | IsNan
            | IsInf
            | IsFinite
            | Not
            | BitNot
            | WrapU8
            | WrapI8
            | WrapU16
            | WrapI16
            | WrapU32
            | RoundF16
            | RoundBf16
    )
}

/// Whether folding the operation on floats gives the bits that the VM would compute.
pub(super) fn is_exact_bin(op: BinOp) -> bool {
    use BinOp::*;
    matches!(op, Add | Sub | Mul | Div | Max | Min | CopySign)
}

/// An operation of one argument of type `ty`.
pub fn un(op: UnOp, ty: Ty, v: Val) -> Val {
    match v {
        Val::B(b) => Val::B(if op == UnOp::Not { !b } else { b }),
        Val::I(i) => un_int(op, ty, i),
        Val::F(x) => match op {
            UnOp::IsNan => Val::B(x.is_nan()),
            UnOp::IsInf => Val::B(x.is_infinite()),
            UnOp::IsFinite => Val::B(x.is_finite()),
            _ => Val::F(un_f64(op, x)),
        },
    }
}

fn un_int(op: UnOp, ty: Ty, i: i64) -> Val {
    let wide = i128::from(i);
    match op {
        UnOp::Neg => wrap(ty, -wide),
        UnOp::Abs => wrap(ty, wide.abs()),
        UnOp::Sign => Val::I(i.signum()),
        UnOp::Square => wrap(ty, wide.wrapping_mul(wide)),
        UnOp::Relu => Val::I(i.max(0)),
        UnOp::BitNot => Val::I(!i),
        UnOp::WrapU8 => Val::I((i as u8).into()),
        UnOp::WrapI8 => Val::I((i as i8).into()),
        UnOp::WrapU16 => Val::I((i as u16).into()),
        UnOp::WrapI16 => Val::I((i as i16).into()),
        UnOp::WrapU32 => Val::I((i as u32).into()),
        _ => Val::I(i),
    }
}

/// An operation of one real argument in `f64`.
pub fn un_f64(op: UnOp, x: f64) -> f64 {
    match op {
        UnOp::Neg => -x,
        UnOp::Abs => x.abs(),
        UnOp::Sign => {
            if x == 0.0 || x.is_nan() {
                x
            } else {
                x.signum()
            }
        }
        UnOp::Sqrt => x.sqrt(),
        UnOp::Rsqrt => 1.0 / x.sqrt(),
        UnOp::Reciprocal => 1.0 / x,
        UnOp::Square => x * x,
        UnOp::Exp => x.exp(),
        UnOp::Expm1 => x.exp_m1(),
        UnOp::Exp2 => x.exp2(),
        UnOp::Log => x.ln(),
        UnOp::Log1p => x.ln_1p(),
        UnOp::Log2 => x.log2(),
        UnOp::Log10 => x.log10(),
        UnOp::Sin => x.sin(),
        UnOp::Cos => x.cos(),
        UnOp::Tan => x.tan(),
        UnOp::Asin => x.asin(),
        UnOp::Acos => x.acos(),
        UnOp::Atan => x.atan(),
        UnOp::Sinh => x.sinh(),
        UnOp::Cosh => x.cosh(),
        UnOp::Tanh => x.tanh(),
        UnOp::Asinh => special::asinh(x),
        UnOp::Acosh => special::acosh(x),
        UnOp::Atanh => special::atanh(x),
        UnOp::Sigmoid => {
            if x >= 0.0 {
                1.0 / (1.0 + (-x).exp())
            } else {
                x.exp() / (1.0 + x.exp())
            }
        }
        UnOp::Relu => {
            if x > 0.0 || x.is_nan() {
                x
            } else {
                0.0
            }
        }
        UnOp::Erf => special::erf(x),
        UnOp::Erfc => special::erfc(x),
        UnOp::Erfinv => special::erfinv(x),
        UnOp::Lgamma => special::lgamma(x),
        UnOp::Digamma => special::polygamma(0, x),
        UnOp::Floor => x.floor(),
        UnOp::Ceil => x.ceil(),
        UnOp::Round => x.round_ties_even(),
        UnOp::Trunc => x.trunc(),
        UnOp::RoundF16 => half::f16::from_f32(x as f32).to_f64(),
        UnOp::RoundBf16 => half::bf16::from_f32(x as f32).to_f64(),
        UnOp::IsNan => f64::from(u8::from(x.is_nan())),
        UnOp::IsInf => f64::from(u8::from(x.is_infinite())),
        UnOp::IsFinite => f64::from(u8::from(x.is_finite())),
        UnOp::Not => f64::from(u8::from(x == 0.0)),
        UnOp::BitNot
        | UnOp::WrapU8
        | UnOp::WrapI8
        | UnOp::WrapU16
        | UnOp::WrapI16
        | UnOp::WrapU32 => x,
    }
}

/// An operation of two arguments of type `ty`.
pub fn bin(op: BinOp, ty: Ty, a: Val, b: Val) -> Val {
    match (a, b) {
        (Val::F(x), Val::F(y)) => Val::F(bin_f64(op, x, y, ty)),
        (Val::B(x), Val::B(y)) => Val::B(match op {
            BinOp::And | BinOp::Mul | BinOp::Min => x & y,
            BinOp::Xor | BinOp::Sub => x ^ y,
            _ => x | y,
        }),
        _ => bin_int(op, ty, a.int(), b.int()),
    }
}

fn bin_int(op: BinOp, ty: Ty, x: i64, y: i64) -> Val {
    let (p, q) = (i128::from(x), i128::from(y));
    let width = if ty == Ty::I32 { 32 } else { 64 };
    let shift_fits = (0..width).contains(&y);
    match op {
        BinOp::Add => wrap(ty, p + q),
        BinOp::Sub => wrap(ty, p - q),
        BinOp::Mul => wrap(ty, p.wrapping_mul(q)),
        BinOp::Div | BinOp::FloorDiv | BinOp::Rem | BinOp::Fmod if q == 0 => Val::I(0),
        // Rust truncates: step down where the remainder's sign differs from the divisor's.
        BinOp::Div | BinOp::FloorDiv => {
            wrap(ty, p / q - i128::from(p % q != 0 && (p < 0) != (q < 0)))
        }
        BinOp::Rem => wrap(ty, ((p % q) + q) % q),
        BinOp::Fmod => wrap(ty, p % q),
        BinOp::Pow => pow_int(ty, p, y),
        BinOp::Max => Val::I(x.max(y)),
        BinOp::Min => Val::I(x.min(y)),
        BinOp::And => Val::I(x & y),
        BinOp::Or => Val::I(x | y),
        BinOp::Xor => Val::I(x ^ y),
        BinOp::Shl => wrap(ty, if shift_fits { p << y } else { 0 }),
        BinOp::Shr => Val::I(if shift_fits { x >> y } else { x >> 63 }),
        _ => Val::I(x),
    }
}

/// Integer power by repeated wrapping products; negative exponents truncate `1 / x^|y|` (0 divides to 0).
fn pow_int(ty: Ty, x: i128, y: i64) -> Val {
    if y < 0 {
        return Val::I(match x {
            1 => 1,
            -1 => {
                if y % 2 == 0 {
                    1
                } else {
                    -1
                }
            }
            _ => 0,
        });
    }
    let (mut base, mut left, mut result) = (x as i64, y, 1i64);
    while left > 0 {
        if left & 1 == 1 {
            result = result.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        left >>= 1;
    }
    wrap(ty, result.into())
}

/// An operation of two real arguments in `f64`; `ty` matters to `NextAfter` alone.
pub fn bin_f64(op: BinOp, x: f64, y: f64, ty: Ty) -> f64 {
    match op {
        BinOp::Add => x + y,
        BinOp::Sub => x - y,
        BinOp::Mul => x * y,
        BinOp::Div => x / y,
        BinOp::FloorDiv => special::floordiv(x, y),
        BinOp::Rem => special::floormod(x, y),
        BinOp::Fmod => x % y,
        BinOp::Pow => x.powf(y),
        BinOp::Max => {
            if x.is_nan() || x > y || (x == y && x.is_sign_positive()) {
                x
            } else {
                y
            }
        }
        BinOp::Min => {
            if x.is_nan() || x < y || (x == y && x.is_sign_negative()) {
                x
            } else {
                y
            }
        }
        BinOp::Atan2 => x.atan2(y),
        BinOp::Hypot => x.hypot(y),
        BinOp::LogAddExp if x == y => x + std::f64::consts::LN_2,
        BinOp::LogAddExp if x.is_nan() || y.is_nan() => f64::NAN,
        BinOp::LogAddExp => x.max(y) + (-(x - y).abs()).exp().ln_1p(),
        BinOp::NextAfter if ty == Ty::F32 => special::next_after_f32(x as f32, y as f32).into(),
        BinOp::NextAfter => special::next_after(x, y),
        BinOp::CopySign => x.copysign(y),
        BinOp::Polygamma => {
            if x >= 0.0 && x.fract() == 0.0 && x < 1e6 {
                special::polygamma(x as u32, y)
            } else {
                f64::NAN
            }
        }
        BinOp::And | BinOp::Or | BinOp::Xor | BinOp::Shl | BinOp::Shr => x,
    }
}

/// A comparison of two values of one type.
pub fn cmp(op: CmpOp, a: Val, b: Val) -> bool {
    let order = match (a, b) {
        (Val::F(x), Val::F(y)) => x.partial_cmp(&y),
        _ => Some(a.int().cmp(&b.int())),
    };
    use std::cmp::Ordering::*;
    match op {
        CmpOp::Lt => order == Some(Less),
        CmpOp::Le => matches!(order, Some(Less | Equal)),
        CmpOp::Gt => order == Some(Greater),
        CmpOp::Ge => matches!(order, Some(Greater | Equal)),
        CmpOp::Eq => order == Some(Equal),
        CmpOp::Ne => order != Some(Equal),
    }
}

/// A random number of element `index`: four elements of 32 bits, or two of 53, share a counter.
pub fn random(kind: RandomKind, seed0: i64, seed1: i64, index: u64) -> Val {
    let words = |counter| special::philox(seed0 as u32, seed1 as u32, counter);
    let word = words(index / 4)[(index % 4) as usize];
    match kind {
        RandomKind::Bits => Val::I(word.into()),
        RandomKind::UniformF32 => Val::F(f64::from(word >> 8) / f64::from(1u32 << 24)),
        RandomKind::UniformF64 => {
            let w = words(index / 2);
            let (low, high) = if index.is_multiple_of(2) {
                (w[0], w[1])
            } else {
                (w[2], w[3])
            };
            let bits = (u64::from(high) << 21) | (u64::from(low) >> 11);
            Val::F(bits as f64 / (1u64 << 53) as f64)
        }
    }
}

/// The reduction of `values` in order.
pub fn reduce(op: ReduceOp, ty: Ty, values: impl Iterator<Item = Val>) -> Val {
    let bin_op = match op {
        ReduceOp::Sum => BinOp::Add,
        ReduceOp::Prod => BinOp::Mul,
        ReduceOp::Max => BinOp::Max,
        ReduceOp::Min => BinOp::Min,
    };
    values.fold(Val::of(op.identity(ty)), |acc, v| bin(bin_op, ty, acc, v))
}

impl Program {
    /// Computes an elementwise program on one element (of linear index 0). A `Reduce` sees a row of that one element.
    ///
    /// Floats are computed in `f64` whatever their type: this is the reference against which the VM is tested.
    pub fn eval_f64(&self, inputs: &[f64]) -> Vec<f64> {
        let input = |i: usize, _: usize, _: usize| cast(self.operands[i], Val::F(inputs[i]));
        self.eval_domain(1, 1, input)
            .iter()
            .map(|out| out[0].to_f64())
            .collect()
    }

    /// Computes the program over `rows x cols` elements, operand `i` at `(row, column)` being `input(i, row, column)`.
    /// Gives for each output `rows * cols` values (`Full`), `rows` (`Row`) or `cols` (`Col`).
    pub fn eval_domain(
        &self,
        rows: usize,
        cols: usize,
        input: impl Fn(usize, usize, usize) -> Val,
    ) -> Vec<Vec<Val>> {
        let grid: Vec<Vec<Vec<Val>>> = (0..rows).map(|r| self.eval_row(r, cols, &input)).collect();
        self.outs
            .iter()
            .map(|out| {
                let (node, ty) = (out.node as usize, self.types[out.node as usize]);
                match out.kind {
                    super::OutKind::Full => grid
                        .iter()
                        .flat_map(|row| row[node][..cols].iter().copied())
                        .collect(),
                    super::OutKind::Row => grid.iter().map(|row| row[node][0]).collect(),
                    super::OutKind::Col(op) => (0..cols)
                        .map(|c| reduce(op, ty, grid.iter().map(|row| row[node][c])))
                        .collect(),
                }
            })
            .collect()
    }

    /// All nodes of one row: `[node][column]`.
    fn eval_row(
        &self,
        row: usize,
        cols: usize,
        input: &impl Fn(usize, usize, usize) -> Val,
    ) -> Vec<Vec<Val>> {
        // A row without elements still has row values.
        let width = cols.max(1);
        let mut values: Vec<Vec<Val>> = Vec::with_capacity(self.nodes.len());
        for (i, node) in self.nodes.iter().enumerate() {
            let v: Vec<Val> = if let Node::Reduce(op, a) = *node {
                vec![
                    reduce(
                        op,
                        self.types[i],
                        values[a as usize][..cols].iter().copied()
                    );
                    width
                ]
            } else {
                (0..width)
                    .map(|c| self.eval_node(node, i, &values, (row, c, cols), input))
                    .collect()
            };
            values.push(v);
        }
        values
    }

    fn eval_node(
        &self,
        node: &Node,
        i: usize,
        values: &[Vec<Val>],
        (row, c, cols): (usize, usize, usize),
        input: &impl Fn(usize, usize, usize) -> Val,
    ) -> Val {
        let at = |id: u32| values[id as usize][c];
        let arg_ty = |id: u32| self.types[id as usize];
        match *node {
            Node::Load(k) => input(k as usize, row, c),
            Node::Const(s) => Val::of(s),
            Node::Un(op, a) => un(op, arg_ty(a), at(a)),
            Node::Bin(op, a, b) => bin(op, arg_ty(a), at(a), at(b)),
            Node::Cmp(op, a, b) => Val::B(cmp(op, at(a), at(b))),
            Node::Select(m, a, b) => {
                if at(m).truth() {
                    at(a)
                } else {
                    at(b)
                }
            }
            Node::Cast(a, ty) => cast(ty, at(a)),
            Node::Random(kind, a, b) => {
                random(kind, at(a).int(), at(b).int(), (row * cols + c) as u64)
            }
            Node::Index => Val::I((row * cols + c) as i64),
            Node::Reduce(..) => unreachable!("reductions are computed by row; node {i}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integer_division_follows_python() {
        for x in -7..=7i64 {
            for y in -4..=4i64 {
                let (quotient, rest) = (
                    bin_int(BinOp::FloorDiv, Ty::I32, x, y),
                    bin_int(BinOp::Rem, Ty::I32, x, y),
                );
                if y == 0 {
                    assert_eq!((quotient, rest), (Val::I(0), Val::I(0)));
                    continue;
                }
                assert_eq!(
                    quotient,
                    Val::I((x as f64 / y as f64).floor() as i64),
                    "{x} // {y}"
                );
                assert_eq!(rest.int(), x - quotient.int() * y, "{x} % {y}");
            }
        }
        assert_eq!(
            bin_int(BinOp::FloorDiv, Ty::I32, i32::MIN.into(), -1),
            Val::I(i32::MIN.into())
        );
    }

    #[test]
    fn rows_and_columns() {
        let mut b = super::super::Builder::new(&[Ty::F64]);
        let x = b.load(0);
        let s = b.reduce(ReduceOp::Sum, x);
        let d = b.bin(BinOp::Sub, x, s);
        use super::super::OutKind::*;
        let p = b.finish(&[(d, Full), (s, Row), (x, Col(ReduceOp::Max))]);
        let out = p.eval_domain(2, 3, |_, r, c| Val::F((3 * r + c) as f64));
        assert_eq!(out[0][4], Val::F(4.0 - 12.0));
        assert_eq!(out[1], [Val::F(3.0), Val::F(12.0)]);
        assert_eq!(out[2], [Val::F(3.0), Val::F(4.0), Val::F(5.0)]);
    }
}
