"""Correlations, partial order and signal-to-noise ratios."""

from __future__ import annotations

import math
from typing import Any

from rustdl import backend
from rustdl._rustdl import ops as engine
from rustdl.backend.dtypes import is_float_dtype, result_type
from rustdl.ops._symbolic import symbolic


def _float(x: Any) -> Any:
    x = backend.convert_to_tensor(x)
    return x if is_float_dtype(x.dtype) else backend.cast(x, backend.floatx())


def _corrcoef(x: Any) -> Any:
    """Pearson's correlation coefficients between the rows: `r[i, j] = c[i, j] / sqrt(c[i, i] c[j, j])`.

    `c` is the covariance over columns. Coefficients of a constant row are NaN.

    Args:
        x: Tensor of shape `(variables, observations)`, or of rank 1 for one variable.

    Returns:
        Tensor of shape `(variables, variables)`, a scalar for one variable.

    Example:
        >>> from rustdl import ops
        >>> ops.corrcoef([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    x = _float(x)
    if x.ndim > 2:
        raise ValueError(f"corrcoef: `x` must have rank 1 or 2. Received: x.shape={tuple(x.shape)}")
    rows = x if x.ndim == 2 else engine.reshape(x, [1, -1])
    centred = rows - engine.mean(rows, 1, True)
    products = engine.matmul(centred, engine.transpose(centred, [1, 0]))
    spread = engine.sqrt(engine.sum(engine.square(centred), 1))
    r = products / engine.expand_dims(spread, 1) / engine.expand_dims(spread, 0)
    r = engine.clip(r, -1.0, 1.0)
    return r if x.ndim == 2 and x.shape[0] != 1 else engine.reshape(r, [])


corrcoef: Any = symbolic(_corrcoef, "corrcoef")


def _correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    """The cross-correlation of two sequences: `c[k] = sum_n x1[n + k] x2[n]`.

    Args:
        x1: Tensor of rank 1.
        x2: Tensor of rank 1.
        mode: `"valid"`: where both overlap wholly; `"same"`: the middle, as long as the longer one; `"full"`: all.

    Example:
        >>> from rustdl import ops
        >>> ops.correlate([1.0, 2.0, 3.0], [0.0, 1.0, 0.5], mode="same").tolist()
        [2.0, 3.5, 3.0]
    """
    if mode not in ("valid", "same", "full"):
        raise ValueError(f"correlate: `mode` must be one of 'valid', 'same', 'full'. Received: mode={mode!r}")
    x1, x2 = backend.convert_to_tensor(x1), backend.convert_to_tensor(x2)
    if x1.ndim != 1 or x2.ndim != 1 or 0 in (x1.shape[0], x2.shape[0]):
        raise ValueError(
            "correlate: both sequences must have rank 1 and at least one element. "
            f"Received shapes: {tuple(x1.shape)}, {tuple(x2.shape)}"
        )
    dtype = result_type(x1.dtype, x2.dtype, float)
    wide = dtype if is_float_dtype(x1.dtype) or is_float_dtype(x2.dtype) else "float64"
    n, m = x1.shape[0], x2.shape[0]
    short, long = min(n, m), max(n, m)
    # Position p of the full result is the shift p - (m - 1).
    first, count = {"full": (0, n + m - 1), "valid": (short - 1, long - short + 1)}.get(mode, (0, long))
    if mode == "same":
        first = (m - 1) - m // 2 if n >= m else n // 2
    padded = engine.pad_zeros(backend.cast(x1, wide), [m - 1, m - 1])
    part = engine.slice(padded, [first], [count + m - 1])
    signal, kernel = engine.reshape(part, [1, -1, 1]), engine.reshape(backend.cast(x2, wide), [-1, 1, 1])
    return backend.cast(engine.reshape(engine.conv(signal, kernel), [count]), dtype)


correlate: Any = symbolic(_correlate, "correlate")


def _argpartition(x: Any, kth: int, axis: int | None = -1) -> Any:
    """Indices that put the `kth` smallest element in its place, smaller ones before and larger ones after it.

    The elements on both sides are sorted too, which no caller may rely on.

    Args:
        x: The tensor.
        kth: The place, from 0; negative from the end.
        axis: The axis; `None` for the flattened tensor.

    Returns:
        `int32` tensor of the shape of `x`.
    """
    x = backend.convert_to_tensor(x)
    size = math.prod(x.shape) if axis is None or x.ndim == 0 else x.shape[axis]
    if not -size <= kth < size:
        raise ValueError(f"argpartition: kth={kth} is out of bounds for {size} elements along axis={axis}")
    return engine.argsort(x, axis)


argpartition: Any = symbolic(_argpartition, "argpartition")


def _psnr(x1: Any, x2: Any, max_val: float) -> Any:
    """The peak signal-to-noise ratio in decibels: `20 log10(max_val) - 10 log10(mean((x1 - x2)^2))`.

    Args:
        x1: The first image or batch.
        x2: The second one, of the same shape.
        max_val: The largest value that an element can have.

    Returns:
        A scalar over all elements; infinite for equal images.
    """
    x1, x2 = _float(x1), _float(x2)
    if tuple(x1.shape) != tuple(x2.shape):
        raise ValueError(f"psnr: Input shapes {tuple(x1.shape)} and {tuple(x2.shape)} must match for PSNR calculation.")
    error = engine.mean(engine.square(x1 - x2))
    peak = _float(max_val)
    return 20 * engine.log10(peak) - 10 * engine.log10(error)


psnr: Any = symbolic(_psnr, "psnr")
