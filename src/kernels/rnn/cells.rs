//! The pass over the gates of one step: activations and states, and their derivatives.

use super::{Backward, Cell, Forward, GROUP};
use crate::simd::{Float, Isa, Kernel, Lanes, Level, entry};

/// Some rows and units of one step.
pub(super) struct Rows<T> {
    /// By value: the compiler then knows that what is stored changes nothing of it.
    pub f: Forward<T>,
    pub step: usize,
    /// Which of [`Cell::products`] there is.
    pub part: usize,
    pub first: usize,
    pub rows: usize,
    /// First unit, and how many.
    pub at: usize,
    pub width: usize,
    /// The products of the state before with the weights: for each row the gates, `padded` apart.
    pub sums: *const T,
    pub padded: usize,
    /// The states before and after, `[rows, units]`.
    pub old: *const T,
    pub new: *mut T,
    pub c: *mut T,
    /// The states after the reset, if that comes before the product.
    pub reset: *mut T,
}

/// Computes the states after a step from the products.
///
/// # Safety
/// The arrays are valid for the rows and units named; the CPU has `level`.
pub(super) unsafe fn forward_rows<T: Float>(level: Level, rows: Rows<T>) {
    entry::<Rows<T>>(level)(rows)
}

/// Gradients of one step for some rows, all units.
pub(super) struct BackRows<T> {
    /// By value, as in [`Rows`].
    pub b: Backward<T>,
    pub step: usize,
    /// The gradients of the gates of which of [`Cell::products`]; the last comes first.
    pub part: usize,
    pub first: usize,
    pub rows: usize,
    /// Gradients of the states after the step; afterwards the part of those before it that does not
    /// go through the weights.
    pub dh: *mut T,
    pub dc: *mut T,
    /// The gradients that go through the weights, `[rows, gates units]`.
    pub gates: *mut T,
    /// The gradients of the states after the reset, if that comes before the product.
    pub reset: *const T,
    /// Sums over the steps for each [`GROUP`] of rows, if they are wanted: see [`Backward::sums`].
    pub sums: *mut T,
}

/// Computes the gradients of the gates.
///
/// # Safety
/// As [`forward_rows`].
pub(super) unsafe fn backward_rows<T: Float>(level: Level, rows: BackRows<T>) {
    entry::<BackRows<T>>(level)(rows)
}

impl<T: Float> Kernel for Rows<T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        match self.f.spec.cell {
            Cell::Lstm => self.each::<T::Simd<I>, Lstm>(),
            Cell::Gru => self.each::<T::Simd<I>, Gru>(),
            Cell::GruResetBefore if self.part == 0 => self.each::<T::Simd<I>, Reset>(),
            Cell::GruResetBefore => self.each::<T::Simd<I>, Candidate>(),
            Cell::Tanh => self.each::<T::Simd<I>, Simple<0>>(),
            Cell::Relu => self.each::<T::Simd<I>, Simple<1>>(),
            Cell::Linear => self.each::<T::Simd<I>, Simple<2>>(),
        }
    }
}

/// What a cell does with `n` units (one vector; a whole one if `W`) from unit `j` of one row.
trait Pass<T: Float, R> {
    /// # Safety
    /// As [`forward_rows`]; the CPU has `L`.
    unsafe fn vector<L: Lanes<T>, const W: bool>(rows: &R, at: &At, j: usize, n: usize);
}

struct Lstm;
struct Gru;
/// Of a GRU that resets before the product, the gates z and r.
struct Reset;
/// Its candidate.
struct Candidate;
/// 0 tanh, 1 relu, 2 none.
struct Simple<const ACTIVATION: u8>;

/// One row, vector by vector.
#[inline(always)]
unsafe fn over<T: Float, L: Lanes<T>, P: Pass<T, R>, R>(rows: &R, at: &At, width: usize) {
    let whole = width / L::N * L::N;
    for j in (0..whole).step_by(L::N) {
        P::vector::<L, true>(rows, at, j, L::N);
    }
    if whole < width {
        P::vector::<L, false>(rows, at, whole, width - whole);
    }
}

/// Where a row of a step stands.
struct At {
    /// Row of the block, and of `[batch, steps]` arrays.
    row: usize,
    timed: usize,
}

