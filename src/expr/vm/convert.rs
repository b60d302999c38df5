//! Instructions that move and convert: loads, stores, casts, expansion of single and row values, selection, comparison.

use super::instr::{Count, Cx, Instr, KernelFn, Op, map_select, map1, map2, resolve};
use crate::aval::DType;
use crate::expr::ir::{CmpOp, Ty};
use crate::simd::{Isa, Level};
use std::any::TypeId;
use std::marker::PhantomData;

/// Conversion of one value from `Self` to `T`, without branches so that loops over it are vectorised.
pub(super) trait To<T>: Copy {
    fn to(self) -> T;
}

macro_rules! casts {
    ($($from:ty => $($to:ty),*;)*) => {
        $($(impl To<$to> for $from {
            #[inline(always)]
            fn to(self) -> $to { self as $to }
        })*)*
    };
}

// Integers wrap.
casts! {
    u8 => u8, i8, u16, i16, i32, i64, f32, f64;
    i8 => i32;
    u16 => i32;
    i16 => i32;
    u32 => i64;
    u64 => i64;
    i32 => i8, i16, u16, i32, i64, f32, f64;
    i64 => u32, u64, i32, i64, f32, f64;
    f32 => f32, f64;
    f64 => f32, f64;
}

/// Floats to integers truncate and saturate, and NaN gives 0, as `as` does, but in steps that vectorise: clamp into the
/// range, convert, then correct what lay above it (whose clamped value is the largest float below) and NaN.
macro_rules! float_to_int {
    ($($from:ty => $to:ty, $below:expr;)*) => {
        $(impl To<$to> for $from {
            #[inline(always)]
            fn to(self) -> $to {
                const LOW: $from = <$to>::MIN as $from;
                let clamped = if self > LOW { self } else { LOW }; // NaN becomes LOW too
                let clamped = if clamped < $below { clamped } else { $below };
                // SAFETY: the value is neither NaN nor outside the range.
                let inside = unsafe { clamped.to_int_unchecked::<$to>() };
                let high = if self >= -LOW { <$to>::MAX } else { inside };
                if self.is_nan() { 0 } else { high }
            }
        })*
    };
}

float_to_int! {
    f32 => i32, 2_147_483_520.0;
    f32 => i64, 9_223_371_487_098_961_920.0;
    f64 => i32, 2_147_483_647.0;
    f64 => i64, 9_223_372_036_854_774_784.0;
}

/// A byte that is a number; plain `u8` registers are truth values.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Byte(u8);
/// The bits of an `f16`.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Half(u16);
/// The bits of a `bf16`.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Brain(u16);

macro_rules! conversions {
    ($($from:ty => $to:ty, |$x:ident| $body:expr;)*) => {
        $(impl To<$to> for $from {
            #[inline(always)]
            fn to(self) -> $to { let $x = self; $body }
        })*
    };
}

conversions! {
    Byte => i32, |x| x.0.into();
    i32 => Byte, |x| Byte(x as u8);
    Half => f32, |x| f16_to_f32(x.0);
    f32 => Half, |x| Half(f32_to_f16(x));
    Brain => f32, |x| bf16_to_f32(x.0);
    f32 => Brain, |x| Brain(f32_to_bf16(x));
    i32 => u8, |x| u8::from(x != 0);
    i64 => u8, |x| u8::from(x != 0);
    f32 => u8, |x| u8::from(x != 0.0);
    f64 => u8, |x| u8::from(x != 0.0);
}

/// Exact widening: scaling by 2^112 moves the exponent and normalises subnormals.
#[inline(always)]
pub(super) fn f16_to_f32(h: u16) -> f32 {
    let magnitude = u32::from(h & 0x7fff);
    let scaled = f32::from_bits(magnitude << 13) * f32::from_bits((127 + 112) << 23);
    let bits = if magnitude >= 0x7c00 {
        0x7f80_0000 | (magnitude << 13)
    } else {
        scaled.to_bits()
    };
    f32::from_bits(bits | (u32::from(h & 0x8000) << 16))
}

/// Rounds to nearest, ties to even.
#[inline(always)]
pub(super) fn f32_to_f16(x: f32) -> u16 {
    half::f16::from_f32_const(x).to_bits()
}

/// Exact widening.
#[inline(always)]
pub(super) fn bf16_to_f32(b: u16) -> f32 {
    f32::from_bits(u32::from(b) << 16)
}

/// Rounds to nearest, ties to even; NaN stays NaN.
#[inline(always)]
pub(super) fn f32_to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    if x.is_nan() {
        (bits >> 16) as u16 | 0x40
    } else {
        rounded as u16
    }
}

