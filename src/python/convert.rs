//! Conversions at the edge: numpy arrays, Python numbers and nested lists to tensors, and the
//! argument types of registered functions.

use super::tensor::PyTensor;
use crate::args::{Axes, DataFormat, Ints, Padding};
use crate::aval::{Aval, DType, Strides, is_contiguous};
use crate::buffer::Buffer;
use crate::error::Error;
use crate::tensor::{Array, Tensor};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString, PyTuple, PyType};
use std::sync::Arc;

/// Turns anything array-like into a tensor. numpy arrays are shared, not copied.
pub fn to_tensor(obj: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    if let Ok(t) = obj.cast::<PyTensor>() {
        return Ok(t.get().live());
    }
    if let Some(t) = from_ndarray(obj)? {
        return Ok(t);
    }
    if obj.is_instance_of::<PyBool>() {
        return make(
            obj.py(),
            Tensor::full(
                &[],
                f64::from(u8::from(obj.extract::<bool>()?)),
                DType::Bool,
            ),
        );
    }
    if obj.is_instance_of::<PyFloat>() {
        return make(obj.py(), Tensor::weak(obj.extract()?, DType::F32));
    }
    if obj.is_instance_of::<PyInt>() {
        return weak_int(obj);
    }
    if let Ok(method) = obj.getattr("__rustdl_tensor__") {
        return to_tensor(&method.call0()?);
    }
    // A numpy scalar describes an array that is gone by the time anybody reads it: `asarray` makes one that lasts.
    if !is_numpy_scalar(obj)?
        && let Ok(interface) = obj.getattr("__array_interface__")
    {
        return from_interface(obj, interface.cast::<PyDict>()?);
    }
    from_numpy_fallback(obj)
}

/// A numpy array through the buffer protocol, several times as quick as its `__array_interface__`; `None` for
/// anything else, and for arrays that have no buffer (`bfloat16`) or no dtype here.
fn from_ndarray(obj: &Bound<'_, PyAny>) -> PyResult<Option<Tensor>> {
    static NDARRAY: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    if !obj
        .get_type()
        .is(NDARRAY.import(obj.py(), "numpy", "ndarray")?)
    {
        return Ok(None);
    }
    let Ok(buffer) = PyUntypedBuffer::get(obj) else {
        return Ok(None);
    };
    let Some(dtype) = dtype_of_format(buffer.format().to_bytes(), buffer.item_size()) else {
        return Ok(None);
    };
    let address = buffer.buf_ptr() as usize;
    shared(obj, dtype, buffer.shape(), buffer.strides(), address).map(Some)
}

/// The dtype of a format of the `struct` module in the machine's byte order.
fn dtype_of_format(format: &[u8], bytes: usize) -> Option<DType> {
    let [kind] = format else { return None };
    let signed = b"bhilqn".contains(kind);
    let unsigned = b"BHILQN".contains(kind);
    Some(match (kind, bytes) {
        (b'?', 1) => DType::Bool,
        (b'e', 2) => DType::F16,
        (b'f', 4) => DType::F32,
        (b'd', 8) => DType::F64,
        (_, 1) if signed => DType::I8,
        (_, 2) if signed => DType::I16,
        (_, 4) if signed => DType::I32,
        (_, 8) if signed => DType::I64,
        (_, 1) if unsigned => DType::U8,
        (_, 2) if unsigned => DType::U16,
        (_, 4) if unsigned => DType::U32,
        (_, 8) if unsigned => DType::U64,
        _ => return None,
    })
}

fn is_numpy_scalar(obj: &Bound<'_, PyAny>) -> PyResult<bool> {
    static GENERIC: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let generic = GENERIC.import(obj.py(), "numpy", "generic")?;
    obj.is_instance(generic)
}

fn make(py: Python<'_>, t: crate::error::Result<Tensor>) -> PyResult<Tensor> {
    t.map_err(|e| super::edge::to_py(py, &e))
}

fn weak_int(obj: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let v: i64 = obj
        .extract()
        .map_err(|_| PyValueError::new_err(format!("the integer {obj} does not fit int64")))?;
    if i32::try_from(v).is_ok() {
        return make(obj.py(), Tensor::weak(v as f64, DType::I32));
    }
    make(obj.py(), Tensor::scalar(v))
}

