//! What happens to a tile of scores between two matrix products: scale, cap, bias, mask, softmax, and its gradient.

use super::{Operands, Spec};
use crate::simd::{Float, Four, Isa, Kernel, Lanes, philox};

/// Where a tile lies: its rows are queries of one head, or (`one_query`) heads at one query.
#[derive(Clone, Copy)]
pub(super) struct Site {
    pub b: usize,
    pub h: usize,
    pub i: usize,
    pub rows: usize,
    pub j: usize,
    pub cols: usize,
    pub one_query: bool,
}

/// One operand at the tile: the element of its first row and column, and the distances of both.
#[derive(Clone, Copy)]
struct At<T> {
    ptr: *const T,
    rs: isize,
    cs: isize,
}

/// How the products of a tile become logits.
#[derive(Clone, Copy)]
pub(super) struct Logits<T> {
    pub site: Site,
    spec: Spec,
    scale: T,
    cap: Option<T>,
    bias: Option<At<T>>,
    mask: Option<At<bool>>,
    /// Key of the dropout's numbers.
    seed: Option<[u32; 2]>,
}

impl<T: Float> Logits<T> {
    pub fn new(spec: &Spec, x: &Operands<T>, site: Site) -> Self {
        let row = if site.one_query { 1 } else { 2 };
        let (b, h, i, j) = (site.b, site.h, site.i, site.j);
        Logits {
            site,
            spec: *spec,
            scale: T::from_f64(spec.scale),
            cap: spec.soft_cap.map(T::from_f64),
            bias: x.bias.map(|p| At {
                ptr: p.at(b, h, i, j),
                rs: p.strides[row],
                cs: p.strides[3],
            }),
            mask: x.mask.map(|p| At {
                ptr: p.at(b, h, i, j),
                rs: p.strides[row],
                cs: p.strides[3],
            }),
            seed: x.seed.filter(|_| spec.rate > 0.0),
        }
    }

    /// Are the logits the scaled products themselves, whose order is theirs?
    fn is_plain(&self) -> bool {
        self.cap.is_none() && self.bias.is_none() && self.mask.is_none() && self.scale > T::ZERO
    }

    /// Does the mask hide all of the tile?
    ///
    /// # Safety
    /// The mask can be read at the tile.
    pub unsafe fn is_hidden(&self) -> bool {
        let Some(mask) = self.mask else { return false };
        let rows = if mask.rs == 0 { 1 } else { self.site.rows };
        let cols = if mask.cs == 0 { 1 } else { self.site.cols };
        (0..rows as isize).all(|r| {
            let row = mask.ptr.wrapping_offset(r * mask.rs);
            !(0..cols as isize).any(|c| *row.offset(c * mask.cs))
        })
    }

    /// The columns of the tile that position lets row `r` see.
    #[inline]
    fn columns(&self, r: usize) -> (usize, usize) {
        let site = &self.site;
        let i = if site.one_query { site.i } else { site.i + r };
        let (low, high) = self.spec.band.keys(i, self.spec.s);
        let within = |j: usize| j.clamp(site.j, site.j + site.cols) - site.j;
        (within(low), within(high))
    }

    /// The columns of the tile that position lets any of the rows `first ..= last` see.
    #[inline]
    pub fn columns_of(&self, first: usize, last: usize) -> (usize, usize) {
        (self.columns(first).0, self.columns(last).1)
    }

    /// The rows of the tile that position lets see any of the columns `first ..= last`.
    #[inline]
    pub fn rows_of(&self, first: usize, last: usize) -> (usize, usize) {
        let site = &self.site;
        let (low, high) = (self.spec.band).queries(site.j + first, last - first + 1, self.spec.t);
        let within = |i: usize| i.clamp(site.i, site.i + site.rows) - site.i;
        (within(low), within(high))
    }

