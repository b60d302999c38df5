"""Formats of bounding boxes and how to get from one to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import backend, ops

FORMATS = (
    "xyxy",
    "yxyx",
    "xywh",
    "center_xywh",
    "center_yxhw",
    "rel_xyxy",
    "rel_yxyx",
    "rel_xywh",
    "rel_center_xywh",
)

Corners = tuple[Any, Any, Any, Any]

# Four columns as left, top, right, bottom; and back.
_TO_CORNERS: dict[str, Callable[[Any, Any, Any, Any], Corners]] = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "yxyx": lambda y1, x1, y2, x2: (x1, y1, x2, y2),
    "xywh": lambda x, y, w, h: (x, y, x + w, y + h),
    "center_xywh": lambda x, y, w, h: (x - w / 2, y - h / 2, x + w / 2, y + h / 2),
    "center_yxhw": lambda y, x, h, w: (x - w / 2, y - h / 2, x + w / 2, y + h / 2),
}
_FROM_CORNERS: dict[str, Callable[[Any, Any, Any, Any], Corners]] = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "yxyx": lambda x1, y1, x2, y2: (y1, x1, y2, x2),
    "xywh": lambda x1, y1, x2, y2: (x1, y1, x2 - x1, y2 - y1),
    "center_xywh": lambda x1, y1, x2, y2: (x1 + (x2 - x1) / 2, y1 + (y2 - y1) / 2, x2 - x1, y2 - y1),
    "center_yxhw": lambda x1, y1, x2, y2: (y1 + (y2 - y1) / 2, x1 + (x2 - x1) / 2, y2 - y1, x2 - x1),
}


def columns(boxes: Any) -> Corners:
    """The four numbers of the boxes, each `[.., 1]`."""
    a, b, c, d = ops.split(boxes, 4, axis=-1)
    return a, b, c, d


def from_columns(parts: Any) -> Any:
    """Boxes from four columns."""
    return ops.concatenate(list(parts), axis=-1)


def _check(boxes: Any, source: str, target: str, height: Any, width: Any) -> None:
    if boxes.shape[-1] != 4:
        raise ValueError(
            f"`boxes` must be a tensor with the last dimension of 4. Received: boxes.shape={tuple(boxes.shape)}"
        )
    if source not in FORMATS or target not in FORMATS:
        raise ValueError(
            f"Invalid source or target format. Supported formats: {FORMATS}. Received: source={source}, target={target}"
        )
    if (source.startswith("rel_") or target.startswith("rel_")) and (height is None or width is None):
        raise ValueError(
            "convert_format() must receive `height` and `width` transforming between relative and absolute formats. "
            f"convert_format() received source=`{source}`, target=`{target}`, but height={height} and width={width}."
        )


def convert_format(
    boxes: Any, source: str, target: str, height: Any = None, width: Any = None, dtype: Any = "float32"
) -> Any:
    """Boxes in another format.

    Formats: `"xyxy"` (left, top, right, bottom), `"yxyx"` (top, left, bottom, right), `"xywh"` (left, top, width,
    height), `"center_xywh"` (centre x, centre y, width, height), `"center_yxhw"` (centre y, centre x, height, width);
    with `"rel_"` before the first four, fractions of the image's width and height. Case does not matter.

    Args:
        boxes: `[.., 4]`, or a dictionary whose entry `"boxes"` is converted.
        source: The format that they have.
        target: The format wanted.
        height: Height of the image, for relative formats.
        width: Width of the image, for relative formats.
        dtype: Dtype of the result.

    Returns:
        The converted boxes, or a dictionary with them and the other entries.

    Raises:
        ValueError: An unknown format, another last axis, or a relative format without height and width.

    Example:
        >>> import numpy as np
        >>> convert_format(np.array([[10, 20, 30, 60]]), "xyxy", "xywh").tolist()
        [[10.0, 20.0, 20.0, 40.0]]
    """
    if isinstance(boxes, dict):
        return {**boxes, "boxes": convert_format(boxes["boxes"], source, target, height, width, dtype)}
    boxes = backend.convert_to_tensor(boxes)
    source, target = source.lower(), target.lower()
    _check(boxes, source, target, height, width)
    boxes = ops.cast(boxes, dtype)
    if source == target:
        return boxes
    is_relative, to_relative = source.startswith("rel_"), target.startswith("rel_")
    corners = _TO_CORNERS[source.removeprefix("rel_")](*columns(boxes))
    if is_relative != to_relative:
        width, height = ops.cast(width, dtype), ops.cast(height, dtype)
        sizes = (width, height, width, height)
        if is_relative:
            corners = tuple(c * size for c, size in zip(corners, sizes, strict=True))  # type: ignore[assignment]
        else:
            corners = tuple(c / size for c, size in zip(corners, sizes, strict=True))  # type: ignore[assignment]
    return from_columns(_FROM_CORNERS[target.removeprefix("rel_")](*corners))
