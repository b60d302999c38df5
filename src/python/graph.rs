//! Storage cells, and the compiler as Python sees it.

use super::edge;
use crate::error::Error;
use crate::tensor::Tensor;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::sync::Mutex;

/// The storage of a `Variable`: holds one tensor of a fixed shape and dtype.
#[pyclass(module = "rustdl", frozen)]
pub struct Cell(Mutex<Tensor>);

#[pymethods]
impl Cell {
    #[new]
    fn new(tensor: Tensor) -> Self {
        Cell(Mutex::new(tensor.detach()))
    }
    /// The present value; later changes of the cell do not touch it.
    fn get(&self) -> Tensor {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
    /// Stores another value of the same shape and dtype.
    fn set(&self, py: Python<'_>, tensor: Tensor) -> PyResult<()> {
        let mut held = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if tensor.is_traced() {
            let e = Error::traced(
                "assign",
                "a traced tensor cannot be stored outside the trace that made it",
            );
            return Err(edge::to_py(py, &e));
        }
        if tensor.aval() != held.aval() {
            let e = Error::shape(
                "assign",
                format!(
                    "a value {:?} cannot be assigned to a variable {:?}",
                    tensor.aval(),
                    held.aval()
                ),
            );
            return Err(edge::to_py(py, &e));
        }
        *held = tensor.detach();
        Ok(())
    }
    /// Sizes of the axes.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.get().shape())
    }
    /// numpy's name of the element type.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.get().dtype().name()
    }
}

/// Adds the functions of this file.
pub fn register(_m: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
