"""Positions for attention: rotation of queries and keys, and sines. Extensions: Keras has them in keras-hub only."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend
from rustdl._rustdl import ops as engine
from rustdl.backend.dtypes import result_type
from rustdl.ops._symbolic import symbolic


def _angles(positions: Any, size: int, max_wavelength: float) -> Any:
    """`position * max_wavelength ** (-2 i / size)` for each pair `i` of `size` features: positions by pairs."""
    pairs = np.arange((size + 1) // 2)
    frequencies = (float(max_wavelength) ** (-2.0 * pairs / max(size, 1))).astype("float32")
    return engine.expand_dims(engine.cast(positions, "float32"), -1) * frequencies


def _positions(length: int, start_index: Any, positions: Any) -> Any:
    if positions is not None:
        return backend.convert_to_tensor(positions)
    return engine.arange(length, dtype="float32") + engine.cast(backend.convert_to_tensor(start_index), "float32")


@symbolic
def rotary_embedding(
    x: Any, start_index: Any = 0, positions: Any = None, max_wavelength: float = 10000.0, axis: int = 1
) -> Any:
    """Turns pairs of features by angles that grow with the position (Su et al., 2021, "RoFormer").

    Features `i` and `i + H / 2` of the last axis are a pair, turned by `position * max_wavelength ** (-2 i / H)`, so
    that the product of a query and a key depends on the difference of their positions alone. An extension: Keras has
    it in keras-hub only, as the layer `RotaryEmbedding`.

    Args:
        x: Queries or keys, such as `(B, T, N, H)`, H even.
        start_index: Position of the first element along `axis`; a number or a tensor.
        positions: Positions of all, of shape `(T,)` or `(B, T)`, in place of `start_index`.
        max_wavelength: The slowest pair turns by one radian in about so many positions.
        axis: The axis of positions.

    Returns:
        A tensor of the shape and dtype of `x`.

    Raises:
        ValueError: An odd number of features, or an axis that is the last.

    Example:
        >>> import rustdl
        >>> x = rustdl.ops.ones((1, 3, 2, 4))
        >>> rustdl.ops.rotary_embedding(x).shape
        (1, 3, 2, 4)
    """
    x = backend.convert_to_tensor(x)
    rank, size = len(x.shape), x.shape[-1]
    if size % 2 or not -rank <= axis < rank or axis % rank == rank - 1:
        raise ValueError(
            "rotary_embedding: expected an even number of features on the last axis, and positions on another; got "
            f"x.shape={tuple(x.shape)}, axis={axis}"
        )
    axis %= rank
    angles = _angles(_positions(x.shape[axis], start_index, positions), size, max_wavelength)
    shape = [1] * rank
    shape[axis], shape[-1] = x.shape[axis], size // 2
    if len(angles.shape) == 3:  # positions of each element of the batch
        shape[0] = angles.shape[0]
    angles = engine.reshape(angles, shape)
    wide = x if x.dtype == "float64" else engine.cast(x, "float32")
    sin, cos = engine.sin(angles), engine.cos(angles)
    first, second = engine.split(wide, 2, axis=-1)
    y = engine.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return engine.cast(y, x.dtype)


@symbolic
def sine_positions(x: Any, start_index: Any = 0, positions: Any = None, max_wavelength: float = 10000.0) -> Any:
    """Sines and cosines of the positions, to be added to embeddings (Vaswani et al., 2017).

    Features `2 i` and `2 i + 1` are the sine and the cosine of `position * max_wavelength ** (-2 i / D)`. An
    extension: Keras has it in keras-hub only, as the layer `SinePositionEncoding`.

    Args:
        x: Embeddings `(..., T, D)`; only their shape and dtype matter.
        start_index: Position of the first one; a number or a tensor.
        positions: Positions `(T,)` or `(B, T)` in place of `start_index`.
        max_wavelength: The slowest pair turns by one radian in about so many positions.

    Returns:
        A tensor that broadcasts to `x`: `(T, D)`, or `(B, T, D)` where positions are given for each of the batch.

    Example:
        >>> import rustdl
        >>> rustdl.ops.sine_positions(rustdl.ops.zeros((1, 1, 4))).tolist()
        [[0.0, 1.0, 0.0, 1.0]]
    """
    x = backend.convert_to_tensor(x)
    length, size = x.shape[-2], x.shape[-1]
    angles = _angles(_positions(length, start_index, positions), size, max_wavelength)
    pairs = engine.stack([engine.sin(angles), engine.cos(angles)], axis=-1)
    y = engine.reshape(pairs, [*pairs.shape[:-2], 2 * pairs.shape[-2]])[..., :size]
    return engine.cast(y, result_type(x.dtype, float))
