//! The intermediate form of expressions: types, operations, nodes and [`Program`].
//!
//! A program is in static single assignment: node `i` reads only nodes before it. It says what is computed for one
//! element of a domain (`outer..., inner`); layouts, blocks and threads are the matter of [`super::vm`].

use crate::aval::DType;
use std::hash::{Hash, Hasher};

/// The type in which a value is computed. Storage dtypes are widened when loaded and narrowed when stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ty {
    /// A truth value.
    Bool,
    /// 32-bit signed integer, wrapping; also computes 8- and 16-bit integers.
    I32,
    /// 64-bit signed integer, wrapping; also computes `u32` and `u64`.
    I64,
    /// Single precision; also computes `f16` and `bf16`.
    F32,
    /// Double precision.
    F64,
}

impl Ty {
    /// The compute type of a storage dtype.
    pub fn of(dtype: DType) -> Ty {
        match dtype {
            DType::Bool => Ty::Bool,
            DType::U8 | DType::U16 | DType::I8 | DType::I16 | DType::I32 => Ty::I32,
            DType::U32 | DType::U64 | DType::I64 => Ty::I64,
            DType::F16 | DType::BF16 | DType::F32 => Ty::F32,
            DType::F64 => Ty::F64,
        }
    }

    /// Bytes of one value in a register of the VM.
    pub fn size(self) -> usize {
        match self {
            Ty::Bool => 1,
            Ty::I32 | Ty::F32 => 4,
            Ty::I64 | Ty::F64 => 8,
        }
    }

    /// The storage dtype with the same representation.
    pub fn dtype(self) -> DType {
        match self {
            Ty::Bool => DType::Bool,
            Ty::I32 => DType::I32,
            Ty::I64 => DType::I64,
            Ty::F32 => DType::F32,
            Ty::F64 => DType::F64,
        }
    }

    /// Whether the type is a floating-point one, the only kind that carries gradients.
    pub fn is_float(self) -> bool {
        matches!(self, Ty::F32 | Ty::F64)
    }

    /// Whether the type is an integer (not `Bool`).
    pub fn is_int(self) -> bool {
        matches!(self, Ty::I32 | Ty::I64)
    }
}

/// A constant. Equality and hash are those of the bits, so NaN equals itself and `0.0` differs from `-0.0`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Scalar {
    Bool(bool),
    I32(i32),
    I64(i64),
    F32(f32),
    F64(f64),
}

impl Scalar {
    /// `value` in type `ty` (integers truncate and saturate, `Bool` is `value != 0`).
    pub fn from_f64(ty: Ty, value: f64) -> Scalar {
        match ty {
            Ty::Bool => Scalar::Bool(value != 0.0),
            Ty::I32 => Scalar::I32(value as i32),
            Ty::I64 => Scalar::I64(value as i64),
            Ty::F32 => Scalar::F32(value as f32),
            Ty::F64 => Scalar::F64(value),
        }
    }

    /// The value as `f64` (rounds large `i64`).
    pub fn to_f64(self) -> f64 {
        match self {
            Scalar::Bool(v) => f64::from(u8::from(v)),
            Scalar::I32(v) => f64::from(v),
            Scalar::I64(v) => v as f64,
            Scalar::F32(v) => f64::from(v),
            Scalar::F64(v) => v,
        }
    }

    /// The type of the constant.
    pub fn ty(self) -> Ty {
        match self {
            Scalar::Bool(_) => Ty::Bool,
            Scalar::I32(_) => Ty::I32,
            Scalar::I64(_) => Ty::I64,
            Scalar::F32(_) => Ty::F32,
            Scalar::F64(_) => Ty::F64,
        }
    }

    /// The bits, zero-extended: what a register of the VM holds.
    pub fn bits(self) -> u64 {
        match self {
            Scalar::Bool(v) => u64::from(v),
            Scalar::I32(v) => u64::from(v as u32),
            Scalar::I64(v) => v as u64,
            Scalar::F32(v) => u64::from(v.to_bits()),
            Scalar::F64(v) => v.to_bits(),
        }
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Scalar) -> bool {
        self.ty() == other.ty() && self.bits() == other.bits()
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.ty(), self.bits()).hash(state);
    }
}