    /// Factors of the weights of row `r`: 0 where dropped. Scratch for them is in `factors`.
    fn dropped<'a>(&self, r: usize, factors: &'a mut [T; super::MAX_COLS]) -> Option<&'a [T]> {
        let key = self.seed?;
        let (site, spec) = (&self.site, &self.spec);
        let (h, i) = if site.one_query {
            (site.h + r, site.i)
        } else {
            (site.h, site.i + r)
        };
        let row = ((site.b * spec.n + h) * spec.t + i) * spec.dropout_row();
        let mut numbers = [0f32; super::MAX_COLS];
        let numbers = &mut numbers[..site.cols];
        philox::uniform_f32(key, (row + site.j) as u64, numbers);
        let kept = T::from_f64(1.0 / (1.0 - spec.rate));
        for (f, &u) in factors.iter_mut().zip(numbers.iter()) {
            *f = if u >= spec.rate as f32 { kept } else { T::ZERO };
        }
        Some(&factors[..site.cols])
    }
}

/// Runs the body for vectors that cover columns `low .. high`: from column `c`, `n` lanes of each.
///
/// A macro, because a closure as long as an exponential is not inlined, and is then compiled without the
/// instruction set.
macro_rules! over {
    ($L:ty, $low:expr, $high:expr, |$c:ident, $n:ident| $body:block) => {{
        let (mut $c, high) = ($low, $high);
        while $c < high {
            let $n = <$L>::N.min(high - $c);
            $body
            $c += $n;
        }
    }};
}

/// Reads the first `n` lanes.
#[inline(always)]
unsafe fn load<T, L: Lanes<T>>(p: *const T, n: usize) -> L::V {
    if n == L::N {
        L::load(p)
    } else {
        L::load_partial(p, n)
    }
}

/// Writes the first `n` lanes.
#[inline(always)]
unsafe fn store<T, L: Lanes<T>>(p: *mut T, v: L::V, n: usize) {
    if n == L::N {
        L::store(p, v);
    } else {
        L::store_partial(p, v, n);
    }
}

/// The lanes beyond `n` replaced.
#[inline(always)]
unsafe fn only<T, L: Lanes<T>>(v: L::V, n: usize, other: L::V) -> L::V {
    if n == L::N {
        v
    } else {
        L::select(L::first_n(n), v, other)
    }
}

/// Tiles of the products that follow take as many rows together, or columns, so that they read as many columns less
/// one beside those that a row sees, which must be zeros there.
const EDGE: usize = 16;

/// Writes zeros to both sides of `low .. end`, of a row of `len`.
#[inline(always)]
unsafe fn clear_edges<T: Float, L: Lanes<T>>(row: *mut T, (low, end): (usize, usize), len: usize) {
    for (from, to) in [(low.saturating_sub(EDGE), low), (end, len.min(end + EDGE))] {
        over!(L, from, to, |c, n| {
            store::<T, L>(row.add(c), L::zero(), n);
        });
    }
}

/// Writes the first `n` lanes, and zeros in the others as far as there is room.
#[inline(always)]
unsafe fn store_padded<T: Float, L: Lanes<T>>(p: *mut T, v: L::V, n: usize, room: usize) {
    if n == L::N {
        L::store(p, v);
    } else {
        L::store_partial(p, L::select(L::first_n(n), v, L::zero()), room);
    }
}

/// Where the columns `low .. high` of a row of `len` end, written by [`store_padded`] in vectors of `L`.
#[inline(always)]
fn padded_end<T: Float, L: Lanes<T>>((low, high): (usize, usize), len: usize) -> usize {
    len.min(low + (high - low).next_multiple_of(L::N))
}

