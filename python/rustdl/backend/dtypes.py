"""Names of dtypes and their promotion (the lattice of JAX, with weak Python scalars)."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

from rustdl.backend import config

# numpy knows the name "bfloat16" once this package is loaded; where it is not installed, numpy has no such arrays.
with contextlib.suppress(ImportError):
    import ml_dtypes  # noqa: F401

BOOL_TYPES = ("bool",)
INT_TYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
FLOAT_TYPES = ("bfloat16", "float16", "float32", "float64")
FLOAT8_TYPES = ("float8_e4m3fn", "float8_e5m2")
COMPLEX_TYPES = ("complex64", "complex128")
WEAK_TYPES = ("int", "float")
ALLOWED_DTYPES = frozenset((*FLOAT_TYPES, *INT_TYPES, "bool", "string", *FLOAT8_TYPES, *COMPLEX_TYPES))

# Each dtype with the dtypes directly above it.
_ABOVE: dict[str, tuple[str, ...]] = {
    "bool": ("int",),
    "int": ("uint8", "int8"),
    "uint8": ("int16", "uint16"),
    "uint16": ("int32", "uint32"),
    "uint32": ("int64", "uint64"),
    "uint64": ("float",),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("float",),
    "float": ("bfloat16", "float16"),
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "float32": ("float64", "complex64"),
    "float64": ("complex128",),
    "complex64": ("complex128",),
    "complex128": (),
}


def _at_or_above(dtype: str) -> frozenset[str]:
    found, pending = {dtype}, [dtype]
    while pending:
        for up in _ABOVE[pending.pop()]:
            if up not in found:
                found.add(up)
                pending.append(up)
    return frozenset(found)


_UP = {name: _at_or_above(name) for name in _ABOVE}


@functools.lru_cache(maxsize=4096)
def _join(dtypes: frozenset[str]) -> str:
    for name in dtypes:
        if name not in _UP:
            if len(dtypes) == 1:
                return name
            kind = "float8" if name.startswith("float8") else name
            raise ValueError(
                f"There is no implicit conversions from {kind} dtypes to others. You must cast explicitly. "
                f"Received: {sorted(dtypes)}"
            )
    common = frozenset.intersection(*(_UP[name] for name in dtypes))
    # The least upper bound is the one that lies below all the others.
    return max(common, key=lambda name: len(_UP[name] & common))


def result_type(*dtypes: Any) -> str:
    """The dtype of an operation on operands of these dtypes.

    Args:
        *dtypes: Dtype names, numpy or Python types; Python's `int` and `float` are weak: they take the
            precision of the others.

    Returns:
        A dtype name; `floatx()` without arguments.

    Example:
        >>> result_type("int32", "float16"), result_type("uint8", int)
        ('float16', 'uint8')
    """
    if not dtypes:
        return config.floatx()
    names = []
    for dtype in dtypes:
        if dtype is int or dtype == "int":
            names.append("int")
        elif dtype is float or dtype == "float":
            names.append("float")
        else:
            names.append(standardize_dtype(dtype))
    joined = _join(frozenset(names))
    if joined == "int" or (joined == "int64" and "int64" not in names):
        return "int32"  # as in Keras no promotion makes 64 bits of 32
    return config.floatx() if joined == "float" else joined


_PYTHON_TYPES: dict[Any, str] = {bool: "bool", int: "int32", str: "string"}


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype given as name, Python type, or numpy, JAX, PyTorch or TensorFlow dtype; `None` is `floatx()`.

    Raises:
        ValueError: No such dtype.

    Example:
        >>> import numpy as np
        >>> standardize_dtype(np.dtype("float32")), standardize_dtype(None)
        ('float32', 'float32')
    """
    if isinstance(dtype, str):
        if dtype in ALLOWED_DTYPES:
            return dtype
        if dtype == "int":
            return "int32"
        if dtype == "float":
            return config.floatx()
    if dtype is None or dtype is float:
        return config.floatx()
    name = dtype
    if isinstance(dtype, type) and dtype in _PYTHON_TYPES:
        name = _PYTHON_TYPES[dtype]
    elif hasattr(dtype, "name"):
        name = dtype.name
    elif hasattr(dtype, "__name__"):
        name = dtype.__name__
    elif "torch" in str(dtype):
        name = str(dtype).rpartition(".")[2]
    if isinstance(name, str):
        if name == "bool_":
            return "bool"
        if name in ("str", "str_", "object") or name.startswith("str"):
            return "string"
        if name in ALLOWED_DTYPES:
            return name
    raise ValueError(f"Invalid dtype: {dtype}. Expected one of {sorted(ALLOWED_DTYPES)}")


def is_float_dtype(dtype: Any) -> bool:
    """Whether the dtype is one of the float types."""
    return standardize_dtype(dtype).startswith(("float", "bfloat"))


def is_int_dtype(dtype: Any) -> bool:
    """Whether the dtype is a signed or unsigned integer type."""
    return standardize_dtype(dtype).startswith(("int", "uint"))
