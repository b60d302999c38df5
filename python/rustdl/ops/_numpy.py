"""Functions of `keras.ops.numpy` made of others: Keras' defaults around the engine's functions, products, shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rustdl import backend
from rustdl._rustdl import Tensor, placeholder
from rustdl._rustdl import ops as engine
from rustdl.backend import config
from rustdl.backend.dtypes import is_float_dtype, result_type, standardize_dtype
from rustdl.backend.spec import in_spec_scope, unknown_size
from rustdl.ops._symbolic import symbolic


def _tensor(x: Any) -> Any:
    return backend.convert_to_tensor(x)


def _float_or(dtype: Any) -> str:
    return config.floatx() if dtype is None else standardize_dtype(dtype)


def array(x: Any, dtype: Any = None) -> Any:
    """A tensor from a number, nested list, array or tensor."""
    return backend.convert_to_tensor(x, dtype=dtype)


def _shape_list(shape: Any) -> list[int]:
    return [int(shape)] if isinstance(shape, (int, np.integer)) else [int(d) for d in shape]


def zeros(shape: Any, dtype: Any = None) -> Any:
    """A tensor of zeros.

    Args:
        shape: Its shape.
        dtype: `floatx()` by default.
    """
    return engine.zeros(_shape_list(shape), dtype=_float_or(dtype))


def ones(shape: Any, dtype: Any = None) -> Any:
    """A tensor of ones.

    Args:
        shape: Its shape.
        dtype: `floatx()` by default.
    """
    return engine.ones(_shape_list(shape), dtype=_float_or(dtype))


def empty(shape: Any, dtype: Any = None) -> Any:
    """A tensor of unspecified values (zeros).

    Args:
        shape: Its shape.
        dtype: `floatx()` by default.
    """
    return zeros(shape, dtype)


def _full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """A tensor of one value.

    Args:
        shape: Its shape.
        fill_value: A number, or a tensor that broadcasts to the shape.
        dtype: `floatx()` by default.
    """
    return engine.full(_shape_list(shape), _tensor(fill_value), dtype=_float_or(dtype))


full: Any = symbolic(_full, "full")


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """A matrix with ones on a diagonal.

    Args:
        N: Rows.
        M: Columns, as many as rows by default.
        k: Which diagonal; positive is above the main one.
        dtype: `floatx()` by default.
    """
    for name, value in (("N", N), ("M", M)):
        if value is not None and (not hasattr(value, "__index__") or is_float_dtype(getattr(value, "dtype", "int32"))):
            raise TypeError(f"Argument `{name}` must be an integer or `None`. Received: {name}={value}")
    return engine.eye(int(N), None if M is None else int(M), int(k), _float_or(dtype))


def identity(n: int, dtype: Any = None) -> Any:
    """The identity matrix.

    Args:
        n: Rows and columns.
        dtype: `floatx()` by default.
    """
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """A matrix with ones at and below a diagonal.

    Args:
        N: Rows.
        M: Columns, as many as rows by default.
        k: Which diagonal.
        dtype: `floatx()` by default.
    """
    return engine.tri(N, M, k, _float_or(dtype))


def _known(x: Any) -> bool:
    return isinstance(x, (bool, int, float, np.generic))


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """`start`, `start + step`, ... below `stop`.

    Args:
        start: First value; the end, with 0 as the first value, where `stop` is not given.
        stop: The end, not included.
        step: The distance, 1 by default.
        dtype: By default that of the arguments.
    """
    if dtype is None:
        dtype = result_type(*[getattr(v, "dtype", type(v)) for v in (start, stop, step) if v is not None])
    if all(v is None or _known(v) for v in (start, stop, step)):
        first, last = (0, start) if stop is None else (start, stop)
        values = np.arange(first, last, 1 if step is None else step)
        return backend.convert_to_tensor(values, dtype=dtype)
    return backend.cast(engine.arange(start, stop, step), dtype)


def _where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """`x1` where `condition` holds, else `x2`; the indices where it holds without them.

    Args:
        condition: Booleans.
        x1: Broadcast with the others.
        x2: Broadcast with the others.
    """
    if (x1 is None) != (x2 is None):
        raise ValueError("`x1` and `x2` either both should be `None` or both should have non-None value.")
    condition = _tensor(condition)
    if x1 is None:
        return engine_nonzero(condition)
    if condition.dtype != "bool":
        condition = backend.cast(condition, "bool")
    return engine.where_(condition, x1 if _known(x1) else _tensor(x1), x2 if _known(x2) else _tensor(x2))


where: Any = symbolic(_where, "where")


def engine_nonzero(x: Any) -> tuple[Any, ...]:
    """Indices of the elements that are not zero, one tensor an axis; needs values."""
    if isinstance(x, Tensor) and x.is_traced:
        count = unknown_size()
        if count is not None:
            return tuple(placeholder((count,), "int32") for _ in x.shape)
        raise ValueError("nonzero: the number of elements depends on the values, which are not known inside a trace")
    return tuple(backend.convert_to_tensor(i.astype("int32")) for i in np.nonzero(_tensor(x).numpy()))


def _nonzero(x: Any) -> Any:
    """Indices of the elements that are not zero, one tensor an axis.

    Args:
        x: The tensor; its values must be known when this is computed, so that a graph with it runs eagerly only.
    """
    return engine_nonzero(x)


nonzero: Any = symbolic(_nonzero, "nonzero")


def _mod(x1: Any, x2: Any) -> Any:
    """The remainder of the division, with the sign of the divisor."""
    return engine.mod_(x1, x2)


mod: Any = symbolic(_mod, "mod")


def _get_item(x: Any, key: Any) -> Any:
    # A key that went through JSON is a list; with a slice in it, it can only have been a tuple.
    if isinstance(key, list) and any(isinstance(k, slice) or k is None or k is Ellipsis for k in key):
        key = tuple(key)
    """`x[key]`."""
    return _tensor(x)[key]


get_item: Any = symbolic(_get_item, "get_item")


def _copy(x: Any) -> Any:
    """A copy of a tensor."""
    return _tensor(x) + 0 if not isinstance(x, Tensor) else x


copy: Any = symbolic(_copy, "copy")


def _unknown_total(x: Any) -> Any:
    return backend.convert_to_tensor(math.prod(x.shape), dtype="int32")


_symbolic_size: Any = symbolic(_unknown_total, "size")


def size(x: Any) -> Any:
    """The number of elements: an integer, or a symbolic `int32` scalar for a symbolic tensor with an unknown size.

    Args:
        x: The tensor.

    Example:
        >>> size([[1, 2, 3]])
        3
    """
    shape = backend.shape(x)
    return _symbolic_size(x) if None in shape else math.prod(shape)


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(backend.shape(x))


def _std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The standard deviation over axes.

    Args:
        x: The tensor.
        axis: Axis or axes; all by default.
        keepdims: Whether the axes stay, with size 1.
    """
    return (getattr(engine, "std", None) or engine.std_)(x, axis, keepdims)