/// Turns columns `low .. high` of row `r` of products into logits; with a cap, writes its slope to `slope`.
#[inline(always)]
unsafe fn to_logits<T: Float, L: Lanes<T>>(
    t: &Logits<T>,
    r: usize,
    row: *mut T,
    slope: *mut T,
    (low, high): (usize, usize),
) {
    let scale = L::splat(t.scale);
    if let Some(cap) = t.cap {
        let (inverse, cap) = (L::splat(t.scale / cap), L::splat(cap));
        over!(L, low, high, |c, n| {
            let y = T::tanh::<L>(L::mul(load::<T, L>(row.add(c), n), inverse));
            store::<T, L>(row.add(c), L::mul(y, cap), n);
            if !slope.is_null() {
                store::<T, L>(slope.add(c), L::fnma(y, y, L::splat(T::ONE)), n);
            }
        });
    } else {
        over!(L, low, high, |c, n| {
            store::<T, L>(row.add(c), L::mul(load::<T, L>(row.add(c), n), scale), n);
        });
    }
    if let Some(bias) = t.bias {
        let p = bias.ptr.wrapping_offset(r as isize * bias.rs);
        if bias.cs == 1 {
            over!(L, low, high, |c, n| {
                let x = L::add(load::<T, L>(row.add(c), n), load::<T, L>(p.add(c), n));
                store::<T, L>(row.add(c), x, n);
            });
        } else {
            for c in low..high {
                *row.add(c) = *row.add(c) + *p.offset(c as isize * bias.cs);
            }
        }
    }
    if let Some(mask) = t.mask {
        let p = mask.ptr.wrapping_offset(r as isize * mask.rs);
        for c in low..high {
            if !*p.offset(c as isize * mask.cs) {
                *row.add(c) = -T::INFINITY;
            }
        }
    }
}

/// Turns the products of a tile into weights relative to the running maximum, and keeps maximum and sum running.
pub(super) struct Weigh<'a, T> {
    pub logits: &'a Logits<T>,
    /// The products, then the weights; rows `ld` apart.
    pub s: *mut T,
    pub ld: usize,
    /// Running maximum and sum of each row.
    pub max: *mut T,
    pub sum: *mut T,
    /// The outputs so far, to be brought to the new maximum: rows of `width` elements, one after another.
    pub acc: *mut T,
    pub width: usize,
    /// The first tile of these rows: nothing runs yet.
    pub first: bool,
}

impl<T: Float> Kernel for Weigh<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        weigh::<T, T::Simd<I>>(&self)
    }
}

/// # Safety
/// The pointers hold rows and columns as the site says.
#[inline(always)]
unsafe fn weigh<T: Float, L: Lanes<T>>(w: &Weigh<'_, T>) {
    let t = w.logits;
    let (rows, plain) = (t.site.rows, t.is_plain());
    let low = -T::INFINITY;
    // By how much each row's maximum grew, at first as a logarithm.
    let mut growth = [T::ZERO; super::MAX_ROWS + 16];
    for r in 0..rows {
        let row = w.s.add(r * w.ld);
        let range = t.columns(r);
        if !plain {
            to_logits::<T, L>(t, r, row, std::ptr::null_mut(), range);
        }
        let mut top = largest::<T, L>(row, range);
        if plain {
            top = top * t.scale;
        }
        let old = if w.first { low } else { *w.max.add(r) };
        let new = if top > old { top } else { old };
        *w.max.add(r) = new;
        growth[r] = if w.first { T::ZERO } else { old - base(new) };
    }
    if !w.first {
        over!(L, 0, rows, |c, n| {
            let p = growth.as_mut_ptr().add(c);
            L::store(p, T::exp::<L>(L::load(p)));
        });
    }
    let scale = if plain { t.scale } else { T::ONE };
    let mut factors = [T::ZERO; super::MAX_COLS];
    for r in 0..rows {
        let row = w.s.add(r * w.ld);
        let range = t.columns(r);
        let shift = base(*w.max.add(r));
        let sum = exponentials::<T, L>(row, range, w.ld, (scale, shift));
        if let Some(factors) = t.dropped(r, &mut factors) {
            over!(L, range.0, range.1, |c, n| {
                let f = load::<T, L>(factors.as_ptr().add(c), n);
                let x = L::mul(load::<T, L>(row.add(c), n), f);
                store::<T, L>(row.add(c), x, n);
            });
        }
        if w.first {
            *w.sum.add(r) = sum;
            continue;
        }
        let factor = growth[r];
        *w.sum.add(r) = *w.sum.add(r) * factor + sum;
        if factor != T::ONE {
            let acc = w.acc.add(r * w.width);
            over!(L, 0, w.width, |c, n| {
                let x = L::mul(load::<T, L>(acc.add(c), n), L::splat(factor));
                store::<T, L>(acc.add(c), x, n);
            });
        }
    }
}

