"""Functions of the engine with the further arguments and argument names that Keras has for them."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from rustdl import backend
from rustdl._rustdl import Tensor, placeholder
from rustdl._rustdl import ops as engine
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.backend.spec import in_spec_scope, unfilled_shape, unknown_size
from rustdl.ops._symbolic import symbolic


def _tensor(x: Any) -> Any:
    return backend.convert_to_tensor(x)


def _dense(name: str, sparse: bool) -> None:
    if sparse:
        raise ValueError(f"{name}: rustdl has dense tensors only: `sparse` must be False")


def _bitwise_and(x: Any, y: Any) -> Any:
    """`x & y`, bit by bit; the logical and of booleans."""
    return engine.bitwise_and(x, y)


def _bitwise_or(x: Any, y: Any) -> Any:
    """`x | y`, bit by bit; the logical or of booleans."""
    return engine.bitwise_or(x, y)


def _bitwise_xor(x: Any, y: Any) -> Any:
    """`x ^ y`, bit by bit; the logical exclusive or of booleans."""
    return engine.bitwise_xor(x, y)


def _left_shift(x: Any, y: Any) -> Any:
    """`x << y`: the bits moved up, zeros from below."""
    return engine.left_shift(x, y)


def _right_shift(x: Any, y: Any) -> Any:
    """`x >> y`: the bits moved down, the sign from above."""
    return engine.right_shift(x, y)


def _bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """How often each of the integers 0, 1, .. occurs along the last axis, or the sums of the weights.

    Args:
        x: Integers.
        weights: One for each integer.
        minlength: The least size of the result.
        sparse: Only `False`.
    """
    _dense("bincount", sparse)
    return engine.bincount(x, weights, minlength)


def _isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each element of `x1` is one of `x2`.

    Args:
        x1: The elements.
        x2: What they are looked for in.
        assume_unique: A promise that no element occurs twice; the result is the same without it.
        invert: Whether the answers are turned round.
    """
    del assume_unique
    return engine.isin(x1, x2, invert)


def _linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Evenly spaced numbers from `start` to `stop`.

    Args:
        start: The first one.
        stop: The last one, or with `endpoint=False` the one behind the last.
        num: How many.
        endpoint: Whether `stop` is one of them.
        retstep: Whether their distance is returned too, as the second of a pair.
        dtype: By default a float dtype.
        axis: Where the new axis stands.
    """
    numbers = engine.linspace(start, stop, num, endpoint, dtype, axis)
    if not retstep:
        return numbers
    first, last = _tensor(start), _tensor(stop)
    gaps = num - 1 if endpoint else num
    step = (last - first) / gaps if gaps > 0 else engine.full_like(last - first, math.nan)
    return numbers, backend.cast(step, numbers.dtype)


def _with_initial(name: str, x: Any, axis: Any, keepdims: bool, initial: Any) -> Any:
    reduce, pick = (engine.max, engine.maximum) if name == "max" else (engine.min, engine.minimum)
    if initial is None:
        return reduce(x, axis, keepdims)
    x = _tensor(x)
    start = backend.convert_to_tensor(initial, dtype=x.dtype)
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    if any(x.shape[a] == 0 for a in axes):
        # Nothing to reduce: a sum of nothing has the shape, and 0 is replaced.
        return engine.sum(x, axis, keepdims) * 0 + start
    return pick(reduce(x, axis, keepdims), start)


def _max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """The largest element along axes.

    Args:
        x: The tensor.
        axis: Axis or axes; all by default.
        keepdims: Whether the axes stay, with size 1.
        initial: The least value of the result, and the result for no elements.
    """
    return _with_initial("max", x, axis, keepdims, initial)


def _min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """The smallest element along axes.

    Args:
        x: The tensor.
        axis: Axis or axes; all by default.
        keepdims: Whether the axes stay, with size 1.
        initial: The largest value of the result, and the result for no elements.
    """
    return _with_initial("min", x, axis, keepdims, initial)


def _prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The product of the elements along axes.

    Args:
        x: The tensor.
        axis: Axis or axes; all by default.
        keepdims: Whether the axes stay, with size 1.
        dtype: In which dtype is multiplied.
    """
    return engine.prod(x if dtype is None else backend.cast(_tensor(x), dtype), axis, keepdims)


