//! What is done to C after the sums: bias, residual and activation, on a tile still in the L1 cache.
//!
//! A pass of its own over the tile, and not code inside the micro-kernels: a run-time choice of
//! activation there makes the compiler spill accumulators, and one instance per activation would
//! multiply them. A tile was written a moment ago, so the pass costs some 2 cycles per vector.

use crate::simd::{Float, Isa, Kernel, Lanes, Level, entry};

/// The function applied to each element at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// `x`
    #[default]
    None,
    /// `max(x, 0)`; NaN stays NaN
    Relu,
    /// `x` where `x > 0`, else `slope * x`
    LeakyRelu(f64),
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// Hyperbolic tangent
    Tanh,
    /// `x * (1 + erf(x / sqrt 2)) / 2`
    Gelu,
    /// `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2`
    GeluTanh,
    /// `x / (1 + e^-x)`
    Silu,
}

/// `C = activation(C + bias + residual)`, applied when an element's sum is complete.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<T> {
    /// One element per column of C, side by side; null for none. The same for all of a batch.
    pub bias: *const T,
    /// A matrix of the shape of C whose columns lie side by side; null for none. May be C itself.
    pub residual: *const T,
    /// Distance between its rows.
    pub residual_rs: isize,
    /// Distance between its matrices, in a batch.
    pub residual_bs: isize,
    /// Applied last.
    pub activation: Activation,
}

impl<T: Copy> Epilogue<T> {
    /// Leaves the sums as they are.
    pub const NONE: Epilogue<T> = Epilogue {
        bias: std::ptr::null(),
        residual: std::ptr::null(),
        residual_rs: 0,
        residual_bs: 0,
        activation: Activation::None,
    };

    /// Adds `bias` to each row, then applies `activation`.
    pub fn bias(bias: *const T, activation: Activation) -> Self {
        Epilogue {
            bias,
            activation,
            ..Self::NONE
        }
    }

    /// Is there nothing to do?
    pub(super) fn is_none(&self) -> bool {
        self.bias.is_null() && self.residual.is_null() && self.activation == Activation::None
    }

    /// The part that starts at row `i` and column `j`.
    pub(super) fn at(&self, i: usize, j: usize) -> Self {
        let mut e = *self;
        if !e.bias.is_null() {
            e.bias = e.bias.wrapping_add(j);
        }
        if !e.residual.is_null() {
            e.residual = e
                .residual
                .wrapping_offset(i as isize * e.residual_rs)
                .wrapping_add(j);
        }
        e
    }

    /// That of matrix `b` of a batch.
    pub(super) fn of_batch(&self, b: usize) -> Self {
        let mut e = *self;
        if !e.residual.is_null() {
            e.residual = e.residual.wrapping_offset(b as isize * e.residual_bs);
        }
        e
    }
}

/// Applies `epilogue` to `rows` x `cols` elements of C.
pub(super) struct Apply<'a, T> {
    pub epilogue: &'a Epilogue<T>,
    pub c: *mut T,
    pub c_rs: isize,
    pub rows: usize,
    pub cols: usize,
}

impl<T: Float> Apply<'_, T> {
    /// # Safety
    /// The pointers name as many elements as `rows` and `cols` say; the CPU has `level`.
    pub unsafe fn run(self, level: Level) {
        entry::<Self>(level)(self)
    }
}

impl<T: Float> Kernel for Apply<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        apply::<T, T::Simd<I>>(&self)
    }
}

#[inline(always)]
unsafe fn apply<T: Float, L: Lanes<T>>(t: &Apply<'_, T>) {
    let c = |x: f64| L::splat(T::from_f64(x));
    match t.epilogue.activation {
        Activation::None => each::<T, L>(t, |v| v),
        // The zero first: the second operand is what comes out when one is NaN.
        Activation::Relu => each::<T, L>(t, |v| L::max(L::zero(), v)),
        Activation::LeakyRelu(slope) => each::<T, L>(t, |v| {
            L::select(L::gt(v, L::zero()), v, L::mul(v, c(slope)))
        }),
        Activation::Sigmoid => each::<T, L>(t, |v| T::sigmoid::<L>(v)),
        Activation::Tanh => each::<T, L>(t, |v| T::tanh::<L>(v)),
        Activation::Gelu => each::<T, L>(t, |v| {
            let half = L::mul(v, c(0.5));
            let erf = T::erf::<L>(L::mul(v, c(std::f64::consts::FRAC_1_SQRT_2)));
            L::add(half, L::mul(half, erf))
        }),
        Activation::GeluTanh => each::<T, L>(t, |v| {
            let half = L::mul(v, c(0.5));
            let scale = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
            let cube = L::mul(L::mul(v, v), v);
            let inner = L::mul(c(scale), L::add(v, L::mul(c(0.044715), cube)));
            L::add(half, L::mul(half, T::tanh::<L>(inner)))
        }),
        Activation::Silu => each::<T, L>(t, |v| L::mul(v, T::sigmoid::<L>(v))),
    }
}

/// Adds bias and residual and applies `f`, vector by vector.
#[inline(always)]
unsafe fn each<T: Float, L: Lanes<T>>(t: &Apply<'_, T>, f: impl Fn(L::V) -> L::V) {
    let e = t.epilogue;
    let (mut c, mut residual) = (t.c, e.residual);
    for _ in 0..t.rows {
        let mut j = 0;
        while j + L::N <= t.cols {
            let v = plus::<T, L>(L::load(c.add(j)), e.bias, residual, j, L::N);
            L::store(c.add(j), f(v));
            j += L::N;
        }
        if j < t.cols {
            let n = t.cols - j;
            let v = plus::<T, L>(L::load_partial(c.add(j), n), e.bias, residual, j, n);
            L::store_partial(c.add(j), f(v), n);
        }
        c = c.wrapping_offset(t.c_rs);
        if !residual.is_null() {
            residual = residual.wrapping_offset(e.residual_rs);
        }
    }
}

/// `v` plus `n` elements at `j` of those of the two arrays that there are.
#[inline(always)]
unsafe fn plus<T: Float, L: Lanes<T>>(
    mut v: L::V,
    bias: *const T,
    residual: *const T,
    j: usize,
    n: usize,
) -> L::V {
    for p in [bias, residual] {
        if !p.is_null() {
            let other = if n == L::N {
                L::load(p.add(j))
            } else {
                L::load_partial(p.add(j), n)
            };
            v = L::add(v, other);
        }
    }
    v
}
