//! The Python binding, nothing else: the extension module `rustdl._rustdl`.
//!
//! Functions of the registry register themselves ([`edge::Function`]); here stand the classes.

mod buffer;
mod control;
mod convert;
mod custom;
pub mod edge;
mod files;
mod graph;
mod host;
mod tensor;
mod transform;

use crate::{op, par};
use pyo3::prelude::*;

/// The extension module.
#[pymodule]
fn _rustdl(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<tensor::PyTensor>()?;
    m.add_class::<graph::Cell>()?;
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    let ops = PyModule::new(m.py(), "ops")?;
    for f in inventory::iter::<edge::Function> {
        (f.0)(&ops)?;
    }
    m.add_submodule(&ops)?;
    m.add_function(wrap_pyfunction!(registry, m)?)?;
    m.add_function(wrap_pyfunction!(num_threads, m)?)?;
    m.add_function(wrap_pyfunction!(set_num_threads, m)?)?;
    m.add_function(wrap_pyfunction!(live_tensors, m)?)?;
    m.add_function(wrap_pyfunction!(live_bytes, m)?)?;
    m.add_function(wrap_pyfunction!(isa, m)?)?;
    m.add_function(wrap_pyfunction!(inject_panic, m)?)?;
    tensor::register(m)?;
    custom::register(m)?;
    files::register(m)?;
    transform::register(m)?;
    control::register(m)?;
    host::register(m)?;
    graph::register(m)
}

type RegistryRow = (
    &'static str,
    &'static str,
    &'static str,
    Vec<(&'static str, &'static str, &'static str)>,
    &'static str,
);

/// All registered functions: (name, module, doc, [(argument, type, default)], result).
#[pyfunction]
fn registry() -> Vec<RegistryRow> {
    op::registry()
        .into_iter()
        .map(|e| (e.name, e.module, e.doc, e.args.to_vec(), e.result))
        .collect()
}

/// The number of threads that kernels use.
#[pyfunction]
fn num_threads() -> usize {
    par::threads()
}

/// Sets the number of threads; results are the same bit for bit for any number.
#[pyfunction]
fn set_num_threads(n: usize) -> PyResult<()> {
    if n == 0 {
        return Err(pyo3::exceptions::PyValueError::new_err(
            "set_num_threads: n must be at least 1",
        ));
    }
    par::set_threads(n);
    Ok(())
}

/// Number of tensors alive, for leak tests.
#[pyfunction]
fn live_tensors() -> usize {
    crate::tensor::live_tensors()
}

/// Bytes in live buffers.
#[pyfunction]
fn live_bytes() -> usize {
    crate::buffer::live_bytes()
}

/// For tests: the next kernel of the op with this name panics.
#[pyfunction]
#[pyo3(name = "_inject_panic", signature = (op=None))]
fn inject_panic(op: Option<String>) {
    crate::bind::inject_panic(op.as_deref());
}

/// The instruction set level in use: "avx512", "avx2", "neon" or "scalar".
#[pyfunction]
fn isa() -> String {
    format!("{:?}", crate::simd::level()).to_lowercase()
}