/// Operations of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum UnOp {
    Neg,
    Abs,
    /// -1, 0 or 1; keeps the sign of zero and NaN.
    Sign,
    Sqrt,
    /// `1 / sqrt(x)`, rounded twice.
    Rsqrt,
    /// Lowered to `1 / x`.
    Reciprocal,
    /// Lowered to `x * x`.
    Square,
    Exp,
    Expm1,
    Exp2,
    Log,
    Log1p,
    Log2,
    Log10,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `max(x, 0)`, NaN-propagating, with derivative 0 at 0.
    Relu,
    Erf,
    Erfc,
    Erfinv,
    /// `log |gamma(x)|`.
    Lgamma,
    Digamma,
    Floor,
    Ceil,
    /// To the nearest integer, ties to even.
    Round,
    Trunc,
    IsNan,
    IsInf,
    IsFinite,
    /// Logical not of a `Bool`.
    Not,
    /// Bitwise not of an integer.
    BitNot,
    /// Integer reduced modulo 2^8 to `0..=255`: keeps `u8` arithmetic exact inside an `I32` register.
    WrapU8,
    WrapI8,
    WrapU16,
    WrapI16,
    WrapU32,
    /// `F32` rounded to the precision of `f16`, so that fused programs equal unfused ones.
    RoundF16,
    /// `F32` rounded to the precision of `bf16`.
    RoundBf16,
}

impl UnOp {
    /// Every operation, for tests.
    pub const ALL: &'static [UnOp] = &[
        UnOp::Neg,
        UnOp::Abs,
        UnOp::Sign,
        UnOp::Sqrt,
        UnOp::Rsqrt,
        UnOp::Reciprocal,
        UnOp::Square,
        UnOp::Exp,
        UnOp::Expm1,
        UnOp::Exp2,
        UnOp::Log,
        UnOp::Log1p,
        UnOp::Log2,
        UnOp::Log10,
        UnOp::Sin,
        UnOp::Cos,
        UnOp::Tan,
        UnOp::Asin,
        UnOp::Acos,
        UnOp::Atan,
        UnOp::Sinh,
        UnOp::Cosh,
        UnOp::Tanh,
        UnOp::Asinh,
        UnOp::Acosh,
        UnOp::Atanh,
        UnOp::Sigmoid,
        UnOp::Relu,
        UnOp::Erf,
        UnOp::Erfc,
        UnOp::Erfinv,
        UnOp::Lgamma,
        UnOp::Digamma,
        UnOp::Floor,
        UnOp::Ceil,
        UnOp::Round,
        UnOp::Trunc,
        UnOp::IsNan,
        UnOp::IsInf,
        UnOp::IsFinite,
        UnOp::Not,
        UnOp::BitNot,
        UnOp::WrapU8,
        UnOp::WrapI8,
        UnOp::WrapU16,
        UnOp::WrapI16,
        UnOp::WrapU32,
        UnOp::RoundF16,
        UnOp::RoundBf16,
    ];

    /// Whether the operation accepts an argument of type `ty`.
    pub fn accepts(self, ty: Ty) -> bool {
        match self {
            UnOp::Not => ty == Ty::Bool,
            UnOp::BitNot => ty.is_int(),
            UnOp::WrapU8 | UnOp::WrapI8 | UnOp::WrapU16 | UnOp::WrapI16 => ty.is_int(),
            UnOp::WrapU32 => ty == Ty::I64,
            UnOp::RoundF16 | UnOp::RoundBf16 => ty == Ty::F32,
            UnOp::Neg | UnOp::Abs | UnOp::Sign | UnOp::Square | UnOp::Relu => ty != Ty::Bool,
            _ => ty.is_float(),
        }
    }

    /// The type of the result for an argument of type `ty`.
    pub fn result(self, ty: Ty) -> Ty {
        match self {
            UnOp::IsNan | UnOp::IsInf | UnOp::IsFinite => Ty::Bool,
            _ => ty,
        }
    }

    /// Rough cost of one element, in vector instructions: for the grain of parallel loops.
    pub fn cost(self) -> usize {
        use UnOp::*;
        match self {
            Neg | Abs | Sign | Relu | Floor | Ceil | Round | Trunc | IsNan | IsInf | IsFinite
            | Not | BitNot | WrapU8 | WrapI8 | WrapU16 | WrapI16 | WrapU32 | RoundBf16
            | RoundF16 | Square => 1,
            Sqrt | Rsqrt | Reciprocal => 8,
            Exp | Exp2 | Log | Log2 | Log10 | Sigmoid => 15,
            Lgamma | Digamma | Erfinv => 200,
            _ => 30,
        }
    }
}

