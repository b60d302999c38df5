"""Boxes on images."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend
from rustdl.utils.image_utils import pillow
from rustdl.visualization._images import batch_of_images, is_channels_first, to_bytes

# Height of text at scale 1, and its distance from the box, in pixels.
_TEXT_HEIGHT = 12
_TEXT_GAP = 8


def draw_bounding_boxes(
    images: Any,
    bounding_boxes: dict[str, Any],
    bounding_box_format: str,
    class_mapping: dict[int, str] | None = None,
    color: Any = (128, 128, 128),
    line_thickness: int = 2,
    text_thickness: int | None = 1,
    font_scale: float = 1.0,
    data_format: str | None = None,
) -> Any:
    """Draws boxes, and the names of their classes, on a batch of images. Needs Pillow.

    Args:
        images: `[batch, height, width, channels]` (or channels first) in `[0, 255]`, or floats in `[0, 1]`.
        bounding_boxes: `"boxes"`: `[batch, boxes, 4]`; `"labels"`: `[batch, boxes]`, -1 for boxes that are not there;
            and perhaps `"confidences"`: `[batch, boxes]`.
        bounding_box_format: format of the boxes; see `rustdl.utils.bounding_boxes.convert_format`.
        class_mapping: class -> name; classes that are not in it get no text.
        color: red, green and blue in `[0, 255]`.
        line_thickness: of the boxes, in pixels.
        text_thickness: of the text, in pixels.
        font_scale: size of the text; 1 is 12 pixels.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.

    Returns:
        A uint8 array of the shape of `images`.

    Raises:
        TypeError: `bounding_boxes` is not a dictionary.
        ValueError: images that are not a batch, or missing entries.
        ImportError: Pillow is missing.
    """
    pillow("draw_bounding_boxes")
    batch = batch_of_images(images, data_format)
    if not isinstance(bounding_boxes, dict):
        raise TypeError(
            f"`bounding_boxes` should be a dict. Received: bounding_boxes={bounding_boxes} of type "
            f"{type(bounding_boxes)}"
        )
    if "boxes" not in bounding_boxes or "labels" not in bounding_boxes:
        raise ValueError(
            "`bounding_boxes` should be a dict containing 'boxes' and 'labels' keys. "
            f"Received: bounding_boxes={bounding_boxes}"
        )
    from rustdl.utils import bounding_boxes as formats

    height, width = batch.shape[1:3]
    boxes = formats.convert_format(bounding_boxes["boxes"], bounding_box_format, "xyxy", height, width)
    corners = np.asarray(backend.convert_to_numpy(boxes)).astype("int32")
    labels = np.asarray(backend.convert_to_numpy(bounding_boxes["labels"])).astype("int32")
    confidences = bounding_boxes.get("confidences")
    confidences = None if confidences is None else np.asarray(backend.convert_to_numpy(confidences))
    drawn = []
    for i, image in enumerate(to_bytes(batch)):
        texts = [
            _caption(label, class_mapping or {}, None if confidences is None else confidences[i][j])
            for j, label in enumerate(labels[i].tolist())
        ]
        kept = [
            (box, text) for box, text, label in zip(corners[i].tolist(), texts, labels[i], strict=True) if label != -1
        ]
        drawn.append(_drawn(image, kept, tuple(color), line_thickness, text_thickness or line_thickness, font_scale))
    result = np.stack(drawn) if drawn else to_bytes(batch)
    return result.transpose(0, 3, 1, 2) if is_channels_first(data_format) else result


def _caption(label: int, names: dict[int, str], confidence: Any) -> str | None:
    if label not in names:
        return None
    return names[label] if confidence is None else f"{names[label]} | {confidence:.2f}"


def _drawn(image: Any, boxes: Any, color: Any, line: int, stroke: int, font_scale: float) -> Any:
    """One image with its boxes and their texts."""
    from PIL import Image, ImageDraw, ImageFont

    channels = image.shape[-1]
    canvas = Image.fromarray(image[..., 0] if channels == 1 else image)
    pen = ImageDraw.Draw(canvas)
    ink = round(sum(color[:3]) / 3) if channels == 1 else (*color[:3], 255)[:channels]
    size = max(font_scale * _TEXT_HEIGHT, 1.0)
    for (left, top, right, bottom), text in boxes:
        # The line lies on both sides of the border.
        pen.rectangle(
            (
                min(left, right) - line // 2,
                min(top, bottom) - line // 2,
                max(left, right) + line // 2,
                max(top, bottom) + line // 2,
            ),
            outline=ink,
            width=line,
        )
        if text is not None:
            above = top - _TEXT_GAP - size
            place = (left, above) if above > 0 else (left + line + 1, top + line + 1)
            pen.text(place, text, fill=ink, font=ImageFont.load_default(size), stroke_width=max(stroke - 1, 0))
    array = np.asarray(canvas)
    return array[..., None] if channels == 1 else array
