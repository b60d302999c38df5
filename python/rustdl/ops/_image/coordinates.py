"""Values between the pixels: a tensor sampled at any coordinates."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from rustdl import backend, ops
from rustdl.ops._image._arguments import check_choice
from rustdl.ops._symbolic import symbolic

FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")

# The order of a spline by the name of the interpolation.
INTERPOLATION_ORDERS = {"nearest": 0, "bilinear": 1}


def round_half_away(x: Any) -> Any:
    """The nearest whole number; halves go away from zero."""
    whole = ops.trunc(x)
    return whole + ops.where(ops.abs(x - whole) >= 0.5, ops.sign(x), ops.zeros_like(x))


def _mirror(index: Any, size: int) -> Any:
    """Indices reflected at the centres of the outer pixels: d c b | a b c d | c b a."""
    if size == 1:
        return ops.zeros_like(index)
    return ops.abs(ops.mod(index + (size - 1), 2 * (size - 1)) - (size - 1))


def _reflect(index: Any, size: int) -> Any:
    """Indices reflected at the outer edges: c b a | a b c d | d c b."""
    index = ops.mod(index, 2 * size)
    return ops.minimum(index, 2 * size - 1 - index)


_INSIDE: dict[str, Callable[[Any, int], Any]] = {
    "constant": lambda index, size: ops.clip(index, 0, size - 1),
    "nearest": lambda index, size: ops.clip(index, 0, size - 1),
    "wrap": ops.mod,
    "mirror": _mirror,
    "reflect": _reflect,
}


def _nodes(coordinate: Any, order: int) -> list[tuple[Any, Any]]:
    """The indices around a coordinate with their weights (`None` for 1)."""
    is_float = backend.is_float_dtype(coordinate.dtype)
    if order == 0:
        return [(ops.cast(round_half_away(coordinate) if is_float else coordinate, "int32"), None)]
    if not is_float:
        coordinate = ops.cast(coordinate, backend.floatx())
    lower = ops.floor(coordinate)
    upper_weight = coordinate - lower
    index = ops.cast(lower, "int32")
    return [(index, 1.0 - upper_weight), (index + 1, upper_weight)]


def sample(
    values: Any, sizes: tuple[int, ...], coordinates: list[Any], order: int, fill_mode: str, fill_value: Any, base: Any
) -> Any:
    """Interpolated rows of a table of pixels.

    Args:
        values: The pixels, `[pixels]` or `[pixels, channels]`.
        sizes: Sizes of the axes that the pixels run over, row-major.
        coordinates: For each axis a tensor of coordinates, all of one shape.
        order: 0 for the nearest pixel, 1 for linear interpolation.
        fill_mode: What lies outside.
        fill_value: The value outside where `fill_mode` is `"constant"`.
        base: Index of the first pixel, a tensor that broadcasts to the coordinates, or 0.

    Returns:
        `[*coordinates.shape]` or `[*coordinates.shape, channels]`; floats where `order` is 1.
    """
    has_channels = len(values.shape) == 2

    def like_rows(x: Any) -> Any:
        return ops.expand_dims(x, -1) if has_channels else x

    axes = []
    for coordinate, size in zip(coordinates, sizes, strict=True):
        nodes = []
        for index, weight in _nodes(coordinate, order):
            is_valid = ops.logical_and(index >= 0, index < size) if fill_mode == "constant" else None
            nodes.append((_INSIDE[fill_mode](index, size), is_valid, weight))
        axes.append(nodes)
    total: Any = None
    for corner in itertools.product(*axes):
        position, valid, weight = base, None, None
        for (index, is_valid, factor), stride in zip(corner, _strides(sizes), strict=True):
            position = position + index * stride
            valid = is_valid if valid is None else ops.logical_and(valid, is_valid)
            weight = factor if weight is None else weight * factor
        rows = ops.take(values, position, axis=0)
        if valid is not None:
            rows = ops.where(like_rows(valid), rows, ops.cast(fill_value, values.dtype))
        term = rows if weight is None else rows * like_rows(weight)
        total = term if total is None else total + term
    return total


def _strides(sizes: tuple[int, ...]) -> list[int]:
    strides = [1]
    for size in reversed(sizes[1:]):
        strides.insert(0, strides[0] * size)
    return strides


def as_dtype(values: Any, dtype: str) -> Any:
    """Interpolated values in the dtype of the images; integers are rounded."""
    if backend.is_float_dtype(values.dtype) and not backend.is_float_dtype(dtype):
        values = round_half_away(values)
    return ops.cast(values, dtype)


def _map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0
) -> Any:
    """A tensor sampled at coordinates, interpolated between its elements.

    Args:
        inputs: A tensor of rank n.
        coordinates: `[n, ..]`: for each axis of `inputs` the coordinates, counted in elements.
        order: 0 for the nearest element, 1 for linear interpolation.
        fill_mode: What lies outside: `"constant"` (`fill_value`), `"nearest"` (the edge), `"wrap"` (the tensor again),
            `"mirror"` (reflected at the centres of the outer elements) or `"reflect"` (at their edges).
        fill_value: The value outside for `"constant"`.

    Returns:
        A tensor of shape `coordinates.shape[1:]` and of the dtype of `inputs`; integers are rounded.

    Raises:
        ValueError: Ranks that do not agree, or another order or mode.

    Example:
        >>> import numpy as np
        >>> x = np.array([0.0, 10.0, 20.0], "float32")
        >>> map_coordinates(x, np.array([[0.5, 1.25]], "float32"), order=1).tolist()
        [5.0, 12.5]
    """
    inputs = backend.convert_to_tensor(inputs)
    if isinstance(coordinates, (list, tuple)):
        coordinates = ops.stack([backend.convert_to_tensor(x) for x in coordinates], axis=0)
    coordinates = backend.convert_to_tensor(coordinates)
    rank = len(inputs.shape)
    if len(coordinates.shape) < 2:
        raise ValueError(
            f"Invalid coordinates rank: expected at least rank 2. Received input with shape: {tuple(coordinates.shape)}"
        )
    if coordinates.shape[0] != rank:
        raise ValueError(
            "First dim of `coordinates` must be the same as the rank of `inputs`. Received inputs with shape: "
            f"{tuple(inputs.shape)} and coordinate leading dim of {coordinates.shape[0]}"
        )
    check_choice(fill_mode, FILL_MODES, "fill_mode")
    check_choice(order, (0, 1), "order")
    axes = [coordinates[i] for i in range(rank)]
    values = sample(ops.reshape(inputs, (-1,)), tuple(inputs.shape), axes, order, fill_mode, fill_value, 0)
    return as_dtype(values, inputs.dtype)


map_coordinates: Any = symbolic(_map_coordinates, "map_coordinates")