/// Converts a register, or contiguous memory to a register, or a register to contiguous memory.
struct Convert<S, T>(PhantomData<(S, T)>);

impl<S: To<T>, T: Copy> Op for Convert<S, T> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        map1(
            cx.len(ins),
            cx.reg::<T>(ins.dst),
            cx.reg::<S>(ins.args[0]),
            |x: S| x.to(),
        );
    }
}

/// The extent and strides of what a load or store touches in memory: `(rows, cols, row stride, column stride)`.
#[inline(always)]
unsafe fn extent(cx: &Cx, ins: &Instr) -> (usize, usize, isize, isize) {
    let [row, col] = *cx.strides.add(ins.aux as usize);
    match ins.count {
        Count::Full => (cx.rows, cx.cols, row, col),
        Count::Rows => (1, cx.rows, 0, row),
        Count::One => (1, 1, 0, 0),
    }
}

/// Converts `n` contiguous elements, or copies them where there is nothing to convert.
#[inline(always)]
unsafe fn move_row<S: To<T> + 'static, T: Copy + 'static>(n: usize, dst: *mut T, src: *const S) {
    if TypeId::of::<S>() == TypeId::of::<T>() {
        std::ptr::copy(src.cast(), dst, n);
    } else {
        map1(n, dst, src, |x: S| x.to());
    }
}

/// Loads with any strides, converting.
struct Gather<S, T>(PhantomData<(S, T)>);

impl<S: To<T> + 'static, T: Copy + 'static> Op for Gather<S, T> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (rows, cols, row_stride, col_stride) = extent(cx, ins);
        let (mut dst, src) = (cx.reg::<T>(ins.dst), cx.reg::<S>(ins.args[0]).cast_const());
        for r in 0..rows {
            let row = src.offset(r as isize * row_stride);
            if col_stride == 1 {
                move_row(cols, dst, row);
            } else {
                for c in 0..cols {
                    *dst.add(c) = (*row.offset(c as isize * col_stride)).to();
                }
            }
            dst = dst.add(cols);
        }
    }
}

/// Stores with any strides, converting.
struct Scatter<S, T>(PhantomData<(S, T)>);

impl<S: To<T> + 'static, T: Copy + 'static> Op for Scatter<S, T> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (rows, cols, row_stride, col_stride) = extent(cx, ins);
        let (dst, mut src) = (cx.reg::<T>(ins.dst), cx.reg::<S>(ins.args[0]).cast_const());
        for r in 0..rows {
            let row = dst.offset(r as isize * row_stride);
            if col_stride == 1 {
                move_row(cols, row, src);
            } else {
                for c in 0..cols {
                    *row.offset(c as isize * col_stride) = (*src.add(c)).to();
                }
            }
            src = src.add(cols);
        }
    }
}

/// How a value moves between memory and registers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// Memory is contiguous, or there is one value.
    Contiguous,
    /// Memory has strides.
    Strided,
}

macro_rules! by_dtype {
    ($dtype:expr, $call:ident) => {
        match $dtype {
            DType::Bool => $call!(u8, u8),
            DType::U8 => $call!(Byte, i32),
            DType::U16 => $call!(u16, i32),
            DType::I8 => $call!(i8, i32),
            DType::I16 => $call!(i16, i32),
            DType::I32 => $call!(i32, i32),
            DType::U32 => $call!(u32, i64),
            DType::U64 => $call!(u64, i64),
            DType::I64 => $call!(i64, i64),
            DType::F16 => $call!(Half, f32),
            DType::BF16 => $call!(Brain, f32),
            DType::F32 => $call!(f32, f32),
            DType::F64 => $call!(f64, f64),
        }
    };
}

/// The code that loads storage `dtype` into a register of its compute type.
pub(super) fn load(dtype: DType, how: Move, level: Level) -> KernelFn {
    if how == Move::Contiguous && dtype == Ty::of(dtype).dtype() {
        return copy(dtype.size(), level);
    }
    macro_rules! pick {
        ($s:ty, $t:ty) => {
            match how {
                Move::Contiguous => resolve::<Convert<$s, $t>>(level),
                Move::Strided => resolve::<Gather<$s, $t>>(level),
            }
        };
    }
    by_dtype!(dtype, pick)
}

/// The code that stores a register of its compute type as storage `dtype`.
pub(super) fn store(dtype: DType, how: Move, level: Level) -> KernelFn {
    if how == Move::Contiguous && dtype == Ty::of(dtype).dtype() {
        return copy(dtype.size(), level);
    }
    macro_rules! pick {
        ($s:ty, $t:ty) => {
            match how {
                Move::Contiguous => resolve::<Convert<$t, $s>>(level),
                Move::Strided => resolve::<Scatter<$t, $s>>(level),
            }
        };
    }
    by_dtype!(dtype, pick)
}

