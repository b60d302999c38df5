//! The class `Tensor`: operators, indexing, and numpy interoperation without copies.

use super::convert::to_tensor;
use super::edge;
use crate::args::Ints;
use crate::autodiff;
use crate::aval::{Aval, DType};
use crate::error::{Error, Result};
use crate::op::Kind;
use crate::ops::{index, linalg, logic, math, view};
use crate::tensor::Tensor;
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyStopIteration, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyEllipsis, PyInt, PySlice, PyTuple};
use std::ffi::c_int;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// An immutable tensor of any rank: numpy in, numpy out, operators with broadcasting.
#[pyclass(
    name = "Tensor",
    module = "rustdl",
    frozen,
    weakref,
    skip_from_py_object
)]
#[derive(Debug)]
pub struct PyTensor(pub Tensor, Mark);

/// The leaf that stands for a tensor while somebody watches it: set and taken away by tapes.
#[derive(Debug, Default)]
pub struct Mark(AtomicBool, Mutex<Option<Tensor>>);

impl From<Tensor> for PyTensor {
    fn from(t: Tensor) -> Self {
        PyTensor(t, Mark::default())
    }
}

impl PyTensor {
    /// The tensor as operations see it: the leaf that stands for it, if it is watched.
    pub fn live(&self) -> Tensor {
        if self.1.0.load(Ordering::Acquire)
            && let Some(leaf) = &*self.1.1.lock().unwrap_or_else(|e| e.into_inner())
        {
            return leaf.clone();
        }
        self.0.clone()
    }
}

/// Operands that take part themselves: a `KerasTensor` or a subclass with its own reflected operator.
fn defer(other: &Bound<'_, PyAny>) -> bool {
    other.hasattr("_keras_history").unwrap_or(false)
        || other.hasattr("__rustdl_defer__").unwrap_or(false)
}

type BinaryFn = fn(&Tensor, &Tensor) -> Result<Tensor>;

impl PyTensor {
    fn binary(
        &self,
        other: &Bound<'_, PyAny>,
        f: BinaryFn,
        reflected: bool,
    ) -> PyResult<Py<PyAny>> {
        let py = other.py();
        if defer(other) {
            return Ok(py.NotImplemented());
        }
        let Ok(other) = to_tensor(other) else {
            return Ok(py.NotImplemented());
        };
        let mine = self.live();
        let out = edge::call(py, move || {
            if reflected {
                f(&other, &mine)
            } else {
                f(&mine, &other)
            }
        })?;
        Ok(Bound::new(py, PyTensor::from(out))?.into_any().unbind())
    }

    fn unary(&self, py: Python<'_>, f: fn(&Tensor) -> Result<Tensor>) -> PyResult<Tensor> {
        let mine = self.live();
        edge::call(py, move || f(&mine))
    }

    fn item_as(&self, py: Python<'_>, what: &'static str) -> PyResult<f64> {
        if self.0.is_traced() {
            let e = Error::traced(
                what,
                format!(
                    "a traced tensor of shape {:?} and dtype {} has no value while a step is being compiled; use ops.where, ops.cond or ops.while_loop to branch on it, or run_eagerly=True",
                    self.0.shape(),
                    self.0.dtype()
                ),
            );
            return Err(edge::to_py(py, &e));
        }
        if self.0.size() != 1 {
            return Err(PyTypeError::new_err(format!(
                "only a tensor with one element can be converted to {what}, not one of shape {:?}",
                self.0.shape()
            )));
        }
        self.0.item().map_err(|e| edge::to_py(py, &e))
    }
}

fn shape_tuple<'py>(py: Python<'py>, shape: &[usize]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, shape)
}

#[pymethods]
impl PyTensor {
    #[new]
    #[pyo3(signature = (value, dtype=None))]
    fn new(value: &Bound<'_, PyAny>, dtype: Option<DType>) -> PyResult<Self> {
        Ok(PyTensor::from(convert(value, dtype, true)?))
    }

