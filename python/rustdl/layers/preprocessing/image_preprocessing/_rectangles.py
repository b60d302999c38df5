"""Random rectangles of images, for erasing and mixing."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random


def random_interval(length: int, fraction: Any, seed: Any, dtype: str) -> tuple[Any, Any]:
    """Start and end, each `[batch]`, of an interval of a fraction of the length at a random place inside."""
    size = ops.cast(fraction * length, dtype)
    start = random.uniform(tuple(size.shape), seed=seed, dtype=dtype) * (length - size)
    return start, start + size


def rectangle_mask(shape: Any, axes: tuple[int, int, int], x: tuple[Any, Any], y: tuple[Any, Any], dtype: str) -> Any:
    """Which pixels of images lie in rectangles.

    Args:
        shape: Shape of the images, `[batch, ..]` or without batch axis.
        axes: Axes of height, width and channels, counted from the end.
        x: First and last coordinate along the width, each `[batch]`.
        y: Along the height.
        dtype: Dtype of the coordinates.

    Returns:
        Booleans `[batch, ..]` with as many channels as the images.
    """
    height_axis, width_axis, channel_axis = axes

    def along(axis: int) -> Any:
        view = [1] * 4
        view[axis] = shape[axis]
        return ops.reshape(ops.arange(shape[axis], dtype=dtype), view)

    def inside(position: Any, ends: tuple[Any, Any]) -> Any:
        low, high = (ops.reshape(end, (-1, 1, 1, 1)) for end in ends)
        return ops.logical_and(position >= low, position < high)

    mask = ops.logical_and(inside(along(width_axis), x), inside(along(height_axis), y))
    full = list(mask.shape)
    full[channel_axis] = shape[channel_axis]
    return ops.broadcast_to(mask, full)
