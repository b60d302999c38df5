//! Instructions of the VM, what they see of the block they run on, and their choice by instruction set.

use crate::simd::{Isa, Level};
use std::mem::MaybeUninit;

/// How many elements an instruction runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// Every element of the block (`rows * cols`).
    Full,
    /// One element a row of the block.
    Rows,
    /// One element.
    One,
}

/// The block that instructions run on.
pub(super) struct Cx {
    /// Addresses of the registers.
    pub regs: *mut *mut u8,
    /// Rows and columns of the block.
    pub rows: usize,
    pub cols: usize,
    /// Linear index in the domain of the first element.
    pub index: u64,
    /// Inner coordinate of the first element.
    pub col0: usize,
    /// For each raw register (operands, then outputs): distance in elements between rows and between columns.
    pub strides: *const [isize; 2],
}

/// One step of a program over a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instr {
    pub run: KernelFn,
    pub dst: u16,
    pub args: [u16; 3],
    pub count: Count,
    /// Bit `i`: argument `i` is one value for all elements.
    pub single: u8,
    /// For loads and stores the raw register whose strides apply; for rare operations their number.
    pub aux: u32,
}

/// The code of an instruction.
pub(super) type KernelFn = unsafe fn(&Cx, &Instr);

impl Cx {
    /// Register `r` as a pointer.
    #[inline(always)]
    pub unsafe fn reg<T>(&self, r: u16) -> *mut T {
        (*self.regs.add(r as usize)).cast()
    }

    /// The number of elements that `ins` runs over.
    #[inline(always)]
    pub fn len(&self, ins: &Instr) -> usize {
        match ins.count {
            Count::Full => self.rows * self.cols,
            Count::Rows => self.rows,
            Count::One => 1,
        }
    }
}

impl Instr {
    /// Whether argument `i` is one value for all elements.
    #[inline(always)]
    pub fn is_single(&self, i: usize) -> bool {
        self.single >> i & 1 == 1
    }
}

/// The code of an instruction, generic over the instruction set.
pub(super) trait Op {
    /// Runs the instruction.
    ///
    /// # Safety
    /// Registers must hold (or have room for) `cx.len(ins)` elements of the types of the operation, and the CPU must
    /// have the instruction set `I`. Everything inside must be `#[inline(always)]`.
    unsafe fn run<I: Isa>(cx: &Cx, ins: &Instr);
}

/// `K` compiled for `level`.
pub(super) fn resolve<K: Op>(level: Level) -> KernelFn {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => enter_avx512::<K>,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => enter_avx2::<K>,
        #[cfg(target_arch = "aarch64")]
        Level::Neon => enter_neon::<K>,
        _ => enter_scalar::<K>,
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn enter_avx512<K: Op>(cx: &Cx, ins: &Instr) {
    K::run::<crate::simd::Avx512>(cx, ins)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn enter_avx2<K: Op>(cx: &Cx, ins: &Instr) {
    K::run::<crate::simd::Avx2>(cx, ins)
}

#[cfg(target_arch = "aarch64")]
unsafe fn enter_neon<K: Op>(cx: &Cx, ins: &Instr) {
    K::run::<crate::simd::Neon>(cx, ins)
}

unsafe fn enter_scalar<K: Op>(cx: &Cx, ins: &Instr) {
    K::run::<crate::simd::Scalar>(cx, ins)
}

/// Elements that [`map1`] and its like work on at a time.
const WIDTH: usize = 128;

/// An argument of an elementwise loop, given out as slices that never overlap what is written, so that the compiler
/// vectorises the loop: a single value is repeated in a buffer, and what would be overwritten in place is copied there.
struct Source<T> {
    start: *const T,
    single: bool,
    in_place: bool,
    buffer: [MaybeUninit<T>; WIDTH],
}

impl<T: Copy> Source<T> {
    #[inline(always)]
    unsafe fn new<R>(start: *const T, single: bool, dst: *mut R) -> Source<T> {
        let mut buffer = [MaybeUninit::uninit(); WIDTH];
        if single {
            buffer.fill(MaybeUninit::new(*start));
        }
        Source {
            start,
            single,
            in_place: start.addr() == dst.addr(),
            buffer,
        }
    }

    /// The `m` elements from `i` on.
    #[inline(always)]
    unsafe fn slice(&mut self, i: usize, m: usize) -> &[T] {
        if self.in_place && !self.single {
            std::ptr::copy_nonoverlapping(self.start.add(i), self.buffer.as_mut_ptr().cast(), m);
        }
        let from = if self.single | self.in_place {
            self.buffer.as_ptr().cast()
        } else {
            self.start.add(i)
        };
        std::slice::from_raw_parts(from, m)
    }
}

/// `dst[i] = f(a[i])`.
///
/// # Safety
/// `a` has `n` readable elements and `dst` room for `n`; they are equal or disjoint, and equal only for equal sizes.
#[inline(always)]
pub(super) unsafe fn map1<A: Copy, R: Copy>(
    n: usize,
    dst: *mut R,
    a: *const A,
    f: impl Fn(A) -> R,
) {
    let mut a = Source::new(a, false, dst);
    for i in (0..n).step_by(WIDTH) {
        let m = WIDTH.min(n - i);
        let out = std::slice::from_raw_parts_mut(dst.add(i), m);
        for (d, &x) in out.iter_mut().zip(a.slice(i, m)) {
            *d = f(x);
        }
    }
}

/// `dst[i] = f(a[i], b[i])`, where an argument may be a single value.
///
/// # Safety
/// As [`map1`], for each argument that is not single.
#[inline(always)]
pub(super) unsafe fn map2<A: Copy, B: Copy, R: Copy>(
    n: usize,
    dst: *mut R,
    (a, a_single): (*const A, bool),
    (b, b_single): (*const B, bool),
    f: impl Fn(A, B) -> R,
) {
    if n == 0 {
        return;
    }
    let (mut a, mut b) = (Source::new(a, a_single, dst), Source::new(b, b_single, dst));
    for i in (0..n).step_by(WIDTH) {
        let m = WIDTH.min(n - i);
        let out = std::slice::from_raw_parts_mut(dst.add(i), m);
        for ((d, &x), &y) in out.iter_mut().zip(a.slice(i, m)).zip(b.slice(i, m)) {
            *d = f(x, y);
        }
    }
}

/// `dst[i] = if mask[i] { a[i] } else { b[i] }`, where `a` and `b` may be single values.
///
/// # Safety
/// As [`map1`], for each argument that is not single.
#[inline(always)]
pub(super) unsafe fn map_select<T: Copy>(
    n: usize,
    dst: *mut T,
    mask: *const u8,
    (a, a_single): (*const T, bool),
    (b, b_single): (*const T, bool),
) {
    if n == 0 {
        return;
    }
    let mut mask = Source::new(mask, false, dst);
    let (mut a, mut b) = (Source::new(a, a_single, dst), Source::new(b, b_single, dst));
    for i in (0..n).step_by(WIDTH) {
        let m = WIDTH.min(n - i);
        let out = std::slice::from_raw_parts_mut(dst.add(i), m);
        let sides = a.slice(i, m).iter().zip(b.slice(i, m));
        for ((d, &k), (&x, &y)) in out.iter_mut().zip(mask.slice(i, m)).zip(sides) {
            *d = if k != 0 { x } else { y };
        }
    }
}
