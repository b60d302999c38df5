"""Images with borders of zeros, and cut out of larger ones."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.backend.spec import unfilled_shape
from rustdl.ops._image._arguments import check_images, spatial_axes
from rustdl.ops._symbolic import symbolic


def _check_three(before: Any, after: Any, target: Any, names: tuple[str, str, str]) -> None:
    """Refuses anything but two given numbers out of three, none of them negative."""
    values = (before, after, target)
    if values.count(None) != 1:
        seen = ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
        raise ValueError(f"Must specify exactly two of {', '.join(names)}. Received: {seen}")
    for name, value in zip(names, values, strict=True):
        _check_not_negative(name, value)


def _check_not_negative(name: str, value: Any) -> None:
    if value is not None and value < 0:
        raise ValueError(f"{name} must be >= 0. Received: {name}={value}")


def _stand_in(images: Any, axis: int, target: int) -> Any:
    """Images of the wanted length where the true one is not known yet: only their shape counts."""
    return ops.take(images, np.zeros(target, "int32"), axis=axis)


def _pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Images with zeros around them.

    Args:
        images: One image (rank 3) or a batch (rank 4).
        top_padding: Rows above.
        left_padding: Columns on the left.
        bottom_padding: Rows below.
        right_padding: Columns on the right.
        target_height: Height of the result. Exactly two of top, bottom and this are given; the third follows.
        target_width: Width of the result. Exactly two of left, right and this are given; the third follows.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        The larger images, of the same dtype.

    Raises:
        ValueError: Another rank, too few or too many numbers, or negative ones.

    Example:
        >>> import rustdl
        >>> pad_images(rustdl.ops.ones((15, 25, 3)), 2, 3, target_height=20, target_width=30).shape
        (20, 30, 3)
    """
    images = backend.convert_to_tensor(images)
    check_images(images)
    vertical = ("top_padding", "bottom_padding", "target_height")
    horizontal = ("left_padding", "right_padding", "target_width")
    _check_three(top_padding, bottom_padding, target_height, vertical)
    _check_three(left_padding, right_padding, target_width, horizontal)
    width: list[list[int]] = [[0, 0] for _ in images.shape]
    for axis, before, after, target, names in (
        (spatial_axes(data_format)[0], top_padding, bottom_padding, target_height, vertical),
        (spatial_axes(data_format)[1], left_padding, right_padding, target_width, horizontal),
    ):
        if target is not None and unfilled_shape(images.shape)[axis] is None:
            images = _stand_in(images, axis, target)
            continue
        if target is not None:
            rest = target - images.shape[axis] - (before if after is None else after)
            before, after = (before, rest) if after is None else (rest, after)
        _check_not_negative(names[0], before)
        _check_not_negative(names[1], after)
        width[axis] = [before, after]  # type: ignore[list-item]
    return ops.pad(images, width)


def _crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Images without some of their outer rows and columns.

    Args:
        images: One image (rank 3) or a batch (rank 4).
        top_cropping: Rows to leave out above.
        left_cropping: Columns to leave out on the left.
        bottom_cropping: Rows to leave out below.
        right_cropping: Columns to leave out on the right.
        target_height: Height of the result. Exactly two of top, bottom and this are given; the third follows.
        target_width: Width of the result. Exactly two of left, right and this are given; the third follows.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        The smaller images, of the same dtype.

    Raises:
        ValueError: Another rank, too few or too many numbers, negative ones, or more cropping than image.

    Example:
        >>> import rustdl
        >>> crop_images(rustdl.ops.ones((15, 25, 3)), 2, 3, target_height=10, target_width=20).shape
        (10, 20, 3)
    """
    images = backend.convert_to_tensor(images)
    check_images(images)
    vertical = ("top_cropping", "bottom_cropping", "target_height")
    horizontal = ("left_cropping", "right_cropping", "target_width")
    _check_three(top_cropping, bottom_cropping, target_height, vertical)
    _check_three(left_cropping, right_cropping, target_width, horizontal)
    start, size = [0] * len(images.shape), list(images.shape)
    for axis, before, after, target, names in (
        (spatial_axes(data_format)[0], top_cropping, bottom_cropping, target_height, vertical),
        (spatial_axes(data_format)[1], left_cropping, right_cropping, target_width, horizontal),
    ):
        length = images.shape[axis]
        if target is not None and unfilled_shape(images.shape)[axis] is None:
            images = _stand_in(images, axis, target)
            size[axis] = target
            continue
        if before is None:
            before = length - target - after  # type: ignore[operator]
        if target is None:
            target = length - before - after  # type: ignore[operator]
        _check_not_negative(names[0], before)
        _check_not_negative(names[2], target)
        if before + target > length:
            raise ValueError(f"{names[0]}={before} and {names[2]}={target} do not fit in an image of length {length}")
        start[axis], size[axis] = before, target
    return ops.slice(images, start, size)


pad_images: Any = symbolic(_pad_images, "pad_images")
_symbolic_crop_images: Any = symbolic(_crop_images, "crop_images")


@functools.wraps(_crop_images)
def crop_images(images: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(images, KerasTensor):
        _check_known(images, inspect.signature(_crop_images).bind(images, *args, **kwargs).arguments)
    return _symbolic_crop_images(images, *args, **kwargs)


def _check_known(images: KerasTensor, given: dict[str, Any]) -> None:
    """Refuses to crop what has no known size to a size that is not known either."""
    if len(images.shape) not in (3, 4):
        return
    for axis, what in zip(spatial_axes(given.get("data_format")), ("height", "width"), strict=True):
        if images.shape[axis] is None and given.get(f"target_{what}") is None:
            raise ValueError(
                f"When the {what} of the images is unknown, `target_{what}` must be specified. "
                f"Received images.shape={images.shape} and target_{what}=None"
            )
