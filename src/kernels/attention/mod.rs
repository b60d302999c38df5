//! Scaled dot-product attention in tiles, forward and backward: memory linear in the lengths.
//!
//! A tile holds the scores of some queries and some keys. Forward, each block of queries passes over the keys once,
//! with a running maximum and sum of the softmax (Milakov and Gimelshein 2018; Dao et al. 2022, "FlashAttention"), and
//! keeps of them only the logarithm of the sum. Backward, the tiles are computed again from it. Tiles beyond the
//! diagonal, outside of the window, or masked as a whole are left out.
//!
//! How work is cut, and the order in which sums are added, depend on shapes alone.

mod backward;
mod forward;
mod product;
mod short;
#[cfg(test)]
mod tests;
mod tile;

pub use backward::{Gradients, backward};
pub use forward::forward;

/// Most queries of a tile.
const MAX_ROWS: usize = 96;
/// Most keys of a tile.
const MAX_COLS: usize = 256;
/// Rows of the dropout's random numbers begin at multiples of this.
const DROPOUT_STEP: usize = 64;

/// Which keys position lets a query see: those from `before` ahead of it to `after` behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    /// Keys before the query's position that it sees.
    pub before: usize,
    /// Keys after the query's position that it sees.
    pub after: usize,
}

impl Band {
    /// All keys.
    pub const ALL: Band = Band {
        before: usize::MAX,
        after: usize::MAX,
    };

    /// The keys, of `s`, that query `i` sees.
    #[inline]
    fn keys(self, i: usize, s: usize) -> (usize, usize) {
        let low = i.saturating_sub(self.before).min(s);
        let high = i.saturating_add(self.after).saturating_add(1).min(s);
        (low, high.max(low))
    }

    /// The queries, of `t`, that see any of the keys `j .. j + cols`.
    #[inline]
    fn queries(self, j: usize, cols: usize, t: usize) -> (usize, usize) {
        let low = j.saturating_sub(self.after).min(t);
        let high = (j + cols).saturating_add(self.before).min(t);
        (low, high.max(low))
    }
}

/// Sizes and settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spec {
    /// Batch size.
    pub b: usize,
    /// Number of queries.
    pub t: usize,
    /// Number of keys.
    pub s: usize,
    /// Heads of the query, a multiple of `k`.
    pub n: usize,
    /// Heads of key and value.
    pub k: usize,
    /// Size of a head of query and key.
    pub d: usize,
    /// Size of a head of value.
    pub v: usize,
    /// Factor of the products.
    pub scale: f64,
    /// What position allows.
    pub band: Band,
    /// `c` makes `c tanh(x / c)` of the scaled products `x`.
    pub soft_cap: Option<f64>,
    /// Share of the weights that is dropped.
    pub rate: f64,
}

impl Spec {
    /// Query heads that share a head of key and value.
    fn groups(&self) -> usize {
        self.n / self.k.max(1)
    }

    /// Pairs of query and key that position allows, of one head; at least in their order of magnitude.
    fn pairs(&self) -> usize {
        let middle = self.band.keys(self.t / 2, self.s);
        self.t * (middle.1 - middle.0).max(1)
    }

    /// Length of the rows of random numbers.
    fn dropout_row(&self) -> usize {
        dropout_row(self.s)
    }
}

/// Length of the rows in which the random numbers of `s` keys are drawn.
pub fn dropout_row(s: usize) -> usize {
    s.next_multiple_of(DROPOUT_STEP)
}

/// An array of the axes batch, position, head, feature, with the strides of each.
#[derive(Debug, Clone, Copy)]
pub struct Heads<T> {
    /// The first element.
    pub ptr: *const T,
    /// Strides in elements.
    pub strides: [isize; 4],
}

// SAFETY: tasks only read the arrays.
unsafe impl<T: Sync> Sync for Heads<T> {}

impl<T> Heads<T> {
    /// Element 0 of a position of a head.
    fn at(&self, b: usize, i: usize, h: usize) -> *const T {
        let [sb, st, sh, _] = self.strides;
        self.ptr
            .wrapping_offset(b as isize * sb + i as isize * st + h as isize * sh)
    }
    /// Distance between positions.
    fn step(&self) -> isize {
        self.strides[1]
    }
    /// Distance between features.
    fn feature(&self) -> isize {
        self.strides[3]
    }
}

/// An array broadcast to the axes batch, head, query, key.
#[derive(Debug, Clone, Copy)]
pub struct Plane<T> {
    /// The first element.
    pub ptr: *const T,
    /// Strides in elements, 0 where it is repeated.
    pub strides: [isize; 4],
}

impl<T> Plane<T> {
    fn at(&self, b: usize, h: usize, i: usize, j: usize) -> *const T {
        let index = [b, h, i, j];
        let offset: isize = index
            .iter()
            .zip(self.strides)
            .map(|(&i, s)| i as isize * s)
            .sum();
        self.ptr.wrapping_offset(offset)
    }
}

/// The operands.
#[derive(Debug, Clone, Copy)]
pub struct Operands<T> {
    /// The queries, `[b, t, n, d]`.
    pub query: Heads<T>,
    /// The keys, `[b, s, k, d]`.
    pub key: Heads<T>,
    /// The values, `[b, s, k, v]`.
    pub value: Heads<T>,
    /// What is added to the scores.
    pub bias: Option<Plane<T>>,
    /// Which keys take part.
    pub mask: Option<Plane<bool>>,
    /// The key of the random numbers, where some weights are dropped.
    pub seed: Option<[u32; 2]>,
}

// SAFETY: tasks only read the operands.
unsafe impl<T: Sync> Sync for Operands<T> {}

/// An address that tasks write parts of their own at.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);

// SAFETY: see above; each use says which part is whose.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn at(&self, i: usize) -> *mut T {
        self.0.wrapping_add(i)
    }
}

/// Queries and keys of a tile: few enough that little is computed above the diagonal, enough to keep the
/// micro-kernels busy. Keys come in whole panels of every instruction set.
fn blocks(spec: &Spec) -> (usize, usize) {
    let rows = if spec.t <= 512 { 48 } else { MAX_ROWS };
    (rows, spec.s.next_multiple_of(64).clamp(64, MAX_COLS))
}

/// Distance between rows of a tile of so many columns: an odd number of cache lines, so that rows do not push each
/// other out of the first-level cache.
fn pitch(cols: usize) -> usize {
    cols + 16
}