/// Operations of two arguments of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    /// True division; on integers the same as `FloorDiv`.
    Div,
    /// Rounds towards minus infinity; 0 for an integer divided by zero.
    FloorDiv,
    /// Remainder with the sign of the divisor (Python, numpy).
    Rem,
    /// Remainder with the sign of the dividend (C).
    Fmod,
    Pow,
    /// NaN if either argument is NaN.
    Max,
    /// NaN if either argument is NaN.
    Min,
    Atan2,
    Hypot,
    /// `log(exp(a) + exp(b))` without overflow.
    LogAddExp,
    NextAfter,
    CopySign,
    /// The `a`-th derivative of digamma at `b`; `a` is a non-negative integer.
    Polygamma,
    And,
    Or,
    Xor,
    /// Left shift; 0 for a shift of the width or more.
    Shl,
    /// Arithmetic right shift; the sign for a shift of the width or more.
    Shr,
}

impl BinOp {
    /// Every operation, for tests.
    pub const ALL: &'static [BinOp] = &[
        BinOp::Add,
        BinOp::Sub,
        BinOp::Mul,
        BinOp::Div,
        BinOp::FloorDiv,
        BinOp::Rem,
        BinOp::Fmod,
        BinOp::Pow,
        BinOp::Max,
        BinOp::Min,
        BinOp::Atan2,
        BinOp::Hypot,
        BinOp::LogAddExp,
        BinOp::NextAfter,
        BinOp::CopySign,
        BinOp::Polygamma,
        BinOp::And,
        BinOp::Or,
        BinOp::Xor,
        BinOp::Shl,
        BinOp::Shr,
    ];

    /// Whether the operation accepts arguments of type `ty`.
    pub fn accepts(self, ty: Ty) -> bool {
        use BinOp::*;
        match self {
            Add | Sub | Mul | Max | Min => true,
            Div | FloorDiv | Rem | Fmod | Pow => ty != Ty::Bool,
            And | Or | Xor => !ty.is_float(),
            Shl | Shr => ty.is_int(),
            Atan2 | Hypot | LogAddExp | NextAfter | CopySign | Polygamma => ty.is_float(),
        }
    }

    /// Whether exchanging the arguments never changes a bit of the result (NaN payloads aside).
    pub fn commutes(self) -> bool {
        matches!(
            self,
            BinOp::Add | BinOp::Mul | BinOp::And | BinOp::Or | BinOp::Xor
        )
    }

    /// Rough cost of one element, in vector instructions.
    pub fn cost(self) -> usize {
        use BinOp::*;
        match self {
            Add | Sub | Mul | Max | Min | And | Or | Xor | Shl | Shr | CopySign => 1,
            Div => 6,
            Pow | Atan2 | Hypot | LogAddExp => 50,
            Polygamma => 200,
            FloorDiv | Rem | Fmod | NextAfter => 20,
        }
    }
}

/// Comparisons; false when an argument is NaN, except `Ne`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum CmpOp {
    Lt,
    Le,
    /// Lowered to `Lt` with exchanged arguments.
    Gt,
    /// Lowered to `Le` with exchanged arguments.
    Ge,
    Eq,
    Ne,
}

/// Associative operations that reduce rows and columns. On `Bool`, `Max` is "any" and `Min` is "all".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum ReduceOp {
    Sum,
    Prod,
    /// NaN-propagating.
    Max,
    /// NaN-propagating.
    Min,
}

impl ReduceOp {
    /// The result for no element at all: 0, 1, and the smallest or largest value of the type.
    pub fn identity(self, ty: Ty) -> Scalar {
        match (self, ty) {
            (ReduceOp::Sum, _) => Scalar::from_f64(ty, 0.0),
            (ReduceOp::Prod, _) => Scalar::from_f64(ty, 1.0),
            (ReduceOp::Max, Ty::Bool) => Scalar::Bool(false),
            (ReduceOp::Min, Ty::Bool) => Scalar::Bool(true),
            (ReduceOp::Max, Ty::I32) => Scalar::I32(i32::MIN),
            (ReduceOp::Min, Ty::I32) => Scalar::I32(i32::MAX),
            (ReduceOp::Max, Ty::I64) => Scalar::I64(i64::MIN),
            (ReduceOp::Min, Ty::I64) => Scalar::I64(i64::MAX),
            (ReduceOp::Max, _) => Scalar::from_f64(ty, f64::NEG_INFINITY),
            (ReduceOp::Min, _) => Scalar::from_f64(ty, f64::INFINITY),
        }
    }
}

