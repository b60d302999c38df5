"""Text and integers on their way into preprocessing layers: any kind of array or list as a numpy array.

Text is held as object arrays of `str`. Bytes are decoded with `surrogateescape`, so that bytes which are not valid in
the encoding survive the way there and back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from rustdl._rustdl import Tensor
from rustdl.backend.variable import Variable

_Array = np.ndarray[Any, Any]


class Ragged(NamedTuple):
    """Rows of different lengths.

    Attributes:
        values: all rows, one after the other.
        lengths: length of each row.
    """

    values: _Array
    lengths: _Array

    def rows(self) -> list[_Array]:
        """The rows."""
        return np.split(self.values, np.cumsum(self.lengths)[:-1]) if len(self.lengths) else []

    def padded(self, fill: Any, length: int | None = None) -> _Array:
        """`[rows, length]`: short rows filled up, long ones cut; `length` is the longest row's by default."""
        if length is None:
            length = int(self.lengths.max(initial=0))
        result = np.full((len(self.lengths), length), fill, dtype=self.values.dtype)
        # Position of each value in its row.
        starts = np.repeat(np.cumsum(self.lengths) - self.lengths, self.lengths)
        column = np.arange(len(self.values)) - starts
        row = np.repeat(np.arange(len(self.lengths)), self.lengths)
        kept = column < length
        result[row[kept], column[kept]] = self.values[kept]
        return result


def host_value(x: Any, caller: str) -> Any:
    """A numpy array or nested list of what holds values; tensors of other libraries are read.

    Args:
        x: array, tensor, list, scalar.
        caller: name of the layer, for the error.

    Raises:
        TypeError: a tensor without values, met inside of a compiled function.
    """
    if isinstance(x, Variable):
        x = x.value
    if isinstance(x, Tensor):
        if x.is_traced:
            raise TypeError(
                f"{caller} works on the values of its inputs and cannot be part of a compiled function. Call the layer "
                "on the data first and give the function the result."
            )
        return x.numpy()
    if hasattr(x, "row_splits") and hasattr(x, "to_list"):
        return x.to_list()
    if hasattr(x, "detach"):
        x = x.detach().cpu()
    if not isinstance(x, np.ndarray) and hasattr(x, "numpy"):
        return x.numpy()
    if isinstance(x, list | tuple):
        return [host_value(item, caller) if not isinstance(item, str | bytes) else item for item in x]
    if hasattr(x, "__array__") and not isinstance(x, np.ndarray):
        return np.asarray(x)
    return x


def text_array(x: Any, encoding: str, caller: str) -> _Array | Ragged:
    """An object array of `str`, or rows of them.

    Args:
        x: strings or bytes in any kind of array, list or scalar; lists of rows may differ in length.
        encoding: of bytes.
        caller: name of the layer, for errors.

    Raises:
        TypeError: something that is not text.
    """
    x = host_value(x, caller)
    if isinstance(x, np.ndarray) and x.dtype.kind == "U":
        return x.astype(object)
    if isinstance(x, np.ndarray) and x.dtype.kind in "biufc" and x.size:
        raise TypeError(f"{caller} expected strings, received an array of dtype {x.dtype}")
    array = np.empty((), dtype=object) if isinstance(x, str | bytes) else np.array(x, dtype=object)
    if array.ndim == 0 and isinstance(x, str | bytes):
        array[()] = x
    if any(isinstance(item, list | tuple | np.ndarray) for item in array.flat):
        return _ragged([list(np.asarray(row, dtype=object)) for row in array], encoding, caller)
    return _decoded(array, encoding, caller)


def integer_array(x: Any, caller: str) -> _Array | Ragged:
    """An int64 array, or rows of them; floats are cut to integers.

    Args:
        x: numbers in any kind of array, list or scalar; lists of rows may differ in length.
        caller: name of the layer, for errors.

    Raises:
        TypeError: something that is not a number.
    """
    x = host_value(x, caller)
    try:
        array = np.asarray(x)
    except ValueError:  # rows of different lengths
        array = np.array(x, dtype=object)
    if array.dtype.kind in "biuf":
        return array.astype(np.int64)
    if array.dtype.kind == "O" and all(isinstance(row, list | tuple | np.ndarray) for row in array.flat):
        rows = [np.asarray(row, dtype=np.int64).reshape(-1) for row in array.flat]
        values = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
        return Ragged(values, np.array([len(row) for row in rows], dtype=np.int64))
    raise TypeError(f"{caller} expected integers, received an array of dtype {array.dtype}")


def _ragged(rows: list[list[Any]], encoding: str, caller: str) -> Ragged:
    values = np.empty(sum(len(row) for row in rows), dtype=object)
    values[:] = [item for row in rows for item in row]
    if any(isinstance(item, list | tuple | np.ndarray) for item in values):
        raise ValueError(f"{caller}: only the last axis may be ragged, received rows inside of rows: {rows[:2]}")
    return Ragged(_decoded(values, encoding, caller), np.array([len(row) for row in rows], dtype=np.int64))


def _decoded(array: _Array, encoding: str, caller: str) -> _Array:
    def text(item: Any) -> str:
        if isinstance(item, str):
            return item
        if isinstance(item, bytes):
            return item.decode(encoding, "surrogateescape")
        raise TypeError(f"{caller} expected strings, received {item!r} of type {type(item).__name__}")

    result = np.empty(array.shape, dtype=object)
    flat = result.reshape(-1)
    flat[:] = [text(item) for item in array.flat]
    return flat.reshape(array.shape)


def to_bytes(texts: Any, encoding: str = "utf-8") -> list[bytes]:
    """The encoded strings of a flat array."""
    return [text.encode(encoding, "surrogateescape") for text in texts]


def batches_of(data: Any, steps: int | None) -> Iterator[Any]:
    """The inputs of at most `steps` batches: of `(x, y)` pairs the x."""
    for i, batch in enumerate(data):
        if steps is not None and i >= steps:
            return
        yield batch


def is_one_array(data: Any) -> bool:
    """Whether data to adapt to are one array (or a nested list), not an iterable of batches."""
    if isinstance(data, list | tuple | str | bytes | np.ndarray | Tensor):
        return True
    return hasattr(data, "__array__") or (hasattr(data, "shape") and hasattr(data, "dtype")) or hasattr(data, "to_list")
