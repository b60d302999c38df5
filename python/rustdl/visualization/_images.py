"""Batches of images as numpy arrays with the channels last: what all functions of this package begin with."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend


def batch_of_images(images: Any, data_format: str | None) -> Any:
    """`[batch, height, width, channels]` from a batch in either format.

    Args:
        images: array or tensor.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.

    Raises:
        ValueError: another rank.
    """
    array = np.asarray(backend.convert_to_numpy(images))
    if array.ndim != 4:
        raise ValueError(f"`images` must be batched 4D tensor. Received: images.shape={array.shape}")
    return array.transpose(0, 2, 3, 1) if is_channels_first(data_format) else array


def is_channels_first(data_format: str | None) -> bool:
    """Whether the format (the global one by default) has the channels before height and width."""
    return (data_format or backend.image_data_format()) == "channels_first"


def to_bytes(images: Any) -> Any:
    """Values in `[0, 255]`; floats of which none exceeds 1 are stretched.

    Args:
        images: numpy array.
    """
    if images.dtype.kind == "f" and images.size:
        images = np.clip(images, 0, 1) * 255 if images.max() <= 1.0 else np.clip(images, 0, 255)
    return images.astype("uint8")
