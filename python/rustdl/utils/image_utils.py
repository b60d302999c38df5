"""Images as files, as Pillow's images and as arrays. Pillow is imported where it is needed (`pip install pillow`)."""

from __future__ import annotations

import io
import pathlib
import warnings
from typing import Any

import numpy as np

from rustdl import backend

_RESAMPLING = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def pillow(caller: str) -> Any:
    """Pillow's `Image` module.

    Args:
        caller: name of the function, for the error.

    Raises:
        ImportError: Pillow is missing.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"`{caller}` needs Pillow, which is not installed: pip install pillow") from error
    return Image


def _data_format(data_format: str | None) -> str:
    if data_format is None:
        return backend.image_data_format()
    found = str(data_format).lower()
    if found not in ("channels_first", "channels_last"):
        raise ValueError(
            "The `data_format` argument must be one of {'channels_first', 'channels_last'}. "
            f"Received: data_format={data_format}"
        )
    return found


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """An image of Pillow from an array.

    Args:
        x: `[height, width, channels]` with 1, 3 or 4 channels (or the channels first).
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        scale: whether the smallest value becomes 0 and the largest 255.
        dtype: dtype of the computation; `floatx()` by default.

    Returns:
        A `PIL.Image.Image`.

    Raises:
        ValueError: another rank or number of channels.

    Example:
        >>> import numpy as np
        >>> array_to_img(np.ones((4, 6, 3))).size
        (6, 4)
    """
    image = pillow("array_to_img")
    x = np.asarray(backend.convert_to_numpy(x), dtype=backend.floatx() if dtype is None else dtype)
    if x.ndim != 3:
        raise ValueError(f"Expected image array to have rank 3 (single image). Got array with shape: {x.shape}")
    if _data_format(data_format) == "channels_first":
        x = x.transpose(1, 2, 0)
    if scale:
        x = x - x.min()
        largest = x.max()
        x = x * (255 / largest) if largest != 0 else x
    channels = x.shape[2]
    if channels in (3, 4):
        return image.fromarray(np.ascontiguousarray(x.astype("uint8")))
    if channels != 1:
        raise ValueError(f"Unsupported channel number: {channels}")
    # Values beyond a byte: 32-bit grey.
    return image.fromarray(x[:, :, 0].astype("int32" if x.max() > 255 else "uint8"))


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> Any:
    """The array of an image of Pillow.

    Args:
        img: the image.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        dtype: dtype of the array; `floatx()` by default.

    Returns:
        `[height, width, channels]`, or with the channels first.

    Raises:
        ValueError: another rank.

    Example:
        >>> import numpy as np
        >>> img_to_array(array_to_img(np.zeros((4, 6, 1)))).shape
        (4, 6, 1)
    """
    first = _data_format(data_format) == "channels_first"
    x = np.asarray(img, dtype=backend.floatx() if dtype is None else dtype)
    if x.ndim == 2:
        return x[None] if first else x[..., None]
    if x.ndim != 3:
        raise ValueError(f"Unsupported image shape: {x.shape}")
    return x.transpose(2, 0, 1) if first else x


def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Writes an array as an image file.

    Args:
        path: path or binary file object.
        x: `[height, width, channels]`, or with the channels first.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        file_format: format of the file, such as `"png"`; by default what the name ends in.
        scale: whether values are stretched to `[0, 255]`.
        **kwargs: arguments of `PIL.Image.Image.save`.
    """
    if file_format is None and isinstance(path, str | pathlib.Path):
        file_format = pathlib.Path(path).suffix[1:]
    file_format = file_format.lower() if file_format else None
    file_format = "jpeg" if file_format == "jpg" else file_format
    img = array_to_img(x, data_format=data_format, scale=scale)
    if img.mode == "RGBA" and file_format == "jpeg":
        warnings.warn("The JPEG format does not support RGBA images, converting to RGB.", stacklevel=2)
        img = img.convert("RGB")
    img.save(path, format=file_format, **kwargs)


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: Any = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Reads an image file.

    Args:
        path: path or `io.BytesIO`.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        target_size: `(height, width)` to resize to.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"hamming"`, `"box"` or `"lanczos"`.
        keep_aspect_ratio: whether the largest centred part of the right proportions is resized, not all.

    Returns:
        A `PIL.Image.Image`.

    Raises:
        TypeError: a path of another type.
        ValueError: an unknown mode or interpolation.
    """
    image = pillow("load_img")
    if isinstance(path, io.BytesIO):
        img = image.open(path)
    elif isinstance(path, str | bytes | pathlib.Path):
        with open(path, "rb") as file:
            img = image.open(io.BytesIO(file.read()))
    else:
        raise TypeError(f"path should be path-like or io.BytesIO, not {type(path)}")
    img = _with_colors(img, color_mode)
    if target_size is None:
        return img
    size = (target_size[1], target_size[0])
    if img.size == size:
        return img
    if interpolation not in _RESAMPLING:
        raise ValueError(
            f"Invalid interpolation method {interpolation} specified. Supported methods are {', '.join(_RESAMPLING)}"
        )
    resampling = image.Resampling[interpolation.upper()]
    box = centered_box(img.size[1], img.size[0], *target_size) if keep_aspect_ratio else None
    if box is None:
        return img.resize(size, resampling)
    top, left, height, width = box
    return img.resize(size, resampling, box=(left, top, left + width, top + height))


def _with_colors(img: Any, color_mode: str) -> Any:
    modes = {"rgb": ("RGB",), "rgba": ("RGBA",), "grayscale": ("L", "I;16", "I")}
    if color_mode not in modes:
        raise ValueError('color_mode must be "grayscale", "rgb", or "rgba"')
    return img if img.mode in modes[color_mode] else img.convert(modes[color_mode][0])


def centered_box(height: int, width: int, target_height: int, target_width: int) -> tuple[int, int, int, int]:
    """The largest centred part of an image with the proportions of a target.

    Args:
        height: height of the image.
        width: width of the image.
        target_height: height of the target.
        target_width: width of the target.

    Returns:
        `(top, left, height, width)`.

    Example:
        >>> centered_box(340, 500, 200, 200)
        (0, 80, 340, 340)
    """
    box_height = max(min(height, width * target_height // target_width), 1)
    box_width = max(min(width, height * target_width // target_height), 1)
    return (height - box_height) // 2, (width - box_width) // 2, box_height, box_width


def smart_resize(x: Any, size: Any, interpolation: str = "bilinear", data_format: str = "channels_last") -> Any:
    """Resizes images without distortion: what does not fit the proportions of the target is cut off on both sides.

    Args:
        x: `[height, width, channels]` or `[batch, height, width, channels]`, or with the channels first.
        size: `(height, width)` of the result.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        A numpy array for a numpy array, else a tensor.

    Raises:
        ValueError: another rank, or a size that is not two numbers.
    """
    from rustdl import ops

    if len(size) != 2:
        raise ValueError(f"Expected `size` to be a tuple of 2 integers, but got: {size}.")
    images = backend.convert_to_tensor(x)
    if len(images.shape) not in (3, 4):
        raise ValueError(
            "Expected an image array with shape `(height, width, channels)`, or `(batch_size, height, width, "
            f"channels)`, but got input with incorrect rank, of shape {images.shape}."
        )
    last = _data_format(data_format) == "channels_last"
    height, width = images.shape[-3:-1] if last else images.shape[-2:]
    top, left, box_height, box_width = centered_box(height, width, *size)
    rows, columns = slice(top, top + box_height), slice(left, left + box_width)
    images = images[..., rows, columns, :] if last else images[..., rows, columns]
    images = ops.image.resize(images, size=tuple(size), interpolation=interpolation, data_format=data_format)
    return np.array(images) if isinstance(x, np.ndarray) else images
