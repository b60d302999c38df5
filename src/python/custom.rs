//! Gradients written in Python: a value whose gradient a callable gives.

use super::edge;
use crate::aval::Aval;
use crate::bind::bind;
use crate::error::{Error, Result};
use crate::op::{Avals, Grads, Kind, Op, Vjp};
use crate::tensor::Tensor;
use pyo3::prelude::*;

/// The first inputs as they are; gradients go, through the callable, to the others.
#[derive(Debug)]
struct CustomVjp {
    values: usize,
    callback: Py<PyAny>,
}

impl Op for CustomVjp {
    fn name(&self) -> &'static str {
        "custom_gradient"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(x[..self.values].iter().cloned().collect())
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let upstream = (0..self.values)
            .map(|i| cx.g(i))
            .collect::<Result<Vec<_>>>()?;
        let found: Vec<Option<Tensor>> = Python::attach(|py| {
            let found = self
                .callback
                .call1(py, (upstream,))
                .and_then(|x| x.extract(py));
            found.map_err(|e| edge::from_py(py, "custom_gradient", &e))
        })?;
        let arguments = cx.inputs() - self.values;
        if found.len() != arguments {
            return Err(Error::argument(
                "custom_gradient",
                format!(
                    "the gradient function gave {} gradients for {arguments} arguments",
                    found.len()
                ),
            ));
        }
        for (i, g) in found.iter().enumerate() {
            let x = cx.x(self.values + i);
            if let Some(g) = g.as_ref().filter(|g| g.shape() != x.shape()) {
                return Err(Error::shape(
                    "custom_gradient",
                    format!(
                        "the gradient of argument {i} has shape {:?}, the argument {:?}",
                        g.shape(),
                        x.shape()
                    ),
                ));
            }
        }
        let none = std::iter::repeat_n(None, self.values);
        Ok(none.chain(found).collect())
    }
    fn kind(&self) -> Kind<'_> {
        Kind::Forward
    }
    fn is_pure(&self) -> bool {
        false
    }
}

/// `values` with another gradient: `callback` makes a list of those of `inputs` (None where there is none) from a list of
/// those of `values`.
#[pyfunction]
fn custom_vjp(
    py: Python<'_>,
    inputs: Vec<Tensor>,
    values: Vec<Tensor>,
    callback: Py<PyAny>,
) -> PyResult<Vec<Tensor>> {
    edge::call(py, move || {
        let all: Vec<&Tensor> = values.iter().chain(&inputs).collect();
        let values = values.len();
        Ok(bind(CustomVjp { values, callback }, &all)?.into_vec())
    })
}

/// Adds the functions of this file.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(custom_vjp, m)?)
}