def _meshgrid(*x: Any, indexing: str = "xy") -> Any:
    """One tensor for each vector, with its values along its own axis.

    Args:
        *x: Vectors.
        indexing: `"xy"`: the first two axes are exchanged; `"ij"`: axes in the order of the vectors.
    """
    return list(engine.meshgrid([_tensor(v) for v in x], indexing))


def _moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """The mean and the variance along axes.

    Args:
        x: The tensor.
        axes: The axes.
        keepdims: Whether the axes stay, with size 1.
        synchronized: Only `False`: there is one device.
    """
    if synchronized:
        raise NotImplementedError("moments: rustdl runs on one device: `synchronized` must be False")
    x = _tensor(x)
    if x.dtype != "float16":
        return tuple(engine.moments(x, axes, keepdims))
    # Squares of halves may be larger than a half can be; so may be the results, which are cut to its range.
    wide = engine.moments(backend.cast(x, "float32"), axes, keepdims)
    return tuple(backend.cast(engine.clip(y, -65504.0, 65504.0), "float16") for y in wide)


def _one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """A new axis with 1 at the place of each integer and 0 elsewhere; all 0 for integers that are no class.

    Args:
        x: Integers.
        num_classes: The size of the new axis.
        axis: Where it stands.
        dtype: `floatx()` by default.
        sparse: Only `False`.
    """
    _dense("one_hot", sparse)
    return engine.one_hot(x, num_classes, axis, dtype or backend.floatx())


