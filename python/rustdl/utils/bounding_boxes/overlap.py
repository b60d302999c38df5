"""How much bounding boxes overlap."""

from __future__ import annotations

import math
from typing import Any

from rustdl import backend, ops
from rustdl.utils.bounding_boxes.formats import columns, convert_format


def _as_corners(name: str, boxes: Any, bounding_box_format: str, image_shape: Any) -> Any:
    if bounding_box_format.lower().startswith("rel") and image_shape is None:
        raise ValueError(
            "When using relative bounding box formats (e.g. `rel_yxyx`) the `image_shape` argument must be provided. "
            f"Received in {name}: bounding_box_format={bounding_box_format}, image_shape={image_shape}"
        )
    height, width = (None, None) if image_shape is None else image_shape[:2]
    return convert_format(boxes, bounding_box_format, "xyxy", height=height, width=width)


def _intersection(a: Any, b: Any) -> Any:
    """The common area of boxes given by their columns."""
    width = ops.minimum(a[2], b[2]) - ops.maximum(a[0], b[0])
    height = ops.minimum(a[3], b[3]) - ops.maximum(a[1], b[1])
    return ops.maximum(width, 0) * ops.maximum(height, 0)


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: float = -1,
    image_shape: Any = None,
) -> Any:
    """The intersection over the union of each box with each other.

    Args:
        boxes1: `[M, 4]` or `[batch, M, 4]`.
        boxes2: `[N, 4]` or `[batch, N, 4]`.
        bounding_box_format: A format of `convert_format`.
        use_masking: Whether pairs with a box of only negative numbers, as put in for padding, get `mask_val`.
        mask_val: The value of such pairs.
        image_shape: `(height, width, channels)`, for relative formats.

    Returns:
        `[M, N]`, or `[batch, M, N]` where one of the arguments has a batch axis.

    Raises:
        ValueError: Another rank, or a relative format without `image_shape`.

    Example:
        >>> import numpy as np
        >>> a, b = np.array([[0.0, 0, 4, 4]]), np.array([[0.0, 0, 4, 4], [2, 0, 6, 4]])
        >>> compute_iou(a, b, "xyxy").numpy().round(3).tolist()
        [[1.0, 0.3330000042915344]]
    """
    boxes1, boxes2 = backend.convert_to_tensor(boxes1), backend.convert_to_tensor(boxes2)
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if len(boxes.shape) not in (2, 3):
            raise ValueError(
                f"compute_iou() expects {name} to be batched, or to be unbatched. "
                f"Received len(boxes1.shape)={len(boxes1.shape)}, len(boxes2.shape)={len(boxes2.shape)}. "
                f"Expected either len({name}.shape)=2 AND or len({name}.shape)=3."
            )
    boxes1, boxes2 = (_as_corners("compute_iou", x, bounding_box_format, image_shape) for x in (boxes1, boxes2))
    first = [ops.expand_dims(x, -2) for x in columns(boxes1)]
    second = [ops.expand_dims(x, -3) for x in columns(boxes2)]
    first, second = ([ops.squeeze(x, -1) for x in side] for side in (first, second))
    common = _intersection(first, second)
    area1, area2 = ((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (first, second))
    iou = common / (area1 + area2 - common + backend.epsilon())
    if not use_masking:
        return iou
    padding1 = ops.expand_dims(ops.max(boxes1, axis=-1) < 0, -1)
    padding2 = ops.expand_dims(ops.max(boxes2, axis=-1) < 0, -2)
    return ops.where(ops.logical_or(padding1, padding2), ops.full_like(iou, mask_val), iou)


def compute_ciou(boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Any = None) -> Any:
    """The complete intersection over union of pairs of boxes (Zheng et al., 2020).

    The intersection over union, less the squared distance of the centres over the squared diagonal of the box around
    both, less a term for different proportions.

    Args:
        boxes1: `[.., 4]`.
        boxes2: `[.., 4]`, of a shape that broadcasts.
        bounding_box_format: A format of `convert_format`.
        image_shape: `(height, width, channels)`, for relative formats.

    Returns:
        One number for each pair, `[..]`.

    Raises:
        ValueError: A relative format without `image_shape`.

    Example:
        >>> import numpy as np
        >>> round(float(compute_ciou(np.array([0.0, 0, 4, 4]), np.array([0.0, 0, 4, 4]), "xyxy")), 4)
        1.0
    """
    epsilon = backend.epsilon()
    boxes1, boxes2 = (_as_corners("compute_ciou", x, bounding_box_format, image_shape) for x in (boxes1, boxes2))
    first, second = ([ops.squeeze(x, -1) for x in columns(boxes)] for boxes in (boxes1, boxes2))
    (left1, top1, right1, bottom1), (left2, top2, right2, bottom2) = first, second
    width1, height1 = right1 - left1, bottom1 - top1 + epsilon
    width2, height2 = right2 - left2, bottom2 - top2 + epsilon
    common = _intersection(first, second)
    iou = common / (width1 * height1 + width2 * height2 - common + 2 * epsilon)
    around_width = ops.maximum(right1, right2) - ops.minimum(left1, left2)
    around_height = ops.maximum(bottom1, bottom2) - ops.minimum(top1, top2)
    diagonal = ops.square(around_width) + ops.square(around_height) + epsilon
    distance_x = (left1 + right1) / 2 - (left2 + right2) / 2
    distance_y = (top1 + bottom1) / 2 - (top2 + bottom2) / 2
    distance = ops.square(distance_x) + ops.square(distance_y)
    proportions = 4 / math.pi**2 * ops.square(ops.arctan(width2 / height2) - ops.arctan(width1 / height1))
    weight = proportions / (proportions - iou + (1 + epsilon))
    return iou - (distance / diagonal + proportions * weight)
