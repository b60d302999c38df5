"""Colour spaces: grey, hue-saturation-value."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl.ops._image._arguments import channel_axis, check_images, float_dtype
from rustdl.ops._symbolic import symbolic

# How bright each of red, green and blue appears (ITU-R BT.601).
_LUMA = (0.2989, 0.5870, 0.1140)


def _rgb_to_grayscale(images: Any, data_format: str | None = None) -> Any:
    """The brightness of each pixel: 0.2989 R + 0.587 G + 0.114 B (ITU-R BT.601).

    Args:
        images: One image (rank 3) or a batch (rank 4), of 3 channels, or of 1, which is returned as it is.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        Images of one channel, of the dtype of `images`.

    Raises:
        ValueError: Another rank or number of channels.

    Example:
        >>> import rustdl
        >>> rgb_to_grayscale(rustdl.ops.ones((2, 4, 4, 3))).shape
        (2, 4, 4, 1)
    """
    images = backend.convert_to_tensor(images)
    axis = channel_axis(data_format)
    check_images(images)
    if images.shape[axis] not in (1, 3):
        raise ValueError(
            "Invalid channel size: expected 3 (RGB) or 1 (Grayscale). "
            f"Received input with shape: images.shape={tuple(images.shape)}"
        )
    if images.shape[axis] == 1:
        return images
    dtype = images.dtype
    red, green, blue = ops.split(ops.cast(images, float_dtype(dtype)), 3, axis=axis)
    grey = red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2]
    return ops.cast(grey, dtype)


def _check_colors(images: Any, axis: int) -> None:
    check_images(images)
    if not backend.is_float_dtype(images.dtype):
        raise ValueError(f"Invalid images dtype: expected float dtype. Received: images.dtype={images.dtype}")
    if images.shape[axis] != 3:
        raise ValueError(
            f"Input images must have 3 channels, but received images with {images.shape[axis]} channels. "
            f"Received input with shape: images.shape={tuple(images.shape)}"
        )


def _rgb_to_hsv(images: Any, data_format: str | None = None) -> Any:
    """Red, green and blue as hue, saturation and value (Smith, 1978), all from 0 to 1.

    With the largest V and the smallest m of the three: saturation 1 - m / V, value V, and the hue counts sixths of the
    colour circle from red. Grey has hue 0, black saturation 0.

    Args:
        images: One image (rank 3) or a batch (rank 4) of floats from 0 to 1, of 3 channels.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: Another rank, or a dtype that is no float.

    Example:
        >>> import rustdl
        >>> rgb_to_hsv(rustdl.ops.convert_to_tensor([[[0.0, 0.5, 0.0]]])).numpy().round(3).tolist()
        [[[0.3330000042915344, 1.0, 0.5]]]
    """
    images = backend.convert_to_tensor(images)
    axis = channel_axis(data_format)
    _check_colors(images, axis)
    # What is lost in rounding is not a colour.
    images = ops.where(ops.abs(images) < _resolution(images.dtype), ops.zeros_like(images), images)
    red, green, blue = ops.split(images, 3, axis=axis)
    value = ops.maximum(ops.maximum(red, green), blue)
    chroma = value - ops.minimum(ops.minimum(red, green), blue)
    is_colored = chroma > 0
    sixth = 1.0 / (6.0 * ops.where(is_colored, chroma, ops.ones_like(chroma)))
    hue = ops.where(
        ops.equal(value, red),
        sixth * (green - blue),
        ops.where(ops.equal(value, green), sixth * (blue - red) + 2 / 6, sixth * (red - green) + 4 / 6),
    )
    hue = ops.where(is_colored, hue, ops.zeros_like(hue))
    hue = ops.where(hue < 0, hue + 1, hue)
    is_lit = value > 0
    saturation = ops.where(is_lit, chroma / ops.where(is_lit, value, ops.ones_like(value)), ops.zeros_like(value))
    return ops.concatenate([hue, saturation, value], axis=axis)


def _resolution(dtype: str) -> float:
    """The distance from 1 to the next number of a float dtype."""
    return 2.0**-7 if dtype == "bfloat16" else float(np.finfo(dtype).eps)


def _hsv_to_rgb(images: Any, data_format: str | None = None) -> Any:
    """Hue, saturation and value, all from 0 to 1, as red, green and blue; the inverse of `rgb_to_hsv`.

    Each channel is V (1 - S + S d), where d rises from 0 to 1 and falls again along the colour circle.

    Args:
        images: One image (rank 3) or a batch (rank 4) of floats, of 3 channels; hues count modulo 1.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: Another rank, or a dtype that is no float.

    Example:
        >>> import rustdl
        >>> hsv_to_rgb(rustdl.ops.convert_to_tensor([[[0.5, 1.0, 1.0]]])).tolist()
        [[[0.0, 1.0, 1.0]]]
    """
    images = backend.convert_to_tensor(images)
    axis = channel_axis(data_format)
    _check_colors(images, axis)
    hue, saturation, value = ops.split(images, 3, axis=axis)
    sextant = (hue - ops.floor(hue)) * 6.0
    tents = (
        ops.abs(sextant - 3.0) - 1.0,
        2.0 - ops.abs(sextant - 2.0),
        2.0 - ops.abs(sextant - 4.0),
    )
    return ops.concatenate(
        [value * ((1.0 - saturation) + saturation * ops.clip(tent, 0.0, 1.0)) for tent in tents], axis=axis
    )


rgb_to_grayscale: Any = symbolic(_rgb_to_grayscale, "rgb_to_grayscale")
rgb_to_hsv: Any = symbolic(_rgb_to_hsv, "rgb_to_hsv")
hsv_to_rgb: Any = symbolic(_hsv_to_rgb, "hsv_to_rgb")
