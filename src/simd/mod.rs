//! SIMD: one trait for the vector registers of each instruction set, run-time dispatch, and the
//! vector mathematics built on them.
//!
//! A kernel is written once, generic over [`Isa`], and is run by [`dispatch`], which enters a
//! function compiled with the instruction set of [`level()`] enabled. Everything below that door
//! must be `#[inline(always)]`, or it is compiled without the instruction set and becomes slow
//! (never wrong).
//!
//! ```
//! use rustdl::simd::{Isa, Kernel, Lanes, dispatch};
//!
//! struct Double<'a>(&'a mut [f32]);
//! impl Kernel for Double<'_> {
//!     type Out = ();
//!     #[inline(always)]
//!     unsafe fn run<I: Isa>(self) {
//!         double::<I>(self.0)
//!     }
//! }
//! // Bound by `Lanes<f32>` alone, `L::add` names one method; under `Isa` it would be ambiguous.
//! #[inline(always)]
//! unsafe fn double<L: Lanes<f32>>(x: &mut [f32]) {
//!     // SAFETY (of the whole body): `dispatch` checked the CPU; `n` lanes from `i` lie in `x`.
//!     unsafe {
//!         let mut i = 0;
//!         while i < x.len() {
//!             let n = L::N.min(x.len() - i);
//!             let p = x.as_mut_ptr().add(i);
//!             let v = L::load_partial(p, n);
//!             L::store_partial(p, L::add(v, v), n);
//!             i += n;
//!         }
//!     }
//! }
//! let mut x = [1.0, 2.0, 3.0];
//! dispatch(Double(&mut x));
//! assert_eq!(x, [2.0, 4.0, 6.0]);
//! ```

mod float;
mod level;
pub mod math;
pub mod philox;
mod prefetch;

mod scalar;
mod twice;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use float::Float;
pub use level::{Level, available, level, with_level};
pub use math::{Math, f32_functions as math_f32, f64_functions as math_f64};
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use prefetch::{prefetch, prefetch_l2};
pub use scalar::Scalar;
pub use twice::{Four, Twice};

/// An instruction set: a zero-sized type that names its vectors of `f32` and of `f64`.
///
/// In code generic over `I: Isa` the vector of `f32` is `<I as Lanes<f32>>::V`. Functions of one
/// element type are pleasanter to write with the bound `L: Lanes<f32>`; they take an `Isa` too.
pub trait Isa: Copy + Send + Sync + 'static + Lanes<f32> + Lanes<f64> {
    /// The level that this type implements.
    const LEVEL: Level;
    /// The 64-bit products of unsigned 32-bit lanes: `(high halves, low halves)`.
    ///
    /// # Safety
    /// The CPU must have the instruction set.
    unsafe fn mul_wide_u32(a: I32<Self>, b: I32<Self>) -> (I32<Self>, I32<Self>);
    /// Writes `4 N` elements: lane 0 of the four vectors, lane 1 of the four, and so on.
    ///
    /// # Safety
    /// As above, and `4 N` elements from `p` can be written.
    unsafe fn store_interleaved(p: *mut f32, v: [V32<Self>; 4]);
}

/// The `f32` vector of an instruction set.
pub type V32<I> = <I as Lanes<f32>>::V;

/// The 32-bit integers of an instruction set.
pub type I32<I> = <I as Lanes<f32>>::I;

