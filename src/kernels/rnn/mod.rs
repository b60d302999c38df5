//! Recurrent layers over whole sequences: LSTM, GRU (reset gate after the product or before it), simple recurrence.
//!
//! The products of the inputs with their weights are made before, for all steps at once; here is what
//! depends on the step before. The recurrent weights are packed once a call. A task owns some rows of
//! the batch for all steps, so no thread waits for another between steps; per step it makes one
//! product of the state and the weights, and one pass over the gates. The backward pass likewise: one
//! product per step carries the gradient to the step before, and the gradients of the gates are
//! written for the large products that the caller makes of them afterwards.
//!
//! Rows are independent, and a tile gives an element the same operations whatever its size, so
//! results do not depend on how rows are cut, nor on the number of threads.

mod backward;
mod cells;
mod forward;
#[cfg(test)]
mod tests;
mod views;
mod weights;

pub use views::{Asked, Given, backward, forward};

use super::gemm::{Pack, Table, panel_nv};
use crate::par;
use crate::simd::{Float, Level};
use backward::Backward;
use forward::Forward;

/// What happens between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Gates i, f, g, o; states h and c.
    Lstm,
    /// Gates z, r, candidate; the reset gate acts on the product with the recurrent weights.
    Gru,
    /// The reset gate acts on the state, of which the candidate's product is taken then.
    GruResetBefore,
    /// `h = tanh(z)`
    Tanh,
    /// `h = max(z, 0)`
    Relu,
    /// `h = z`
    Linear,
}

impl Cell {
    /// Columns of the weights, in units.
    #[inline(always)]
    pub fn gates(self) -> usize {
        match self {
            Cell::Lstm => 4,
            Cell::Gru | Cell::GruResetBefore => 3,
            _ => 1,
        }
    }
    /// Gates whose activations are kept for the gradient, in units; of a simple recurrence the outputs say all.
    #[inline(always)]
    pub fn saved(self) -> usize {
        match self {
            Cell::Lstm | Cell::Gru | Cell::GruResetBefore => self.gates(),
            _ => 0,
        }
    }
    /// Is something else kept, one value a unit: of an LSTM c before each step, of a GRU the recurrent part of the
    /// candidate, or the state after the reset?
    pub fn keeps_more(self) -> bool {
        matches!(self, Cell::Lstm | Cell::Gru | Cell::GruResetBefore)
    }
    /// The products of a step, one after another: the gates (from, to) of each. The first is of the state, a second of the
    /// state after the reset.
    #[inline(always)]
    pub fn products(self) -> &'static [(usize, usize)] {
        match self {
            Cell::Lstm => &[(0, 4)],
            Cell::Gru => &[(0, 3)],
            Cell::GruResetBefore => &[(0, 2), (2, 3)],
            _ => &[(0, 1)],
        }
    }
    /// Is there a gradient of the candidate's recurrent product that is not that of its input?
    #[inline(always)]
    pub fn resets_product(self) -> bool {
        self == Cell::Gru
    }
}

/// Sizes and modes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// What happens between two steps.
    pub cell: Cell,
    /// Rows.
    pub batch: usize,
    /// Steps.
    pub steps: usize,
    /// Size of the state.
    pub units: usize,
    /// Begin with the last step?
    pub reverse: bool,
    /// Is the output of a masked step zero, or the state that it keeps?
    pub zero_masked: bool,
}

impl Spec {
    /// Multiply-adds of the recurrence, twice.
    fn flops(&self) -> usize {
        let per_step = 2 * self.units * self.units * self.cell.gates();
        (self.batch * self.steps).saturating_mul(per_step + 100 * self.units)
    }

    /// The time at which step `s` reads its input.
    #[inline(always)]
    fn time(&self, s: usize) -> usize {
        if self.reverse { self.steps - 1 - s } else { s }
    }

    /// Calls `task(first row, rows)` for blocks of rows, in parallel.
    ///
    /// A block for each thread, for the weights are read once for each block and step, but not so
    /// large that its states leave the cache. Blocks begin at multiples of [`GROUP`].
    fn over_rows(&self, task: impl Fn(usize, usize) + Sync) {
        let most = par::threads().min(self.batch.div_ceil(4));
        let parts = most.max(self.batch.div_ceil(48)).max(1);
        let groups = self.groups();
        par::parallel_for(parts, self.flops(), |i| {
            let (from, to) = (groups * i / parts * GROUP, groups * (i + 1) / parts * GROUP);
            task(from, to.min(self.batch) - from);
        });
    }

    /// Groups of rows.
    fn groups(&self) -> usize {
        self.batch.div_ceil(GROUP)
    }
}

/// Rows whose bias gradients are summed together: the sums are then the same for any number of threads.
const GROUP: usize = 2;

/// The panels into which `n` columns are cut: first column, vectors, valid columns.
fn panels(n: usize, lanes: usize, nv: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        (at < n).then(|| {
            let vectors = panel_nv(n - at, lanes, nv);
            let found = (at, vectors, (vectors * lanes).min(n - at));
            at += vectors * lanes;
            found
        })
    })
}

/// Elements of a packed `k` x `n` matrix.
fn packed_len<T: Float>(level: Level, k: usize, n: usize) -> usize {
    let table = Table::<T>::of(level);
    let width: usize = panels(n, table.lanes, table.nv)
        .map(|p| p.1 * table.lanes)
        .sum();
    k * width
}

/// Matrices that are packed, each with its panels one after another.
struct Weights<T> {
    /// How many.
    count: usize,
    /// Sizes of each.
    k: usize,
    n: usize,
    src: *const T,
    /// Distances between rows, columns and matrices.
    step: isize,
    line: isize,
    apart: usize,
    /// [`packed_len`] elements for each.
    dst: *mut T,
}

// SAFETY: tasks read the source and write different panels.
unsafe impl<T> Sync for Weights<T> {}

impl<T: Float> Weights<T> {
    /// Packs them, in parallel.
    ///
    /// # Safety
    /// The elements can be read and written; the CPU has `level`.
    unsafe fn pack(&self, level: Level) {
        let table = Table::<T>::of(level);
        let panels = || panels(self.n, table.lanes, table.nv);
        let (each, elements) = (panels().count(), self.count * self.k * self.n);
        par::parallel_for(self.count * each, 2 * elements * size_of::<T>(), |i| {
            let matrix = i / each;
            let (at, vectors, count) = panels().nth(i % each).expect("a panel for each task");
            // SAFETY: as the caller promised; panels before this one are whole vectors wide.
            unsafe {
                let length = packed_len::<T>(level, self.k, self.n);
                let pack = Pack {
                    k: self.k,
                    count,
                    width: vectors * table.lanes,
                    src: self
                        .src
                        .add(matrix * self.apart)
                        .offset(at as isize * self.line),
                    step: self.step,
                    line: self.line,
                    dst: self.dst.add(matrix * length + self.k * at),
                };
                pack.run(level)
            }
        });
    }
}

/// Cuts `rows` into tiles of nearly equal height, at most `most`: first row and rows.
fn tiles(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let n = rows.div_ceil(most);
    (0..n).map(move |i| (rows * i / n, rows * (i + 1) / n - rows * i / n))
}