    /// Sizes of the axes.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        shape_tuple(py, self.0.shape())
    }
    /// numpy's name of the element type.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.0.dtype().name()
    }
    /// Number of axes.
    #[getter]
    fn ndim(&self) -> usize {
        self.0.rank()
    }
    /// Number of elements.
    #[getter]
    fn size(&self) -> usize {
        self.0.size()
    }
    /// Is it without a value, inside a trace?
    #[getter]
    fn is_traced(&self) -> bool {
        self.0.is_traced()
    }
    /// Does it stand on a tape?
    #[getter]
    fn is_recorded(&self) -> bool {
        self.live().node().is_some()
    }
    /// The gradient that `backward()` added up; `None` before, and for tensors that keep none.
    #[getter]
    fn grad(&self) -> Option<Tensor> {
        let live = self.live();
        let slot = live.node()?.0.op.slot()?;
        slot.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
    /// Replaces what `grad` gives.
    #[pyo3(signature = (value))]
    fn _set_grad(&self, value: Option<Tensor>) {
        let live = self.live();
        if let Some(slot) = live.node().and_then(|n| n.0.op.slot()) {
            *slot.lock().unwrap_or_else(|e| e.into_inner()) = value;
        }
    }
    /// Is it marked (or computed from what is marked), so that operations on it are recorded?
    #[getter]
    fn requires_grad(&self) -> bool {
        self.live().node().is_some()
    }
    /// Is it marked itself, so that `backward()` adds to its `grad`? Also true of what is not recorded.
    #[getter]
    fn is_leaf(&self) -> bool {
        self.live()
            .node()
            .is_none_or(|n| matches!(n.0.op.kind(), Kind::Leaf))
    }
    /// Marks the tensor: `backward()` adds to its `grad` from now on (False: takes the mark away). Returns the tensor.
    #[pyo3(signature = (requires_grad=true))]
    fn requires_grad_<'py>(
        slf: &Bound<'py, Self>,
        requires_grad: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let leaves = slf.py().import("rustdl.transforms.leaves")?;
        leaves.call_method1("requires_grad_", (slf, requires_grad))
    }
    /// Adds the gradient of this scalar (or of `gradient` weighted elements) to the `grad` of all that it was computed
    /// from and that is marked.
    #[pyo3(signature = (gradient=None, create_graph=false))]
    fn backward<'py>(
        slf: &Bound<'py, Self>,
        gradient: Option<&Bound<'py, PyAny>>,
        create_graph: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let leaves = slf.py().import("rustdl.transforms.leaves")?;
        leaves.call_method1("backward", (slf, gradient, create_graph))
    }
    /// The same value off the tape.
    fn detach(&self) -> Tensor {
        self.0.detach()
    }
    /// Puts a leaf in the place of this tensor for the operations to come, or (None) takes it away; returns the one before.
    #[pyo3(signature = (leaf))]
    fn _watch(&self, leaf: Option<Tensor>) -> Option<Tensor> {
        self.1.0.store(leaf.is_some(), Ordering::Release);
        std::mem::replace(
            &mut *self.1.1.lock().unwrap_or_else(|e| e.into_inner()),
            leaf,
        )
    }
    /// Is its dtype weak (made from a Python number)?
    #[getter]
    fn is_weak(&self) -> bool {
        self.0.is_weak()
    }
    /// The axes reversed.
    #[getter(T)]
    fn transposed(&self, py: Python<'_>) -> PyResult<Tensor> {
        let mine = self.live();
        edge::call(py, move || view::transpose(&mine, None))
    }
    /// The memory for numpy, `memoryview` and others, read-only.
    ///
    /// # Safety
    /// As Python calls it.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let tensor = &slf.get().0;
        // SAFETY: Python's `view` may be written, and the object keeps its tensor, which is never changed.
        unsafe { super::buffer::fill(slf.as_any(), tensor, view, flags) }
    }
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: Python gives back what `__getbuffer__` filled, once.
        unsafe { super::buffer::release(view) }
    }
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = Self::numpy(slf, false)?;
        let kwargs = PyDict::new(slf.py());
        kwargs.set_item("copy", copy.unwrap_or(false))?;
        match dtype {
            Some(d) if !d.is_none() => array.call_method("astype", (d,), Some(&kwargs)),
            _ if copy == Some(true) => array.call_method0("copy"),
            _ => Ok(array),
        }
    }
    /// The value as a numpy array: a read-only one that shares the memory, or a copy.
    #[pyo3(signature = (copy=false))]
    fn numpy<'py>(slf: &Bound<'py, Self>, copy: bool) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let t = &slf.get().0;
        // Asked here for its own error: numpy, refused a buffer, would go on to `__array__`.
        t.view().map_err(|e| edge::to_py(py, &e))?;
        if copy {
            return super::buffer::copied(slf.as_any(), t);
        }
        static ASARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let asarray = ASARRAY.import(py, "numpy", "asarray")?;
        match (t.dtype(), t.array()) {
            (DType::BF16, Some(array)) => {
                let bits = Tensor::from_array(Aval::new(t.shape(), DType::U16), array.clone());
                let bfloat16 = py.import("ml_dtypes")?.getattr("bfloat16")?;
                asarray.call1((bits,))?.call_method1("view", (bfloat16,))
            }
            _ => asarray.call1((slf,)),
        }
    }
    /// The only element as a Python number.
    fn item<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let v = self.item_as(py, "a Python number")?;
        Ok(match self.0.dtype() {
            DType::Bool => PyBool::new(py, v != 0.0).to_owned().into_any(),
            d if d.is_float() => v.into_pyobject(py)?.into_any(),
            _ => self.int_value(py)?.into_pyobject(py)?.into_any(),
        })
    }
    /// Nested lists of Python numbers.
    fn tolist<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::numpy(slf, false)?.call_method0("tolist")
    }
    /// Converted to another dtype.
    fn astype(&self, py: Python<'_>, dtype: DType) -> PyResult<Tensor> {
        let mine = self.live();
        edge::call(py, move || math::cast(&mine, dtype))
    }
    /// The same elements under another shape.
    #[pyo3(signature = (*shape))]
    fn reshape(&self, py: Python<'_>, shape: &Bound<'_, PyTuple>) -> PyResult<Tensor> {
        let shape: Ints = if shape.len() == 1 {
            shape.get_item(0)?.extract()?
        } else {
            shape.extract()?
        };
        let mine = self.live();
        edge::call(py, move || view::reshape(&mine, shape))
    }

    fn __add__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, math::add, false)
    }
    fn __radd__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, math::add, true)
    }
    fn __sub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, math::subtract, false)
    }
    fn __rsub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, math::subtract, true)
    }
    fn __mul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, math::multiply, false)
    }
    fn __rmul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, math::multiply, true)
    }
    fn __truediv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, math::divide, false)
    }
    fn __rtruediv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, math::divide, true)
    }
    fn __floordiv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, math::floor_divide, false)
    }
    fn __rfloordiv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, math::floor_divide, true)
    }
    fn __mod__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, math::mod_, false)
    }
    fn __rmod__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, math::mod_, true)
    }
    fn __pow__(&self, other: &Bound<'_, PyAny>, modulo: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        if modulo.is_some() {
            return Ok(other.py().NotImplemented());
        }
        self.binary(other, math::power, false)
    }
    fn __rpow__(&self, other: &Bound<'_, PyAny>, modulo: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        if modulo.is_some() {
            return Ok(other.py().NotImplemented());
        }
        self.binary(other, math::power, true)
    }
    fn __matmul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, linalg::matmul, false)
    }
    fn __rmatmul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, linalg::matmul, true)
    }
    fn __and__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, logic::bitwise_and, false)
    }
    fn __rand__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, logic::bitwise_and, true)
    }
    fn __or__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, logic::bitwise_or, false)
    }
    fn __ror__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, logic::bitwise_or, true)
    }
    fn __xor__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, logic::bitwise_xor, false)
    }
    fn __rxor__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, logic::bitwise_xor, true)
    }
    fn __lshift__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, logic::left_shift, false)
    }
    fn __rshift__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.binary(other, logic::right_shift, false)
    }
    fn __neg__(&self, py: Python<'_>) -> PyResult<Tensor> {
        self.unary(py, math::negative)
    }
    fn __pos__(&self) -> Tensor {
        self.live()
    }
    fn __abs__(&self, py: Python<'_>) -> PyResult<Tensor> {
        self.unary(py, math::abs)
    }
    fn __invert__(&self, py: Python<'_>) -> PyResult<Tensor> {
        self.unary(py, logic::bitwise_not)
    }
    fn __richcmp__(&self, other: &Bound<'_, PyAny>, op: CompareOp) -> PyResult<Py<PyAny>> {
        let f: BinaryFn = match op {
            CompareOp::Lt => logic::less,
            CompareOp::Le => logic::less_equal,
            CompareOp::Eq => logic::equal,
            CompareOp::Ne => logic::not_equal,
            CompareOp::Gt => logic::greater,
            CompareOp::Ge => logic::greater_equal,
        };
        self.binary(other, f, false)
    }
    fn __hash__(slf: &Bound<'_, Self>) -> isize {
        slf.as_ptr() as isize >> 4
    }
    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.item_as(py, "bool")? != 0.0)
    }
    fn __float__(&self, py: Python<'_>) -> PyResult<f64> {
        self.item_as(py, "float")
    }
    fn __int__(&self, py: Python<'_>) -> PyResult<i64> {
        self.int_value(py)
    }
    fn __index__(&self, py: Python<'_>) -> PyResult<i64> {
        if !self.0.dtype().is_int() || self.0.rank() != 0 {
            return Err(PyTypeError::new_err(format!(
                "only an integer tensor of rank 0 can be an index, not {} of shape {:?}",
                self.0.dtype(),
                self.0.shape()
            )));
        }
        self.int_value(py)
    }
    fn __len__(&self) -> PyResult<usize> {
        self.0
            .shape()
            .first()
            .copied()
            .ok_or_else(|| PyTypeError::new_err("len() of a tensor of rank 0"))
    }
    fn __iter__(slf: &Bound<'_, Self>) -> PyResult<Rows> {
        if slf.get().0.rank() == 0 {
            return Err(PyTypeError::new_err("iteration over a tensor of rank 0"));
        }
        Ok(Rows {
            tensor: slf.get().live(),
            next: 0,
        })
    }
    fn __getitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Tensor> {
        let parts = parse_index(key)?;
        let mine = self.live();
        edge::call(py, move || index::index(&mine, &parts))
    }
    fn __setitem__(&self, _key: &Bound<'_, PyAny>, _value: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "tensors are immutable: make a changed copy with ops.slice_update, ops.scatter_update or ops.where, or keep state in a Variable",
        ))
    }
    fn __delitem__(&self, _key: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "tensors are immutable: nothing can be deleted from them",
        ))
    }
    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let t = &slf.get().0;
        let shape = shape_tuple(slf.py(), t.shape())?.repr()?.to_string();
        if t.is_traced() {
            return Ok(format!(
                "<rustdl.Tensor shape={shape} dtype={} traced>",
                t.dtype()
            ));
        }
        let kwargs = PyDict::new(slf.py());
        kwargs.set_item("separator", ", ")?;
        let text = slf.py().import("numpy")?.call_method(
            "array2string",
            (Self::numpy(slf, false)?,),
            Some(&kwargs),
        )?;
        Ok(format!(
            "<rustdl.Tensor shape={shape} dtype={}\n{text}>",
            t.dtype()
        ))
    }
    fn __format__(slf: &Bound<'_, Self>, spec: &str) -> PyResult<String> {
        let py = slf.py();
        if slf.get().0.size() == 1 && !spec.is_empty() {
            let number = slf.get().item(py)?;
            return number.call_method1("__format__", (spec,))?.extract();
        }
        Self::__repr__(slf)
    }
    fn __copy__(&self) -> Tensor {
        self.0.clone()
    }
    fn __deepcopy__(&self, _memo: &Bound<'_, PyAny>) -> Tensor {
        self.0.clone()
    }
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>,))> {
        Ok((slf.get_type().into_any(), (Self::numpy(slf, false)?,)))
    }
    /// Tensors come before numpy arrays in mixed expressions; numpy's functions take them as arrays.
    #[classattr]
    fn __array_priority__() -> i32 {
        100
    }
    /// The mask that a layer has attached, or `None`; it is kept beside the tensor, in Python.
    #[getter]
    fn _keras_mask<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let masking = slf.py().import("rustdl.backend.masking")?;
        masking.call_method1("get_keras_mask", (slf,))
    }
    #[setter(_keras_mask)]
    fn set_keras_mask(slf: &Bound<'_, Self>, mask: Bound<'_, PyAny>) -> PyResult<()> {
        let masking = slf.py().import("rustdl.backend.masking")?;
        masking.call_method1("set_keras_mask", (slf, mask))?;
        Ok(())
    }
}

