//! Storage cells, and the compiler as Python sees it.

use super::edge;
use crate::error::Error;
use crate::graph::{self, Signature, state};
use crate::tensor::Tensor;
use crate::train::epoch::{self, Batches};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::sync::Arc;
use std::time::Duration;

/// The storage of a `Variable`: holds one tensor of a fixed shape and dtype.
#[pyclass(module = "rustdl", frozen)]
#[derive(Debug)]
pub struct Cell(Arc<graph::Cell>);

#[pymethods]
impl Cell {
    #[new]
    fn new(py: Python<'_>, tensor: Tensor) -> PyResult<Self> {
        edge::call(py, move || Ok(Cell(Arc::new(graph::Cell::new(&tensor)?))))
    }
    /// The present value; later changes of the cell do not touch it.
    fn get(&self) -> Tensor {
        self.0.get()
    }
    /// Stores another value of the same shape and dtype.
    fn set(&self, py: Python<'_>, tensor: Tensor) -> PyResult<()> {
        let cell = self.0.clone();
        edge::call(py, move || cell.set(&tensor))
    }
    /// Sizes of the axes.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.get().shape())
    }
    /// numpy's name of the element type.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.0.get().dtype().name()
    }
}

/// Moves the values of the cells into one buffer, side by side.
#[pyfunction]
fn pack(py: Python<'_>, cells: Vec<Py<Cell>>) -> PyResult<()> {
    let cells: Vec<Arc<graph::Cell>> = cells.iter().map(|c| c.get().0.clone()).collect();
    edge::call(py, move || state::pack(&cells))
}

/// A compiled function.
#[pyclass(module = "rustdl", frozen)]
#[derive(Debug)]
pub struct Plan(graph::Plan);

#[pymethods]
impl Plan {
    /// Runs the function once.
    fn run(&self, py: Python<'_>, inputs: Vec<Tensor>) -> PyResult<Vec<Tensor>> {
        edge::call(py, || self.0.run(&inputs))
    }

    /// Runs the function over batches of rows; returns (batches run, results of the last).
    #[pyo3(signature = (arrays, order=None, batch_size=32, start=0, steps=1, time_budget_s=None))]
    fn run_batches(
        &self,
        py: Python<'_>,
        arrays: Vec<Tensor>,
        order: Option<Tensor>,
        batch_size: usize,
        start: usize,
        steps: usize,
        time_budget_s: Option<f64>,
    ) -> PyResult<(usize, Vec<Tensor>)> {
        // The exception that a signal handler raised, kept for the caller.
        let mut raised: Option<PyErr> = None;
        let caught = &mut raised;
        let result = edge::call(py, move || {
            let order = order.map(|o| o.to_vec_i64()).transpose()?;
            let batches = Batches {
                arrays: &arrays,
                order: order.as_deref(),
                batch_size,
                start,
                steps,
                budget: time_budget_s.and_then(|s| Duration::try_from_secs_f64(s).ok()),
            };
            epoch::run_batches(&self.0, &batches, || {
                Python::attach(|py| match py.check_signals() {
                    Ok(()) => false,
                    Err(e) => {
                        *caught = Some(e);
                        true
                    }
                })
            })
        });
        match raised {
            Some(e) => Err(e),
            None => result,
        }
    }

    /// For each step (its ops and layer, shape of its first output, least seconds over `repeats` runs).
    #[pyo3(signature = (inputs, repeats=1))]
    fn profile(
        &self,
        py: Python<'_>,
        inputs: Vec<Tensor>,
        repeats: usize,
    ) -> PyResult<Vec<(String, Vec<usize>, f64)>> {
        let rows = edge::call(py, || self.0.profile(&inputs, repeats))?;
        Ok(rows
            .into_iter()
            .map(|(n, s, t)| (n.to_string(), s.to_vec(), t.as_secs_f64()))
            .collect())
    }

    /// Bytes of temporaries that one call needs.
    #[getter]
    fn arena_bytes(&self) -> usize {
        self.0.arena_bytes()
    }
    /// Number of steps.
    fn __len__(&self) -> usize {
        self.0.steps().len()
    }
    /// The graph as text, fused nodes under their loop.
    fn dump(&self) -> String {
        self.0.dump()
    }
    /// For each node (number of its loop, is it part of a loop, op, layer, values read, values made with their types).
    #[allow(clippy::type_complexity)]
    fn nodes(
        &self,
    ) -> Vec<(
        usize,
        bool,
        &'static str,
        Option<String>,
        Vec<String>,
        Vec<(String, String)>,
    )> {
        let lines = self.0.listing().lines.iter();
        lines
            .map(|l| {
                (
                    l.unit,
                    l.domain.is_some(),
                    l.op,
                    l.scope.as_ref().map(ToString::to_string),
                    l.ins.clone(),
                    l.outs.clone(),
                )
            })
            .collect()
    }
    /// Names of the results.
    fn results(&self) -> Vec<String> {
        self.0.listing().results.clone()
    }
    /// Names of the steps, in order.
    fn step_names(&self) -> Vec<&'static str> {
        self.0.steps().iter().map(|s| s.name).collect()
    }
}

type Named = (Py<Cell>, Tensor);

/// Compiles a traced function: placeholders, (cell, placeholder) of the states that it reads,
/// results, and (cell, new value) of the states that it writes.
///
/// With `memory_budget` (bytes) values are computed again in the backward pass until the temporaries fit.
#[pyfunction]
#[pyo3(signature = (inputs, states, outputs, updates, memory_budget=None))]
fn compile(
    py: Python<'_>,
    inputs: Vec<Tensor>,
    states: Vec<Named>,
    outputs: Vec<Tensor>,
    updates: Vec<Named>,
    memory_budget: Option<usize>,
) -> PyResult<Plan> {
    let cells = |named: Vec<Named>| -> Vec<(Arc<graph::Cell>, Tensor)> {
        named
            .into_iter()
            .map(|(c, t)| (c.get().0.clone(), t))
            .collect()
    };
    let (states, updates) = (cells(states), cells(updates));
    edge::call(py, move || {
        let signature = Signature {
            inputs: &inputs,
            states: &states,
            outputs: &outputs,
            updates: &updates,
        };
        if states.iter().any(|s| s.0.get().aval() != s.1.aval()) {
            return Err(Error::shape(
                "compile",
                "a placeholder differs from its cell in shape or dtype",
            ));
        }
        graph::compile_within(&signature, memory_budget).map(Plan)
    })
}

/// Adds the functions of this file.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Plan>()?;
    m.add_function(wrap_pyfunction!(pack, m)?)?;
    m.add_function(wrap_pyfunction!(compile, m)?)
}