impl<T: Float> Rows<T> {
    #[inline(always)]
    unsafe fn each<L: Lanes<T>, P: Pass<T, Self>>(&self) {
        let (f, s) = (&self.f, self.f.spec);
        for row in 0..self.rows {
            let at = At {
                row,
                timed: (self.first + row) * s.steps + s.time(self.step),
            };
            let (units, from) = (s.units, row * s.units + self.at);
            let place = at.timed * units + self.at;
            if !f.before_c.is_null() {
                copy::<T, L>(self.c.add(from), f.before_c.add(place), self.width);
            }
            if f.mask.is_null() || *f.mask.add(at.timed) {
                over::<T, L, P, Self>(self, &at, self.width);
                continue;
            }
            if self.part + 1 < s.cell.products().len() {
                zero::<T, L>(self.reset.add(from), self.width);
                continue;
            }
            copy::<T, L>(self.old.add(from), self.new.add(from), self.width);
            if s.zero_masked {
                zero::<T, L>(f.y.add(place), self.width);
            } else {
                copy::<T, L>(self.old.add(from), f.y.add(place), self.width);
            }
            if !f.states.is_null() {
                copy::<T, L>(self.old.add(from), f.states.add(place), self.width);
            }
            if !f.saved.is_null() {
                for g in 0..s.cell.saved() {
                    let kept = f
                        .saved
                        .add((at.timed * s.cell.saved() + g) * units + self.at);
                    zero::<T, L>(kept, self.width);
                }
            }
            if !f.product.is_null() {
                zero::<T, L>(f.product.add(place), self.width);
            }
        }
    }

    /// Input and bias of gate `g`, `n` units from `j`.
    #[inline(always)]
    unsafe fn input<L: Lanes<T>, const W: bool>(
        &self,
        at: &At,
        g: usize,
        j: usize,
        n: usize,
    ) -> L::V {
        let (f, units) = (&self.f, self.f.spec.units);
        let column = g * units + self.at + j;
        let x = load::<T, L, W>(f.x.add(at.timed * f.spec.cell.gates() * units + column), n);
        match f.bias.is_null() {
            true => x,
            false => L::add(x, load::<T, L, W>(f.bias.add(column), n)),
        }
    }

    /// The product with the recurrent weights of gate `g`, and its own bias.
    #[inline(always)]
    unsafe fn product<L: Lanes<T>, const W: bool>(
        &self,
        at: &At,
        g: usize,
        j: usize,
        n: usize,
    ) -> L::V {
        let (f, gates) = (&self.f, self.f.spec.cell.gates());
        let p = L::load(self.sums.add((at.row * gates + g) * self.padded + j));
        match f.recurrent_bias.is_null() {
            true => p,
            false => {
                let column = g * f.spec.units + self.at + j;
                L::add(p, load::<T, L, W>(f.recurrent_bias.add(column), n))
            }
        }
    }

    /// What goes into the activation of gate `g`.
    #[inline(always)]
    unsafe fn total<L: Lanes<T>, const W: bool>(
        &self,
        at: &At,
        g: usize,
        j: usize,
        n: usize,
    ) -> L::V {
        L::add(
            self.product::<L, W>(at, g, j, n),
            self.input::<L, W>(at, g, j, n),
        )
    }

    #[inline(always)]
    unsafe fn keep<L: Lanes<T>, const W: bool>(
        &self,
        at: &At,
        g: usize,
        j: usize,
        n: usize,
        v: L::V,
    ) {
        let (f, units) = (&self.f, self.f.spec.units);
        if !f.saved.is_null() {
            let place = (at.timed * f.spec.cell.saved() + g) * units + self.at + j;
            store::<T, L, W>(f.saved.add(place), v, n);
        }
    }

    #[inline(always)]
    unsafe fn give<L: Lanes<T>, const W: bool>(&self, at: &At, j: usize, n: usize, h: L::V) {
        let units = self.f.spec.units;
        let place = at.timed * units + self.at + j;
        store::<T, L, W>(self.new.add(at.row * units + self.at + j), h, n);
        store::<T, L, W>(self.f.y.add(place), h, n);
        if !self.f.states.is_null() {
            store::<T, L, W>(self.f.states.add(place), h, n);
        }
    }
}

