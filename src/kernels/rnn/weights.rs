//! The gradients of the recurrent weights and of the biases.

use super::{Backward, Cell};
use crate::buffer::Buffer;
use crate::kernels::gemm::{Epilogue, Gemm, gemm};
use crate::simd::Float;

/// The gradient of the recurrent weights: `h^T g` summed over all rows and steps, of the state h before the step and the
/// gradient g of the recurrent product.
///
/// # Safety
/// As [`super::backward::run`], after all steps.
pub(super) unsafe fn product<T: Float>(b: &Backward<T>) {
    if b.dw.is_null() {
        return;
    }
    let (units, wide) = (b.spec.units, b.spec.cell.gates() * b.spec.units);
    match b.spec.cell {
        Cell::Gru => {
            columns(b, b.dx, wide, 2 * units, b.dw);
            columns(b, b.da, units, units, b.dw.add(2 * units));
        }
        Cell::GruResetBefore => {
            columns(b, b.dx, wide, 2 * units, b.dw);
            let candidate = over_steps(b, b.spec.batch * b.spec.steps, wide, units);
            let (dx, dw) = (b.dx.add(2 * units), b.dw.add(2 * units));
            gemm(&candidate, b.product, dx, dw, &Epilogue::NONE);
        }
        _ => columns(b, b.dx, wide, wide, b.dw),
    }
}

/// The product of `k` rows of units, as columns, and as many of `n` gates that are `row` apart.
fn over_steps<T>(b: &Backward<T>, k: usize, row: usize, n: usize) -> Gemm {
    let units = b.spec.units;
    Gemm {
        k,
        a_rs: 1,
        a_cs: units as isize,
        b_rs: row as isize,
        c_rs: (b.spec.cell.gates() * units) as isize,
        ..Gemm::new(units, n, 0)
    }
}

/// `n` columns of it, from the first `n` of `g`, whose rows are `row` apart.
///
/// The states before the steps are those after them, one row of memory up (down, if the last step comes first). So a
/// product over all rows but one is the sum, if only g is zero in the steps before which there is h0 instead. Those rows
/// of g are put aside, and have a product of their own.
unsafe fn columns<T: Float>(b: &Backward<T>, g: *mut T, row: usize, n: usize, dw: *mut T) {
    let (s, units) = (b.spec, b.spec.units);
    let shifted = over_steps(b, (s.batch * s.steps).saturating_sub(1), row, n);
    let (states, gates) = match s.reverse {
        false => (b.states, g.wrapping_add(row)),
        true => (b.states.wrapping_add(units), g),
    };
    if s.steps == 0 {
        return gemm(&shifted, states, gates, dw, &Epilogue::NONE);
    }
    // Not of the scratch that the products use: theirs would lie elsewhere then, out of the cache.
    let aside = Buffer::new("recurrence_gradient", s.batch * n * size_of::<T>())
        .unwrap_or_else(|e| std::panic::resume_unwind(Box::new(e)));
    let aside = aside.ptr().cast::<T>();
    let first = |i: usize| g.add((i * s.steps + s.time(0)) * row);
    for i in 0..s.batch {
        first(i).copy_to_nonoverlapping(aside.add(i * n), n);
        first(i).write_bytes(0, n);
    }
    gemm(&shifted, states, gates, dw, &Epilogue::NONE);
    let own = Gemm {
        k: s.batch,
        b_rs: n as isize,
        ..shifted.accumulate()
    };
    gemm(&own, b.h0, aside.cast_const(), dw, &Epilogue::NONE);
    for i in 0..s.batch {
        first(i).copy_from_nonoverlapping(aside.add(i * n), n);
    }
}

/// The gradients of the biases, from the sums for each group of rows.
///
/// # Safety
/// As [`super::backward::run`]; there are [`Backward::sums`] elements for each group.
pub(super) unsafe fn biases<T: Float>(b: &Backward<T>, sums: *const T) {
    if b.db.is_null() {
        return;
    }
    let (units, wide) = (b.spec.units, b.spec.cell.gates() * b.spec.units);
    let group = |i: usize| sums.add(i * b.sums());
    add_up(b.db, group, b.spec.groups(), wide);
    if b.spec.cell.resets_product() {
        // The candidate's gradient is another there.
        let (shared, candidate) = (wide - units, |i| group(i).add(wide));
        add_up(b.drb, group, b.spec.groups(), shared);
        add_up(b.drb.add(shared), candidate, b.spec.groups(), units);
    }
}

/// The sum of so many `rows` of `n` elements.
unsafe fn add_up<T: Float>(sum: *mut T, row: impl Fn(usize) -> *const T, rows: usize, n: usize) {
    sum.write_bytes(0, n);
    for i in 0..rows {
        let row = row(i);
        for j in 0..n {
            *sum.add(j) = *sum.add(j) + *row.add(j);
        }
    }
}
