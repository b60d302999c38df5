"""Two 4-bit integers in a byte."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import ops


def _check_dtype(dtype: str) -> None:
    if dtype not in ("int8", "uint8"):
        raise ValueError(f"Expected dtype to be 'int8' or 'uint8', but got '{dtype}'.")


def pack_int4(arr: Any, axis: int = 0, dtype: str = "int8") -> tuple[Any, tuple[int, ...], int]:
    """Packs pairs of 4-bit integers that follow each other along an axis into bytes, the first in the low half.

    Args:
        arr: Tensor of `dtype` with values in [-8, 7], or [0, 15] for `"uint8"`.
        axis: The axis; one of odd size is filled with a 0.
        dtype: `"int8"` or `"uint8"`.

    Returns:
        The packed tensor, its shape, and the size of the axis before.

    Raises:
        TypeError: `arr` has another dtype.

    Example:
        >>> import numpy as np
        >>> packed, shape, size = pack_int4(np.array([[-3, 7], [2, -8], [1, 0]], "int8"))
        >>> packed.tolist(), shape, size
        ([[45, -121], [1, 0]], (2, 2), 3)
    """
    _check_dtype(dtype)
    array = np.asarray(ops.convert_to_tensor(arr))
    if array.dtype != dtype:
        raise TypeError(f"Expected {dtype} tensor for packing, got {array.dtype}.")
    halves = np.moveaxis(array.view("uint8"), axis, 0) & 15
    size = halves.shape[0]
    if size % 2:
        halves = np.concatenate([halves, np.zeros_like(halves[:1])])
    packed = np.moveaxis(halves[0::2] | halves[1::2] << 4, 0, axis)
    packed = np.ascontiguousarray(packed).view(dtype)
    return ops.convert_to_tensor(packed), packed.shape, size


def unpack_int4(packed: Any, orig_len: int, axis: int = 0, dtype: str = "int8") -> Any:
    """The 4-bit integers of `pack_int4`, as bytes.

    Args:
        packed: What `pack_int4` returned first.
        orig_len: The size of the axis before it was packed.
        axis: The axis.
        dtype: `"int8"`: values in [-8, 7]; `"uint8"`: values in [0, 15].

    Example:
        >>> import numpy as np
        >>> unpack_int4(pack_int4(np.array([-3, 7, 1], "int8"))[0], 3).tolist()
        [-3, 7, 1]
    """
    _check_dtype(dtype)
    packed = ops.convert_to_tensor(packed)
    if packed.dtype not in ("int8", "uint8"):
        raise TypeError(f"Expected int8 or uint8 tensor for unpacking, got {packed.dtype}")
    axis %= packed.ndim
    # Shifts of wider integers keep the sign out of the way.
    wide = ops.bitwise_and(ops.cast(packed, "int32"), 255)
    halves = ops.stack([ops.bitwise_and(wide, 15), ops.right_shift(wide, 4)], axis=axis + 1)
    if dtype == "int8":
        # The values 8..15 stand for -8..-1.
        halves = ops.bitwise_xor(halves, 8) - 8
    shape = list(packed.shape)
    shape[axis] *= 2
    both = ops.cast(ops.reshape(halves, shape), dtype)
    return both[(slice(None),) * axis + (slice(0, orig_len),)]
