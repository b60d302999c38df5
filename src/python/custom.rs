//! Gradients written in Python: a value whose gradient a callable gives.

use super::edge;
use crate::aval::Aval;
use crate::bind::bind1;
use crate::error::{Error, Result};
use crate::op::{Avals, Grads, Kind, Op, Vjp};
use crate::tensor::Tensor;
use pyo3::prelude::*;
use smallvec::SmallVec;

/// The first input as it is; gradients go, through the callable, to the others.
#[derive(Debug)]
struct CustomVjp {
    callback: Py<PyAny>,
}

impl Op for CustomVjp {
    fn name(&self) -> &'static str {
        "custom_gradient"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(SmallVec::from_iter([x[0].clone()]))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let g = cx.g(0)?;
        let found: PyResult<Vec<Option<Tensor>>> =
            Python::attach(|py| self.callback.call1(py, (g,))?.extract(py));
        let found = found.map_err(|e| Error::argument("custom_gradient", e.to_string()))?;
        if found.len() != cx.inputs() - 1 {
            return Err(Error::argument(
                "custom_gradient",
                format!(
                    "the gradient function gave {} gradients for {} arguments",
                    found.len(),
                    cx.inputs() - 1
                ),
            ));
        }
        for (i, g) in found.iter().enumerate() {
            if let Some(g) = g.as_ref().filter(|g| g.shape() != cx.x(i + 1).shape()) {
                return Err(Error::shape(
                    "custom_gradient",
                    format!(
                        "the gradient of argument {i} has shape {:?}, the argument {:?}",
                        g.shape(),
                        cx.x(i + 1).shape()
                    ),
                ));
            }
        }
        Ok(std::iter::once(None).chain(found).collect())
    }
    fn kind(&self) -> Kind<'_> {
        Kind::Forward
    }
    fn is_pure(&self) -> bool {
        false
    }
}

/// `value` with another gradient: `callback(g)` gives those of `inputs` (None where there is none).
#[pyfunction]
fn custom_vjp(
    py: Python<'_>,
    inputs: Vec<Tensor>,
    value: Tensor,
    callback: Py<PyAny>,
) -> PyResult<Tensor> {
    edge::call(py, move || {
        let all: Vec<&Tensor> = std::iter::once(&value).chain(&inputs).collect();
        bind1(CustomVjp { callback }, &all)
    })
}

/// Adds the functions of this file.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(custom_vjp, m)?)
}