/// The code of a conversion between compute types.
pub(super) fn cast(from: Ty, to: Ty, level: Level) -> KernelFn {
    if from == to {
        return copy(from.size(), level);
    }
    macro_rules! to {
        ($s:ty) => {
            match to {
                Ty::Bool => resolve::<Convert<$s, u8>>(level),
                Ty::I32 => resolve::<Convert<$s, i32>>(level),
                Ty::I64 => resolve::<Convert<$s, i64>>(level),
                Ty::F32 => resolve::<Convert<$s, f32>>(level),
                Ty::F64 => resolve::<Convert<$s, f64>>(level),
            }
        };
    }
    match from {
        Ty::Bool => to!(u8),
        Ty::I32 => to!(i32),
        Ty::I64 => to!(i64),
        Ty::F32 => to!(f32),
        Ty::F64 => to!(f64),
    }
}

/// Repeats a single value over the count, or each row value over its row.
struct Expand<T, const ROWS: bool>(PhantomData<T>);

impl<T: Copy, const ROWS: bool> Op for Expand<T, ROWS> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (dst, a) = (cx.reg::<T>(ins.dst), cx.reg::<T>(ins.args[0]));
        if ROWS {
            for r in 0..cx.rows {
                repeat(dst.add(r * cx.cols), cx.cols, *a.add(r));
            }
        } else {
            repeat(dst, cx.len(ins), *a);
        }
    }
}

/// `n` times the value. Not the standard library's `fill`, which is a function of its own without the instruction set.
#[inline(always)]
unsafe fn repeat<T: Copy>(dst: *mut T, n: usize, value: T) {
    for i in 0..n {
        dst.add(i).write(value);
    }
}

/// The code that repeats values of `size` bytes: row values over their rows, or one value over all.
pub(super) fn expand(size: usize, rows: bool, level: Level) -> KernelFn {
    match (size, rows) {
        (1, true) => resolve::<Expand<u8, true>>(level),
        (4, true) => resolve::<Expand<u32, true>>(level),
        (_, true) => resolve::<Expand<u64, true>>(level),
        (1, false) => resolve::<Expand<u8, false>>(level),
        (4, false) => resolve::<Expand<u32, false>>(level),
        (_, false) => resolve::<Expand<u64, false>>(level),
    }
}

/// Moves elements unchanged.
struct Move1<T>(PhantomData<T>);

impl<T> Op for Move1<T> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (dst, a) = (cx.reg::<T>(ins.dst), cx.reg::<T>(ins.args[0]));
        std::ptr::copy(a, dst, cx.len(ins));
    }
}

/// The code that moves values of `size` bytes.
fn copy(size: usize, level: Level) -> KernelFn {
    match size {
        1 => resolve::<Move1<u8>>(level),
        2 => resolve::<Move1<u16>>(level),
        4 => resolve::<Move1<u32>>(level),
        _ => resolve::<Move1<u64>>(level),
    }
}

/// The code that copies a register to memory past the caches; `aux` are the bytes of an element, 4 or 8.
pub(super) fn stream(level: Level) -> KernelFn {
    resolve::<Stream>(level)
}

struct Stream;

impl Op for Stream {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let bytes = cx.len(ins) * ins.aux as usize;
        stream_bytes(bytes, cx.reg::<u8>(ins.dst), cx.reg::<u8>(ins.args[0]));
    }
}

/// Copies `bytes` (a multiple of 4, as both addresses are) without reading the destination into the caches. The first
/// level of x86-64 has the instruction.
#[inline(always)]
unsafe fn stream_bytes(bytes: usize, dst: *mut u8, src: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
        const N: usize = size_of::<__m128i>();
        let head = dst.align_offset(N).min(bytes);
        src.copy_to_nonoverlapping(dst, head);
        let whole = head + (bytes - head) / N * N;
        for i in (head..whole).step_by(N) {
            _mm_stream_si128(dst.add(i).cast(), _mm_loadu_si128(src.add(i).cast()));
        }
        src.add(whole)
            .copy_to_nonoverlapping(dst.add(whole), bytes - whole);
    }
    #[cfg(not(target_arch = "x86_64"))]
    src.copy_to_nonoverlapping(dst, bytes);
}

/// Orders what [`stream`] wrote before what follows.
pub(super) fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: without effect but on the order of stores; every x86-64 processor has it.
    unsafe {
        std::arch::x86_64::_mm_sfence()
    };
}

struct Select<T>(PhantomData<T>);

