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

/// Elements that [`map1`] moves through a buffer at a time when it works in place.
const BUFFER: usize = 128;

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
    if a.addr() != dst.addr() {
        return map_apart(
            std::slice::from_raw_parts_mut(dst, n),
            std::slice::from_raw_parts(a, n),
            &f,
        );
    }
    let mut buffer = [MaybeUninit::<A>::uninit(); BUFFER];
    for i in (0..n).step_by(BUFFER) {
        let m = BUFFER.min(n - i);
        std::ptr::copy_nonoverlapping(a.add(i), buffer.as_mut_ptr().cast(), m);
        let source = std::slice::from_raw_parts(buffer.as_ptr().cast::<A>(), m);
        map_apart(std::slice::from_raw_parts_mut(dst.add(i), m), source, &f);
    }
}

/// The slices do not overlap, so the compiler vectorises the loop without asking.
#[inline(always)]
fn map_apart<A: Copy, R>(dst: &mut [R], a: &[A], f: &impl Fn(A) -> R) {
    for (d, &x) in dst.iter_mut().zip(a) {
        *d = f(x);
    }
}

/// Elements that [`map2`] and [`map_select`] work on at once: two AVX-512 vectors of `f32`.
const WIDTH: usize = 32;

/// An argument of an elementwise loop: memory, or one value repeated in a buffer of the caller.
#[derive(Clone, Copy)]
struct Source<T> {
    start: *const T,
    /// How far to move for each element: 0 or 1.
    step: usize,
}

impl<T: Copy> Source<T> {
    /// The argument at `p`, whose value is repeated in `buffer` if it is single. Asked for only if there are elements.
    #[inline(always)]
    unsafe fn new(p: *const T, single: bool, buffer: &mut MaybeUninit<[T; WIDTH]>) -> Source<T> {
        if single {
            Source {
                start: buffer.write([*p; WIDTH]).as_ptr(),
                step: 0,
            }
        } else {
            Source { start: p, step: 1 }
        }
    }

    /// The elements from `i` on. A copy: what is written afterwards cannot alias it, so loops over it are vectorised.
    #[inline(always)]
    unsafe fn chunk(self, i: usize) -> [T; WIDTH] {
        self.start
            .add(i * self.step)
            .cast::<[T; WIDTH]>()
            .read_unaligned()
    }

    #[inline(always)]
    unsafe fn one(self, i: usize) -> T {
        self.start.add(i * self.step).read_unaligned()
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
    let (mut p, mut q) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let (a, b) = (
        Source::new(a, a_single, &mut p),
        Source::new(b, b_single, &mut q),
    );
    let mut i = 0;
    while i + WIDTH <= n {
        let (x, y, out) = (a.chunk(i), b.chunk(i), dst.add(i));
        for l in 0..WIDTH {
            out.add(l).write_unaligned(f(x[l], y[l]));
        }
        i += WIDTH;
    }
    while i < n {
        dst.add(i).write_unaligned(f(a.one(i), b.one(i)));
        i += 1;
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
    let (mut p, mut q) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let (a, b) = (
        Source::new(a, a_single, &mut p),
        Source::new(b, b_single, &mut q),
    );
    let mask = Source {
        start: mask,
        step: 1,
    };
    let mut i = 0;
    while i + WIDTH <= n {
        let (k, x, y, out) = (mask.chunk(i), a.chunk(i), b.chunk(i), dst.add(i));
        for l in 0..WIDTH {
            out.add(l)
                .write_unaligned(if k[l] != 0 { x[l] } else { y[l] });
        }
        i += WIDTH;
    }
    while i < n {
        dst.add(i)
            .write_unaligned(if mask.one(i) != 0 { a.one(i) } else { b.one(i) });
        i += 1;
    }
}