def _multi_hot(
    inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Any:
    """1 at the places of the integers of a row, 0 elsewhere.

    Args:
        inputs: Integers.
        num_classes: The size of the axis that replaces the integers.
        axis: Where it stands.
        dtype: `floatx()` by default.
        sparse: Only `False`.
    """
    if num_classes is None:
        raise ValueError("multi_hot: argument `num_classes` must be specified.")
    _dense("multi_hot", sparse)
    return engine.multi_hot(inputs, num_classes, axis, dtype or backend.floatx())


def _segments(name: str) -> Any:
    reduce = getattr(engine, name)

    def call(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
        del sorted
        data, segment_ids = _tensor(data), _tensor(segment_ids)
        if segment_ids.ndim != 1:
            raise ValueError(
                f"{name}: Argument `segment_ids` should be an 1-D vector, got shape: {tuple(segment_ids.shape)}"
            )
        known = [n for x in (data, segment_ids) for n in unfilled_shape(x.shape[:1]) if n is not None]
        if data.ndim == 0 or len(set(known)) > 1:
            raise ValueError(
                f"{name}: Argument `segment_ids` and `data` should have same leading dimension. "
                f"Received: segment_ids.shape={tuple(segment_ids.shape)}, data.shape={tuple(data.shape)}"
            )
        if in_spec_scope():
            count = unknown_size() if num_segments is None else num_segments
            return placeholder((count, *data.shape[1:]), data.dtype)
        if num_segments is None and isinstance(segment_ids, Tensor) and segment_ids.is_traced:
            raise ValueError(
                f"{name}: inside a graph or a compiled step the number of rows can't depend on the values of "
                "`segment_ids`: pass `num_segments`"
            )
        return reduce(data, segment_ids, num_segments)

    call.__doc__ = f"""{reduce.__doc__}

    Args:
        data: Tensor with one row for each id.
        segment_ids: Vector of integers.
        num_segments: The number of rows of the result; by default one more than the largest id.
        sorted: A promise that ids never fall; the result is the same without it.
    """
    return symbolic(call, name)


def _softmax(x: Any, axis: Any = -1) -> Any:
    """`exp(x) / sum(exp(x))` along an axis.

    Args:
        x: The tensor.
        axis: Axis or axes of the sum.
    """
    x = _tensor(x)
    # Of more axes it may be attention to a single key, which is nothing wrong.
    if isinstance(axis, int) and -x.ndim <= axis < x.ndim <= 2 and x.shape[axis] == 1:
        warnings.warn(
            f"You are using a softmax over axis {axis} of a tensor of shape {tuple(x.shape)}. This axis has size 1. "
            "The softmax operation will always return the value 1, which is likely not what you intended. "
            "Did you mean to use a sigmoid instead?",
            stacklevel=3,
        )
    return engine.softmax(x, axis)


softmax: Any = symbolic(_softmax, "softmax")


def _sort(x: Any, axis: int | None = -1) -> Any:
    """The elements along an axis in rising order, NaN last.

    Args:
        x: The tensor.
        axis: The axis; `None` for the flattened tensor.
    """
    return engine.sort(engine.ravel(x), -1) if axis is None else engine.sort(x, axis)


def _svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The singular value decomposition of matrices: `x = u diag(s) vh`, with `s` falling.

    Args:
        x: Tensor of shape `(..., m, n)`.
        full_matrices: Whether `u` and `vh` are square; else they have `min(m, n)` columns and rows.
        compute_uv: Whether `u` and `vh` are computed.

    Returns:
        The tuple `(u, s, vh)`; `s` alone without `compute_uv`.
    """
    parts = engine.svd(x, full_matrices, compute_uv)
    return tuple(parts) if compute_uv else parts[0]


def _running(name: str, what: str) -> Any:
    run = getattr(engine, name)

    def call(x: Any, axis: int | None = None, dtype: Any = None, reverse: bool = False, exclusive: bool = False) -> Any:
        x = _tensor(x)
        # As in Keras small integers stay small.
        chosen = dtype or ("int32" if x.dtype == "bool" else x.dtype)
        y = run(x, axis, dtype, reverse, exclusive)
        return backend.cast(y, chosen)

    call.__doc__ = f"""The running {what} along an axis.

    Args:
        x: The tensor.
        axis: The axis; `None` for the flattened tensor.
        dtype: The dtype of the result, by default that of `x`, `int32` for booleans.
        reverse: Whether to go from the end to the start (not in Keras).
        exclusive: Whether an element's own value is left out (not in Keras).
    """
    return symbolic(call, name)


def _concatenate(xs: Any, axis: int | None = 0) -> Any:
    """Tensors one behind the other along an axis.

    Args:
        xs: Tensors whose other axes agree.
        axis: The axis; `None` for the flattened tensors.
    """
    tensors = [_tensor(x) for x in xs]
    if axis is None:
        return engine.concatenate([engine.ravel(x) for x in tensors], 0)
    return engine.concatenate(tensors, axis)


def _running_without_nan(name: str, what: str) -> Any:
    run = getattr(engine, name)

    def call(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
        x = _tensor(x)
        chosen = dtype or ("int32" if x.dtype == "bool" else x.dtype)
        return backend.cast(run(x, axis, dtype), chosen)

    call.__doc__ = f"""The running {what} along an axis, where NaN does not count.

    Args:
        x: The tensor.
        axis: The axis; `None` for the flattened tensor.
        dtype: The dtype of the result, by default that of `x`, `int32` for booleans.
    """
    return symbolic(call, name)


concatenate: Any = symbolic(_concatenate, "concatenate")
cumsum: Any = _running("cumsum", "sum")
cumprod: Any = _running("cumprod", "product")
nancumsum: Any = _running_without_nan("nancumsum", "sum")
nancumprod: Any = _running_without_nan("nancumprod", "product")
svd: Any = symbolic(_svd, "svd")
bitwise_and: Any = symbolic(_bitwise_and, "bitwise_and")
bitwise_or: Any = symbolic(_bitwise_or, "bitwise_or")
bitwise_xor: Any = symbolic(_bitwise_xor, "bitwise_xor")
left_shift: Any = symbolic(_left_shift, "left_shift")
right_shift: Any = symbolic(_right_shift, "right_shift")
bincount: Any = symbolic(_bincount, "bincount")
isin: Any = symbolic(_isin, "isin")
linspace: Any = symbolic(_linspace, "linspace")
max: Any = symbolic(_max, "max")
min: Any = symbolic(_min, "min")
prod: Any = symbolic(_prod, "prod")
meshgrid: Any = symbolic(_meshgrid, "meshgrid")
moments: Any = symbolic(_moments, "moments")
one_hot: Any = symbolic(_one_hot, "one_hot")
multi_hot: Any = symbolic(_multi_hot, "multi_hot")
segment_sum: Any = _segments("segment_sum")
segment_prod: Any = _segments("segment_prod")
segment_max: Any = _segments("segment_max")
segment_min: Any = _segments("segment_min")
sort: Any = symbolic(_sort, "sort")


def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The distinct elements, or slices along an axis, in rising order. Its values must be known.

    Args:
        x: The tensor.
        sorted: Rising order is a promise; without it, it is the order all the same.
        return_index: Whether the places of their first occurrences are returned too.
        return_inverse: Whether for each element the place of its value is returned too.
        return_counts: Whether the numbers of their occurrences are returned too.
        axis: The axis of the slices; `None` for the elements of the flattened tensor.
        size: The number of values: more are cut off, fewer are filled up.
        fill_value: What they are filled up with, by default the smallest value; their place is that of
            the smallest value, their counts are 0.

    Returns:
        The values, or a tuple of them and what was asked for, as `int32`.

    Example:
        >>> from rustdl import ops
        >>> ops.unique([3, 1, 2, 1]).tolist()
        [1, 2, 3]
    """
    del sorted
    flags = (return_index, return_inverse, return_counts)
    if isinstance(x, KerasTensor):
        return _unique_spec(x, flags, axis, size)
    x = _tensor(x)
    if isinstance(x, Tensor) and x.is_traced:
        raise ValueError("unique: the number of values depends on the values, which are not known inside a trace")
    array = np.asarray(x)
    values, first, inverse, counts = np.unique(
        array, return_index=True, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    inverse = inverse.reshape(array.shape if axis is None else -1)
    along = 0 if axis is None else axis
    if size is not None:
        values = _fitted(values, along, size, fill_value)
        first, counts = _fitted(first, 0, size, None), _fitted(counts, 0, size, 0)
        inverse = np.minimum(inverse, np.maximum(size - 1, 0))
    extra = [
        backend.convert_to_tensor(a.astype("int32")) for a, f in zip((first, inverse, counts), flags, strict=True) if f
    ]
    found = backend.convert_to_tensor(values, dtype=x.dtype)
    return (found, *extra) if extra else found


def _fitted(values: Any, axis: int, size: int, fill: Any) -> Any:
    """Cut or filled up to `size` along an axis, with `fill` or else the first slice."""
    have = values.shape[axis]
    if have >= size:
        return np.take(values, np.arange(size), axis)
    shape = list(values.shape)
    shape[axis] = size - have
    if fill is None:
        fill = np.take(values, [0], axis) if have else 0
    return np.concatenate([values, np.broadcast_to(np.asarray(fill, values.dtype), shape)], axis)


def _unique_spec(x: Any, flags: tuple[bool, bool, bool], axis: int | None, size: int | None) -> Any:
    shape: tuple[int | None, ...] = (size,)
    if axis is not None:
        shape = tuple(size if a == axis % len(x.shape) else d for a, d in enumerate(x.shape))
    inverse = x.shape if axis is None else (x.shape[axis],)
    shapes = ((size,), inverse, (size,))
    extra = [KerasTensor(s, dtype="int32") for s, flag in zip(shapes, flags, strict=True) if flag]
    found = KerasTensor(shape, dtype=x.dtype)
    return (found, *extra) if extra else found
