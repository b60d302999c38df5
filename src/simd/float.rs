//! The element types that have vectors, for kernels generic over `f32` and `f64`.

use super::{Isa, Lanes, Math};
use std::fmt::{Debug, Display};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// `f32` or `f64`.
///
/// A bound `I: Isa` does not tell the compiler that `I: Lanes<T>` for a generic `T`, and
/// [`Kernel::run`](super::Kernel::run) cannot take more bounds. So a generic kernel calls a function over
/// `L: Lanes<T>` with `L = T::Simd<I>` (which is `I` itself):
///
/// ```
/// use rustdl::simd::{Float, Isa, Kernel, Lanes, dispatch};
///
/// struct Sum<'a, T>(&'a [T]);
/// impl<T: Float> Kernel for Sum<'_, T> {
///     type Out = T;
///     #[inline(always)]
///     unsafe fn run<I: Isa>(self) -> T {
///         // SAFETY: the contract of `run` is that of `sum`.
///         unsafe { sum::<T, T::Simd<I>>(self.0) }
///     }
/// }
/// #[inline(always)]
/// unsafe fn sum<T: Float, L: Lanes<T>>(x: &[T]) -> T {
///     // SAFETY: reads lie in `x`; the caller vouches for the CPU.
///     unsafe {
///         let mut acc = L::zero();
///         for chunk in x.chunks(L::N) {
///             acc = L::add(acc, L::load_partial(chunk.as_ptr(), chunk.len()));
///         }
///         L::reduce_sum(acc)
///     }
/// }
/// assert_eq!(dispatch(Sum(&[1.0f32, 2.0, 3.0])), 6.0);
/// assert_eq!(dispatch(Sum(&[1.0f64, 2.0, 3.0])), 6.0);
/// ```
pub trait Float:
    Math
    + Copy
    + Debug
    + Display
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// `I` itself, known to have lanes of this type.
    type Simd<I: Isa>: Lanes<Self>;
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// Positive infinity.
    const INFINITY: Self;
    /// Not a number.
    const NAN: Self;
    /// Distance from 1 to the next number.
    const EPSILON: Self;
    /// Nearest number of this type.
    fn from_f64(x: f64) -> Self;
    /// The same number, exactly.
    fn to_f64(self) -> f64;
}

macro_rules! float {
    ($t:ident) => {
        impl Float for $t {
            type Simd<I: Isa> = I;
            const ZERO: $t = 0.0;
            const ONE: $t = 1.0;
            const INFINITY: $t = $t::INFINITY;
            const NAN: $t = $t::NAN;
            const EPSILON: $t = $t::EPSILON;
            #[inline(always)]
            fn from_f64(x: f64) -> $t {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self.into()
            }
        }
    };
}

float!(f32);
float!(f64);
