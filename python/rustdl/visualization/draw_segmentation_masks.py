"""Segmentation masks on images."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend
from rustdl.visualization._images import batch_of_images, is_channels_first


def draw_segmentation_masks(
    images: Any,
    segmentation_masks: Any,
    num_classes: int | None = None,
    color_mapping: dict[int, Any] | None = None,
    alpha: float = 0.8,
    blend: bool = True,
    ignore_index: int = -1,
    data_format: str | None = None,
) -> Any:
    """Colours the pixels of each class: `(1 - alpha) * image + alpha * colour`.

    Args:
        images: `[batch, height, width, channels]` (or channels first) in `[0, 255]`.
        segmentation_masks: class of each pixel, integers `[batch, height, width]`, or with an axis of size 1 for the
            channel.
        num_classes: classes from this one on are not drawn; by default all are.
        color_mapping: class -> red, green and blue; classes that are not in it are not drawn. By default each class
            has its colour, that of class 0 being black.
        alpha: weight of the colours.
        blend: whether colours are mixed with the image, else they replace it.
        ignore_index: a class that is not drawn.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.

    Returns:
        A uint8 array of the shape of `images`.

    Raises:
        TypeError: masks that are not integers.
        ValueError: images that are not a batch, or masks of another size.

    Example:
        >>> import numpy as np
        >>> masks = np.array([[[0, 1]]])
        >>> draw_segmentation_masks(np.zeros((1, 1, 2, 3)), masks, color_mapping={1: (200, 0, 0)}, alpha=0.5).tolist()
        [[[[0, 0, 0], [100, 0, 0]]]]
    """
    pixels = batch_of_images(images, data_format).astype("float32")
    masks = np.asarray(backend.convert_to_numpy(segmentation_masks))
    if masks.dtype.kind not in "iu":
        raise TypeError(
            f"`segmentation_masks` must be in integer dtype. Received: segmentation_masks.dtype={masks.dtype}"
        )
    first = is_channels_first(data_format)
    if masks.ndim == 4:
        masks = masks[:, 0] if first else masks[..., 0]
    if masks.shape != pixels.shape[:3]:
        raise ValueError(
            f"`segmentation_masks` must have a class for each pixel: expected shape {pixels.shape[:3]} (and perhaps a "
            f"channel), received {np.shape(segmentation_masks)}"
        )
    count = int(masks.max(initial=-1)) + 1 if num_classes is None else num_classes
    colors = _palette(count) if color_mapping is None else color_mapping
    outputs = pixels.copy()
    for label, color in colors.items():
        if 0 <= label < count and label != ignore_index:
            where = masks == label
            painted = np.asarray(color, dtype="float32")
            outputs[where] = pixels[where] * (1 - alpha) + painted * alpha if blend else painted
    outputs = outputs.clip(0, 255).astype("uint8")
    return outputs.transpose(0, 3, 1, 2) if first else outputs


def _palette(count: int) -> dict[int, list[int]]:
    """A colour for each class: multiples of three numbers that have nothing in common."""
    steps = np.array([2**25 - 1, 2**15 - 1, 2**21 - 1])
    return {i: ((i * steps) % 255).tolist() for i in range(count)}
