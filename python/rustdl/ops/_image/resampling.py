"""Images of another size: separable resampling, each axis by a matrix of weights.

Output pixel o samples the input at (o + 0.5) / scale - translation / scale - 0.5 (pixels have their centres at halves).
Its weights are those of a kernel around that point, divided by their sum. With `antialias` the kernel is stretched by
1 / scale when the image shrinks, so that it averages instead of skipping pixels.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl._rustdl import Tensor
from rustdl.ops._image._arguments import check_choice, check_images, float_dtype, spatial_axes
from rustdl.ops._symbolic import symbolic

RESIZE_INTERPOLATIONS = ("bilinear", "nearest", "lanczos3", "lanczos5", "bicubic")
SCALE_METHODS = ("linear", "bilinear", "trilinear", "cubic", "bicubic", "tricubic", "lanczos3", "lanczos5")

# Rows with at most so many weights are gathered; beyond that a matrix product is faster.
_MOST_TAPS = 12


# --- kernels: the weight of a pixel by its distance from the sampling point ---


def _triangle(x: Any) -> Any:
    return ops.maximum(1.0 - x, 0.0)


def _cubic(x: Any) -> Any:
    """Cubic convolution with a = -0.5 (Keys, 1981)."""
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return ops.where(x < 1.0, near, ops.where(x < 2.0, far, ops.zeros_like(x)))


def _lanczos(x: Any, radius: float) -> Any:
    """sinc(x) sinc(x / radius) within the radius (Lanczos; Duchon, 1979)."""
    return ops.where(x > radius, ops.zeros_like(x), ops.sinc(x) * ops.sinc(x / radius))


_KERNELS: dict[str, Any] = {
    **dict.fromkeys(("linear", "bilinear", "trilinear"), _triangle),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), _cubic),
    "lanczos3": functools.partial(_lanczos, radius=3.0),
    "lanczos5": functools.partial(_lanczos, radius=5.0),
}


def _weight_matrix(size: int, new_size: int, scale: Any, translation: Any, method: str, antialias: bool) -> Any:
    """The weights of the input pixels, a matrix of shape `[new_size, size]` in the dtype of `scale`."""
    dtype = scale.dtype
    inverse = 1.0 / scale
    stretch = ops.maximum(inverse, 1.0) if antialias else 1.0
    point = (ops.arange(new_size, dtype=dtype) + 0.5) * inverse - translation * inverse - 0.5
    point = ops.expand_dims(point, 1)
    weights = _KERNELS[method](ops.abs(point - ops.arange(size, dtype=dtype)) / stretch)
    total = ops.sum(weights, axis=1, keepdims=True)
    is_enough = ops.abs(total) > 1000 * float(np.finfo("float32").eps)
    weights = ops.where(is_enough, weights / ops.where(is_enough, total, ops.ones_like(total)), ops.zeros_like(weights))
    is_inside = ops.logical_and(point >= -0.5, point <= size - 0.5)
    return ops.where(is_inside, weights, ops.zeros_like(weights))


@functools.lru_cache(maxsize=256)
def _resize_matrix(size: int, new_size: int, method: str, antialias: bool) -> Any:
    """The weights of a resize as a numpy array, which depends on the sizes alone."""
    scale = backend.convert_to_tensor(np.float32(new_size / size))
    return _weight_matrix(size, new_size, scale, ops.zeros_like(scale), method, antialias).numpy()


@functools.lru_cache(maxsize=256)
def _taps(size: int, new_size: int, method: str, antialias: bool) -> Any:
    """For each output pixel the input pixels that count and their weights, two arrays `[taps, new_size]`; or `None`."""
    matrix = _resize_matrix(size, new_size, method, antialias)
    count = max(int((matrix != 0).sum(1).max(initial=0)), 1)
    if count > _MOST_TAPS or count * 4 > size + 4:
        return None
    # Stable: the order of the pixels stays.
    columns = np.sort(np.argsort(matrix == 0, axis=1, kind="stable")[:, :count], axis=1)
    weights = np.take_along_axis(matrix, columns, axis=1)
    return columns.T.astype("int32"), np.ascontiguousarray(weights.T)


def _along(values: Any, rank: int, axis: int) -> Any:
    """A vector shaped to broadcast along an axis."""
    shape = [1] * rank
    shape[axis] = -1
    return ops.reshape(values, shape)


def _multiply_axis(images: Any, matrix: Any, axis: int) -> Any:
    """The product of a matrix `[new_size, size]` with an axis of the images."""
    rank = len(images.shape)
    axis %= rank
    matrix = ops.cast(matrix, images.dtype)
    if axis == rank - 1:
        return ops.matmul(images, ops.transpose(matrix))
    # [.., size, everything behind it]: one product for each leading index.
    shape = images.shape
    behind = int(np.prod(shape[axis + 1 :], dtype=np.int64))
    columns = ops.reshape(images, [*shape[:axis], shape[axis], behind])
    product = ops.matmul(matrix, columns)
    return ops.reshape(product, [*shape[:axis], matrix.shape[0], *shape[axis + 1 :]])


def _resize_axis(images: Any, axis: int, new_size: int, method: str, antialias: bool) -> Any:
    size = images.shape[axis]
    if size == new_size:
        return images
    if method == "nearest":
        points = (np.arange(new_size, dtype="float32") + np.float32(0.5)) * np.float32(size) / np.float32(new_size)
        return ops.take(images, np.floor(points).astype("int32"), axis=axis)
    taps = _taps(size, new_size, method, antialias)
    if taps is None:
        return _multiply_axis(
            images, backend.convert_to_tensor(_resize_matrix(size, new_size, method, antialias)), axis
        )
    total: Any = None
    for columns, weights in zip(*taps, strict=True):
        weight = ops.cast(_along(backend.convert_to_tensor(weights), len(images.shape), axis), images.dtype)
        term = ops.take(images, columns, axis=axis) * weight
        total = term if total is None else total + term
    return total


# --- resize ---


def _cropped(images: Any, target: tuple[int, int], axes: tuple[int, int]) -> Any:
    """The largest centred part of the images that has the proportions of the target."""
    height, width = images.shape[axes[0]], images.shape[axes[1]]
    crops = (int(float(width * target[0]) / target[1]), int(float(height * target[1]) / target[0]))
    start, shape = [0] * len(images.shape), list(images.shape)
    for axis, crop in zip(axes, crops, strict=True):
        length = images.shape[axis]
        shape[axis] = max(min(length, crop), 1)
        start[axis] = (length - shape[axis]) // 2
    return ops.slice(images, start, shape)


def _padded(images: Any, target: tuple[int, int], axes: tuple[int, int], fill_value: float) -> Any:
    """The images between bars of the fill value, so that they have the proportions of the target."""
    height, width = images.shape[axes[0]], images.shape[axes[1]]
    pads = (int(float(width * target[0]) / target[1]), int(float(height * target[1]) / target[0]))
    for axis, pad in zip(axes, pads, strict=True):
        bar = int(float(max(images.shape[axis], pad) - images.shape[axis]) / 2)
        if bar > 0:
            widths = [(0, 0)] * len(images.shape)
            widths[axis] = (bar, bar)
            return ops.pad(images, widths, constant_values=fill_value)
    return images


def _check_resize(images: Any, size: Any, interpolation: str, fill_mode: str, crop: bool, pad: bool) -> None:
    if len(size) != 2:
        raise ValueError(f"Expected `size` to be a tuple of 2 integers. Received: size={size}")
    if size[0] <= 0 or size[1] <= 0:
        raise ValueError(f"`size` must have positive height and width. Received: size={size}")
    check_images(images)
    if pad and crop:
        raise ValueError("Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`.")
    check_choice(interpolation, RESIZE_INTERPOLATIONS, "interpolation")
    if fill_mode != "constant":
        raise ValueError(
            f"Invalid value for argument `fill_mode`. Only `'constant'` is supported. Received: fill_mode={fill_mode}"
        )


def _resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    """Images of another height and width.

    Each axis is resampled on its own: pixel o of the result samples the input at (o + 0.5) n_in / n_out - 0.5.

    Args:
        images: One image (rank 3) or a batch (rank 4) of any numeric dtype.
        size: Height and width of the result.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"` (Keys, a = -0.5), `"lanczos3"` or `"lanczos5"`.
        antialias: Whether a smaller image averages all pixels instead of skipping some; not for `"nearest"`.
        crop_to_aspect_ratio: Whether to cut the images to the proportions of `size` first, at the centre.
        pad_to_aspect_ratio: Whether to put bars around the images to that end.
        fill_mode: Only `"constant"`.
        fill_value: The value of the bars.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        Images of the same dtype; integers are rounded and kept in range.

    Raises:
        ValueError: An argument out of range.

    Example:
        >>> import rustdl
        >>> resize(rustdl.ops.ones((2, 4, 4, 3)), (2, 6)).shape
        (2, 2, 6, 3)
    """
    size = tuple(size)
    _check_resize(images, size, interpolation, fill_mode, crop_to_aspect_ratio, pad_to_aspect_ratio)
    size = (int(size[0]), int(size[1]))
    images = backend.convert_to_tensor(images)
    axes = spatial_axes(data_format)
    if min(images.shape[axes[0]], images.shape[axes[1]]) == 0:
        raise ValueError(f"resize: images without pixels cannot be resized. Received: images.shape={images.shape}")
    if crop_to_aspect_ratio:
        images = _cropped(images, size, axes)
    elif pad_to_aspect_ratio:
        images = _padded(images, size, axes, fill_value)
    if interpolation == "nearest":
        for axis, length in zip(axes, size, strict=True):
            images = _resize_axis(images, axis, length, interpolation, antialias)
        return images
    dtype = images.dtype
    resized = ops.cast(images, float_dtype(dtype))
    # The axis that shrinks most goes first: less work for the other.
    order = sorted(range(2), key=lambda i: size[i] / images.shape[axes[i]])
    for i in order:
        resized = _resize_axis(resized, axes[i], size[i], interpolation, antialias)
    if resized.dtype == dtype:
        return resized
    return ops.saturate_cast(ops.round(resized), dtype)


# --- scale and translate ---


def _scale_and_translate(
    images: Any,
    output_shape: Any,
    scale: Any,
    translation: Any,
    spatial_dims: Any,
    method: str,
    antialias: bool = True,
) -> Any:
    """Images scaled and moved: what lies at x goes to x * scale + translation, for each axis on its own.

    Args:
        images: A tensor of any rank; integers become floats.
        output_shape: The shape of the result; axes that are not in `spatial_dims` keep their sizes
            (or say `None`).
        scale: One factor for each of `spatial_dims`.
        translation: One offset for each of `spatial_dims`, in pixels of the result.
        spatial_dims: The axes to resample.
        method: `"linear"` (or `"bilinear"`, `"trilinear"`), `"cubic"` (or `"bicubic"`, `"tricubic"`; Keys, a = -0.5),
            `"lanczos3"` or `"lanczos5"`.
        antialias: Whether shrinking averages all pixels instead of skipping some.

    Returns:
        A float tensor of shape `output_shape`; 0 where the input is left.

    Raises:
        ValueError: Another method, or lengths that do not agree.

    Example:
        >>> import numpy as np
        >>> y = scale_and_translate(np.ones((2, 2, 1), "float32"), (4, 4, 1), [2.0, 2.0], [0.0, 0.0], (0, 1), "linear")
        >>> y.shape, float(y[1, 1, 0])
        ((4, 4, 1), 1.0)
    """
    check_choice(method, SCALE_METHODS, "method")
    images = backend.convert_to_tensor(images)
    images = ops.cast(images, float_dtype(images.dtype))
    rank = len(images.shape)
    if len(output_shape) != rank:
        raise ValueError(
            f"`output_shape` must have as many dimensions as `images`. Received: output_shape={output_shape}, "
            f"images.shape={images.shape}"
        )
    output_shape = tuple(n if new is None else int(new) for n, new in zip(images.shape, output_shape, strict=True))
    axes = [int(axis) % rank for axis in spatial_dims]
    _check_scale_shapes(images, output_shape, axes)
    scale, translation = (_per_axis(x, len(axes), name) for x, name in ((scale, "scale"), (translation, "translation")))
    for i, axis in enumerate(axes):
        matrix = _weight_matrix(images.shape[axis], output_shape[axis], scale[i], translation[i], method, antialias)
        images = _multiply_axis(images, matrix, axis)
    return images


def _per_axis(x: Any, count: int, name: str) -> Any:
    """One number for each axis, from a vector of that length or of length 1."""
    x = backend.convert_to_tensor(x)
    x = ops.cast(x, float_dtype(x.dtype))
    if x.shape not in ((count,), (1,)):
        raise ValueError(
            f"`{name}` needs one number for each of the {count} `spatial_dims`. Received: {name}.shape={x.shape}"
        )
    return ops.broadcast_to(x, (count,))


def _check_scale_shapes(images: Tensor, output_shape: tuple[int, ...], axes: list[int]) -> None:
    for axis, (old, new) in enumerate(zip(images.shape, output_shape, strict=True)):
        if axis not in axes and old != new:
            raise ValueError(
                f"Axis {axis} is not in `spatial_dims`, so its size must stay {old}. Received: "
                f"output_shape={output_shape}"
            )


resize: Any = symbolic(_resize, "resize")
scale_and_translate: Any = symbolic(_scale_and_translate, "scale_and_translate")
