"""Conversions between tensors, numpy arrays, variables and Python values."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import _rustdl
from rustdl._rustdl import Tensor
from rustdl.backend import config
from rustdl.backend.dtypes import standardize_dtype
from rustdl.backend.keras_tensor import KerasTensor

# Dtypes that the engine computes or stores; everything else is refused with a reason.
_NOT_SUPPORTED = ("complex64", "complex128", "float8_e4m3fn", "float8_e5m2", "string")


def _engine_dtype(dtype: Any) -> str:
    name = standardize_dtype(dtype)
    if name in _NOT_SUPPORTED:
        raise TypeError(f"rustdl has no tensors of dtype {name!r}; use a float, integer or bool dtype")
    return name


def is_scipy_sparse(x: Any) -> bool:
    """Whether `x` is a sparse matrix or array of scipy."""
    return type(x).__module__.startswith("scipy.sparse") and hasattr(x, "toarray")


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """A tensor from a number, nested list, numpy array, variable, tensor or anything with `__array__`.

    Sparse matrices of scipy become dense.

    Args:
        x: The value. numpy arrays are shared, not copied, where dtype and layout allow.
        dtype: The dtype of the result; by default that of `x`, and `floatx()` for Python floats.
        sparse: Only `None` or `False`: there are no sparse tensors.
        ragged: Only `None` or `False`: there are no ragged tensors.

    Example:
        >>> convert_to_tensor([1.0, 2.0]).dtype
        'float32'
    """
    if sparse or ragged:
        raise ValueError("rustdl has dense tensors only: `sparse` and `ragged` must be False or None")
    if type(x) is Tensor:
        return x if dtype is None or x.dtype == dtype else cast(x, dtype)
    if isinstance(x, KerasTensor):
        return x if dtype is None or x.dtype == standardize_dtype(dtype) else cast(x, dtype)
    if dtype is None:
        dtype = _python_dtype(x)
    if hasattr(x, "__rustdl_tensor__"):
        x = x.__rustdl_tensor__()
        return x if dtype is None else cast(x, dtype)
    if is_scipy_sparse(x):
        x = x.toarray()
    if dtype is None:
        return _rustdl.convert(x)
    return _rustdl.convert(x, _engine_dtype(dtype))


def _python_dtype(x: Any) -> str | None:
    """The dtype of a Python number or nested list where it differs from what the engine takes by itself."""
    if isinstance(x, bool):
        return "bool"
    if isinstance(x, float):
        return config.floatx()
    if isinstance(x, int):
        return "int32" if -(2**31) <= x < 2**31 else "int64"
    if isinstance(x, (list, tuple)) and config.floatx() != "float32" and _all_python(x):
        return config.floatx() if np.asarray(x).dtype.kind == "f" else None
    return None


def _all_python(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return all(_all_python(item) for item in x)
    return type(x) in (int, float, bool)


def is_text(array: Any) -> bool:
    """Whether an array holds strings, as numpy's own kind or as objects."""
    if not isinstance(array, np.ndarray):
        return False
    if array.dtype.kind == "O":
        return array.size > 0 and all(isinstance(entry, str) for entry in array.flat)
    return array.dtype.kind in "UT"


def convert_to_numpy(x: Any) -> Any:
    """A numpy array of a tensor, variable or nested list; it may share memory and then is read-only."""
    if isinstance(x, KerasTensor):
        raise ValueError(f"a symbolic KerasTensor has no values to convert to numpy: {x}")
    if type(x) is Tensor:
        return x.numpy()
    if hasattr(x, "__rustdl_tensor__"):
        return x.__rustdl_tensor__().numpy()
    if isinstance(x, (list, tuple)):
        return np.array([convert_to_numpy(item) if not np.isscalar(item) else item for item in x])
    return np.array(x)


def own_numpy(x: Any) -> Any:
    """A numpy array of a tensor, variable or nested list that may be written to."""
    if type(x) is Tensor:
        return x.numpy(copy=True)
    array = convert_to_numpy(x)
    return array if array.flags.writeable else array.copy()


def cast(x: Any, dtype: Any) -> Any:
    """The tensor with another dtype; the same tensor where it has it already."""
    name = _engine_dtype(dtype)
    if isinstance(x, KerasTensor):
        from rustdl import ops

        return ops.cast(x, name)
    if type(x) is not Tensor:
        x = convert_to_tensor(x)
    if x.dtype == name:
        return x
    return x.astype(name)


def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor of the engine (not a variable, not a `KerasTensor`)."""
    return isinstance(x, Tensor)


def shape(x: Any) -> tuple[int | None, ...]:
    """The shape of a tensor, variable, array or nested list."""
    found = getattr(x, "shape", None)
    if found is None:
        found = convert_to_tensor(x).shape
    return tuple(found)