/// Reads `n` elements: a whole vector if `W`.
#[inline(always)]
unsafe fn load<T: Float, L: Lanes<T>, const W: bool>(p: *const T, n: usize) -> L::V {
    if W { L::load(p) } else { L::load_partial(p, n) }
}

/// Writes `n` elements: a whole vector if `W`.
#[inline(always)]
unsafe fn store<T: Float, L: Lanes<T>, const W: bool>(p: *mut T, v: L::V, n: usize) {
    if W {
        L::store(p, v)
    } else {
        L::store_partial(p, v, n)
    }
}

#[inline(always)]
unsafe fn copy<T: Float, L: Lanes<T>>(from: *const T, to: *mut T, n: usize) {
    for j in (0..n).step_by(L::N) {
        L::store_partial(to.add(j), L::load_partial(from.add(j), n - j), n - j);
    }
}

#[inline(always)]
unsafe fn zero<T: Float, L: Lanes<T>>(to: *mut T, n: usize) {
    for j in (0..n).step_by(L::N) {
        L::store_partial(to.add(j), L::zero(), n - j);
    }
}

/// `c = f c + i g`, `h = o tanh(c)`.
impl<T: Float> Pass<T, Rows<T>> for Lstm {
    #[inline(always)]
    unsafe fn vector<L: Lanes<T>, const W: bool>(rows: &Rows<T>, at: &At, j: usize, n: usize) {
        let i = T::sigmoid::<L>(rows.total::<L, W>(at, 0, j, n));
        let f = T::sigmoid::<L>(rows.total::<L, W>(at, 1, j, n));
        let g = T::tanh::<L>(rows.total::<L, W>(at, 2, j, n));
        let o = T::sigmoid::<L>(rows.total::<L, W>(at, 3, j, n));
        let place = rows.c.add(at.row * rows.f.spec.units + rows.at + j);
        let c = L::fma(i, g, L::mul(f, load::<T, L, W>(place, n)));
        store::<T, L, W>(place, c, n);
        rows.keep::<L, W>(at, 0, j, n, i);
        rows.keep::<L, W>(at, 1, j, n, f);
        rows.keep::<L, W>(at, 2, j, n, g);
        rows.keep::<L, W>(at, 3, j, n, o);
        rows.give::<L, W>(at, j, n, L::mul(o, T::tanh::<L>(c)));
    }
}

/// `h = z h + (1 - z) tanh(x + r a)`, a the recurrent part of the candidate.
impl<T: Float> Pass<T, Rows<T>> for Gru {
    #[inline(always)]
    unsafe fn vector<L: Lanes<T>, const W: bool>(rows: &Rows<T>, at: &At, j: usize, n: usize) {
        let units = rows.f.spec.units;
        let z = T::sigmoid::<L>(rows.total::<L, W>(at, 0, j, n));
        let r = T::sigmoid::<L>(rows.total::<L, W>(at, 1, j, n));
        let a = rows.product::<L, W>(at, 2, j, n);
        let t = T::tanh::<L>(L::fma(r, a, rows.input::<L, W>(at, 2, j, n)));
        let h = load::<T, L, W>(rows.old.add(at.row * units + rows.at + j), n);
        rows.keep::<L, W>(at, 0, j, n, z);
        rows.keep::<L, W>(at, 1, j, n, r);
        rows.keep::<L, W>(at, 2, j, n, t);
        if !rows.f.product.is_null() {
            let place = at.timed * units + rows.at + j;
            store::<T, L, W>(rows.f.product.add(place), a, n);
        }
        // z h + (1 - z) t = t + z (h - t)
        rows.give::<L, W>(at, j, n, L::fma(z, L::sub(h, t), t));
    }
}

/// z and r; `r h`, of which the candidate's product is taken. z waits for it where h will be.
impl<T: Float> Pass<T, Rows<T>> for Reset {
    #[inline(always)]
    unsafe fn vector<L: Lanes<T>, const W: bool>(rows: &Rows<T>, at: &At, j: usize, n: usize) {
        let units = rows.f.spec.units;
        let place = at.row * units + rows.at + j;
        let z = T::sigmoid::<L>(rows.total::<L, W>(at, 0, j, n));
        let r = T::sigmoid::<L>(rows.total::<L, W>(at, 1, j, n));
        let reset = L::mul(r, load::<T, L, W>(rows.old.add(place), n));
        rows.keep::<L, W>(at, 0, j, n, z);
        rows.keep::<L, W>(at, 1, j, n, r);
        store::<T, L, W>(rows.new.add(place), z, n);
        store::<T, L, W>(rows.reset.add(place), reset, n);
        if !rows.f.product.is_null() {
            let kept = at.timed * units + rows.at + j;
            store::<T, L, W>(rows.f.product.add(kept), reset, n);
        }
    }
}