std: Any = symbolic(_std, "std")


def _flat_pairs(pad_width: Any, rank: int) -> list[int]:
    if isinstance(pad_width, int):
        return [pad_width] * (2 * rank)
    pairs = list(pad_width)
    if pairs and all(isinstance(p, (int, np.integer)) for p in pairs):
        if len(pairs) == 1:
            return [int(pairs[0])] * (2 * rank)
        if len(pairs) == 2:
            return [int(p) for p in pairs] * rank
    flat: list[int] = []
    for pair in pairs:
        pair = [pair, pair] if isinstance(pair, int) else list(pair)
        flat.extend(int(p) for p in (pair if len(pair) == 2 else pair * 2))
    if len(pairs) == 1:
        flat = flat * rank
    return flat


def _pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """The tensor with elements added at both ends of its axes.

    Args:
        x: The tensor.
        pad_width: A pair `(before, after)` for each axis, one pair for all, or one number.
        mode: `"constant"`, `"reflect"`, `"symmetric"`, `"edge"` or `"wrap"`.
        constant_values: The value of `"constant"`, 0 by default.
    """
    x = _tensor(x)
    if mode != "constant" and constant_values is not None:
        raise ValueError(
            "Argument `constant_values` can only be provided when `mode == 'constant'`. "
            f"Received: mode={mode}, constant_values={constant_values}"
        )
    value = None if constant_values is None else float(constant_values)
    return engine.pad(x, _flat_pairs(pad_width, x.ndim), mode, value)


pad: Any = symbolic(_pad, "pad")


def _split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Parts of a tensor along an axis.

    Args:
        x: The tensor.
        indices_or_sections: The number of equal parts, or where to cut.
        axis: The axis.
    """
    if isinstance(indices_or_sections, (int, np.integer)):
        return list(engine.split(x, [int(indices_or_sections)], axis, True))
    return list(engine.split(x, [int(i) for i in indices_or_sections], axis, False))


split: Any = symbolic(_split, "split")


def _array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Parts of a tensor along an axis, which need not be equal.

    Args:
        x: The tensor.
        indices_or_sections: The number of parts, or where to cut.
        axis: The axis.
    """
    if isinstance(indices_or_sections, (int, np.integer)):
        return list(engine.array_split(x, [int(indices_or_sections)], axis, True))
    return list(engine.array_split(x, [int(i) for i in indices_or_sections], axis, False))


array_split: Any = symbolic(_array_split, "array_split")


def hsplit(x: Any, indices_or_sections: Any) -> Any:
    """Parts along the second axis, the first of a vector."""
    return split(x, indices_or_sections, axis=0 if len(x.shape) == 1 else 1)


def vsplit(x: Any, indices_or_sections: Any) -> Any:
    """Parts along the first axis."""
    return split(x, indices_or_sections, axis=0)


def dsplit(x: Any, indices_or_sections: Any) -> Any:
    """Parts along the third axis."""
    return split(x, indices_or_sections, axis=2)