impl<T: Copy> Op for Select<T> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let [mask, a, b] = ins.args;
        let (n, dst) = (cx.len(ins), cx.reg::<T>(ins.dst));
        let (a, b) = (
            (cx.reg::<T>(a).cast_const(), ins.is_single(1)),
            (cx.reg::<T>(b).cast_const(), ins.is_single(2)),
        );
        let mask = cx.reg::<u8>(mask);
        if ins.is_single(0) {
            // One mask for all: copy one side.
            let (p, single) = if *mask != 0 { a } else { b };
            map2(n, dst, (p, single), (p, single), |x: T, _: T| x);
        } else {
            map_select(n, dst, mask, a, b);
        }
    }
}

/// The code of a selection between values of `size` bytes.
pub(super) fn select(size: usize, level: Level) -> KernelFn {
    match size {
        1 => resolve::<Select<u8>>(level),
        4 => resolve::<Select<u32>>(level),
        _ => resolve::<Select<u64>>(level),
    }
}

struct Compare<T, const OP: u8>(PhantomData<T>);

impl<T: Copy + PartialOrd, const OP: u8> Op for Compare<T, OP> {
    #[inline(always)]
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr) {
        let (a, b) = (
            cx.reg::<T>(ins.args[0]).cast_const(),
            cx.reg::<T>(ins.args[1]).cast_const(),
        );
        let (a, b) = ((a, ins.is_single(0)), (b, ins.is_single(1)));
        map2(cx.len(ins), cx.reg::<u8>(ins.dst), a, b, |x: T, y: T| {
            u8::from(match OP {
                0 => x < y,
                1 => x <= y,
                2 => x == y,
                _ => x != y,
            })
        });
    }
}

/// The code of a comparison of values of type `ty`.
pub(super) fn compare(op: CmpOp, ty: Ty, level: Level) -> KernelFn {
    macro_rules! pick {
        ($t:ty) => {
            match op {
                CmpOp::Lt => resolve::<Compare<$t, 0>>(level),
                CmpOp::Le => resolve::<Compare<$t, 1>>(level),
                CmpOp::Eq => resolve::<Compare<$t, 2>>(level),
                CmpOp::Ne => resolve::<Compare<$t, 3>>(level),
                CmpOp::Gt | CmpOp::Ge => unreachable!("lowered by the builder"),
            }
        };
    }
    match ty {
        Ty::Bool => pick!(u8),
        Ty::I32 => pick!(i32),
        Ty::I64 => pick!(i64),
        Ty::F32 => pick!(f32),
        Ty::F64 => pick!(f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_become_integers_as_by_the_language() {
        let mut values = vec![
            0.0,
            -0.0,
            0.5,
            -0.9,
            1.5,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            -f64::MAX,
        ];
        for exponent in [31, 32, 62, 63, 64] {
            let p = 2f64.powi(exponent);
            values.extend([
                p,
                -p,
                p - 1.0,
                1.0 - p,
                p.next_down(),
                -p.next_up(),
                p.next_up(),
            ]);
        }
        for x in values {
            let y = x as f32;
            assert_eq!(
                (To::<i32>::to(x), To::<i64>::to(x)),
                (x as i32, x as i64),
                "{x:e}"
            );
            assert_eq!(
                (To::<i32>::to(y), To::<i64>::to(y)),
                (y as i32, y as i64),
                "{y:e}"
            );
            let below = y.next_down();
            assert_eq!(
                (To::<i32>::to(below), To::<i64>::to(below)),
                (below as i32, below as i64),
                "{below:e}"
            );
        }
    }

    #[test]
    fn half_precision_matches_the_half_crate() {
        for bits in 0..=u16::MAX {
            let (h, b) = (half::f16::from_bits(bits), half::bf16::from_bits(bits));
            if h.is_nan() {
                assert!(f16_to_f32(bits).is_nan());
            } else {
                assert_eq!(
                    f16_to_f32(bits).to_bits(),
                    h.to_f32_const().to_bits(),
                    "{bits:#x}"
                );
                assert_eq!(f32_to_f16(h.to_f32_const()), bits);
            }
            if b.is_nan() {
                assert!(bf16_to_f32(bits).is_nan());
            } else {
                assert_eq!(bf16_to_f32(bits).to_bits(), b.to_f32_const().to_bits());
            }
            // Values between two bf16 numbers, with ties.
            for low in [0u32, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let x = f32::from_bits(u32::from(bits) << 16 | low);
                assert_eq!(
                    f32_to_bf16(x),
                    half::bf16::from_f32_const(x).to_bits(),
                    "{x:e}"
                );
            }
        }
    }
}