/// `h = z h + (1 - z) tanh(x + a)`, a the product of `r h`.
impl<T: Float> Pass<T, Rows<T>> for Candidate {
    #[inline(always)]
    unsafe fn vector<L: Lanes<T>, const W: bool>(rows: &Rows<T>, at: &At, j: usize, n: usize) {
        let place = at.row * rows.f.spec.units + rows.at + j;
        let t = T::tanh::<L>(rows.total::<L, W>(at, 2, j, n));
        let z = load::<T, L, W>(rows.new.add(place), n);
        let h = load::<T, L, W>(rows.old.add(place), n);
        rows.keep::<L, W>(at, 2, j, n, t);
        rows.give::<L, W>(at, j, n, L::fma(z, L::sub(h, t), t));
    }
}

/// `h = activation(z)`: 0 tanh, 1 relu, 2 none.
impl<T: Float, const ACTIVATION: u8> Pass<T, Rows<T>> for Simple<ACTIVATION> {
    #[inline(always)]
    unsafe fn vector<L: Lanes<T>, const W: bool>(rows: &Rows<T>, at: &At, j: usize, n: usize) {
        let z = rows.total::<L, W>(at, 0, j, n);
        let h = match ACTIVATION {
            0 => T::tanh::<L>(z),
            1 => L::max_nan(z, L::zero()),
            _ => z,
        };
        rows.give::<L, W>(at, j, n, h);
    }
}

impl<T: Float> Kernel for BackRows<T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        match self.b.spec.cell {
            Cell::Lstm => self.each::<T::Simd<I>, Lstm>(),
            Cell::Gru => self.each::<T::Simd<I>, Gru>(),
            Cell::GruResetBefore if self.part == 0 => self.each::<T::Simd<I>, Reset>(),
            Cell::GruResetBefore => self.each::<T::Simd<I>, Candidate>(),
            Cell::Tanh => self.each::<T::Simd<I>, Simple<0>>(),
            Cell::Relu => self.each::<T::Simd<I>, Simple<1>>(),
            Cell::Linear => self.each::<T::Simd<I>, Simple<2>>(),
        }
    }
}

impl<T: Float> BackRows<T> {
    #[inline(always)]
    unsafe fn each<L: Lanes<T>, P: Pass<T, Self>>(&self) {
        let (b, s) = (&self.b, self.b.spec);
        let (units, gates) = (s.units, s.cell.gates());
        for row in 0..self.rows {
            let at = At {
                row,
                timed: (self.first + row) * s.steps + s.time(self.step),
            };
            let masked = !b.mask.is_null() && !*b.mask.add(at.timed);
            if self.part + 1 < s.cell.products().len() {
                if !masked {
                    over::<T, L, P, Self>(self, &at, units);
                }
                continue;
            }
            if !(b.gy.is_null() || masked && s.zero_masked) {
                // The output is the state: its gradients add up.
                let (dh, gy) = (self.dh.add(row * units), b.gy.add(at.timed * units));
                for j in (0..units).step_by(L::N) {
                    let n = units - j;
                    let sum = L::add(L::load_partial(dh.add(j), n), L::load_partial(gy.add(j), n));
                    L::store_partial(dh.add(j), sum, n);
                }
            }
            if !masked {
                over::<T, L, P, Self>(self, &at, units);
                continue;
            }
            zero::<T, L>(self.gates.add(row * gates * units), gates * units);
            zero::<T, L>(b.dx.add(at.timed * gates * units), gates * units);
            if !b.da.is_null() {
                zero::<T, L>(b.da.add(at.timed * units), units);
            }
        }
    }

