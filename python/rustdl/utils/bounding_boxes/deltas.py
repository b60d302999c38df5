"""Bounding boxes as differences from anchors, as regression heads of detectors predict them."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.utils.bounding_boxes.formats import convert_format

_ENCODINGS = ("center_xywh", "center_yxhw")


def _variance(variance: Any) -> Any:
    if variance is None:
        return None
    variance = backend.convert_to_tensor(variance, dtype="float32")
    if variance.shape[-1] != 4:
        raise ValueError(f"`variance` must be length 4, got {variance}")
    return variance


def _check_encoding(name: str, encoding: str) -> None:
    if encoding not in _ENCODINGS:
        raise ValueError(f"`{name}` should be one of 'center_xywh' or 'center_yxhw', got {encoding}")


def encode_box_to_deltas(
    anchors: Any,
    boxes: Any,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """The differences of boxes from anchors: (centre - anchor's centre) / anchor's size, log(size / anchor's size).

    Args:
        anchors: `[N, 4]`.
        boxes: `[N, 4]` or `[batch, N, 4]`.
        anchor_format: Format of the anchors.
        box_format: Format of the boxes.
        encoding_format: `"center_yxhw"` or `"center_xywh"`: the order of the differences.
        variance: Four numbers that the differences are divided by.
        image_shape: `(height, width, channels)`, for relative formats.

    Raises:
        ValueError: Another encoding, or not four variances.

    Example:
        >>> import numpy as np
        >>> encode_box_to_deltas(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2]]), "xyxy", "xyxy").tolist()
        [[0.0, 0.5, 0.0, 0.0]]
    """
    variance = _variance(variance)
    _check_encoding("encoding_format", encoding_format)
    height, width = (None, None) if image_shape is None else image_shape[:2]
    anchors = convert_format(anchors, anchor_format, encoding_format, height=height, width=width)
    boxes = convert_format(boxes, box_format, encoding_format, height=height, width=width)
    anchor_sizes = ops.maximum(anchors[..., 2:], backend.epsilon())
    sizes = ops.maximum(boxes[..., 2:], backend.epsilon())
    deltas = ops.concatenate(
        [(boxes[..., :2] - anchors[..., :2]) / anchor_sizes, ops.log(sizes / anchor_sizes)], axis=-1
    )
    return deltas if variance is None else deltas / variance


def decode_deltas_to_boxes(
    anchors: Any,
    boxes_delta: Any,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """Boxes from their differences from anchors; the inverse of `encode_box_to_deltas`.

    Args:
        anchors: `[N, 4]`, or a dictionary of such by level.
        boxes_delta: `[N, 4]` or `[batch, N, 4]`, or a dictionary with the same keys.
        anchor_format: Format of the anchors.
        box_format: Format of the result.
        encoded_format: `"center_yxhw"` or `"center_xywh"`: the order of the differences.
        variance: Four numbers that the differences are multiplied by.
        image_shape: `(height, width, channels)`, for relative formats.

    Raises:
        ValueError: Another encoding, or not four variances.

    Example:
        >>> import numpy as np
        >>> deltas = np.array([[0.0, 0.5, 0.0, 0.0]], "float32")
        >>> decode_deltas_to_boxes(np.array([[0, 0, 2, 2]]), deltas, "xyxy", "xyxy").tolist()
        [[1.0, 0.0, 3.0, 2.0]]
    """
    variance = _variance(variance)
    _check_encoding("encoded_format", encoded_format)
    height, width = (None, None) if image_shape is None else image_shape[:2]

    def decode(anchor: Any, delta: Any) -> Any:
        anchor = convert_format(anchor, anchor_format, encoded_format, height=height, width=width)
        delta = backend.convert_to_tensor(delta)
        if variance is not None:
            delta = delta * variance
        sizes = anchor[..., 2:]
        boxes = ops.concatenate([delta[..., :2] * sizes + anchor[..., :2], ops.exp(delta[..., 2:]) * sizes], axis=-1)
        return convert_format(boxes, encoded_format, box_format, height=height, width=width)

    if isinstance(anchors, dict) and isinstance(boxes_delta, dict):
        return {level: decode(anchor, boxes_delta[level]) for level, anchor in anchors.items()}
    return decode(anchors, boxes_delta)
