//! Instructions of the VM, what they see of the block they run on, and their choice by instruction set.

use crate::simd::{Isa, Level};

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

/// Elements that [`map1`] and its like hold in local arrays: two AVX-512 vectors of `f32`.
const WIDTH: usize = 32;

#[inline(always)]
unsafe fn get<T: Copy>(p: *const T, i: usize, m: usize, single: bool) -> [T; WIDTH] {
    if single {
        return [*p; WIDTH];
    }
    if m == WIDTH {
        return p.add(i).cast::<[T; WIDTH]>().read_unaligned();
    }
    let mut chunk = [*p.add(i); WIDTH];
    std::ptr::copy_nonoverlapping(p.add(i), chunk.as_mut_ptr(), m);
    chunk
}

#[inline(always)]
unsafe fn put<T: Copy>(p: *mut T, i: usize, m: usize, chunk: [T; WIDTH]) {
    if m == WIDTH {
        p.add(i).cast::<[T; WIDTH]>().write_unaligned(chunk);
    } else {
        std::ptr::copy_nonoverlapping(chunk.as_ptr(), p.add(i), m);
    }
}

/// `dst[i] = f(a[i])`. Works through local arrays, so that the loop is vectorised although `dst` may be `a`.
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
    let mut i = 0;
    while i < n {
        let m = WIDTH.min(n - i);
        let x = get(a, i, m, false);
        let mut r = [f(x[0]); WIDTH];
        for l in 1..WIDTH {
            r[l] = f(x[l]);
        }
        put(dst, i, m, r);
        i += m;
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
    let mut i = 0;
    while i < n {
        let m = WIDTH.min(n - i);
        let (x, y) = (get(a, i, m, a_single), get(b, i, m, b_single));
        let mut r = [f(x[0], y[0]); WIDTH];
        for l in 1..WIDTH {
            r[l] = f(x[l], y[l]);
        }
        put(dst, i, m, r);
        i += m;
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
    let mut i = 0;
    while i < n {
        let m = WIDTH.min(n - i);
        let (k, x, y) = (
            get(mask, i, m, false),
            get(a, i, m, a_single),
            get(b, i, m, b_single),
        );
        let mut r = y;
        for l in 0..WIDTH {
            r[l] = if k[l] != 0 { x[l] } else { y[l] };
        }
        put(dst, i, m, r);
        i += m;
    }
}
