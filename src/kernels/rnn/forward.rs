//! The steps in their order.

use super::cells::{Rows, forward_rows};
use super::{Spec, Weights, packed_len, panels, tiles};
use crate::buffer::with_scratch;
use crate::kernels::gemm::{Fetch, Table, Tile};
use crate::simd::{Float, Level, level};

/// The arrays of a forward call, all contiguous. `units` is U, `gates` G, `saved` S.
#[derive(Clone, Copy)]
pub(super) struct Forward<T> {
    /// Sizes and modes.
    pub spec: Spec,
    /// `[batch, steps, G U]`: inputs times weights.
    pub x: *const T,
    /// `[U, G U]`
    pub recurrent: *const T,
    /// `[G U]`, added to the products; may be null.
    pub bias: *const T,
    /// `[G U]`, for a GRU added to the recurrent product alone; may be null.
    pub recurrent_bias: *const T,
    /// `[batch, U]`: the first states; `c` is null but for an LSTM.
    pub h0: *const T,
    /// See `h0`.
    pub c0: *const T,
    /// `[batch, steps]`, false: the step leaves the state as it is; may be null.
    pub mask: *const bool,
    /// `[batch, steps, U]`: the outputs, by the time of their input as all that follows.
    pub y: *mut T,
    /// `[batch, U]`: the last states.
    pub h: *mut T,
    /// See `h`.
    pub c: *mut T,
    /// `[batch, steps, S U]`, kept for the gradient as the next three are: the gates after their activations; null for a
    /// simple recurrence, and where nothing is kept.
    pub saved: *mut T,
    /// Of an LSTM `[batch, steps, U]`: c before each step.
    pub before_c: *mut T,
    /// Of a GRU `[batch, steps, U]`: the recurrent part of the candidate, or the state after the reset.
    pub product: *mut T,
    /// `[batch, steps, U]`: h after each step, where it is not the output because that may be zero.
    pub states: *mut T,
}

// SAFETY: the arrays are the caller's; tasks write different rows.
unsafe impl<T> Sync for Forward<T> {}

/// Runs all steps.
///
/// # Safety
/// The arrays can be read and written as their shapes say, and the outputs overlap nothing.
pub(super) unsafe fn run<T: Float>(f: &Forward<T>) {
    let level = level();
    let (units, gates) = (f.spec.units, f.spec.cell.gates());
    if f.spec.batch == 0 || units == 0 {
        return;
    }
    let one = packed_len::<T>(level, units, units);
    with_scratch::<T, _>(gates * one, |packed| {
        let packed = packed.as_mut_ptr().cast::<T>();
        let weights = Weights {
            count: gates,
            k: units,
            n: units,
            src: f.recurrent,
            step: (gates * units) as isize,
            line: 1,
            apart: units,
            dst: packed,
        };
        weights.pack(level);
        let packed = packed as usize;
        f.spec.over_rows(|first, rows| {
            // SAFETY: as the caller promised; each task has its own rows.
            unsafe { task(f, level, packed as *const T, one, first, rows) }
        });
    });
}

/// All steps of some rows.
unsafe fn task<T: Float>(
    f: &Forward<T>,
    level: Level,
    packed: *const T,
    one: usize,
    first: usize,
    rows: usize,
) {
    let (units, gates) = (f.spec.units, f.spec.cell.gates());
    let table = Table::<T>::of(level);
    let state = rows * units;
    let widest = table.nr();
    with_scratch::<T, _>(4 * state + rows * gates * widest, |scratch| {
        let scratch = scratch.as_mut_ptr().cast::<T>();
        let c = scratch;
        let (mut old, mut new) = (scratch.add(state), scratch.add(2 * state));
        let (reset, sums) = (scratch.add(3 * state), scratch.add(4 * state));
        old.copy_from_nonoverlapping(f.h0.add(first * units), state);
        if !f.c0.is_null() {
            c.copy_from_nonoverlapping(f.c0.add(first * units), state);
        }
        for s in 0..f.spec.steps {
            for (part, &(from, to)) in f.spec.cell.products().iter().enumerate() {
                let state = if part == 0 { old } else { reset };
                let mut panel = packed;
                for (at, vectors, width) in panels(units, table.lanes, table.nv) {
                    let padded = vectors * table.lanes;
                    for g in from..to {
                        for (row, count) in tiles(rows, table.max_rows(vectors)) {
                            let tile = Tile {
                                k: units,
                                a: state.add(row * units),
                                a_rs: units as isize,
                                a_cs: 1,
                                b: panel.add(g * one),
                                b_rs: padded as isize,
                                c: sums.add(row * gates * padded + g * padded),
                                c_rs: (gates * padded) as isize,
                                tail: table.lanes,
                                accumulate: false,
                                fetch: Fetch::NONE,
                            };
                            table.get(count, vectors, true)(&tile);
                        }
                    }
                    forward_rows(
                        level,
                        Rows {
                            f: *f,
                            step: s,
                            part,
                            first,
                            rows,
                            at,
                            width,
                            sums,
                            padded,
                            old,
                            new,
                            c,
                            reset,
                        },
                    );
                    panel = panel.add(units * padded);
                }
            }
            std::mem::swap(&mut old, &mut new);
        }
        f.h.add(first * units).copy_from_nonoverlapping(old, state);
        if !f.c.is_null() {
            f.c.add(first * units).copy_from_nonoverlapping(c, state);
        }
    });
}
