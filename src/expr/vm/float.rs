//! Instructions on floats: arithmetic by vectors, rare functions one element at a time in `f64`.

use super::instr::{Cx, Instr, KernelFn, Op, map1, resolve};
use crate::expr::eval;
use crate::expr::ir::{BinOp, Ty, UnOp};
use crate::simd::{Float, Four, Isa, Lanes, Level, Math};
use std::marker::PhantomData;

/// A vector function of one argument.
trait Un<T: Float> {
    unsafe fn apply<L: Lanes<T>>(v: L::V) -> L::V;
}

/// A vector function of two arguments.
trait Bin<T: Float> {
    unsafe fn apply<L: Lanes<T>>(a: L::V, b: L::V) -> L::V;
}

macro_rules! vector_functions {
    ($trait:ident, $($name:ident($($arg:ident),*) $body:expr;)*) => {
        $(struct $name;
        impl<T: Float> $trait<T> for $name {
            #[inline(always)]
            unsafe fn apply<L: Lanes<T>>($($arg: L::V),*) -> L::V { $body }
        })*
    };
}

vector_functions! { Un,
    Neg(v) L::neg(v);
    Abs(v) L::abs(v);
    Sqrt(v) L::sqrt(v);
    Rsqrt(v) L::div(L::splat(T::ONE), L::sqrt(v));
    Relu(v) L::select(L::le(v, L::zero()), L::zero(), v);
    Floor(v) L::floor(v);
    Ceil(v) L::ceil(v);
    Round(v) L::round_even(v);
    Trunc(v) L::trunc(v);
    // +-1 where |v| > 0, else v itself: keeps signed zeros and NaN.
    Sign(v) L::select(L::gt(L::abs(v), L::zero()), L::copysign(L::splat(T::ONE), v), v);
}

/// Functions of [`Math`], by its own names.
macro_rules! math_functions {
    ($trait:ident: $($name:ident $function:ident($($arg:ident),*);)*) => {
        $(struct $name;
        impl<T: Float + Math> $trait<T> for $name {
            #[inline(always)]
            unsafe fn apply<L: Lanes<T>>($($arg: L::V),*) -> L::V { T::$function::<L>($($arg),*) }
        })*
    };
}

math_functions! { Un:
    Exp exp(x);
    Exp2 exp2(x);
    Expm1 expm1(x);
    Sigmoid sigmoid(x);
    Tanh tanh(x);
    Sinh sinh(x);
    Cosh cosh(x);
    Log log(x);
    Log2 log2(x);
    Log10 log10(x);
    Log1p log1p(x);
    Asinh asinh(x);
    Acosh acosh(x);
    Atanh atanh(x);
    Sin sin(x);
    Cos cos(x);
    Tan tan(x);
    Asin asin(x);
    Acos acos(x);
    Atan atan(x);
    Erf erf(x);
    Erfc erfc(x);
    Erfinv erfinv(x);
    Lgamma lgamma(x);
    Digamma digamma(x);
}

math_functions! { Bin:
    Atan2 atan2(y, x);
    Pow pow(x, y);
}

vector_functions! { Bin,
    Add(a, b) L::add(a, b);
    Sub(a, b) L::sub(a, b);
    Mul(a, b) L::mul(a, b);
    Div(a, b) L::div(a, b);
    Max(a, b) L::max_nan(a, b);
    Min(a, b) L::min_nan(a, b);
    CopySign(a, b) L::copysign(a, b);
}

struct LogAddExp;

impl<T: Float + Math> Bin<T> for LogAddExp {
    /// `max + log1p(exp(-|a - b|))`; the difference of equal infinities is NaN, of which `exp` must not hear.
    #[inline(always)]
    unsafe fn apply<L: Lanes<T>>(a: L::V, b: L::V) -> L::V {
        let d = L::select(L::eq(a, b), L::zero(), L::abs(L::sub(a, b)));
        L::add(L::max_nan(a, b), T::log1p::<L>(T::exp::<L>(L::neg(d))))
    }
}

struct UnLoop<F, T>(PhantomData<(F, T)>);

impl<T: Float, F: Un<T>> Op for UnLoop<F, T> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        un_loop::<T, F, T::Simd<I>>(cx.len(ins), cx.reg(ins.dst), cx.reg(ins.args[0]));
    }
}