def _tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes.

    Args:
        x1: The first tensor.
        x2: The second tensor.
        axes: How many of the last axes of `x1` and first of `x2`, or two lists of axes.
    """
    if isinstance(axes, int):
        return engine.tensordot(_tensor(x1), _tensor(x2), axes=axes)
    first, second = ([a] if isinstance(a, int) else list(a) for a in axes)
    if len(first) != len(second):
        raise ValueError(f"tensordot: axes={axes!r} must hold as many axes of x1 as of x2")
    return engine.tensordot(_tensor(x1), _tensor(x2), axes=[*first, *second])


tensordot: Any = symbolic(_tensordot, "tensordot")


def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """Elements from the first choice whose condition holds.

    Args:
        condlist: Boolean tensors.
        choicelist: Tensors, as many.
        default: Where no condition holds.
    """
    if len(condlist) != len(choicelist):
        raise ValueError(f"select: {len(condlist)} conditions and {len(choicelist)} choices")
    result: Any = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = _where(condition, choice, result)
    return result


select: Any = symbolic(_select, "select")


def _bytes(dtype: str) -> int:
    """The size of an element."""
    return int("".join(filter(str.isdigit, dtype)) or 8) // 8


def _view(x: Any, dtype: Any = None) -> Any:
    """The same bytes read as another dtype.

    Args:
        x: The tensor; its values must be known when this is computed, so that a graph with it runs eagerly only.
        dtype: The dtype.

    Example:
        >>> view([1, 2], "int16").tolist()
        [1, 0, 2, 0]
    """
    x = _tensor(x)
    name = x.dtype if dtype is None else standardize_dtype(dtype)
    if name == x.dtype:
        return x
    if in_spec_scope():
        have = x.shape[-1] * _bytes(x.dtype) if x.ndim else 0
        if not x.ndim or have % _bytes(name):
            raise ValueError(f"view: the last axis of {x.dtype}{tuple(x.shape)} is no whole number of {name}")
        return placeholder((*x.shape[:-1], have // _bytes(name)), name)
    array = x.numpy()
    if array.ndim:
        array = np.ascontiguousarray(array)
    elif array.dtype.itemsize != np.dtype(name).itemsize:
        raise ValueError(f"view: a scalar of dtype {x.dtype} cannot be read as {name}, whose size differs")
    return backend.convert_to_tensor(array.view(name), dtype=name)


view: Any = symbolic(_view, "view")


def _trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """The integral along an axis by the trapezoidal rule.

    Args:
        y: Values.
        x: Where they stand.
        dx: Their distance, without `x`.
        axis: The axis.
    """
    y = engine.moveaxis(_tensor(y), [axis], [-1])
    y = y if is_float_dtype(y.dtype) else backend.cast(y, config.floatx())
    if x is not None:
        x = _tensor(x)
        x = x if x.ndim == 1 else engine.moveaxis(x, [axis], [-1])
        distance: Any = x[..., 1:] - x[..., :-1]
    else:
        distance = dx
    return engine.sum((y[..., 1:] + y[..., :-1]) * distance / 2.0, -1)


trapezoid: Any = symbolic(_trapezoid, "trapezoid")


def _vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of a vector's elements, a column for each exponent.

    Args:
        x: A vector.
        N: Number of columns, as many as elements by default.
        increasing: Whether the exponents grow from left to right.
    """
    x = _tensor(x)
    n = x.shape[0] if N is None else N
    columns = [engine.ones_like(x)]
    for _ in range(n - 1):
        columns.append(columns[-1] * x)
    columns = columns[:n]
    return engine.stack(columns if increasing else columns[::-1], 1)


vander: Any = symbolic(_vander, "vander")


def _unravel_index(indices: Any, shape: Any) -> Any:
    """Flat indices as one tensor of indices an axis.

    Args:
        indices: Integers.
        shape: The shape that they point into.
    """
    indices = _tensor(indices)
    found = []
    for d in reversed(list(shape)):
        found.append(engine.mod_(indices, d))
        indices = engine.floor_divide(indices, d)
    return tuple(reversed(found))


unravel_index: Any = symbolic(_unravel_index, "unravel_index")


def _einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    """Sums of products over the axes that `subscripts` names, as `numpy.einsum`.

    Args:
        subscripts: Such as `"bij,bjk->bik"`; `...` stands for all other axes.
        operands: One tensor for each comma-separated part.
        kwargs: Of numpy's further arguments only `optimize` is taken, and without effect: pairs are always contracted
            in the cheapest order.

    Example:
        >>> from rustdl import ops
        >>> ops.einsum("ij,ij->i", ops.ones((2, 3)), ops.ones((2, 3))).tolist()
        [3.0, 3.0]
    """
    unknown = set(kwargs) - {"optimize"}
    if unknown:
        raise TypeError(f"einsum() got the unknown arguments {sorted(unknown)}; supported is `optimize`.")
    tensors = [_tensor(x) for x in operands]
    if all(x.dtype == "int8" for x in tensors):
        # Products of bytes do not fit into bytes.
        tensors = [backend.cast(x, "int32") for x in tensors]
    return engine.einsum(subscripts, tensors)


einsum = symbolic(_einsum, "einsum")
