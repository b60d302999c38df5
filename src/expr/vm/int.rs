//! Instructions on integers and truth values. All arithmetic wraps; nothing traps.

use super::instr::{Cx, Instr, KernelFn, Op, map1, map2, resolve};
use crate::expr::ir::{BinOp, UnOp};
use crate::simd::{Isa, Level};
use std::marker::PhantomData;

/// What the instructions need of `i32` and `i64`.
pub(super) trait Int: Copy + Ord {
    fn unary(op: UnOp, x: Self) -> Self;
    fn binary(op: BinOp, x: Self, y: Self) -> Self;
}

macro_rules! int {
    ($t:ty, $u:ty, $bits:expr) => {
        impl Int for $t {
            #[inline(always)]
            fn unary(op: UnOp, x: $t) -> $t {
                match op {
                    UnOp::Neg => x.wrapping_neg(),
                    UnOp::Abs => x.wrapping_abs(),
                    UnOp::Sign => <$t>::from(x > 0) - <$t>::from(x < 0),
                    UnOp::Relu => x.max(0),
                    UnOp::BitNot => !x,
                    UnOp::WrapU8 => <$t>::from(x as u8),
                    UnOp::WrapI8 => <$t>::from(x as i8),
                    UnOp::WrapU16 => <$t>::from(x as u16),
                    UnOp::WrapI16 => <$t>::from(x as i16),
                    UnOp::WrapU32 => x as u32 as $t,
                    _ => x,
                }
            }

            #[inline(always)]
            fn binary(op: BinOp, x: $t, y: $t) -> $t {
                match op {
                    BinOp::Add => x.wrapping_add(y),
                    BinOp::Sub => x.wrapping_sub(y),
                    BinOp::Mul => x.wrapping_mul(y),
                    BinOp::Max => x.max(y),
                    BinOp::Min => x.min(y),
                    BinOp::And => x & y,
                    BinOp::Or => x | y,
                    BinOp::Xor => x ^ y,
                    // The shift is taken modulo the width, then replaced where it was too large.
                    BinOp::Shl => {
                        if (y as $u) < $bits {
                            x.wrapping_shl(y as u32)
                        } else {
                            0
                        }
                    }
                    BinOp::Shr => {
                        if (y as $u) < $bits {
                            x.wrapping_shr(y as u32)
                        } else {
                            x >> ($bits - 1)
                        }
                    }
                    BinOp::Div | BinOp::FloorDiv => {
                        if y == 0 {
                            return 0;
                        }
                        let q = x.wrapping_div(y);
                        let inexact = x.wrapping_rem(y) != 0;
                        q - <$t>::from(inexact & ((x < 0) != (y < 0)))
                    }
                    BinOp::Rem => {
                        if y == 0 {
                            return 0;
                        }
                        let r = x.wrapping_rem(y);
                        if r != 0 && (r < 0) != (y < 0) {
                            r + y
                        } else {
                            r
                        }
                    }
                    BinOp::Fmod => {
                        if y == 0 {
                            0
                        } else {
                            x.wrapping_rem(y)
                        }
                    }
                    BinOp::Pow => {
                        if y < 0 {
                            return match x {
                                1 => 1,
                                -1 => 1 - 2 * (y & 1),
                                _ => 0,
                            };
                        }
                        let (mut base, mut left, mut result) = (x, y, 1);
                        while left > 0 {
                            if left & 1 == 1 {
                                result = <$t>::wrapping_mul(result, base);
                            }
                            base = base.wrapping_mul(base);
                            left >>= 1;
                        }
                        result
                    }
                    _ => x,
                }
            }
        }
    };
}

int!(i32, u32, 32);
int!(i64, u64, 64);

struct Un<T, const OP: usize>(PhantomData<T>);

impl<T: Int, const OP: usize> Op for Un<T, OP> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let op = const { UnOp::ALL[OP] };
        map1(
            cx.len(ins),
            cx.reg::<T>(ins.dst),
            cx.reg::<T>(ins.args[0]),
            |x| T::unary(op, x),
        );
    }
}

struct Bin<T, const OP: usize>(PhantomData<T>);

impl<T: Int, const OP: usize> Op for Bin<T, OP> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let op = const { BinOp::ALL[OP] };
        let (a, b) = (
            cx.reg::<T>(ins.args[0]).cast_const(),
            cx.reg::<T>(ins.args[1]).cast_const(),
        );
        let (a, b) = ((a, ins.is_single(0)), (b, ins.is_single(1)));
        map2(cx.len(ins), cx.reg::<T>(ins.dst), a, b, |x, y| {
            T::binary(op, x, y)
        });
    }
}

/// Truth values: `0` not, `1` and, `2` or, `3` xor.
struct Logic<const OP: u8>;

impl<const OP: u8> Op for Logic<OP> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (n, dst) = (cx.len(ins), cx.reg::<u8>(ins.dst));
        let a = cx.reg::<u8>(ins.args[0]).cast_const();
        if OP == 0 {
            return map1(n, dst, a, |x| u8::from(x == 0));
        }
        let b = cx.reg::<u8>(ins.args[1]).cast_const();
        map2(
            n,
            dst,
            (a, ins.is_single(0)),
            (b, ins.is_single(1)),
            |x, y| match OP {
                1 => x & y,
                2 => x | y,
                _ => x ^ y,
            },
        );
    }
}

/// The code of `op` on truth values.
pub(super) fn logic_unary(level: Level) -> KernelFn {
    resolve::<Logic<0>>(level)
}

/// The code of `op` on truth values.
pub(super) fn logic_binary(op: BinOp, level: Level) -> KernelFn {
    match op {
        BinOp::And => resolve::<Logic<1>>(level),
        BinOp::Or => resolve::<Logic<2>>(level),
        _ => resolve::<Logic<3>>(level),
    }
}

/// The place of an operation in its list, as a constant parameter of an instruction.
const fn un_index(op: UnOp) -> usize {
    let mut i = 0;
    while UnOp::ALL[i] as usize != op as usize {
        i += 1;
    }
    i
}

const fn bin_index(op: BinOp) -> usize {
    let mut i = 0;
    while BinOp::ALL[i] as usize != op as usize {
        i += 1;
    }
    i
}

/// The code of `op` on integers of type `T`.
pub(super) fn unary<T: Int>(op: UnOp, level: Level) -> KernelFn {
    macro_rules! pick {
        ($($op:ident),*) => {
            match op {
                $(UnOp::$op => resolve::<Un<T, { un_index(UnOp::$op) }>>(level),)*
                _ => unreachable!("{op:?} of an integer"),
            }
        };
    }
    pick!(
        Neg, Abs, Sign, Relu, BitNot, WrapU8, WrapI8, WrapU16, WrapI16, WrapU32
    )
}

/// The code of `op` on integers of type `T`.
pub(super) fn binary<T: Int>(op: BinOp, level: Level) -> KernelFn {
    macro_rules! pick {
        ($($op:ident),*) => {
            match op {
                $(BinOp::$op => resolve::<Bin<T, { bin_index(BinOp::$op) }>>(level),)*
                _ => unreachable!("{op:?} of integers"),
            }
        };
    }
    pick!(
        Add, Sub, Mul, FloorDiv, Rem, Fmod, Pow, Max, Min, And, Or, Xor, Shl, Shr
    )
}
