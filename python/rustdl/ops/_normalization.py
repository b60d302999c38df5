"""Normalisations of `keras.ops.nn`: made of elementwise functions and reductions, which the compiler fuses."""

from __future__ import annotations

import warnings
from typing import Any

from rustdl import backend
from rustdl._rustdl import ops as engine
from rustdl.backend import config
from rustdl.backend.dtypes import result_type
from rustdl.ops._symbolic import symbolic


def _cast(x: Any, dtype: str) -> Any:
    return x if x.dtype == dtype else engine.cast(x, dtype)


def _wide(x: Any) -> tuple[Any, str]:
    """`x` in float32 at least, and the dtype that the result has."""
    x = backend.convert_to_tensor(x)
    return _cast(x, result_type(x.dtype, "float32")), x.dtype


def _axes(axis: Any, rank: int) -> list[int]:
    return sorted(a % rank for a in ([axis] if isinstance(axis, int) else axis))


def _along(value: Any, axes: list[int], like: Any) -> Any:
    """A parameter of the sizes of `axes`, reshaped so that it broadcasts to `like`."""
    value = _cast(backend.convert_to_tensor(value), like.dtype)
    rank = len(like.shape)
    if axes == list(range(rank - len(axes), rank)):
        return value
    return engine.reshape(value, [n if i in axes else 1 for i, n in enumerate(like.shape)])


def _check_vector(name: str, value: Any, x: Any, axis: int) -> None:
    shape = tuple(backend.convert_to_tensor(value).shape)
    if shape != (x.shape[axis],):
        raise ValueError(
            f"batch_normalization: `{name}` must be a vector of length {x.shape[axis]}, that of axis {axis} of x. "
            f"Received: {name}.shape={shape}, x.shape={tuple(x.shape)}"
        )


@symbolic
def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset` along one axis.

    Args:
        x: The tensor.
        mean: Vector along the axis.
        variance: Vector along the axis.
        axis: The axis of the vectors.
        offset: Vector that is added, or `None`.
        scale: Vector of factors, or `None`.
        epsilon: Added to the variance.

    Returns:
        A tensor of the shape of `x`.

    Example:
        >>> import rustdl
        >>> rustdl.ops.batch_normalization([[1.0], [3.0]], [2.0], [1.0], axis=-1, epsilon=0.0).tolist()
        [[-1.0], [1.0]]
    """
    x, dtype = _wide(x)
    for name, value in (("mean", mean), ("variance", variance), ("offset", offset), ("scale", scale)):
        if value is not None and isinstance(axis, int) and -x.ndim <= axis < x.ndim:
            _check_vector(name, value, x, axis)
    # Once a channel: one factor and one shift, so that a single multiply-add is left for each element.
    factor = engine.rsqrt(_cast(backend.convert_to_tensor(variance), x.dtype) + epsilon)
    if scale is not None:
        factor = factor * _cast(backend.convert_to_tensor(scale), x.dtype)
    shift = -_cast(backend.convert_to_tensor(mean), x.dtype) * factor
    if offset is not None:
        shift = shift + _cast(backend.convert_to_tensor(offset), x.dtype)
    axes = _axes(axis, len(x.shape))
    return _cast(x * _along(factor, axes, x) + _along(shift, axes, x), dtype)


@symbolic
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, **kwargs: Any
) -> Any:
    """`(x - mean) / sqrt(variance + epsilon) * gamma + beta`, mean and variance over `axis`.

    Args:
        x: The tensor.
        gamma: Factors of the sizes of `axis`, or `None`.
        beta: Summands of the sizes of `axis`, or `None`.
        axis: Axis or axes.
        epsilon: Added to the variance; `rustdl.config.epsilon()` by default.
        **kwargs: Only the deprecated `rms_scaling`; true, it divides by the standard deviation and subtracts no mean.

    Example:
        >>> import rustdl
        >>> rustdl.ops.layer_normalization([[1.0, 3.0]], epsilon=0.0).tolist()
        [[-1.0, 1.0]]
    """
    x, dtype = _wide(x)
    axes = _axes(axis, len(x.shape))
    if kwargs.pop("rms_scaling", False):
        warnings.warn(
            "You passed `rms_scaling=True`, which is deprecated: use `rms_normalization`, which divides by the root "
            "mean square.",
            stacklevel=2,
        )
        variance = engine.var(x, axis=axes, keepdims=True)
        y = x * engine.rsqrt(variance + (config.epsilon() if epsilon is None else epsilon))
        return _cast(y if gamma is None else y * _along(gamma, axes, y), dtype)
    if kwargs:
        raise TypeError(f"layer_normalization: no such arguments: {sorted(kwargs)}")
    mean = engine.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    variance = engine.mean(centred * centred, axis=axes, keepdims=True)
    y = centred * engine.rsqrt(variance + (config.epsilon() if epsilon is None else epsilon))
    if gamma is not None:
        y = y * _along(gamma, axes, y)
    if beta is not None:
        y = y + _along(beta, axes, y)
    return _cast(y, dtype)


@symbolic
def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Any:
    """`x / sqrt(mean(x^2) + epsilon) * scale`, the mean over `axis`.

    Args:
        x: The tensor.
        scale: Factors of the sizes of `axis`, which lie along it; those of any other shape broadcast to `x`.
        axis: Axis or axes.
        epsilon: Added to the mean; `rustdl.config.epsilon()` by default.

    Example:
        >>> import rustdl
        >>> rustdl.ops.rms_normalization([[3.0, -3.0]], epsilon=0.0).tolist()
        [[1.0, -1.0]]
    """
    x, dtype = _wide(x)
    axes = _axes(axis, len(x.shape))
    y = x * engine.rsqrt(
        engine.mean(x * x, axis=axes, keepdims=True) + (config.epsilon() if epsilon is None else epsilon)
    )
    if scale is not None:
        scale = _cast(backend.convert_to_tensor(scale), y.dtype)
        along = list(scale.shape) == [x.shape[i] for i in axes]
        y = y * (_along(scale, axes, y) if along else scale)
    return _cast(y, dtype)