impl PyTensor {
    fn int_value(&self, py: Python<'_>) -> PyResult<i64> {
        self.item_as(py, "int")?;
        let exact = if self.0.dtype().is_int() {
            self.0.to_vec_i64()
        } else {
            self.0.item().map(|v| vec![v as i64])
        };
        Ok(exact.map_err(|e| edge::to_py(py, &e))?[0])
    }
}

/// Iterates over the first axis.
#[pyclass]
pub struct Rows {
    tensor: Tensor,
    next: usize,
}

#[pymethods]
impl Rows {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }
    fn __next__(&mut self, py: Python<'_>) -> PyResult<Tensor> {
        let i = self.next;
        if i >= self.tensor.shape()[0] {
            return Err(PyStopIteration::new_err(()));
        }
        self.next += 1;
        let t = self.tensor.clone();
        edge::call(py, move || index::index(&t, &[index::Index::At(i as i64)]))
    }
}

fn parse_index(key: &Bound<'_, PyAny>) -> PyResult<Vec<index::Index>> {
    if let Ok(t) = key.cast_exact::<PyTuple>() {
        return t.iter().map(|k| parse_one(&k)).collect();
    }
    Ok(vec![parse_one(key)?])
}

fn parse_one(key: &Bound<'_, PyAny>) -> PyResult<index::Index> {
    if key.is_none() {
        return Ok(index::Index::NewAxis);
    }
    if key.is_instance_of::<PyEllipsis>() {
        return Ok(index::Index::Ellipsis);
    }
    if let Ok(s) = key.cast::<PySlice>() {
        let part = |name: &str| -> PyResult<Option<i64>> {
            let v = s.getattr(name)?;
            if v.is_none() {
                Ok(None)
            } else {
                v.extract().map(Some)
            }
        };
        return Ok(index::Index::Slice(
            part("start")?,
            part("stop")?,
            part("step")?,
        ));
    }
    if key.is_instance_of::<PyInt>() && !key.is_instance_of::<PyBool>() {
        return Ok(index::Index::At(key.extract()?));
    }
    let t = to_tensor(key)?;
    if !t.dtype().is_int() && t.dtype() != DType::Bool {
        return Err(edge::to_py(
            key.py(),
            &Error::index(
                "tensor",
                format!(
                    "indices are integers, slices, None, Ellipsis, integer or bool arrays, not {}",
                    t.dtype()
                ),
            ),
        ));
    }
    Ok(index::Index::Array(t))
}

