//! The buffer protocol of `Tensor`: numpy, `memoryview` and others read its memory without a copy; and quick copies.

use crate::aval::{DType, Shape, Strides, is_contiguous};
use crate::tensor::Tensor;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use std::ffi::{CStr, c_int};

/// What a `Py_buffer` points to, freed with it.
struct Layout {
    shape: Vec<ffi::Py_ssize_t>,
    strides: Vec<ffi::Py_ssize_t>,
}

/// The code of the `struct` module for a dtype; bfloat16 has none.
fn format(dtype: DType) -> Option<&'static CStr> {
    Some(match dtype {
        DType::Bool => c"?",
        DType::U8 => c"B",
        DType::U16 => c"H",
        DType::U32 => c"I",
        DType::U64 => c"Q",
        DType::I8 => c"b",
        DType::I16 => c"h",
        DType::I32 => c"i",
        DType::I64 => c"q",
        DType::F16 => c"e",
        DType::F32 => c"f",
        DType::F64 => c"d",
        DType::BF16 => return None,
    })
}

/// Do the elements lie in the order that `flags` ask for: of rows, of columns, one of both, or any with strides?
fn has_order(tensor: &Tensor, strides: &[isize], flags: c_int) -> bool {
    let asks = |flag: c_int| flags & flag == flag;
    let of_columns = || {
        let shape: Shape = tensor.shape().iter().rev().copied().collect();
        let strides: Strides = strides.iter().rev().copied().collect();
        is_contiguous(&shape, &strides)
    };
    if asks(ffi::PyBUF_ANY_CONTIGUOUS) {
        tensor.is_contiguous() || of_columns()
    } else if asks(ffi::PyBUF_F_CONTIGUOUS) {
        of_columns()
    } else if asks(ffi::PyBUF_C_CONTIGUOUS) || !asks(ffi::PyBUF_STRIDES) {
        tensor.is_contiguous()
    } else {
        true
    }
}

/// Fills `out` with the memory of `tensor`, which `owner` keeps alive.
///
/// # Errors
/// `BufferError` for a traced tensor, for bfloat16, for one who wants to write, and for one who wants another order of
/// the elements than they lie in.
///
/// # Safety
/// `out` may be written; the memory of `tensor` lives as long as `owner`.
pub unsafe fn fill(
    owner: &Bound<'_, PyAny>,
    tensor: &Tensor,
    out: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    let asks = |flag: c_int| flags & flag == flag;
    let refuse = |why: String| {
        // SAFETY: the caller's; an exporter that fails leaves no owner behind.
        unsafe { (*out).obj = std::ptr::null_mut() };
        Err(PyBufferError::new_err(why))
    };
    let view = match tensor.view() {
        Ok(view) => view,
        Err(e) => return refuse(e.to_string()),
    };
    let Some(format) = format(tensor.dtype()) else {
        return refuse("bfloat16 has no buffer: use .numpy()".into());
    };
    if asks(ffi::PyBUF_WRITABLE) {
        return refuse("a tensor is read-only: copy it first".into());
    }
    if !has_order(tensor, view.strides(), flags) {
        return refuse(
            "the elements do not lie in the order asked for: copy the tensor first".into(),
        );
    }
    let size = tensor.dtype().size() as isize;
    let layout = Box::new(Layout {
        shape: tensor.shape().iter().map(|&n| n as isize).collect(),
        strides: view.strides().iter().map(|s| s * size).collect(),
    });
    let elements: usize = tensor.shape().iter().product();
    let or_null = |wanted: bool, p: *const isize| {
        if wanted {
            p.cast_mut()
        } else {
            std::ptr::null_mut()
        }
    };
    // SAFETY: the caller's. `layout` lives until `release`; a vector's memory stays where it is when the box goes into `internal`.
    unsafe {
        (*out).buf = view.ptr().cast_mut().cast();
        (*out).len = elements as isize * size;
        (*out).itemsize = size;
        (*out).readonly = 1;
        (*out).ndim = layout.shape.len() as c_int;
        (*out).format = if asks(ffi::PyBUF_FORMAT) {
            format.as_ptr().cast_mut()
        } else {
            std::ptr::null_mut()
        };
        (*out).shape = or_null(asks(ffi::PyBUF_ND), layout.shape.as_ptr());
        (*out).strides = or_null(asks(ffi::PyBUF_STRIDES), layout.strides.as_ptr());
        (*out).suboffsets = std::ptr::null_mut();
        (*out).internal = Box::into_raw(layout).cast();
        (*out).obj = owner.clone().into_ptr();
    }
    Ok(())
}

/// Frees what [`fill`] allocated.
///
/// # Safety
/// `view` was filled by [`fill`], and is released once.
pub unsafe fn release(view: *mut ffi::Py_buffer) {
    // SAFETY: the caller's.
    drop(unsafe { Box::from_raw((*view).internal.cast::<Layout>()) });
}

/// A numpy array of its own with the value of `tensor`, which `owner` is.
///
/// Into an empty array, where the elements lie side by side: `numpy.array` takes twice as long to find out what it is
/// given.
pub fn copied<'py>(owner: &Bound<'py, PyAny>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    static EMPTY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static ARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = owner.py();
    let bytes = tensor.aval().bytes();
    if let (Some(format), Some(array), true) = (
        format(tensor.dtype()),
        tensor.array(),
        tensor.is_contiguous() && tensor.rank() > 0,
    ) {
        let shape = PyTuple::new(py, tensor.shape())?;
        let empty = EMPTY.import(py, "numpy", "empty")?;
        let empty = empty.call1((shape, format.to_str().unwrap_or_default()))?;
        let memory = PyUntypedBuffer::get(&empty)?;
        if memory.len_bytes() == bytes {
            // SAFETY: both have so many bytes; nobody else knows the new array.
            unsafe { std::ptr::copy_nonoverlapping(array.ptr(), memory.buf_ptr().cast(), bytes) };
            drop(memory);
            return Ok(empty);
        }
    }
    ARRAY.import(py, "numpy", "array")?.call1((owner,))
}
