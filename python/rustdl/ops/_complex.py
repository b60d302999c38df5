"""Functions whose results are complex.

There are no complex tensors in rustdl: where a result is complex it is a numpy array, which numpy, `ops.real` and
others here take further. Gradients and graphs end there: inside a trace and on a tape this is an error.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend
from rustdl._rustdl import Tensor
from rustdl._rustdl import ops as engine
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.ops._symbolic import symbolic

_WIDE = "float64"


def _complex_dtype(dtype: str) -> str:
    return "complex128" if dtype == _WIDE else "complex64"


def _known(name: str, *tensors: Any) -> list[Any]:
    """The values as numpy arrays, of single precision at least."""
    found = []
    for x in tensors:
        if isinstance(x, Tensor) and (x.is_traced or x.is_recorded):
            raise NotImplementedError(
                f"{name}: the result is complex, and rustdl has no complex tensors: gradients and compiled steps "
                "cannot go through it. Compute with the real and imaginary parts as two tensors, as `ops.fft` does."
            )
        found.append(np.asarray(x, dtype=_WIDE if x.dtype == _WIDE else "float32"))
    return found


def _real(x: Any) -> Any:
    """The real part of each element: that of a complex numpy array, and `x` itself for real numbers.

    Args:
        x: Tensor or numpy array.
    """
    if isinstance(x, np.ndarray) and np.iscomplexobj(x):
        return backend.convert_to_tensor(np.ascontiguousarray(x.real))
    return engine.real(x)


def _imag(x: Any) -> Any:
    """The imaginary part of each element: that of a complex numpy array, and 0 for real numbers.

    Args:
        x: Tensor or numpy array.
    """
    if isinstance(x, np.ndarray) and np.iscomplexobj(x):
        return backend.convert_to_tensor(np.ascontiguousarray(x.imag))
    return engine.imag(x)


def _conj(x: Any) -> Any:
    """The complex conjugate of each element: `x` itself for real numbers.

    Args:
        x: Tensor or numpy array; the result for complex numbers is a numpy array.
    """
    return np.conj(x) if isinstance(x, np.ndarray) and np.iscomplexobj(x) else engine.conj(x)


def _isreal(x: Any) -> Any:
    """Whether the imaginary part of each element is 0: everywhere for real numbers.

    Args:
        x: Tensor or numpy array.
    """
    if isinstance(x, np.ndarray) and np.iscomplexobj(x):
        return backend.convert_to_tensor(np.isreal(x))
    return engine.isreal(x)


conj: Any = symbolic(_conj, "conj")
conjugate: Any = symbolic(_conj, "conjugate")
isreal: Any = symbolic(_isreal, "isreal")
real: Any = symbolic(_real, "real")
imag: Any = symbolic(_imag, "imag")


def polar(abs_: Any, angle: Any) -> Any:
    """The complex numbers of given magnitudes and angles: `abs_ * (cos(angle) + i sin(angle))`.

    Args:
        abs_: Magnitudes.
        angle: Angles in radians.

    Returns:
        A numpy array of `complex64`, `complex128` for `float64`. A symbolic tensor for symbolic tensors.

    Raises:
        NotImplementedError: Inside a trace or a gradient.
    """
    if isinstance(abs_, KerasTensor) or isinstance(angle, KerasTensor):
        shaped = abs_ if isinstance(abs_, KerasTensor) else angle
        return KerasTensor(shaped.shape, dtype=_complex_dtype(shaped.dtype))
    r, t = _known("polar", backend.convert_to_tensor(abs_), backend.convert_to_tensor(angle))
    return np.asarray(r * np.cos(t) + 1j * (r * np.sin(t)))


def view_as_complex(x: Any) -> Any:
    """The complex numbers `x[..., 0] + i x[..., 1]`.

    Args:
        x: Real tensor with a last axis of size 2.

    Returns:
        A numpy array of `complex64`, `complex128` for `float64`. A symbolic tensor for a symbolic tensor.

    Raises:
        ValueError: The last axis has another size.
        NotImplementedError: Inside a trace or a gradient.
    """
    if not isinstance(x, KerasTensor):
        x = backend.convert_to_tensor(x)
    shape = tuple(x.shape)
    if not shape or shape[-1] != 2:
        raise ValueError(
            f"view_as_complex: Last dimension of input must be size 2 (real and imaginary). Received shape: {shape}"
        )
    if isinstance(x, KerasTensor):
        return KerasTensor(shape[:-1], dtype=_complex_dtype(x.dtype))
    (parts,) = _known("view_as_complex", x)
    return np.asarray(parts[..., 0] + 1j * parts[..., 1])


def view_as_real(x: Any) -> Any:
    """The real and imaginary parts of complex numbers, side by side in a new last axis.

    Args:
        x: A numpy array or nested list of complex numbers. Real numbers have the imaginary part 0.

    Returns:
        Tensor of shape `(..., 2)`.

    Example:
        >>> from rustdl import ops
        >>> ops.view_as_real([1 + 2j]).tolist()
        [[1.0, 2.0]]
    """
    if isinstance(x, KerasTensor):
        wide = x.dtype in (_WIDE, "complex128")
        return KerasTensor((*x.shape, 2), dtype=_WIDE if wide else "float32")
    if isinstance(x, Tensor) or hasattr(x, "__rustdl_tensor__"):
        from rustdl import ops

        return ops.stack([backend.convert_to_tensor(x), ops.zeros_like(x)], axis=-1)
    values = np.asarray(x)
    parts = np.stack([values.real, values.imag], axis=-1)
    wide = values.dtype in (np.complex128, np.float64) and isinstance(x, np.ndarray)
    return backend.convert_to_tensor(parts, dtype=_WIDE if wide else "float32")


def eig(x: Any) -> Any:
    """Eigenvalues and eigenvectors of square matrices: `x v[:, k] = w[k] v[:, k]`. Without gradient; needs values.

    Symmetric matrices are better served by `eigh`.

    Args:
        x: Tensor of shape `(..., n, n)`.

    Returns:
        Pair of the eigenvalues `(..., n)` and the eigenvectors `(..., n, n)` as columns: tensors where all eigenvalues
        of all matrices are real, otherwise complex numpy arrays.

    Raises:
        ValueError: Not square matrices.
        NotImplementedError: Inside a trace or a gradient.
    """
    if not isinstance(x, KerasTensor):
        x = backend.convert_to_tensor(x)
    shape = tuple(x.shape)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"eig: Expected square matrices in the last two axes. Received: x.shape={shape}")
    dtype = x.dtype if str(x.dtype).startswith(("float", "bfloat")) else backend.floatx()
    if isinstance(x, KerasTensor):
        return KerasTensor(shape[:-1], dtype=dtype), KerasTensor(shape, dtype=dtype)
    (matrices,) = _known("eig", x)
    values, vectors = np.linalg.eig(matrices)
    if np.iscomplexobj(values):
        return values, vectors
    return backend.convert_to_tensor(values, dtype=dtype), backend.convert_to_tensor(vectors, dtype=dtype)