fn convert(value: &Bound<'_, PyAny>, dtype: Option<DType>, copy: bool) -> PyResult<Tensor> {
    let py = value.py();
    let t = to_tensor(value)?;
    edge::call(py, move || {
        let t = match dtype {
            Some(d) => math::cast(&t, d)?,
            None => t,
        };
        if copy && t.array().is_some_and(|a| a.buffer.is_foreign()) {
            index::copied(&t)
        } else {
            Ok(t)
        }
    })
}

/// A tensor of anything array-like. numpy arrays are shared unless `copy`.
#[pyfunction(name = "convert")]
#[pyo3(signature = (x, dtype=None, copy=false))]
fn py_convert(x: &Bound<'_, PyAny>, dtype: Option<DType>, copy: bool) -> PyResult<Tensor> {
    convert(x, dtype, copy)
}

/// A traced input of this shape and dtype.
#[pyfunction]
fn placeholder(py: Python<'_>, shape: Vec<usize>, dtype: DType) -> PyResult<Tensor> {
    edge::call(py, move || Tensor::placeholder(&shape, dtype))
}

/// The same value as the start of a tape.
#[pyfunction]
#[pyo3(signature = (x, slot=None))]
fn leaf(x: Tensor, slot: Option<&super::transform::GradSlot>) -> Tensor {
    x.leaf_with(slot.map(|s| s.0.clone()))
}

/// The same value off the tape.
#[pyfunction]
fn detach(x: Tensor) -> Tensor {
    x.detach()
}

/// Gradients of `ys` (weighted by `seeds`) with respect to `xs`; None where unconnected.
#[pyfunction]
#[pyo3(signature = (ys, xs, seeds=None, create_graph=false))]
fn backward(
    py: Python<'_>,
    ys: Vec<Tensor>,
    xs: Vec<Tensor>,
    seeds: Option<Vec<Tensor>>,
    create_graph: bool,
) -> PyResult<Vec<Option<Tensor>>> {
    edge::call(py, move || {
        autodiff::backward(&ys, seeds.as_deref(), &xs, create_graph)
    })
}

/// Adds the functions of this file.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(py_convert, m)?)?;
    m.add_function(wrap_pyfunction!(placeholder, m)?)?;
    m.add_function(wrap_pyfunction!(leaf, m)?)?;
    m.add_function(wrap_pyfunction!(detach, m)?)?;
    m.add_function(wrap_pyfunction!(backward, m)?)?;
    Ok(())
}
