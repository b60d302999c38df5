//! Transformations of traced functions as Python sees them: evaluation with a batch axis, rematerialisation, and
//! gradients that add up in slots.

use super::edge;
use crate::autodiff;
use crate::batching::{self, Batching, Value};
use crate::bind;
use crate::checkpoint;
use crate::tensor::{Slot, Tensor};
use pyo3::prelude::*;

/// A place where gradients of a parameter add up.
#[pyclass(module = "rustdl", frozen)]
#[derive(Debug, Default)]
pub struct GradSlot(pub Slot);

#[pymethods]
impl GradSlot {
    #[new]
    fn new() -> Self {
        GradSlot::default()
    }
    /// The sum so far, or None.
    fn get(&self) -> Option<Tensor> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
    /// Replaces it.
    #[pyo3(signature = (value))]
    fn set(&self, value: Option<Tensor>) {
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = value;
    }
}

/// Traced `outputs` with `values` in place of `placeholders`; those marked in `batched` have an axis of `size` in front.
/// Returns (value, does it have that axis).
#[pyfunction]
#[pyo3(signature = (outputs, placeholders, values, batched, size, different=false))]
fn evaluate(
    py: Python<'_>,
    outputs: Vec<Tensor>,
    placeholders: Vec<Tensor>,
    values: Vec<Tensor>,
    batched: Vec<bool>,
    size: usize,
    different: bool,
) -> PyResult<Vec<(Tensor, bool)>> {
    edge::call(py, move || {
        let given: Vec<(Tensor, Value)> = placeholders
            .into_iter()
            .zip(values.into_iter().zip(batched))
            .map(|(p, (tensor, batched))| (p, Value { tensor, batched }))
            .collect();
        let found = batching::evaluate(&outputs, &given, Batching { size, different })?;
        Ok(found.into_iter().map(|v| (v.tensor, v.batched)).collect())
    })
}

/// Traced `outputs` with `values` in place of `placeholders`, computed again in the backward pass.
#[pyfunction]
#[pyo3(name = "checkpoint")]
fn py_checkpoint(
    py: Python<'_>,
    placeholders: Vec<Tensor>,
    values: Vec<Tensor>,
    outputs: Vec<Tensor>,
) -> PyResult<Vec<Tensor>> {
    edge::call(py, move || {
        Ok(checkpoint::checkpoint(&placeholders, &values, &outputs)?.into_vec())
    })
}

/// Adds the gradients of `ys` to the slots of all leaves below; returns the number of leaves.
#[pyfunction]
#[pyo3(signature = (ys, seeds=None, create_graph=false))]
fn accumulate(
    py: Python<'_>,
    ys: Vec<Tensor>,
    seeds: Option<Vec<Tensor>>,
    create_graph: bool,
) -> PyResult<usize> {
    edge::call(py, move || {
        autodiff::accumulate_in_slots(&ys, seeds.as_deref(), create_graph)
    })
}

/// Switches the tape of this thread on or off; returns what it was.
#[pyfunction]
fn set_recording(on: bool) -> bool {
    bind::set_recording(on)
}

/// Opens the scope of a layer: nodes made from here on bear its path. Returns the path before, for `close_scope`.
#[pyfunction]
fn open_scope(name: &str) -> Option<String> {
    let before = crate::tensor::scope();
    let path = match &before {
        Some(outer) => format!("{outer}/{name}"),
        None => name.to_string(),
    };
    crate::tensor::set_scope(Some(path.into()));
    before.map(|s| s.to_string())
}

/// Goes back to the scope that `open_scope` returned.
#[pyfunction]
#[pyo3(signature = (before))]
fn close_scope(before: Option<String>) {
    crate::tensor::set_scope(before.map(Into::into));
}

/// Makes every op that runs look for NaN (and infinities) in its results.
#[pyfunction]
fn find_not_finite(nans: bool, infinities: bool) {
    bind::find_not_finite(nans, infinities);
}

/// Adds the functions of this file.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<GradSlot>()?;
    m.add_function(wrap_pyfunction!(evaluate, m)?)?;
    m.add_function(wrap_pyfunction!(py_checkpoint, m)?)?;
    m.add_function(wrap_pyfunction!(accumulate, m)?)?;
    m.add_function(wrap_pyfunction!(set_recording, m)?)?;
    m.add_function(wrap_pyfunction!(open_scope, m)?)?;
    m.add_function(wrap_pyfunction!(close_scope, m)?)?;
    m.add_function(wrap_pyfunction!(find_not_finite, m)?)?;
    Ok(())
}