    #[inline(always)]
    unsafe fn saved<L: Lanes<T>, const W: bool>(
        &self,
        at: &At,
        g: usize,
        j: usize,
        n: usize,
    ) -> L::V {
        let (b, s) = (&self.b, self.b.spec);
        load::<T, L, W>(
            b.saved.add((at.timed * s.cell.saved() + g) * s.units + j),
            n,
        )
    }

    /// Stores the gradient of gate `g`: of its input, and of its recurrent product.
    #[inline(always)]
    unsafe fn give<L: Lanes<T>, const W: bool>(
        &self,
        at: &At,
        g: usize,
        j: usize,
        n: usize,
        (x, r): (L::V, L::V),
    ) {
        let (b, units, gates) = (&self.b, self.b.spec.units, self.b.spec.cell.gates());
        store::<T, L, W>(self.gates.add((at.row * gates + g) * units + j), r, n);
        store::<T, L, W>(b.dx.add((at.timed * gates + g) * units + j), x, n);
        self.sum::<L, W>(at, g, j, n, x);
    }

    /// Adds to sum `g` of the row's group.
    #[inline(always)]
    unsafe fn sum<L: Lanes<T>, const W: bool>(
        &self,
        at: &At,
        g: usize,
        j: usize,
        n: usize,
        v: L::V,
    ) {
        let sums = self.b.sums();
        if sums > 0 {
            let place = self
                .sums
                .add(at.row / GROUP * sums + g * self.b.spec.units + j);
            store::<T, L, W>(place, L::add(load::<T, L, W>(place, n), v), n);
        }
    }

    /// The state before the step, `n` units from `j`.
    #[inline(always)]
    unsafe fn before<L: Lanes<T>, const W: bool>(&self, at: &At, j: usize, n: usize) -> L::V {
        let (b, s) = (&self.b, self.b.spec);
        let row = self.first + at.row;
        let from = match self.step {
            0 => b.h0.add(row * s.units),
            step => b.states.add((row * s.steps + s.time(step - 1)) * s.units),
        };
        load::<T, L, W>(from.add(j), n)
    }
}

/// `s (1 - s)`
#[inline(always)]
unsafe fn sigmoid_slope<T: Float, L: Lanes<T>>(s: L::V) -> L::V {
    L::fnma(s, s, s)
}

/// `1 - t^2`
#[inline(always)]
unsafe fn tanh_slope<T: Float, L: Lanes<T>>(t: L::V) -> L::V {
    L::fnma(t, t, L::splat(T::ONE))
}

impl<T: Float> Pass<T, BackRows<T>> for Lstm {
    #[inline(always)]
    unsafe fn vector<L: Lanes<T>, const W: bool>(rows: &BackRows<T>, at: &At, j: usize, n: usize) {
        let units = rows.b.spec.units;
        let (i, f) = (
            rows.saved::<L, W>(at, 0, j, n),
            rows.saved::<L, W>(at, 1, j, n),
        );
        let (g, o) = (
            rows.saved::<L, W>(at, 2, j, n),
            rows.saved::<L, W>(at, 3, j, n),
        );
        let before = load::<T, L, W>(rows.b.before_c.add(at.timed * units + j), n);
        let (ph, pc) = (
            rows.dh.add(at.row * units + j),
            rows.dc.add(at.row * units + j),
        );
        let dh = load::<T, L, W>(ph, n);
        // As the forward pass computed it.
        let t = T::tanh::<L>(L::fma(i, g, L::mul(f, before)));
        let through = L::mul(L::mul(dh, o), tanh_slope::<T, L>(t));
        let dc = L::add(load::<T, L, W>(pc, n), through);
        let di = L::mul(L::mul(dc, g), sigmoid_slope::<T, L>(i));
        let df = L::mul(L::mul(dc, before), sigmoid_slope::<T, L>(f));
        let dg = L::mul(L::mul(dc, i), tanh_slope::<T, L>(g));
        let d_o = L::mul(L::mul(dh, t), sigmoid_slope::<T, L>(o));
        rows.give::<L, W>(at, 0, j, n, (di, di));
        rows.give::<L, W>(at, 1, j, n, (df, df));
        rows.give::<L, W>(at, 2, j, n, (dg, dg));
        rows.give::<L, W>(at, 3, j, n, (d_o, d_o));
        store::<T, L, W>(pc, L::mul(dc, f), n);
        store::<T, L, W>(ph, L::zero(), n);
    }
}