/// Lists, numpy scalars and objects with `__array__`, through numpy. Ragged lists fail there.
fn from_numpy_fallback(obj: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let py = obj.py();
    if obj.is_instance_of::<PyString>() || obj.is_none() {
        let kind = obj.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "a {kind} ({obj}) cannot be converted to a tensor"
        )));
    }
    if obj.hasattr("_keras_history")? {
        return Err(PyTypeError::new_err(
            "a symbolic KerasTensor has no value: use rustdl.ops or layers to compute with it, and a Model to feed it",
        ));
    }
    let numpy = py.import("numpy")?;
    let is_list = obj.is_instance_of::<pyo3::types::PyList>() || obj.is_instance_of::<PyTuple>();
    if is_list && let Some(t) = stack_tensors(obj)? {
        return Ok(t);
    }
    let array = numpy.call_method1("asarray", (obj,)).map_err(|e| {
        if is_list {
            PyValueError::new_err(format!(
                "a ragged or mixed list cannot be converted to a tensor: {e}"
            ))
        } else {
            e
        }
    })?;
    // Python floats and ints in lists are of default precision, as in Keras.
    let name: String = array.getattr("dtype")?.getattr("name")?.extract()?;
    let array = match name.as_str() {
        "float64" if is_list => array.call_method1("astype", ("float32",))?,
        "int64" if is_list => {
            let narrow = array.call_method1("astype", ("int32",))?;
            let same: bool = numpy
                .call_method1("array_equal", (&narrow, &array))?
                .extract()?;
            if same { narrow } else { array }
        }
        _ => array,
    };
    let interface = array.getattr("__array_interface__")?;
    from_interface(&array, interface.cast::<PyDict>()?)
}

/// A list that holds tensors is stacked, so that gradients and traces go through it.
fn stack_tensors(obj: &Bound<'_, PyAny>) -> PyResult<Option<Tensor>> {
    let mut any = false;
    for item in obj.try_iter()? {
        let item = item?;
        any |= item.is_instance_of::<PyTensor>() || item.hasattr("__rustdl_tensor__")?;
    }
    if !any {
        return Ok(None);
    }
    let parts: Vec<Tensor> = obj
        .try_iter()?
        .map(|i| to_tensor(&i?))
        .collect::<PyResult<_>>()?;
    make(obj.py(), crate::ops::concat::stack(parts, 0)).map(Some)
}

fn dtype_of(typestr: &str, obj: &Bound<'_, PyAny>) -> PyResult<DType> {
    let native = if cfg!(target_endian = "little") {
        '<'
    } else {
        '>'
    };
    let order = typestr.chars().next().unwrap_or('|');
    let unsupported = || {
        let name = obj
            .getattr("dtype")
            .map(|d| d.to_string())
            .unwrap_or_else(|_| typestr.to_string());
        PyTypeError::new_err(format!(
            "an array of dtype {name} cannot be converted to a tensor: supported are bool, (u)int8 to 64, float16, bfloat16, float32, float64"
        ))
    };
    if order != native && order != '|' {
        return Err(unsupported());
    }
    Ok(match &typestr[1..] {
        "b1" => DType::Bool,
        "u1" => DType::U8,
        "u2" => DType::U16,
        "u4" => DType::U32,
        "u8" => DType::U64,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        // ml_dtypes' bfloat16 describes itself as two opaque bytes.
        "V2" if obj.getattr("dtype")?.getattr("name")?.extract::<String>()? == "bfloat16" => {
            DType::BF16
        }
        _ => return Err(unsupported()),
    })
}

fn from_interface(obj: &Bound<'_, PyAny>, interface: &Bound<'_, PyDict>) -> PyResult<Tensor> {
    let get = |key: &str| {
        interface
            .get_item(key)?
            .ok_or_else(|| PyValueError::new_err(format!("__array_interface__ lacks {key}")))
    };
    let dtype = dtype_of(&get("typestr")?.extract::<String>()?, obj)?;
    let shape: Vec<usize> = get("shape")?.extract()?;
    let (address, _readonly): (usize, bool) = get("data")?.extract()?;
    let strides: Option<Vec<isize>> = match interface.get_item("strides")? {
        Some(s) if !s.is_none() => Some(s.extract()?),
        _ => None,
    };
    match strides {
        Some(s) => shared(obj, dtype, &shape, &s, address),
        None => {
            let size = dtype.size() as isize;
            let dense = crate::aval::contiguous_strides(&shape);
            let bytes: Strides = dense.iter().map(|s| s * size).collect();
            shared(obj, dtype, &shape, &bytes, address)
        }
    }
}

