//! Loops whose bodies were traced in Python.

use super::edge;
use crate::ops::scan::{Steps, scan_traced};
use crate::ops::while_loop::while_traced;
use crate::tensor::Tensor;
use pyo3::prelude::*;

type Pair = (Vec<Tensor>, Vec<Tensor>);

/// A loop over slices: the number of steps, first carries, stacked slices; the placeholders
/// (carries, slices) from which the body was traced, and its results (carries, slices).
#[pyfunction]
fn scan(
    py: Python<'_>,
    steps: (usize, bool),
    init: Vec<Tensor>,
    xs: Vec<Tensor>,
    placeholders: Pair,
    results: Pair,
) -> PyResult<Pair> {
    let steps = Steps {
        count: steps.0,
        reverse: steps.1,
    };
    edge::call(py, move || {
        scan_traced(
            steps,
            &init,
            &xs,
            (&placeholders.0, &placeholders.1),
            (&results.0, &results.1),
        )
    })
}

/// A loop while a condition holds, at most `limit` times: first carries, the placeholders from which
/// condition and new carries were traced.
#[pyfunction]
#[pyo3(signature = (init, placeholders, condition, next, limit=None))]
fn while_loop(
    py: Python<'_>,
    init: Vec<Tensor>,
    placeholders: Vec<Tensor>,
    condition: Tensor,
    next: Vec<Tensor>,
    limit: Option<usize>,
) -> PyResult<Vec<Tensor>> {
    edge::call(py, move || {
        while_traced(&init, &placeholders, &condition, &next, limit)
    })
}

/// Adds the functions of this file.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(scan, m)?)?;
    m.add_function(wrap_pyfunction!(while_loop, m)?)
}