/// Vectors of `T` (`f32` or `f64`) of one instruction set.
///
/// Except where stated, an operation is the IEEE 754 operation of each lane, correctly rounded, and
/// gives the same bits on every level.
///
/// # Safety
/// Every method may be called only on a CPU that has the instruction set, which is so inside
/// [`dispatch`]. Methods that take a pointer read or write `N` elements (`n` for the partial ones)
/// from there, of any alignment, and the caller vouches for them.
#[allow(clippy::missing_safety_doc)] // the contract above is that of each method
pub trait Lanes<T>: Copy + Send + Sync + 'static {
    /// A vector of `N` elements.
    type V: Copy;
    /// A mask: one truth value per lane.
    type M: Copy;
    /// `N` integers as wide as `T`.
    type I: Copy;
    /// The vectors of `f64` that this type widens to.
    type Wide: Lanes<f64>;
    /// Number of lanes.
    const N: usize;

    /// `x` in every lane.
    unsafe fn splat(x: T) -> Self::V;
    /// +0 in every lane.
    unsafe fn zero() -> Self::V;
    /// Reads `N` elements.
    unsafe fn load(p: *const T) -> Self::V;
    /// Writes `N` elements.
    unsafe fn store(p: *mut T, v: Self::V);
    /// Reads the first `n` elements (`n >= N` reads `N`) and no memory beyond; other lanes are 0.
    unsafe fn load_partial(p: *const T, n: usize) -> Self::V;
    /// Writes the first `n` lanes (`n >= N` writes `N`) and touches no memory beyond.
    unsafe fn store_partial(p: *mut T, v: Self::V, n: usize);

    /// `a + b`
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// `a / b` where `0 <= a < b` and `1 <= b < 2^100`, with `a` such that `b` is `1 + a` or `2 + a` rounded: the ratios
    /// that `sigmoid` and `tanh` take. Rounded as [`Lanes::div`] does, but faster where division is slow.
    #[inline(always)]
    unsafe fn div_ratio(a: Self::V, b: Self::V) -> Self::V {
        Self::div(a, b)
    }
    /// `a * b + c`, rounded once.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`, rounded once.
    #[inline(always)]
    unsafe fn fnma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        Self::fma(Self::neg(a), b, c)
    }
    /// `a * b - c`, rounded once.
    #[inline(always)]
    unsafe fn fms(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        Self::fma(a, b, Self::neg(c))
    }
    /// `-a` (flips the sign bit, of NaN too).
    unsafe fn neg(a: Self::V) -> Self::V;
    /// `|a|` (clears the sign bit).
    unsafe fn abs(a: Self::V) -> Self::V;
    /// Square root.
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// `a < b ? a : b`: `b` where either is NaN or both are zero.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// `a > b ? a : b`: `b` where either is NaN or both are zero.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// Minimum; NaN where either is NaN.
    #[inline(always)]
    unsafe fn min_nan(a: Self::V, b: Self::V) -> Self::V {
        Self::select(Self::ne(a, a), a, Self::min(a, b))
    }
    /// Maximum; NaN where either is NaN.
    #[inline(always)]
    unsafe fn max_nan(a: Self::V, b: Self::V) -> Self::V {
        Self::select(Self::ne(a, a), a, Self::max(a, b))
    }
    /// Largest integer not above.
    unsafe fn floor(a: Self::V) -> Self::V;
    /// Smallest integer not below.
    unsafe fn ceil(a: Self::V) -> Self::V;
    /// Integer part, towards zero.
    unsafe fn trunc(a: Self::V) -> Self::V;
    /// Nearest integer, ties to even.
    unsafe fn round_even(a: Self::V) -> Self::V;
    /// The magnitude of `a` with the sign of `b`.
    #[inline(always)]
    unsafe fn copysign(a: Self::V, b: Self::V) -> Self::V {
        let sign = Self::bits(Self::neg(Self::zero()));
        Self::from_bits(Self::ior(
            Self::bits(Self::abs(a)),
            Self::iand(Self::bits(b), sign),
        ))
    }
    /// `v * 2^k` for integral `k` of any size, rounded once (also to a subnormal), for
    /// `1/4 <= |v| <= 4`, 0, infinity and NaN; `k` may be NaN only where `v` is.
    unsafe fn scale_pow2(v: Self::V, k: Self::V) -> Self::V;

    /// `a < b`
    unsafe fn lt(a: Self::V, b: Self::V) -> Self::M;
    /// `a <= b`
    unsafe fn le(a: Self::V, b: Self::V) -> Self::M;
    /// `a > b`
    #[inline(always)]
    unsafe fn gt(a: Self::V, b: Self::V) -> Self::M {
        Self::lt(b, a)
    }
    /// `a >= b`
    #[inline(always)]
    unsafe fn ge(a: Self::V, b: Self::V) -> Self::M {
        Self::le(b, a)
    }
    /// `a == b` (false for NaN)
    unsafe fn eq(a: Self::V, b: Self::V) -> Self::M;
    /// `a != b` (true for NaN, so `ne(x, x)` is "is NaN")
    unsafe fn ne(a: Self::V, b: Self::V) -> Self::M;
    /// Both masks.
    unsafe fn and(a: Self::M, b: Self::M) -> Self::M;
    /// Either mask.
    unsafe fn or(a: Self::M, b: Self::M) -> Self::M;
    /// The opposite mask.
    unsafe fn not(a: Self::M) -> Self::M;
    /// True in any lane?
    unsafe fn any(m: Self::M) -> bool;
    /// True in all lanes?
    #[inline(always)]
    unsafe fn all(m: Self::M) -> bool {
        !Self::any(Self::not(m))
    }
    /// `m ? a : b`
    unsafe fn select(m: Self::M, a: Self::V, b: Self::V) -> Self::V;
    /// True in the first `n` lanes (all of them for `n >= N`).
    unsafe fn first_n(n: usize) -> Self::M;

    /// Sum of the lanes by halving (lane `i` + lane `i + N/2`, and again), so its rounding depends
    /// on `N`.
    unsafe fn reduce_sum(v: Self::V) -> T;
    /// Largest lane, or NaN if there is one.
    unsafe fn reduce_max(v: Self::V) -> T;
    /// Smallest lane, or NaN if there is one.
    unsafe fn reduce_min(v: Self::V) -> T;

    /// The lanes as `f64`: the lower half and the upper half. Where there are no halves (`T` is
    /// `f64`, or one lane), all of them and zeros.
    unsafe fn widen(v: Self::V) -> (WideV<T, Self>, WideV<T, Self>);
    /// The inverse of [`Lanes::widen`], each lane rounded once.
    unsafe fn narrow(low: WideV<T, Self>, high: WideV<T, Self>) -> Self::V;

    /// Copies the transpose of `N` x `N` elements: `dst[j * dst_stride + i] = src[i * src_stride + j]`.
    #[inline(always)]
    unsafe fn transpose(src: *const T, src_stride: isize, dst: *mut T, dst_stride: isize) {
        for i in 0..Self::N as isize {
            for j in 0..Self::N as isize {
                dst.offset(j * dst_stride + i)
                    .copy_from_nonoverlapping(src.offset(i * src_stride + j), 1);
            }
        }
    }

    /// Nearest integers, ties to even, of `|v| < 2^31` (`f32`) or `|v| < 2^51` (`f64`);
    /// unspecified beyond and for NaN.
    unsafe fn to_int_round(v: Self::V) -> Self::I;
    /// The integers as floats, of `|i| < 2^31` (`f32`) or `|i| < 2^51` (`f64`).
    unsafe fn from_int(i: Self::I) -> Self::V;
    /// The same bits as integers.
    unsafe fn bits(v: Self::V) -> Self::I;
    /// The same bits as floats.
    unsafe fn from_bits(i: Self::I) -> Self::V;
    /// `x` in every lane (its low 32 bits for `f32`).
    unsafe fn isplat(x: i64) -> Self::I;
    /// `a + b`, wrapping
    unsafe fn iadd(a: Self::I, b: Self::I) -> Self::I;
    /// `a - b`, wrapping
    unsafe fn isub(a: Self::I, b: Self::I) -> Self::I;
    /// `a & b`
    unsafe fn iand(a: Self::I, b: Self::I) -> Self::I;
    /// `a | b`
    unsafe fn ior(a: Self::I, b: Self::I) -> Self::I;
    /// `a ^ b`
    unsafe fn ixor(a: Self::I, b: Self::I) -> Self::I;
    /// `a << k` (`k` less than the width)
    unsafe fn ishl(a: Self::I, k: u32) -> Self::I;
    /// `a >> k`, logical: zeros come in (`k` less than the width)
    unsafe fn ishr(a: Self::I, k: u32) -> Self::I;
    /// `a == b`
    unsafe fn ieq(a: Self::I, b: Self::I) -> Self::M;
    /// `a > b`, signed
    unsafe fn igt(a: Self::I, b: Self::I) -> Self::M;
}