/// A tensor of the memory of an array; `byte_strides` as numpy counts them.
fn shared(
    obj: &Bound<'_, PyAny>,
    dtype: DType,
    shape: &[usize],
    byte_strides: &[isize],
    address: usize,
) -> PyResult<Tensor> {
    let size = dtype.size() as isize;
    let whole = byte_strides.len() == shape.len() && byte_strides.iter().all(|b| b % size == 0);
    if !whole || !address.is_multiple_of(dtype.size()) {
        return copied(obj);
    }
    let strides: Strides = byte_strides.iter().map(|b| b / size).collect();
    crate::aval::checked_bytes("tensor", shape, dtype)
        .map_err(|e| super::edge::to_py(obj.py(), &e))?;
    let len = if is_contiguous(shape, &strides) {
        shape.iter().product::<usize>() * dtype.size()
    } else {
        0
    };
    let owner: Box<dyn std::any::Any + Send + Sync> = Box::new(obj.clone().unbind());
    // SAFETY: the array object keeps its memory alive, and numpy's strides stay inside it.
    let buffer = unsafe { Buffer::foreign(address as *const u8, len, owner) };
    let array = Array {
        buffer: Arc::new(buffer),
        offset: 0,
        strides,
    };
    Ok(Tensor::from_array(Aval::new(shape, dtype), array))
}

/// A tensor of an array whose layout cannot be shared (unaligned, or strides between elements).
fn copied(obj: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let copy = obj.py().import("numpy")?.call_method1("array", (obj,))?;
    let interface = copy.getattr("__array_interface__")?;
    from_interface(&copy, interface.cast::<PyDict>()?)
}

impl FromPyObject<'_, '_> for Tensor {
    type Error = PyErr;
    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        to_tensor(&obj)
    }
}

impl<'py> IntoPyObject<'py> for Tensor {
    type Target = PyTensor;
    type Output = Bound<'py, PyTensor>;
    type Error = PyErr;
    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        Bound::new(py, PyTensor::from(self))
    }
}

impl FromPyObject<'_, '_> for DType {
    type Error = PyErr;
    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let name: String = match obj.extract::<String>() {
            Ok(s) => s,
            Err(_) => match obj.getattr("name") {
                Ok(n) => n.extract()?,
                Err(_) => obj.getattr("__name__")?.extract()?,
            },
        };
        DType::parse(&name).ok_or_else(|| {
            let e = Error::argument(
                "dtype",
                format!(
                    "{name:?} is not a dtype; valid: {}",
                    DType::ALL.map(DType::name).join(", ")
                ),
            );
            super::edge::to_py(obj.py(), &e)
        })
    }
}

impl FromPyObject<'_, '_> for Ints {
    type Error = PyErr;
    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(v) = obj.extract::<i64>() {
            return Ok(Ints(vec![v]));
        }
        if let Ok(v) = obj.extract::<Vec<i64>>() {
            return Ok(Ints(v));
        }
        let items: PyResult<Vec<i64>> = obj
            .try_iter()
            .and_then(|all| all.map(|i| i?.extract::<i64>()).collect());
        items.map(Ints).map_err(|e| {
            PyTypeError::new_err(format!(
                "expected an integer or a sequence of integers, not {}: {e}",
                obj.repr().map_or_else(|_| String::new(), |r| r.to_string())
            ))
        })
    }
}

impl FromPyObject<'_, '_> for Axes {
    type Error = PyErr;
    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if obj.is_none() {
            return Ok(Axes::all());
        }
        Ok(Axes::from(obj.extract::<Ints>()?.0))
    }
}

impl FromPyObject<'_, '_> for Padding {
    type Error = PyErr;
    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(name) = obj.extract::<String>() {
            return Padding::parse(&name).ok_or_else(|| {
                PyValueError::new_err(format!(
                    "padding = {name:?}: expected \"valid\", \"same\", \"causal\" or numbers"
                ))
            });
        }
        if let Ok(pairs) = obj.extract::<Vec<(i64, i64)>>() {
            return Ok(Padding::Explicit(pairs));
        }
        let each = obj.extract::<Ints>().map_err(|_| {
            let seen = obj.repr().map_or_else(|_| String::new(), |r| r.to_string());
            PyTypeError::new_err(format!(
                "padding = {seen}: expected \"valid\", \"same\", \"causal\" or numbers"
            ))
        })?;
        Ok(Padding::Explicit(
            each.0.into_iter().map(|p| (p, p)).collect(),
        ))
    }
}

impl FromPyObject<'_, '_> for DataFormat {
    type Error = PyErr;
    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let name: String = obj.extract()?;
        DataFormat::parse(&name).ok_or_else(|| {
            PyValueError::new_err(format!(
                "data_format = {name:?}: expected \"channels_last\" or \"channels_first\""
            ))
        })
    }
}