/// Four vectors in each turn, since a turn of one is mostly counting.
#[inline(always)]
unsafe fn un_loop<T: Float, F: Un<T>, L: Lanes<T>>(n: usize, dst: *mut T, a: *const T) {
    let mut i = whole_vectors::<T, F, Four<L>>(n, dst, a);
    i += whole_vectors::<T, F, L>(n - i, dst.add(i), a.add(i));
    if i < n {
        L::store_partial(
            dst.add(i),
            F::apply::<L>(L::load_partial(a.add(i), n - i)),
            n - i,
        );
    }
}

/// `A`, `B`: whether the first and second argument are single values.
struct BinLoop<F, T, const A: bool, const B: bool>(PhantomData<(F, T)>);

impl<T: Float, F: Bin<T>, const A: bool, const B: bool> Op for BinLoop<F, T, A, B> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (a, b) = (cx.reg(ins.args[0]), cx.reg(ins.args[1]));
        bin_loop::<T, F, T::Simd<I>, A, B>(cx.len(ins), cx.reg(ins.dst), a, b);
    }
}

/// Four vectors in each turn, as in [`un_loop`].
#[inline(always)]
unsafe fn bin_loop<T: Float, F: Bin<T>, L: Lanes<T>, const A: bool, const B: bool>(
    n: usize,
    dst: *mut T,
    a: *const T,
    b: *const T,
) {
    let mut i = bin_vectors::<T, F, Four<L>, A, B>(0, n, dst, a, b);
    i = bin_vectors::<T, F, L, A, B>(i, n, dst, a, b);
    if i < n {
        let m = n - i;
        let x = match A {
            true => L::splat(*a),
            false => L::load_partial(a.add(i), m),
        };
        let y = match B {
            true => L::splat(*b),
            false => L::load_partial(b.add(i), m),
        };
        L::store_partial(dst.add(i), F::apply::<L>(x, y), m);
    }
}

/// The elements from `i` on that fill vectors of `L`; returns where they end.
#[inline(always)]
unsafe fn bin_vectors<T: Float, F: Bin<T>, L: Lanes<T>, const A: bool, const B: bool>(
    mut i: usize,
    n: usize,
    dst: *mut T,
    a: *const T,
    b: *const T,
) -> usize {
    let (a_splat, b_splat) = (
        if A { L::splat(*a) } else { L::zero() },
        if B { L::splat(*b) } else { L::zero() },
    );
    while i + L::N <= n {
        let x = if A { a_splat } else { L::load(a.add(i)) };
        let y = if B { b_splat } else { L::load(b.add(i)) };
        L::store(dst.add(i), F::apply::<L>(x, y));
        i += L::N;
    }
    i
}

/// Like [`UnLoop`], four vectors at a time: for functions that are long chains of operations.
struct ChainUnLoop<F, T>(PhantomData<(F, T)>);

impl<T: Float, F: Un<T>> Op for ChainUnLoop<F, T> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (n, dst, a) = (cx.len(ins), cx.reg(ins.dst), cx.reg(ins.args[0]));
        let done = whole_vectors::<T, F, Four<T::Simd<I>>>(n, dst, a);
        heavy_un_loop::<T, F, T::Simd<I>>(n - done, dst.add(done), a.add(done));
    }
}

/// The elements that fill vectors of `L`; returns how many these are.
#[inline(always)]
unsafe fn whole_vectors<T: Float, F: Un<T>, L: Lanes<T>>(
    n: usize,
    dst: *mut T,
    a: *const T,
) -> usize {
    let mut i = 0;
    while i + L::N <= n {
        L::store(dst.add(i), F::apply::<L>(L::load(a.add(i))));
        i += L::N;
    }
    i
}

/// Like [`UnLoop`], with one copy of the function's code.
struct HeavyUnLoop<F, T>(PhantomData<(F, T)>);

impl<T: Float, F: Un<T>> Op for HeavyUnLoop<F, T> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        heavy_un_loop::<T, F, T::Simd<I>>(cx.len(ins), cx.reg(ins.dst), cx.reg(ins.args[0]));
    }
}

#[inline(always)]
unsafe fn heavy_un_loop<T: Float, F: Un<T>, L: Lanes<T>>(n: usize, dst: *mut T, a: *const T) {
    let mut i = 0;
    while i < n {
        let m = L::N.min(n - i);
        L::store_partial(dst.add(i), F::apply::<L>(L::load_partial(a.add(i), m)), m);
        i += m;
    }
}

/// Functions that are long enough for a choice at each vector to cost nothing, so that one copy of their code will do.
struct HeavyBinLoop<F, T>(PhantomData<(F, T)>);