/// The vector of `f64` that vectors of `T` widen to.
pub type WideV<T, L> = <<L as Lanes<T>>::Wide as Lanes<f64>>::V;

/// Work that [`dispatch`] runs with the vectors of the CPU at hand.
pub trait Kernel {
    /// What the work returns.
    type Out;
    /// The work. Implementations and all they call must be `#[inline(always)]`.
    ///
    /// # Safety
    /// The CPU must have the instruction set `I`; [`dispatch`] sees to that.
    unsafe fn run<I: Isa>(self) -> Self::Out;
}

/// Runs `k` with the vectors of [`level()`].
#[inline]
pub fn dispatch<K: Kernel>(k: K) -> K::Out {
    // SAFETY: `level()` is a level that this CPU has.
    unsafe { entry(level())(k) }
}

/// The function that runs kernels `K` with the vectors of `level`.
///
/// For work that is handed to other threads, or that calls many small kernels: look the level up
/// once, and keep the entries (a table of them can be a constant).
///
/// # Safety of what is returned
/// The function may be called only on a CPU that has `level`, as [`level()`] and [`available`] say.
#[inline(always)]
pub const fn entry<K: Kernel>(level: Level) -> unsafe fn(K) -> K::Out {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => avx512::enter::<K>,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::enter::<K>,
        #[cfg(target_arch = "aarch64")]
        Level::Neon => neon::enter::<K>,
        _ => scalar::enter::<K>,
    }
}

#[cfg(test)]
mod tests;