/// The largest of the columns `low .. high`. NaN is passed over here, and comes to the sum by its weight.
#[inline(always)]
unsafe fn largest<T: Float, L: Lanes<T>>(row: *const T, (low, high): (usize, usize)) -> T {
    let least = <Four<L>>::splat(-T::INFINITY);
    let mut top = least;
    over!(Four<L>, low, high, |c, n| {
        let x = load::<T, Four<L>>(row.add(c), n);
        top = <Four<L>>::max(only::<T, Four<L>>(x, n, least), top);
    });
    <Four<L>>::reduce_max(top)
}

/// Columns `low .. high` of a row of `len` become `e^(scale x - shift)`, those beside them zero; returns their sum.
#[inline(always)]
unsafe fn exponentials<T: Float, L: Lanes<T>>(
    row: *mut T,
    (low, high): (usize, usize),
    len: usize,
    (scale, shift): (T, T),
) -> T {
    let mut sums = <Four<L>>::zero();
    over!(Four<L>, low, high, |c, n| {
        let x = load::<T, Four<L>>(row.add(c), n);
        let e = exponential::<T, Four<L>>(x, scale, shift);
        sums = <Four<L>>::add(sums, only::<T, Four<L>>(e, n, <Four<L>>::zero()));
        store_padded::<T, Four<L>>(row.add(c), e, n, len - c);
    });
    let end = padded_end::<T, Four<L>>((low, high), len);
    clear_edges::<T, L>(row, (low, end), len);
    <Four<L>>::reduce_sum(sums)
}

/// `e^(scale x - shift)`
#[inline(always)]
unsafe fn exponential<T: Float, L: Lanes<T>>(x: L::V, scale: T, shift: T) -> L::V {
    T::exp::<L>(L::fms(x, L::splat(scale), L::splat(shift)))
}

/// What is subtracted from logits whose maximum is `top`: nothing where no key was seen.
#[inline(always)]
fn base<T: Float>(top: T) -> T {
    if top == -T::INFINITY { T::ZERO } else { top }
}

/// The end of a row: `y = acc / sum`, and the logarithm of the sum of exponentials.
///
/// A row that saw no key gives 0, and infinity as logarithm, so that its weights are 0 in the backward pass too.
pub(super) struct Finish<T> {
    pub rows: usize,
    pub max: *const T,
    pub sum: *const T,
    pub acc: *const T,
    pub width: usize,
    pub y: *mut T,
    pub y_rs: isize,
    pub lse: *mut T,
}

impl<T: Float> Kernel for Finish<T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        finish::<T, T::Simd<I>>(&self)
    }
}

#[inline(always)]
unsafe fn finish<T: Float, L: Lanes<T>>(f: &Finish<T>) {
    for r in 0..f.rows {
        let (sum, acc) = (*f.sum.add(r), f.acc.add(r * f.width));
        let y = f.y.offset(r as isize * f.y_rs);
        let factor = if sum == T::ZERO {
            T::ZERO
        } else {
            T::ONE / sum
        };
        over!(L, 0, f.width, |c, n| {
            let x = L::mul(load::<T, L>(acc.add(c), n), L::splat(factor));
            store::<T, L>(y.add(c), x, n);
        });
    }
    over!(L, 0, f.rows, |r, n| {
        let (sum, max) = (load::<T, L>(f.sum.add(r), n), load::<T, L>(f.max.add(r), n));
        let log = L::add(max, T::log::<L>(sum));
        let empty = L::eq(sum, L::zero());
        let log = L::select(empty, L::splat(T::INFINITY), log);
        store::<T, L>(f.lse.add(r), log, n);
    });
}

/// Of the products of a tile and of the gradients of its weights makes the weights and the gradients of the products.
pub(super) struct Back<'a, T> {
    pub logits: &'a Logits<T>,
    /// The products, then the weights (0 where dropped).
    pub s: *mut T,
    /// The gradients of the weights, then of the products.
    pub ds: *mut T,
    /// Scratch of the same shape where there is a cap.
    pub slope: *mut T,
    pub ld: usize,
    /// Of each row the logarithm of its sum, and the sum of output times its gradient.
    pub lse: *const T,
    pub delta: *const T,
}

