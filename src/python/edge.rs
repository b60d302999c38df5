//! The one wrapper at the edge: releases the GIL, catches panics, turns errors into exceptions.

use crate::bind::panic_error;
use crate::error::{Error, Result};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A function that adds a registered op to the module `rustdl._rustdl.ops`.
pub struct Function(pub fn(&Bound<'_, PyModule>) -> PyResult<()>);

inventory::collect!(Function);

/// Runs `f` without the GIL; a panic becomes `InternalError`, never a `PanicException`.
pub fn call<R: Send>(py: Python<'_>, f: impl FnOnce() -> Result<R> + Send) -> PyResult<R> {
    let result = py.detach(|| {
        catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|p| Err(panic_error("rustdl", p)))
    });
    result.map_err(|e| to_py(py, &e))
}

/// The error for an exception of a function written in Python that an op called: of the same kind where there is one.
pub fn from_py(py: Python<'_>, op: &'static str, e: &PyErr) -> Error {
    if e.is_instance_of::<pyo3::exceptions::PyKeyboardInterrupt>(py) {
        return Error::Interrupted;
    }
    let class = e.get_type(py).name().map(|n| n.to_string());
    let text = e.value(py).to_string();
    match class.as_deref() {
        Ok("NotFiniteError") => Error::not_finite(op, text),
        Ok("TracedError") => Error::traced(op, text),
        Ok("UnsupportedError") => Error::unsupported(op, text),
        _ => Error::argument(op, e.to_string()),
    }
}

/// The exception for an error: a class of `rustdl.errors`.
pub fn to_py(py: Python<'_>, e: &Error) -> PyErr {
    static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let class = match e {
        Error::Shape { .. } => "ShapeError",
        Error::DType { .. } => "DTypeError",
        Error::Index { .. } => "AxisError",
        Error::Argument { .. } => "ArgumentError",
        Error::Memory { .. } => "OutOfMemoryError",
        Error::Unsupported { .. } => "UnsupportedError",
        Error::Traced { .. } => "TracedError",
        Error::Io { .. } => "FileError",
        Error::Internal { .. } => "InternalError",
        Error::NotFinite { .. } => "NotFiniteError",
        Error::Interrupted => return pyo3::exceptions::PyKeyboardInterrupt::new_err(()),
    };
    let raise = || -> PyResult<PyErr> {
        let module = ERRORS.get_or_try_init(py, || {
            PyModule::import(py, "rustdl.errors").map(Bound::unbind)
        })?;
        Ok(PyErr::from_value(
            module.bind(py).getattr(class)?.call1((e.to_string(),))?,
        ))
    };
    raise().unwrap_or_else(|fallback| fallback)
}
