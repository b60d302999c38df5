//! [`Lane`]: the language in which an op's author writes a formula once.
//!
//! The same generic function is the reference (over `f64`) and, read over [`Sym`], the program with its derivative.

use super::builder::Builder;
use super::eval;
use super::ir::{BinOp, CmpOp, Id, OutKind, Program, ReduceOp, Ty, UnOp};
use std::cell::RefCell;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

macro_rules! unary_methods {
    ($($(#[$doc:meta])* $name:ident $op:ident),* $(,)?) => {
        $($(#[$doc])* fn $name(self) -> Self { self.unary(UnOp::$op) })*
    };
}

macro_rules! binary_methods {
    ($($(#[$doc:meta])* $name:ident $op:ident),* $(,)?) => {
        $($(#[$doc])* fn $name(self, other: Self) -> Self { self.binary(BinOp::$op, other) })*
    };
}

macro_rules! compare_methods {
    ($($(#[$doc:meta])* $name:ident $op:ident),* $(,)?) => {
        $($(#[$doc])* fn $name(self, other: Self) -> Self::Mask { self.compare(CmpOp::$op, other) })*
    };
}

/// A real number in a formula: `f64`, or a symbol.
///
/// ```
/// use rustdl::expr::{Lane, Program, Ty};
/// fn swish<L: Lane>(x: L) -> L {
///     x * x.sigmoid()
/// }
/// let program = Program::from_fn1(Ty::F32, swish);
/// assert_eq!(program.eval_f64(&[2.0]), [swish(2.0)]);
/// ```
pub trait Lane:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
{
    /// The result of a comparison.
    type Mask: Copy
        + BitAnd<Output = Self::Mask>
        + BitOr<Output = Self::Mask>
        + Not<Output = Self::Mask>;

    /// A constant of the same type as `self`.
    fn constant(&self, value: f64) -> Self;

    /// An operation of one argument.
    fn unary(self, op: UnOp) -> Self;

    /// An operation of two arguments.
    fn binary(self, op: BinOp, other: Self) -> Self;

    /// A comparison.
    fn compare(self, op: CmpOp, other: Self) -> Self::Mask;

    /// A predicate: `IsNan`, `IsInf` or `IsFinite`.
    fn test(self, op: UnOp) -> Self::Mask;

    /// `if mask { a } else { b }`; the value not chosen does not matter, not even in derivatives.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;

    unary_methods! {
        /// `|x|`, with derivative `sign(x)`.
        abs Abs,
        /// -1, 0 or 1.
        sign Sign,
        /// The square root.
        sqrt Sqrt,
        /// `1 / sqrt(x)`.
        rsqrt Rsqrt,
        /// `1 / x`.
        reciprocal Reciprocal,
        /// `x * x`.
        square Square,
        /// `e^x`.
        exp Exp,
        /// `e^x - 1`, accurate near 0.
        expm1 Expm1,
        /// `2^x`.
        exp2 Exp2,
        /// The natural logarithm.
        log Log,
        /// `log(1 + x)`, accurate near 0.
        log1p Log1p,
        /// The logarithm to base 2.
        log2 Log2,
        /// The logarithm to base 10.
        log10 Log10,
        /// The sine.
        sin Sin,
        /// The cosine.
        cos Cos,
        /// The tangent.
        tan Tan,
        /// The inverse sine.
        asin Asin,
        /// The inverse cosine.
        acos Acos,
        /// The inverse tangent.
        atan Atan,
        /// The hyperbolic sine.
        sinh Sinh,
        /// The hyperbolic cosine.
        cosh Cosh,
        /// The hyperbolic tangent.
        tanh Tanh,
        /// The inverse hyperbolic sine.
        asinh Asinh,
        /// The inverse hyperbolic cosine.
        acosh Acosh,
        /// The inverse hyperbolic tangent.
        atanh Atanh,
        /// `1 / (1 + e^-x)`.
        sigmoid Sigmoid,
        /// `max(x, 0)` with derivative 0 at 0.
        relu Relu,
        /// The error function.
        erf Erf,
        /// `1 - erf(x)`.
        erfc Erfc,
        /// The inverse of the error function.
        erfinv Erfinv,
        /// `log |gamma(x)|`.
        lgamma Lgamma,
        /// The derivative of [`Lane::lgamma`].
        digamma Digamma,
        /// Rounds down.
        floor Floor,
        /// Rounds up.
        ceil Ceil,
        /// Rounds to nearest, ties to even.
        round Round,
        /// Rounds towards zero.
        trunc Trunc,
    }

    binary_methods! {
        /// `x^y`.
        pow Pow,
        /// The larger; NaN if either is. Equal arguments share the gradient.
        max Max,
        /// The smaller; NaN if either is.
        min Min,
        /// The angle of the point `(other, self)`.
        atan2 Atan2,
        /// `sqrt(x^2 + y^2)` without overflow.
        hypot Hypot,
        /// `log(e^x + e^y)` without overflow.
        logaddexp LogAddExp,
        /// The magnitude of `self` with the sign of `other`.
        copysign CopySign,
        /// `floor(x / y)`.
        floordiv FloorDiv,
        /// Remainder with the sign of the divisor.
        rem Rem,
        /// Remainder with the sign of the dividend.
        fmod Fmod,
        /// The next float towards `other`.
        nextafter NextAfter,
        /// The `self`-th derivative of digamma at `other`.
        polygamma Polygamma,
    }

    compare_methods! {
        /// `self < other`.
        lt Lt,
        /// `self <= other`.
        le Le,
        /// `self > other`.
        gt Gt,
        /// `self >= other`.
        ge Ge,
        /// `self == other`.
        eq Eq,
        /// `self != other`.
        ne Ne,
    }

    /// Whether the value is NaN.
    fn is_nan(self) -> Self::Mask {
        self.test(UnOp::IsNan)
    }

    /// Whether the value is infinite.
    fn is_inf(self) -> Self::Mask {
        self.test(UnOp::IsInf)
    }

    /// Whether the value is neither infinite nor NaN.
    fn is_finite(self) -> Self::Mask {
        self.test(UnOp::IsFinite)
    }

    /// `log(1 + e^x)` without overflow.
    fn softplus(self) -> Self {
        self.relu() + (-self.abs()).exp().log1p()
    }

    /// `self` kept within `low..=high`.
    fn clamp(self, low: Self, high: Self) -> Self {
        self.max(low).min(high)
    }
}

impl Lane for f64 {
    type Mask = bool;

    fn constant(&self, value: f64) -> f64 {
        value
    }

    fn unary(self, op: UnOp) -> f64 {
        eval::un_f64(op, self)
    }

    fn binary(self, op: BinOp, other: f64) -> f64 {
        eval::bin_f64(op, self, other, Ty::F64)
    }

    fn compare(self, op: CmpOp, other: f64) -> bool {
        eval::cmp(op, eval::Val::F(self), eval::Val::F(other))
    }

    fn test(self, op: UnOp) -> bool {
        eval::un_f64(op, self) != 0.0
    }

    fn select(mask: bool, a: f64, b: f64) -> f64 {
        if mask { a } else { b }
    }
}

thread_local! {
    /// The builders of the programs under construction on this thread, innermost last, each with its stamp.
    static BUILDERS: RefCell<(u64, Vec<(u64, Builder)>)> = const { RefCell::new((0, Vec::new())) };
}

/// A symbolic number (or truth value): a node of the program under construction.
///
/// Exists only inside the closure given to [`Program::build`] and its like; used elsewhere it panics.
#[derive(Clone, Copy, Debug)]
pub struct Sym {
    stamp: u64,
    id: Id,
}

impl Sym {
    fn with<R>(self, f: impl FnOnce(&mut Builder) -> R) -> R {
        BUILDERS.with_borrow_mut(|(_, stack)| {
            let (_, builder) = stack
                .iter_mut()
                .rev()
                .find(|(stamp, _)| *stamp == self.stamp)
                .expect("a Sym must not leave the closure that builds its program");
            f(builder)
        })
    }

    fn make(self, f: impl FnOnce(&mut Builder) -> Id) -> Sym {
        Sym {
            stamp: self.stamp,
            id: self.with(f),
        }
    }

    /// The node of this symbol.
    pub fn id(self) -> Id {
        self.id
    }

    /// The type of the value.
    pub fn ty(self) -> Ty {
        self.with(|b| b.ty(self.id))
    }

    /// Conversion to another type.
    pub fn cast(self, ty: Ty) -> Sym {
        self.make(|b| b.cast(self.id, ty))
    }

    /// Reduction over the inner dimension: a row value.
    pub fn reduce(self, op: ReduceOp) -> Sym {
        self.make(|b| b.reduce(op, self.id))
    }

    /// The sum over the inner dimension.
    pub fn row_sum(self) -> Sym {
        self.reduce(ReduceOp::Sum)
    }

    /// The maximum over the inner dimension.
    pub fn row_max(self) -> Sym {
        self.reduce(ReduceOp::Max)
    }

    /// The linear index of the element in the domain.
    pub fn index(self) -> Sym {
        self.make(Builder::index)
    }

    /// Logical or bitwise "exclusive or".
    pub fn xor(self, other: Sym) -> Sym {
        self.make(|b| b.bin(BinOp::Xor, self.id, other.id))
    }
}

macro_rules! operators {
    ($ty:ty, $($trait:ident $method:ident $op:ident),*) => {
        $(impl $trait for $ty {
            type Output = $ty;
            fn $method(self, other: $ty) -> $ty { self.make(|b| b.bin(BinOp::$op, self.id, other.id)) }
        })*
    };
}

macro_rules! operators_with_constants {
    ($($trait:ident $method:ident),*) => {
        $(impl $trait<f64> for Sym {
            type Output = Sym;
            fn $method(self, other: f64) -> Sym { $trait::$method(self, self.constant(other)) }
        })*
    };
}

operators!(Sym, Add add Add, Sub sub Sub, Mul mul Mul, Div div Div, BitAnd bitand And, BitOr bitor Or);
operators_with_constants!(Add add, Sub sub, Mul mul, Div div);

impl Neg for Sym {
    type Output = Sym;
    fn neg(self) -> Sym {
        self.unary(UnOp::Neg)
    }
}

impl Not for Sym {
    type Output = Sym;
    fn not(self) -> Sym {
        self.make(|b| match b.ty(self.id) {
            Ty::Bool => b.un(UnOp::Not, self.id),
            _ => b.un(UnOp::BitNot, self.id),
        })
    }
}

impl Lane for Sym {
    type Mask = Sym;

    fn constant(&self, value: f64) -> Sym {
        self.make(|b| {
            let ty = b.ty(self.id);
            b.real(ty, value)
        })
    }

    fn unary(self, op: UnOp) -> Sym {
        self.make(|b| b.un(op, self.id))
    }

    fn binary(self, op: BinOp, other: Sym) -> Sym {
        self.make(|b| b.bin(op, self.id, other.id))
    }

    fn compare(self, op: CmpOp, other: Sym) -> Sym {
        self.make(|b| b.cmp(op, self.id, other.id))
    }

    fn test(self, op: UnOp) -> Sym {
        self.make(|b| b.un(op, self.id))
    }

    fn select(mask: Sym, a: Sym, b: Sym) -> Sym {
        a.make(|builder| builder.select(mask.id, a.id, b.id))
    }
}

/// Takes the innermost builder off the stack, also when the author's closure panics.
struct Building(u64);

impl Building {
    fn start(operands: &[Ty]) -> Building {
        BUILDERS.with_borrow_mut(|(count, stack)| {
            *count += 1;
            stack.push((*count, Builder::new(operands)));
            Building(*count)
        })
    }

    fn builder(&self) -> Builder {
        BUILDERS.with_borrow_mut(|(_, stack)| {
            std::mem::take(&mut stack.last_mut().expect("just pushed").1)
        })
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        BUILDERS.with_borrow_mut(|(_, stack)| stack.retain(|(stamp, _)| *stamp != self.0));
    }
}

impl Program {
    /// The program that `f` describes, given one symbol an operand.
    ///
    /// ```
    /// use rustdl::expr::{OutKind, Program, Lane, Ty};
    /// let softmax = Program::build(&[Ty::F32], |x| {
    ///     let e = (x[0] - x[0].row_max()).exp();
    ///     vec![(e / e.row_sum(), OutKind::Full)]
    /// });
    /// assert!(softmax.has_reduce());
    /// ```
    pub fn build(operands: &[Ty], f: impl FnOnce(&[Sym]) -> Vec<(Sym, OutKind)>) -> Program {
        let building = Building::start(operands);
        let first = Sym {
            stamp: building.0,
            id: 0,
        };
        let symbols: Vec<Sym> = (0..operands.len())
            .map(|i| first.make(|b| b.load(i)))
            .collect();
        let outs: Vec<(Id, OutKind)> = f(&symbols)
            .into_iter()
            .map(|(s, kind)| (s.id, kind))
            .collect();
        building.builder().finish(&outs)
    }

    /// The elementwise program of a function of one argument of type `ty`.
    pub fn from_fn1(ty: Ty, f: impl FnOnce(Sym) -> Sym) -> Program {
        Program::build(&[ty], |x| vec![(f(x[0]), OutKind::Full)])
    }

    /// The elementwise program of a function of two arguments of type `ty`.
    pub fn from_fn2(ty: Ty, f: impl FnOnce(Sym, Sym) -> Sym) -> Program {
        Program::build(&[ty; 2], |x| vec![(f(x[0], x[1]), OutKind::Full)])
    }

    /// The elementwise program of a function of three arguments of type `ty`.
    pub fn from_fn3(ty: Ty, f: impl FnOnce(Sym, Sym, Sym) -> Sym) -> Program {
        Program::build(&[ty; 3], |x| vec![(f(x[0], x[1], x[2]), OutKind::Full)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gelu<L: Lane>(x: L) -> L {
        x * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5
    }

    fn leaky<L: Lane>(x: L) -> L {
        L::select(x.gt(x.constant(0.0)), x, x * 0.2)
    }

    #[test]
    fn one_formula_is_reference_and_program() {
        let (p, q) = (
            Program::from_fn1(Ty::F64, gelu),
            Program::from_fn1(Ty::F64, leaky),
        );
        for x in [-3.0, -0.5, 0.0, 0.7, 4.0] {
            assert_eq!(p.eval_f64(&[x]), [gelu(x)]);
            assert_eq!(q.eval_f64(&[x]), [leaky(x)]);
        }
    }

    #[test]
    fn builders_nest() {
        let p = Program::from_fn1(Ty::F64, |x| {
            let inner = Program::from_fn1(Ty::F64, |y| y + y);
            assert_eq!(inner.eval_f64(&[2.0]), [4.0]);
            x * x
        });
        assert_eq!(p.eval_f64(&[3.0]), [9.0]);
    }
}