/// Counter-based random numbers: a pure function of two seeds and the element's linear index in the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RandomKind {
    /// 32 random bits as `I64`.
    Bits,
    /// Uniform in `[0, 1)`, 24 bits, `F32`.
    UniformF32,
    /// Uniform in `[0, 1)`, 53 bits, `F64`.
    UniformF64,
}

impl RandomKind {
    /// The type of the numbers.
    pub fn ty(self) -> Ty {
        match self {
            RandomKind::Bits => Ty::I64,
            RandomKind::UniformF32 => Ty::F32,
            RandomKind::UniformF64 => Ty::F64,
        }
    }
}

/// The number of a node in its program.
pub type Id = u32;

/// One value of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// The element of an operand.
    Load(u16),
    /// A constant.
    Const(Scalar),
    /// An operation of one argument.
    Un(UnOp, Id),
    /// An operation of two arguments of one type.
    Bin(BinOp, Id, Id),
    /// A comparison: `Bool`.
    Cmp(CmpOp, Id, Id),
    /// `if mask { a } else { b }`: never mixes the values, so a NaN in the branch not taken is harmless.
    Select(Id, Id, Id),
    /// Conversion: floats to integers truncate and saturate (NaN is 0), integers wrap, anything to `Bool` is `!= 0`.
    Cast(Id, Ty),
    /// A random number; the seeds are `I64` values of which the low 32 bits count.
    Random(RandomKind, Id, Id),
    /// The linear (row-major) index of the element in the domain, `I64`.
    Index,
    /// Reduction over the inner dimension: one value a row.
    Reduce(ReduceOp, Id),
}

impl Node {
    /// The nodes that this one reads.
    pub fn args(self) -> impl Iterator<Item = Id> {
        let (n, a) = match self {
            Node::Load(_) | Node::Const(_) | Node::Index => (0, [0; 3]),
            Node::Un(_, a) | Node::Cast(a, _) | Node::Reduce(_, a) => (1, [a, 0, 0]),
            Node::Bin(_, a, b) | Node::Cmp(_, a, b) | Node::Random(_, a, b) => (2, [a, b, 0]),
            Node::Select(a, b, c) => (3, [a, b, c]),
        };
        a.into_iter().take(n)
    }
}

/// How an output relates to the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutKind {
    /// One value an element.
    Full,
    /// One value a row: the node must be built from `Reduce` nodes, constants and row operands only.
    Row,
    /// Reduced over the trailing outer dimensions, keeping the inner one.
    Col(ReduceOp),
}

/// An output of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Out {
    pub node: Id,
    pub kind: OutKind,
}

/// An expression over one domain: what is computed for each element, row and column.
///
/// Programs are made by a [`super::Builder`], which keeps them free of duplicates and dead nodes; two programs that
/// compare equal compute the same bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    pub(crate) nodes: Vec<Node>,
    pub(crate) types: Vec<Ty>,
    pub(crate) operands: Vec<Ty>,
    pub(crate) outs: Vec<Out>,
}

impl Program {
    /// The nodes, each after those that it reads.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The type of each node.
    pub fn types(&self) -> &[Ty] {
        &self.types
    }

    /// The compute type of each operand.
    pub fn operands(&self) -> &[Ty] {
        &self.operands
    }

    /// The outputs.
    pub fn outs(&self) -> &[Out] {
        &self.outs
    }

    /// The type of output `i`.
    pub fn out_ty(&self, i: usize) -> Ty {
        self.types[self.outs[i].node as usize]
    }

    /// Whether every output is `Full` and nothing is reduced.
    pub fn is_elementwise(&self) -> bool {
        self.outs.iter().all(|o| o.kind == OutKind::Full) && !self.has_reduce()
    }

    /// Whether a node reduces over the inner dimension.
    pub fn has_reduce(&self) -> bool {
        self.nodes.iter().any(|n| matches!(n, Node::Reduce(..)))
    }

    /// Whether the result depends on the position of an element ([`Node::Index`], [`Node::Random`]), so that the
    /// domain cannot be reshaped, sliced or permuted freely.
    pub fn is_positional(&self) -> bool {
        self.nodes
            .iter()
            .any(|n| matches!(n, Node::Index | Node::Random(..)))
    }

    /// Rough cost of one element, in vector instructions.
    pub fn cost(&self) -> usize {
        self.nodes.iter().map(node_cost).sum()
    }
}

fn node_cost(node: &Node) -> usize {
    match node {
        Node::Load(_) | Node::Const(_) => 0,
        Node::Un(op, _) => op.cost(),
        Node::Bin(op, ..) => op.cost(),
        Node::Random(..) => 20,
        _ => 1,
    }
}
