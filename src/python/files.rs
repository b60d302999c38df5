//! Files as Python sees them.

use super::edge;
use crate::io::safetensors;
use crate::tensor::Tensor;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::HashMap;
use std::path::PathBuf;

/// Writes a dict of tensors to a safetensors file, atomically.
#[pyfunction]
#[pyo3(signature = (path, tensors, metadata=None))]
fn save_safetensors(
    py: Python<'_>,
    path: PathBuf,
    tensors: &Bound<'_, PyDict>,
    metadata: Option<HashMap<String, String>>,
) -> PyResult<()> {
    let tensors: Vec<(String, Tensor)> = tensors
        .iter()
        .map(|(k, v)| Ok((k.extract()?, v.extract()?)))
        .collect::<PyResult<_>>()?;
    edge::call(py, move || safetensors::save(&path, &tensors, metadata))
}

/// Reads a safetensors file into a dict of tensors.
#[pyfunction]
fn load_safetensors<'py>(py: Python<'py>, path: PathBuf) -> PyResult<Bound<'py, PyDict>> {
    let tensors = edge::call(py, move || safetensors::load(&path))?;
    let out = PyDict::new(py);
    for (name, t) in tensors {
        out.set_item(name, t)?;
    }
    Ok(out)
}

/// Adds the functions of this file.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(save_safetensors, m)?)?;
    m.add_function(wrap_pyfunction!(load_safetensors, m)?)
}