impl<T: Float, F: Bin<T>> Op for HeavyBinLoop<F, T> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (a, b) = (
            cx.reg::<T>(ins.args[0]).cast_const(),
            cx.reg::<T>(ins.args[1]).cast_const(),
        );
        let (a, b) = ((a, ins.is_single(0)), (b, ins.is_single(1)));
        heavy_bin_loop::<T, F, T::Simd<I>>(cx.len(ins), cx.reg(ins.dst), a, b);
    }
}

#[inline(always)]
unsafe fn heavy_bin_loop<T: Float, F: Bin<T>, L: Lanes<T>>(
    n: usize,
    dst: *mut T,
    (a, a_single): (*const T, bool),
    (b, b_single): (*const T, bool),
) {
    let mut i = 0;
    while i < n {
        let m = L::N.min(n - i);
        let x = if a_single {
            L::splat(*a)
        } else {
            L::load_partial(a.add(i), m)
        };
        let y = if b_single {
            L::splat(*b)
        } else {
            L::load_partial(b.add(i), m)
        };
        L::store_partial(dst.add(i), F::apply::<L>(x, y), m);
        i += m;
    }
}

/// Any function of one argument, through the scalar definition in `f64`.
struct UnRare<T>(PhantomData<T>);

impl<T: Float> Op for UnRare<T> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let op = UnOp::ALL[ins.aux as usize];
        let (dst, a) = (cx.reg::<T>(ins.dst), cx.reg::<T>(ins.args[0]));
        for i in 0..cx.len(ins) {
            *dst.add(i) = T::from_f64(eval::un_f64(op, (*a.add(i)).to_f64()));
        }
    }
}

/// Any function of two arguments, through the scalar definition in `f64`.
struct BinRare<T>(PhantomData<T>);

impl<T: Float> Op for BinRare<T> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let op = BinOp::ALL[ins.aux as usize];
        let ty = if size_of::<T>() == 4 {
            Ty::F32
        } else {
            Ty::F64
        };
        let (dst, a, b) = (
            cx.reg::<T>(ins.dst),
            cx.reg::<T>(ins.args[0]),
            cx.reg::<T>(ins.args[1]),
        );
        let step = |single: bool| usize::from(!single);
        let (p, q) = (step(ins.is_single(0)), step(ins.is_single(1)));
        for i in 0..cx.len(ins) {
            let (x, y) = ((*a.add(i * p)).to_f64(), (*b.add(i * q)).to_f64());
            *dst.add(i) = T::from_f64(eval::bin_f64(op, x, y, ty));
        }
    }
}

/// `IsNan`, `IsInf`, `IsFinite`: 1 byte an element.
struct Test<T, const OP: u8>(PhantomData<T>);

impl<T: Float, const OP: u8> Op for Test<T, OP> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        map1(
            cx.len(ins),
            cx.reg::<u8>(ins.dst),
            cx.reg::<T>(ins.args[0]),
            |x: T| {
                // x - x is 0 for finite numbers and NaN for the others.
                // Generic over the float type: NaN is the only value unequal to itself.
                #[allow(clippy::eq_op)]
                let (nan, finite) = (x != x, x - x == T::ZERO);
                u8::from(match OP {
                    0 => nan,
                    1 => !nan & !finite,
                    _ => finite,
                })
            },
        );
    }
}

/// Rounds to the precision of `bf16` (`HALF` false) or `f16`, staying `f32`.
struct Narrow<const HALF: bool>;

impl<const HALF: bool> Op for Narrow<HALF> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        map1(
            cx.len(ins),
            cx.reg::<f32>(ins.dst),
            cx.reg::<f32>(ins.args[0]),
            |x: f32| {
                if HALF {
                    super::convert::f16_to_f32(super::convert::f32_to_f16(x))
                } else {
                    super::convert::bf16_to_f32(super::convert::f32_to_bf16(x))
                }
            },
        );
    }
}

