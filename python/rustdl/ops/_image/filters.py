"""Filters of images: Gaussian blur, Sobel edges, and the structural similarity made of blurred moments."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl._rustdl import Tensor
from rustdl.backend.symbolic_scope import in_symbolic_scope
from rustdl.ops._image._arguments import CHANNELS_FIRST, check_images, float_dtype
from rustdl.ops._image.coordinates import as_dtype
from rustdl.ops._symbolic import symbolic


def _gaussian(size: int, sigma: Any, dtype: str) -> Any:
    """A Gaussian sampled at `size` points around its centre, with sum 1."""
    x = ops.arange(size, dtype=dtype) - (size - 1) / 2
    values = ops.exp(-0.5 * ops.square(x / sigma))
    return values / ops.sum(values)


def _filter_axes(images: Any, vertical: Any, horizontal: Any, padding: str) -> Any:
    """Each channel of `[batch, height, width, channels]` filtered by a column and a row."""
    batch, height, width, channels = images.shape
    # Along the height the pixels of a row are channels as well: long vectors for the kernel.
    column = ops.broadcast_to(ops.reshape(vertical, (-1, 1, 1)), (vertical.shape[0], width * channels, 1))
    images = ops.reshape(images, (batch, height, width * channels))
    images = ops.depthwise_conv(images, column, padding=padding, data_format="channels_last")
    images = ops.reshape(images, (batch, images.shape[1], width, channels))
    row = ops.broadcast_to(ops.reshape(horizontal, (1, -1, 1, 1)), (1, horizontal.shape[0], channels, 1))
    return ops.depthwise_conv(images, row, padding=padding, data_format="channels_last")


def _gaussian_blur(
    images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: str | None = None
) -> Any:
    """Images smoothed by a Gaussian, zeros around them.

    The weights of a row are exp(-x^2 / (2 sigma^2)) at whole distances x from the centre, divided by their sum.

    Args:
        images: One image (rank 3) or a batch (rank 4).
        kernel_size: Width and height of the kernel in pixels.
        sigma: Deviations along x and y in pixels.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: Another rank, or not two sizes or deviations.

    Example:
        >>> import rustdl
        >>> gaussian_blur(rustdl.ops.ones((2, 8, 8, 3)), (3, 3), (1.0, 1.0)).shape
        (2, 8, 8, 3)
    """
    images = backend.convert_to_tensor(images)
    check_images(images)
    if isinstance(kernel_size, Tensor) and kernel_size.is_traced and in_symbolic_scope():
        return images  # the shape of the result does not depend on it
    width, height = (int(n) for n in np.asarray(kernel_size))
    dtype = images.dtype
    x = ops.cast(images, float_dtype(dtype))
    sigma = backend.convert_to_tensor(sigma, dtype=x.dtype)
    if sigma.shape != (2,):
        raise ValueError(f"`sigma` needs two deviations, along x and y. Received: sigma.shape={sigma.shape}")
    is_single = len(x.shape) == 3
    is_channels_first = backend.standardize_data_format(data_format) == CHANNELS_FIRST
    x = ops.expand_dims(x, 0) if is_single else x
    x = ops.moveaxis(x, 1, -1) if is_channels_first else x
    x = _filter_axes(x, _gaussian(height, sigma[1], x.dtype), _gaussian(width, sigma[0], x.dtype), "same")
    x = ops.moveaxis(x, -1, 1) if is_channels_first else x
    return as_dtype(ops.squeeze(x, 0) if is_single else x, dtype)


def _sobel_edges(images: Any, data_format: str | None = None) -> Any:
    """The slopes of images by Sobel's operator: differences along one axis, smoothed by (1, 2, 1) along the other.

    Args:
        images: A batch of images (rank 4).
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        A tensor of shape `[*images.shape, 2]`: the slopes along y, then along x; zeros lie around the images.

    Raises:
        ValueError: Another rank.

    Example:
        >>> import rustdl
        >>> sobel_edges(rustdl.ops.ones((1, 5, 5, 3))).shape
        (1, 5, 5, 3, 2)
    """
    images = backend.convert_to_tensor(images)
    if len(images.shape) != 4:
        raise ValueError(
            f"Invalid images rank: expected rank 4 (batch of images). Received input with shape: {images.shape}"
        )
    dtype = images.dtype
    is_channels_first = backend.standardize_data_format(data_format) == CHANNELS_FIRST
    x = ops.cast(ops.moveaxis(images, 1, -1) if is_channels_first else images, float_dtype(dtype))
    difference = backend.convert_to_tensor([-1.0, 0.0, 1.0], dtype=x.dtype)
    smoothing = backend.convert_to_tensor([1.0, 2.0, 1.0], dtype=x.dtype)
    slopes = [_filter_axes(x, difference, smoothing, "same"), _filter_axes(x, smoothing, difference, "same")]
    if is_channels_first:
        slopes = [ops.moveaxis(slope, -1, 1) for slope in slopes]
    return ops.cast(ops.stack(slopes, axis=-1), dtype)


def _ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Any:
    """The structural similarity of images (Wang et al., 2004): 1 for equal ones.

    With means m, variances v and covariance c under a Gaussian window, the mean over all windows and channels of
    (2 m1 m2 + C1) (2 c + C2) / ((m1^2 + m2^2 + C1) (v1 + v2 + C2)), C1 = (k1 L)^2, C2 = (k2 L)^2.

    Args:
        image1: One image (rank 3) or a batch (rank 4).
        image2: Images of the same shape.
        max_val: The range L of the values: 1.0, or 255.
        filter_size: Pixels of the window along each axis.
        filter_sigma: Deviation of the window in pixels.
        k1: Keeps the quotient of means stable.
        k2: Keeps the quotient of variances stable.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        A scalar, or one number for each image, of the dtype of `image1`.

    Raises:
        ValueError: Another rank, or images smaller than the window.

    Example:
        >>> import rustdl
        >>> x = rustdl.random.uniform((2, 16, 16, 3), seed=1)
        >>> [round(float(v), 4) for v in ssim(x, x)]
        [1.0, 1.0]
    """
    image1, image2 = backend.convert_to_tensor(image1), backend.convert_to_tensor(image2)
    check_images(image1, "image1")
    check_images(image2, "image2")
    dtype = image1.dtype
    is_single = len(image1.shape) == 3
    is_channels_first = backend.standardize_data_format(data_format) == CHANNELS_FIRST
    a, b = ops.cast(image1, float_dtype(dtype)), ops.cast(image2, float_dtype(dtype))
    if is_single:
        a, b = ops.expand_dims(a, 0), ops.expand_dims(b, 0)
    if is_channels_first:
        a, b = ops.moveaxis(a, 1, -1), ops.moveaxis(b, 1, -1)
    if min(a.shape[1], a.shape[2]) < filter_size:
        raise ValueError(f"ssim: images of shape {image1.shape} are smaller than the window, {filter_size} pixels")
    window = _gaussian(filter_size, filter_sigma, a.dtype)

    def mean(x: Any) -> Any:
        return _filter_axes(x, window, window, "valid")

    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a * a) - mean_a * mean_a + mean(b * b) - mean_b * mean_b
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    similarity = (2.0 * mean_a * mean_b + c1) * (2.0 * covariance + c2)
    similarity = similarity / ((mean_a * mean_a + mean_b * mean_b + c1) * (variances + c2))
    result = ops.cast(ops.mean(similarity, axis=[1, 2, 3]), dtype)
    return ops.squeeze(result, 0) if is_single else result


gaussian_blur: Any = symbolic(_gaussian_blur, "gaussian_blur")
sobel_edges: Any = symbolic(_sobel_edges, "sobel_edges")
ssim: Any = symbolic(_ssim, "ssim")
