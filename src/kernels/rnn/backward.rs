//! The steps in the opposite order: gradients of the gates, carried from step to step.

use super::cells::{BackRows, backward_rows};
use super::{GROUP, Spec, Weights, packed_len, panels, tiles, weights};
use crate::buffer::with_scratch;
use crate::kernels::gemm::{Fetch, Table, Tile};
use crate::simd::{Float, Level, level};

/// The arrays of a backward call, all contiguous; names as in [`super::Forward`].
#[derive(Clone, Copy)]
pub(super) struct Backward<T> {
    /// Sizes and modes.
    pub spec: Spec,
    /// `[U, G U]`
    pub recurrent: *const T,
    /// `[batch, U]`: the first state.
    pub h0: *const T,
    /// `[batch, steps, U]`: h after each step, by time.
    pub states: *const T,
    /// What the forward call kept.
    pub saved: *const T,
    /// See `saved`.
    pub before_c: *const T,
    /// See `saved`.
    pub product: *const T,
    /// `[batch, steps]`; may be null.
    pub mask: *const bool,
    /// Gradients: of the outputs `[batch, steps, U]` (null where they are zero), ...
    pub gy: *const T,
    /// ... of the last states.
    pub gh: *const T,
    /// See `gh`.
    pub gc: *const T,
    /// `[batch, steps, G U]`: gradients of what the gates are computed from, ...
    pub dx: *mut T,
    /// ... and for a GRU `[batch, steps, U]`, of the candidate's recurrent product. Those of other gates and cells are the
    /// inputs'.
    pub da: *mut T,
    /// Gradients of the first states.
    pub dh: *mut T,
    /// See `dh`.
    pub dc: *mut T,
    /// `[U, G U]`: gradient of the recurrent weights; null where not wanted.
    pub dw: *mut T,
    /// `[G U]`: gradient of the bias; null where not wanted.
    pub db: *mut T,
    /// `[G U]`: for a GRU beside it that of the recurrent bias.
    pub drb: *mut T,
}

impl<T> Backward<T> {
    /// Sums over all steps that are made for each group of rows: of the gradients of the gates, and for a GRU of the
    /// candidate's recurrent product.
    pub fn sums(&self) -> usize {
        let cell = self.spec.cell;
        match self.db.is_null() {
            true => 0,
            false => (cell.gates() + usize::from(cell.resets_product())) * self.spec.units,
        }
    }
}

// SAFETY: the arrays are the caller's; tasks write different rows.
unsafe impl<T> Sync for Backward<T> {}

/// Runs all steps.
///
/// # Safety
/// The arrays can be read and written as their shapes say, and the outputs overlap nothing.
pub(super) unsafe fn run<T: Float>(b: &Backward<T>) {
    let level = level();
    let (units, k) = (b.spec.units, b.spec.units * b.spec.cell.gates());
    let (width, sums) = (packed_len::<T>(level, k, units), b.spec.groups() * b.sums());
    with_scratch::<T, _>(width + sums, |scratch| {
        let packed = scratch.as_mut_ptr().cast::<T>();
        let sums = packed.add(width);
        // The transpose: column u of it is row u of the weights.
        let transpose = Weights {
            count: 1,
            k,
            n: units,
            src: b.recurrent,
            step: 1,
            line: k as isize,
            apart: 0,
            dst: packed,
        };
        transpose.pack(level);
        let places = (packed as usize, sums as usize);
        b.spec.over_rows(|first, rows| {
            let (packed, sums) = (places.0 as *const T, places.1 as *mut T);
            // SAFETY: as the caller promised; each task has its own rows.
            unsafe { task(b, level, packed, sums, first, rows) }
        });
        weights::biases(b, sums);
    });
    weights::product(b);
}

/// All steps of some rows.
unsafe fn task<T: Float>(
    b: &Backward<T>,
    level: Level,
    packed: *const T,
    sums: *mut T,
    first: usize,
    rows: usize,
) {
    let (units, k) = (b.spec.units, b.spec.units * b.spec.cell.gates());
    let table = Table::<T>::of(level);
    let state = rows * units;
    with_scratch::<T, _>(3 * state + rows * k, |scratch| {
        let scratch = scratch.as_mut_ptr().cast::<T>();
        let (dh, dc, reset) = (scratch, scratch.add(state), scratch.add(2 * state));
        let gates = scratch.add(3 * state);
        dh.copy_from_nonoverlapping(b.gh.add(first * units), state);
        if !b.gc.is_null() {
            dc.copy_from_nonoverlapping(b.gc.add(first * units), state);
        }
        let sums = sums.add(first / GROUP * b.sums());
        sums.write_bytes(0, rows.div_ceil(GROUP) * b.sums());
        for s in (0..b.spec.steps).rev() {
            let products = b.spec.cell.products();
            for (part, &(from, to)) in products.iter().enumerate().rev() {
                let rows_of_part = BackRows {
                    b: *b,
                    step: s,
                    part,
                    first,
                    rows,
                    dh,
                    dc,
                    gates,
                    reset,
                    sums,
                };
                backward_rows(level, rows_of_part);
                // The gradient of the state before, or of that after the reset.
                let target = if part == 0 { dh } else { reset };
                let mut panel = packed;
                for (at, vectors, width) in panels(units, table.lanes, table.nv) {
                    let padded = vectors * table.lanes;
                    let tail = width - (vectors - 1) * table.lanes;
                    for (row, count) in tiles(rows, table.max_rows(vectors)) {
                        let tile = Tile {
                            k: (to - from) * units,
                            a: gates.add(row * k + from * units),
                            a_rs: k as isize,
                            a_cs: 1,
                            b: panel.add(from * units * padded),
                            b_rs: padded as isize,
                            c: target.add(row * units + at),
                            c_rs: units as isize,
                            tail,
                            accumulate: part == 0,
                            fetch: Fetch::NONE,
                        };
                        table.get(count, vectors, tail == table.lanes)(&tile);
                    }
                    panel = panel.add(k * padded);
                }
            }
        }
        b.dh.add(first * units).copy_from_nonoverlapping(dh, state);
        if !b.dc.is_null() {
            b.dc.add(first * units).copy_from_nonoverlapping(dc, state);
        }
    });
}
