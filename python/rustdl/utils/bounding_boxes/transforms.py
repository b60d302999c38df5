"""What cropping, padding, clipping and affine transformations of images do to bounding boxes."""

from __future__ import annotations

import math
from typing import Any

from rustdl import backend, ops
from rustdl.utils.bounding_boxes.formats import columns, from_columns


def _only_xyxy(name: str, bounding_box_format: str, allowed: tuple[str, ...] = ("xyxy",)) -> None:
    if bounding_box_format not in allowed:
        raise NotImplementedError(
            f"{name}: boxes must be in format {' or '.join(map(repr, allowed))}; use "
            f"utils.bounding_boxes.convert_format first. Received: bounding_box_format={bounding_box_format!r}"
        )


def clip_to_image_size(
    bounding_boxes: dict[str, Any], height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> dict[str, Any]:
    """Boxes cut off at the edges of the image; the labels of boxes without area become -1.

    Args:
        bounding_boxes: A dictionary with `"boxes"`, `[.., boxes, 4]`, and perhaps `"labels"`, `[.., boxes]`.
        height: Height of the image, for `"xyxy"`.
        width: Width of the image, for `"xyxy"`.
        bounding_box_format: `"xyxy"` or `"rel_xyxy"`.

    Returns:
        A new dictionary.

    Raises:
        NotImplementedError: Another format.
        ValueError: `"xyxy"` without height or width.

    Example:
        >>> import numpy as np
        >>> boxes = {"boxes": np.array([[-10.0, -20, 150, 160], [-30, 5, -9, 8]]), "labels": np.array([0, 1])}
        >>> clipped = clip_to_image_size(boxes, height=100, width=120)
        >>> clipped["boxes"].tolist(), clipped["labels"].tolist()
        ([[0.0, 0.0, 120.0, 100.0], [0.0, 5.0, 0.0, 8.0]], [0, -1])
    """
    _only_xyxy("clip_to_image_size", bounding_box_format, ("xyxy", "rel_xyxy"))
    if bounding_box_format == "xyxy" and (height is None or width is None):
        raise ValueError("`height` and `width` must be set if `format='xyxy'`.")
    boxes = backend.convert_to_tensor(bounding_boxes["boxes"])
    if bounding_box_format == "rel_xyxy":
        height = width = 1.0
    x1, y1, x2, y2 = columns(boxes)
    x1, x2 = _between(x1, width), _between(x2, width)
    y1, y2 = _between(y1, height), _between(y2, height)
    result = {**bounding_boxes, "boxes": from_columns((x1, y1, x2, y2))}
    labels = bounding_boxes.get("labels")
    if labels is not None:
        has_area = ops.squeeze((x2 - x1) * (y2 - y1), -1) > 0
        labels = backend.convert_to_tensor(labels)
        result["labels"] = ops.where(has_area, labels, ops.full_like(labels, -1))
    return result


def _between(x: Any, limit: Any) -> Any:
    return ops.clip(x, 0, ops.cast(limit, x.dtype))


def crop(boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy") -> Any:
    """Boxes as they are seen in a part of the image, cut off at its edges.

    Args:
        boxes: `[.., 4]`.
        top: First row of the part.
        left: First column of the part.
        height: Its height.
        width: Its width.
        bounding_box_format: Only `"xyxy"`.

    Raises:
        NotImplementedError: Another format.

    Example:
        >>> import numpy as np
        >>> crop(np.array([[10.0, 20, 50, 60]]), top=10, left=20, height=40, width=25).tolist()
        [[0.0, 10.0, 25.0, 40.0]]
    """
    _only_xyxy("crop", bounding_box_format)
    x1, y1, x2, y2 = columns(backend.convert_to_tensor(boxes))
    x1, x2 = (ops.clip(x - left, 0, width) for x in (x1, x2))
    y1, y2 = (ops.clip(y - top, 0, height) for y in (y1, y2))
    return from_columns((x1, y1, x2, y2))


def pad(
    boxes: Any, top: Any, left: Any, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> Any:
    """Boxes as they are seen after rows and columns were put before the image.

    Args:
        boxes: `[.., 4]`.
        top: Rows put above.
        left: Columns put on the left.
        height: Height of the image: not needed, since the format is absolute.
        width: Width of the image: not needed either.
        bounding_box_format: Only `"xyxy"`.

    Raises:
        NotImplementedError: Another format.

    Example:
        >>> import numpy as np
        >>> pad(np.array([[10.0, 20, 50, 60]]), top=1, left=2).tolist()
        [[12.0, 21.0, 52.0, 61.0]]
    """
    _only_xyxy("pad", bounding_box_format)
    x1, y1, x2, y2 = columns(backend.convert_to_tensor(boxes))
    return from_columns((x1 + left, y1 + top, x2 + left, y2 + top))


def _affine_rows(parameters: list[Any], center: tuple[float, float], size: tuple[Any, Any]) -> tuple[Any, ...]:
    """The coefficients (a0, a1, a2, b0, b1, b2) of x' = a0 x + a1 y + a2 and y' = b0 x + b1 y + b2 for each image.

    The map scales, shears and rotates (by angles in degrees) around the centre, after a translation. The parameters
    are those of `affine_transform` from `angle` to `shear_y`.
    """
    angle, translate_x, translate_y, scale, shear_x, shear_y = parameters
    (center_x, center_y), (width, height) = center, size
    radians = math.pi / 180.0
    rotation, tilt_x, tilt_y = -angle * radians, -shear_x * radians, -shear_y * radians
    x, y = center_x * (width - 1), center_y * (height - 1)
    # Rotation and shear without scale have determinant 1: the inverse needs no division.
    a = ops.cos(rotation - tilt_y) / ops.cos(tilt_y)
    c = -ops.sin(rotation - tilt_y) / ops.cos(tilt_y)
    b = a * ops.tan(tilt_x) + ops.sin(rotation)
    d = ops.cos(rotation) - c * ops.tan(tilt_x)
    a0, a1, b0, b1 = d * scale, -b * scale, -c * scale, a * scale
    moved_x, moved_y = x - translate_x * (width - 1), y - translate_y * (height - 1)
    a2, b2 = x - a0 * moved_x - a1 * moved_y, y - b0 * moved_x - b1 * moved_y
    return a0, a1, a2, b0, b1, b2


def affine_transform(
    boxes: Any,
    angle: Any,
    translate_x: Any,
    translate_y: Any,
    scale: Any,
    shear_x: Any,
    shear_y: Any,
    height: Any,
    width: Any,
    center_x: float | None = None,
    center_y: float | None = None,
    bounding_box_format: str = "xyxy",
) -> Any:
    """The smallest upright boxes around the transformed corners of boxes.

    Args:
        boxes: `[boxes, 4]` or `[batch, boxes, 4]`.
        angle: Rotation in degrees, one for each image.
        translate_x: Shift to the right as a fraction of the width.
        translate_y: Shift down as a fraction of the height.
        scale: Factor of size.
        shear_x: Angle of the shear along x in degrees.
        shear_y: Angle of the shear along y in degrees.
        height: Height of the image.
        width: Width of the image.
        center_x: Centre of the transformation as a fraction of the width; 0.5 by default.
        center_y: Centre of the transformation as a fraction of the height; 0.5 by default.
        bounding_box_format: Only `"xyxy"`.

    Returns:
        Boxes of the same shape; they may reach beyond the image.

    Raises:
        NotImplementedError: Another format.

    Example:
        >>> import numpy as np
        >>> zero, one = np.zeros(1, "float32"), np.ones(1, "float32")
        >>> box = np.array([[[1, 1, 3, 1.5]]], "float32")
        >>> turned = affine_transform(box, one * 90, zero, zero, one, zero, zero, height=5, width=5)
        >>> turned.numpy().round(3).tolist()
        [[[1.0, 1.0, 1.5, 3.0]]]
    """
    _only_xyxy("affine_transform", bounding_box_format)
    boxes = backend.convert_to_tensor(boxes)
    is_single = len(boxes.shape) == 2
    parameters = [backend.convert_to_tensor(x) for x in (angle, translate_x, translate_y, scale, shear_x, shear_y)]
    dtype = backend.result_type(*(x.dtype for x in parameters), "float32")
    parameters = [ops.reshape(ops.cast(x, dtype), (-1, 1, 1)) for x in parameters]
    boxes = ops.cast(ops.expand_dims(boxes, 0) if is_single else boxes, dtype)
    center = (0.5 if center_x is None else center_x, 0.5 if center_y is None else center_y)
    a0, a1, a2, b0, b1, b2 = _affine_rows(parameters, center, (width, height))
    x1, y1, x2, y2 = columns(boxes)
    xs = ops.concatenate([x1, x2, x2, x1], axis=-1)
    ys = ops.concatenate([y1, y1, y2, y2], axis=-1)
    new_x, new_y = a0 * xs + a1 * ys + a2, b0 * xs + b1 * ys + b2
    corners = [reduce(v, axis=-1, keepdims=True) for reduce in (ops.min, ops.max) for v in (new_x, new_y)]
    result = from_columns(corners)
    return ops.squeeze(result, 0) if is_single else result