impl<T: Float> Pass<T, BackRows<T>> for Gru {
    #[inline(always)]
    unsafe fn vector<L: Lanes<T>, const W: bool>(rows: &BackRows<T>, at: &At, j: usize, n: usize) {
        let units = rows.b.spec.units;
        let (z, r) = (
            rows.saved::<L, W>(at, 0, j, n),
            rows.saved::<L, W>(at, 1, j, n),
        );
        let t = rows.saved::<L, W>(at, 2, j, n);
        let a = load::<T, L, W>(rows.b.product.add(at.timed * units + j), n);
        let before = rows.before::<L, W>(at, j, n);
        let ph = rows.dh.add(at.row * units + j);
        let dh = load::<T, L, W>(ph, n);
        let dz = L::mul(L::mul(dh, L::sub(before, t)), sigmoid_slope::<T, L>(z));
        let dt = L::mul(L::fnma(dh, z, dh), tanh_slope::<T, L>(t));
        let dr = L::mul(L::mul(dt, a), sigmoid_slope::<T, L>(r));
        rows.give::<L, W>(at, 0, j, n, (dz, dz));
        rows.give::<L, W>(at, 1, j, n, (dr, dr));
        let da = L::mul(dt, r);
        rows.give::<L, W>(at, 2, j, n, (dt, da));
        rows.sum::<L, W>(at, 3, j, n, da);
        store::<T, L, W>(rows.b.da.add(at.timed * units + j), da, n);
        store::<T, L, W>(ph, L::mul(dh, z), n);
    }
}

impl<T: Float> Pass<T, BackRows<T>> for Candidate {
    #[inline(always)]
    unsafe fn vector<L: Lanes<T>, const W: bool>(rows: &BackRows<T>, at: &At, j: usize, n: usize) {
        let z = rows.saved::<L, W>(at, 0, j, n);
        let t = rows.saved::<L, W>(at, 2, j, n);
        let before = rows.before::<L, W>(at, j, n);
        let ph = rows.dh.add(at.row * rows.b.spec.units + j);
        let dh = load::<T, L, W>(ph, n);
        let dz = L::mul(L::mul(dh, L::sub(before, t)), sigmoid_slope::<T, L>(z));
        let dt = L::mul(L::fnma(dh, z, dh), tanh_slope::<T, L>(t));
        rows.give::<L, W>(at, 0, j, n, (dz, dz));
        rows.give::<L, W>(at, 2, j, n, (dt, dt));
        store::<T, L, W>(ph, L::mul(dh, z), n);
    }
}

impl<T: Float> Pass<T, BackRows<T>> for Reset {
    #[inline(always)]
    unsafe fn vector<L: Lanes<T>, const W: bool>(rows: &BackRows<T>, at: &At, j: usize, n: usize) {
        let place = at.row * rows.b.spec.units + j;
        let r = rows.saved::<L, W>(at, 1, j, n);
        let reset = load::<T, L, W>(rows.reset.add(place), n);
        let before = rows.before::<L, W>(at, j, n);
        let dr = L::mul(L::mul(reset, before), sigmoid_slope::<T, L>(r));
        rows.give::<L, W>(at, 1, j, n, (dr, dr));
        let dh = load::<T, L, W>(rows.dh.add(place), n);
        store::<T, L, W>(rows.dh.add(place), L::fma(reset, r, dh), n);
    }
}

impl<T: Float, const ACTIVATION: u8> Pass<T, BackRows<T>> for Simple<ACTIVATION> {
    #[inline(always)]
    unsafe fn vector<L: Lanes<T>, const W: bool>(rows: &BackRows<T>, at: &At, j: usize, n: usize) {
        let units = rows.b.spec.units;
        let h = load::<T, L, W>(rows.b.states.add(at.timed * units + j), n);
        let ph = rows.dh.add(at.row * units + j);
        let dh = load::<T, L, W>(ph, n);
        let d = match ACTIVATION {
            0 => L::mul(dh, tanh_slope::<T, L>(h)),
            1 => L::select(L::gt(h, L::zero()), dh, L::zero()),
            _ => dh,
        };
        rows.give::<L, W>(at, 0, j, n, (d, d));
        store::<T, L, W>(ph, L::zero(), n);
    }
}
