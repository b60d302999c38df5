"""Images with true and predicted masks side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend
from rustdl.visualization._images import batch_of_images, is_channels_first
from rustdl.visualization.draw_segmentation_masks import draw_segmentation_masks
from rustdl.visualization.plot_image_gallery import plot_image_gallery


def plot_segmentation_mask_gallery(
    images: Any,
    num_classes: int,
    value_range: Any = (0, 255),
    y_true: Any = None,
    y_pred: Any = None,
    color_mapping: dict[int, Any] | None = None,
    blend: bool = True,
    alpha: float = 0.8,
    ignore_index: int = -1,
    data_format: str | None = None,
    **kwargs: Any,
) -> None:
    """Shows a row for each image: the image, then with its true and with its predicted mask. Needs matplotlib.

    Args:
        images: `[batch, height, width, channels]`, or with the channels first.
        num_classes: classes from this one on are not drawn.
        value_range: least and largest value of the images.
        y_true: true masks, as `draw_segmentation_masks` takes them.
        y_pred: predicted masks.
        color_mapping: class -> red, green and blue.
        blend: whether colours are mixed with the image.
        alpha: weight of the colours.
        ignore_index: a class that is not drawn.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        **kwargs: arguments of `plot_image_gallery`.

    Raises:
        ValueError: images that are not a batch.
        ImportError: matplotlib is missing.
    """
    batch = batch_of_images(images, data_format).astype("float64")
    low, high = value_range
    pixels = ((batch - low) * (255.0 / (high - low))).clip(0, 255).astype("uint8")
    columns = [pixels]
    for masks in (y_true, y_pred):
        if masks is not None:
            array = np.asarray(backend.convert_to_numpy(masks)).astype("int32")
            if array.ndim == 4 and is_channels_first(data_format):
                array = array.transpose(0, 2, 3, 1)
            columns.append(
                draw_segmentation_masks(
                    pixels,
                    array,
                    num_classes=num_classes,
                    color_mapping=color_mapping,
                    alpha=alpha,
                    blend=blend,
                    ignore_index=ignore_index,
                    data_format="channels_last",
                )
            )
    side_by_side = np.stack(columns, axis=1).reshape(-1, *pixels.shape[1:])
    plot_image_gallery(side_by_side, rows=len(pixels), cols=len(columns), data_format="channels_last", **kwargs)