impl<T: Float> Kernel for Back<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        back::<T, T::Simd<I>>(&self)
    }
}

/// With weights `p`, and `g` the gradient of the dropped weights: `ds = p (g factor - delta) scale`.
#[inline(always)]
unsafe fn back<T: Float, L: Lanes<T>>(w: &Back<'_, T>) {
    let t = w.logits;
    let (rows, plain) = (t.site.rows, t.is_plain());
    let mut factors = [T::ZERO; super::MAX_COLS];
    for r in 0..rows {
        let (s, ds) = (w.s.add(r * w.ld), w.ds.add(r * w.ld));
        let (low, high) = t.columns(r);
        let slope = if t.cap.is_some() {
            w.slope.add(r * w.ld)
        } else {
            std::ptr::null_mut()
        };
        if !plain {
            to_logits::<T, L>(t, r, s, slope, (low, high));
        }
        let row = BackRow {
            s,
            ds,
            slope,
            factors: t.dropped(r, &mut factors).map(<[T]>::as_ptr),
            scale: if plain { t.scale } else { T::ONE },
            factor: t.scale,
            lse: *w.lse.add(r),
            delta: *w.delta.add(r),
        };
        over!(Four<L>, low, high, |c, n| {
            row.columns::<Four<L>>(c, n, w.ld - c);
        });
        let end = padded_end::<T, Four<L>>((low, high), w.ld);
        clear_edges::<T, L>(s, (low, end), w.ld);
        clear_edges::<T, L>(ds, (low, end), w.ld);
    }
}

/// A row of [`Back`]'s tile.
struct BackRow<T> {
    s: *mut T,
    ds: *mut T,
    /// Null without a cap.
    slope: *const T,
    /// Of the dropout.
    factors: Option<*const T>,
    /// What the products are multiplied by to become logits, and by what their gradients.
    scale: T,
    factor: T,
    lse: T,
    delta: T,
}

impl<T: Float> BackRow<T> {
    /// `n` columns from `c` on, where `room` are left.
    #[inline(always)]
    unsafe fn columns<L: Lanes<T>>(&self, c: usize, n: usize, room: usize) {
        let (s, ds) = (self.s.add(c), self.ds.add(c));
        let p = exponential::<T, L>(load::<T, L>(s, n), self.scale, self.lse);
        let mut g = load::<T, L>(ds, n);
        let mut kept = p;
        if let Some(f) = self.factors {
            let f = load::<T, L>(f.add(c), n);
            g = L::mul(g, f);
            kept = L::mul(p, f);
        }
        let change = L::sub(g, L::splat(self.delta));
        let mut x = L::mul(L::mul(p, change), L::splat(self.factor));
        if !self.slope.is_null() {
            x = L::mul(x, load::<T, L>(self.slope.add(c), n));
        }
        store_padded::<T, L>(s, kept, n, room);
        store_padded::<T, L>(ds, x, n, room);
    }
}

/// `delta[r] = sum_c y[r][c] g[r][c]`.
pub(super) struct Dots<T> {
    pub rows: usize,
    pub width: usize,
    pub y: *const T,
    pub y_rs: isize,
    pub g: *const T,
    pub g_rs: isize,
    pub delta: *mut T,
}

impl<T: Float> Kernel for Dots<T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        dots::<T, T::Simd<I>>(&self)
    }
}

#[inline(always)]
unsafe fn dots<T: Float, L: Lanes<T>>(d: &Dots<T>) {
    for r in 0..d.rows {
        let y = d.y.offset(r as isize * d.y_rs);
        let g = d.g.offset(r as isize * d.g_rs);
        let mut sum = L::zero();
        over!(L, 0, d.width, |c, n| {
            sum = L::fma(load::<T, L>(y.add(c), n), load::<T, L>(g.add(c), n), sum);
        });
        *d.delta.add(r) = L::reduce_sum(sum);
    }
}
