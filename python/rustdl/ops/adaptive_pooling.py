"""Pooling to a wanted output size: windows of nearly equal length, some of which share elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl.ops._symbolic import symbolic


def _windows(length: int, count: int) -> tuple[Any, Any]:
    """The elements of each window, `[count, longest]` (the last repeated in shorter ones), and which are its own.

    Window i reaches from floor(i n / count) up to, but without, ceil((i + 1) n / count).
    """
    i = np.arange(count, dtype=np.int64)
    start, stop = i * length // count, -(-(i + 1) * length // count)
    elements = start[:, None] + np.arange((stop - start).max(initial=1))
    return np.minimum(elements, stop[:, None] - 1).astype("int32"), elements < stop[:, None]


def _pool_axis(x: Any, axis: int, count: int, reduce: Callable[..., Any], is_mean: bool) -> Any:
    length = x.shape[axis]
    if length == count:
        return x
    if length % count == 0:
        windows = ops.reshape(x, [*x.shape[:axis], count, length // count, *x.shape[axis + 1 :]])
        return reduce(windows, axis=axis + 1)
    elements, is_own = _windows(length, count)
    windows = ops.take(x, elements, axis=axis)
    if not is_mean:
        return reduce(windows, axis=axis + 1)
    weights = is_own / is_own.sum(1, keepdims=True)
    weights = weights.reshape([*weights.shape, *[1] * (len(x.shape) - axis - 1)])
    return ops.sum(windows * backend.convert_to_tensor(weights, dtype=x.dtype), axis=axis + 1)


def _output_size(name: str, output_size: Any, rank: int) -> tuple[int, ...]:
    sizes = (output_size,) * rank if isinstance(output_size, (int, np.integer)) else tuple(output_size)
    if len(sizes) != rank or any(n is None or n < 1 for n in sizes):
        raise ValueError(
            f"{name}: `output_size` must be a positive integer, or {rank} of them for {rank} spatial axes. "
            f"Received: output_size={output_size}"
        )
    return tuple(int(n) for n in sizes)


def _pool(name: str, inputs: Any, output_size: Any, data_format: str | None) -> Any:
    inputs = backend.convert_to_tensor(inputs)
    rank = len(inputs.shape) - 2
    if rank not in (1, 2, 3):
        raise ValueError(
            f"{name}: expected inputs of rank 3, 4 or 5 (batch, spatial axes, channels). "
            f"Received: inputs.shape={tuple(inputs.shape)}"
        )
    sizes = _output_size(name, output_size, rank)
    first = 2 if backend.standardize_data_format(data_format) == "channels_first" else 1
    if 0 in inputs.shape[first : first + rank]:
        raise ValueError(f"{name}: no elements to pool. Received: inputs.shape={tuple(inputs.shape)}")
    is_mean = name == "adaptive_average_pool"
    if is_mean and not backend.is_float_dtype(inputs.dtype):
        inputs = ops.cast(inputs, backend.floatx())
    for axis, count in enumerate(sizes, first):
        inputs = _pool_axis(inputs, axis, count, ops.mean if is_mean else ops.max, is_mean)
    return inputs


def _adaptive_average_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """The means of as many windows as the output shall have elements.

    Along an axis of n elements, window i of m reaches from floor(i n / m) up to, but without, ceil((i + 1) n / m).

    Args:
        inputs: A tensor of rank 3 to 5: batch, one to three spatial axes, channels.
        output_size: Sizes of the spatial axes of the result, an int for all.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        A tensor of the same rank with these sizes; integers become floats.

    Raises:
        ValueError: Another rank, or sizes that do not fit it.

    Example:
        >>> import numpy as np
        >>> adaptive_average_pool(np.arange(5, dtype="float32").reshape(1, 5, 1), 2).numpy().ravel().tolist()
        [1.0, 3.0]
    """
    return _pool("adaptive_average_pool", inputs, output_size, data_format)


def _adaptive_max_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """The largest elements of as many windows as the output shall have elements.

    Along an axis of n elements, window i of m reaches from floor(i n / m) up to, but without, ceil((i + 1) n / m).

    Args:
        inputs: A tensor of rank 3 to 5: batch, one to three spatial axes, channels.
        output_size: Sizes of the spatial axes of the result, an int for all.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        A tensor of the same rank and dtype with these sizes.

    Raises:
        ValueError: Another rank, or sizes that do not fit it.

    Example:
        >>> import numpy as np
        >>> adaptive_max_pool(np.arange(5, dtype="float32").reshape(1, 5, 1), 2).numpy().ravel().tolist()
        [2.0, 4.0]
    """
    return _pool("adaptive_max_pool", inputs, output_size, data_format)


adaptive_average_pool: Any = symbolic(_adaptive_average_pool, "adaptive_average_pool")
adaptive_max_pool: Any = symbolic(_adaptive_max_pool, "adaptive_max_pool")