/// The code of `op` on type `T`.
pub(super) fn unary<T: Float + Math>(op: UnOp, level: Level) -> KernelFn {
    match op {
        UnOp::Neg => resolve::<UnLoop<Neg, T>>(level),
        UnOp::Abs => resolve::<UnLoop<Abs, T>>(level),
        UnOp::Sqrt => resolve::<UnLoop<Sqrt, T>>(level),
        UnOp::Rsqrt => resolve::<UnLoop<Rsqrt, T>>(level),
        UnOp::Relu => resolve::<UnLoop<Relu, T>>(level),
        UnOp::Floor => resolve::<UnLoop<Floor, T>>(level),
        UnOp::Ceil => resolve::<UnLoop<Ceil, T>>(level),
        UnOp::Round => resolve::<UnLoop<Round, T>>(level),
        UnOp::Trunc => resolve::<UnLoop<Trunc, T>>(level),
        UnOp::Sign => resolve::<UnLoop<Sign, T>>(level),
        UnOp::IsNan => resolve::<Test<T, 0>>(level),
        UnOp::IsInf => resolve::<Test<T, 1>>(level),
        UnOp::IsFinite => resolve::<Test<T, 2>>(level),
        UnOp::RoundBf16 => resolve::<Narrow<false>>(level),
        UnOp::RoundF16 => resolve::<Narrow<true>>(level),
        UnOp::Exp => resolve::<ChainUnLoop<Exp, T>>(level),
        UnOp::Exp2 => resolve::<ChainUnLoop<Exp2, T>>(level),
        UnOp::Expm1 => resolve::<ChainUnLoop<Expm1, T>>(level),
        UnOp::Sigmoid => resolve::<ChainUnLoop<Sigmoid, T>>(level),
        UnOp::Tanh => resolve::<ChainUnLoop<Tanh, T>>(level),
        UnOp::Sinh => resolve::<HeavyUnLoop<Sinh, T>>(level),
        UnOp::Cosh => resolve::<HeavyUnLoop<Cosh, T>>(level),
        UnOp::Log => resolve::<ChainUnLoop<Log, T>>(level),
        UnOp::Log2 => resolve::<ChainUnLoop<Log2, T>>(level),
        UnOp::Log10 => resolve::<ChainUnLoop<Log10, T>>(level),
        UnOp::Log1p => resolve::<ChainUnLoop<Log1p, T>>(level),
        UnOp::Asinh => resolve::<HeavyUnLoop<Asinh, T>>(level),
        UnOp::Acosh => resolve::<HeavyUnLoop<Acosh, T>>(level),
        UnOp::Atanh => resolve::<HeavyUnLoop<Atanh, T>>(level),
        UnOp::Sin => resolve::<ChainUnLoop<Sin, T>>(level),
        UnOp::Cos => resolve::<ChainUnLoop<Cos, T>>(level),
        UnOp::Tan => resolve::<HeavyUnLoop<Tan, T>>(level),
        UnOp::Asin => resolve::<HeavyUnLoop<Asin, T>>(level),
        UnOp::Acos => resolve::<HeavyUnLoop<Acos, T>>(level),
        UnOp::Atan => resolve::<HeavyUnLoop<Atan, T>>(level),
        UnOp::Erf => resolve::<ChainUnLoop<Erf, T>>(level),
        UnOp::Erfc => resolve::<HeavyUnLoop<Erfc, T>>(level),
        UnOp::Erfinv => resolve::<HeavyUnLoop<Erfinv, T>>(level),
        UnOp::Lgamma => resolve::<HeavyUnLoop<Lgamma, T>>(level),
        UnOp::Digamma => resolve::<HeavyUnLoop<Digamma, T>>(level),
        _ => resolve::<UnRare<T>>(level),
    }
}

/// The code of `op` on type `T`, with the arguments that are single values.
pub(super) fn binary<T: Float + Math>(op: BinOp, single: u8, level: Level) -> KernelFn {
    match op {
        BinOp::Add => forms::<T, Add>(single, level),
        BinOp::Sub => forms::<T, Sub>(single, level),
        BinOp::Mul => forms::<T, Mul>(single, level),
        BinOp::Div => forms::<T, Div>(single, level),
        BinOp::Max => forms::<T, Max>(single, level),
        BinOp::Min => forms::<T, Min>(single, level),
        BinOp::CopySign => forms::<T, CopySign>(single, level),
        BinOp::Atan2 => resolve::<HeavyBinLoop<Atan2, T>>(level),
        BinOp::Pow => resolve::<HeavyBinLoop<Pow, T>>(level),
        BinOp::LogAddExp => resolve::<HeavyBinLoop<LogAddExp, T>>(level),
        _ => resolve::<BinRare<T>>(level),
    }
}

fn forms<T: Float, F: Bin<T>>(single: u8, level: Level) -> KernelFn {
    match single & 3 {
        0 => resolve::<BinLoop<F, T, false, false>>(level),
        1 => resolve::<BinLoop<F, T, true, false>>(level),
        2 => resolve::<BinLoop<F, T, false, true>>(level),
        _ => resolve::<BinLoop<F, T, true, true>>(level),
    }
}
