"""Images under affine, perspective and elastic transformations."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops, random
from rustdl.ops._image._arguments import CHANNELS_FIRST, check_choice, check_images
from rustdl.ops._image.coordinates import FILL_MODES, INTERPOLATION_ORDERS, as_dtype, sample
from rustdl.ops._image.filters import gaussian_blur
from rustdl.ops._symbolic import symbolic


def _grid(height: int, width: int) -> tuple[Any, Any]:
    """The coordinates x, `[1, 1, width]`, and y, `[1, height, 1]`, of the pixels."""
    x = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, width))
    return x, ops.reshape(ops.arange(height, dtype="float32"), (1, height, 1))


def _warp(
    images: Any, locate: Any, interpolation: str, fill_mode: str, fill_value: Any, data_format: str | None
) -> Any:
    """Images whose pixels are sampled where `locate(batch, height, width)` says, `[batch, height, width]` x and y."""
    is_single = len(images.shape) == 3
    if is_single:
        images = ops.expand_dims(images, 0)
    is_channels_first = backend.standardize_data_format(data_format) == CHANNELS_FIRST
    if is_channels_first:
        images = ops.transpose(images, (0, 2, 3, 1))
    batch, height, width, channels = images.shape
    x, y = locate(batch, height, width)
    shape = (batch, height, width)
    base = ops.reshape(ops.arange(batch, dtype="int32") * (height * width), (batch, 1, 1))
    pixels = ops.reshape(images, (batch * height * width, channels))
    coordinates = [ops.broadcast_to(y, shape), ops.broadcast_to(x, shape)]
    order = INTERPOLATION_ORDERS[interpolation]
    values = sample(pixels, (height, width), coordinates, order, fill_mode, fill_value, base)
    values = as_dtype(values, images.dtype)
    if is_channels_first:
        values = ops.transpose(values, (0, 3, 1, 2))
    return ops.squeeze(values, 0) if is_single else values


def _column(transform: Any, index: int) -> Any:
    """One parameter of each transformation, to broadcast over rows and columns."""
    return ops.reshape(transform[:, index], (-1, 1, 1))


def _projected(transform: Any, height: int, width: int) -> tuple[Any, Any]:
    """Where the pixels come from under parameters `[batch, 8]`: two rows of an affine map and the denominator."""
    x, y = _grid(height, width)
    a0, a1, a2, b0, b1, b2, c0, c1 = (_column(transform, i) for i in range(8))
    k = c0 * x + c1 * y + 1.0
    return (a0 * x + a1 * y + a2) / k, (b0 * x + b1 * y + b2) / k


def _affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Images under a transformation of the plane.

    The pixel at (x, y) of the result is the input at ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k) with
    k = c0 x + c1 y + 1. So the parameters describe the way back, from the result to the input.

    Args:
        images: One image (rank 3) or a batch (rank 4).
        transform: `[a0, a1, a2, b0, b1, b2, c0, c1]`, or one such row for each image.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: What lies outside: `"constant"`, `"nearest"`, `"wrap"`, `"mirror"` or `"reflect"`.
        fill_value: The value outside for `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: An argument out of range.

    Example:
        >>> import numpy as np
        >>> x = np.arange(3, dtype="float32").reshape(1, 3, 1)
        >>> affine_transform(x, np.array([1, 0, 1, 0, 1, 0, 0, 0], "float32")).numpy().ravel().tolist()
        [1.0, 2.0, 0.0]
    """
    check_choice(interpolation, INTERPOLATION_ORDERS, "interpolation")
    check_choice(fill_mode, FILL_MODES, "fill_mode")
    images, transform = backend.convert_to_tensor(images), backend.convert_to_tensor(transform)
    check_images(images)
    if len(transform.shape) not in (1, 2):
        raise ValueError(
            "Invalid transform rank: expected rank 1 (single transform) or rank 2 (batch of transforms). "
            f"Received input with shape: transform.shape={tuple(transform.shape)}"
        )
    if transform.shape[-1] != 8:
        raise ValueError(f"A transform has 8 parameters. Received: transform.shape={tuple(transform.shape)}")
    transform = ops.reshape(ops.cast(transform, backend.result_type(transform.dtype, "float32")), (-1, 8))
    return _warp(
        images,
        lambda batch, height, width: _projected(transform, height, width),
        interpolation,
        fill_mode,
        fill_value,
        data_format,
    )


def _perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Images under the perspective that moves four points to four others.

    The eight parameters of the map from the result back to the input solve the linear system that the four pairs of
    points give (a homography; Hartley and Zisserman, 2003).

    Args:
        images: One image (rank 3) or a batch (rank 4).
        start_points: Four points (x, y) in the input, `[4, 2]`, or `[batch, 4, 2]`.
        end_points: Where they are in the result, of the same shape.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_value: The value outside of the input.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: An argument out of range.

    Example:
        >>> import numpy as np
        >>> corners = np.array([[0, 0], [3, 0], [0, 3], [3, 3]], "float32")
        >>> x = np.arange(16, dtype="float32").reshape(4, 4, 1)
        >>> bool(np.allclose(perspective_transform(x, corners, corners), x, atol=1e-4))
        True
    """
    check_choice(interpolation, INTERPOLATION_ORDERS, "interpolation")
    images, start, end = (backend.convert_to_tensor(x) for x in (images, start_points, end_points))
    check_images(images)
    for name, points in (("start_points", start), ("end_points", end)):
        if len(points.shape) not in (2, 3) or tuple(points.shape[-2:]) != (4, 2):
            raise ValueError(
                f"Invalid {name} shape: expected (4,2) for a single image or (N,4,2) for a batch. "
                f"Received shape: {tuple(points.shape)}"
            )
    if start.shape != end.shape:
        raise ValueError(
            f"start_points and end_points must have the same shape. Received start_points.shape={start.shape}, "
            f"end_points.shape={end.shape}"
        )
    transform = homography(ops.reshape(start, (-1, 4, 2)), ops.reshape(end, (-1, 4, 2)))
    return _warp(
        images,
        lambda batch, height, width: _projected(transform, height, width),
        interpolation,
        "constant",
        fill_value,
        data_format,
    )


def homography(start: Any, end: Any) -> Any:
    """The parameters `[batch, 8]` of the projective map that takes `end` to `start`, both `[batch, 4, 2]`.

    From x' (c0 x + c1 y + 1) = a0 x + a1 y + a2, and likewise for y', each pair of points gives two equations.
    """
    dtype = backend.result_type(start.dtype, end.dtype, "float32")
    start, end = ops.cast(start, dtype), ops.cast(end, dtype)
    x, y = end[..., 0], end[..., 1]
    zero, one = ops.zeros_like(x), ops.ones_like(x)
    rows = []
    for target, affine in ((start[..., 0], [x, y, one, zero, zero, zero]), (start[..., 1], [zero] * 3 + [x, y, one])):
        rows.append(ops.stack([*affine, -target * x, -target * y], axis=-1))
    targets = ops.concatenate([start[..., 0], start[..., 1]], axis=-1)
    return ops.squeeze(ops.solve(ops.concatenate(rows, axis=1), ops.expand_dims(targets, -1)), -1)


def _elastic_transform(
    images: Any,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Any:
    """Images whose pixels are moved by smooth random displacements (Simard et al., 2003).

    Args:
        images: One image (rank 3) or a batch (rank 4).
        alpha: Strength of the displacements.
        sigma: Deviation of the noise and, in pixels, of the Gaussian that smooths it: larger is smoother.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: What lies outside: `"constant"`, `"nearest"`, `"wrap"`, `"mirror"` or `"reflect"`.
        fill_value: The value outside for `"constant"`.
        seed: An integer, a `SeedGenerator` or `None`.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: An argument out of range.

    Example:
        >>> import rustdl
        >>> elastic_transform(rustdl.ops.ones((2, 16, 16, 3)), seed=1).shape
        (2, 16, 16, 3)
    """
    sigma = float(sigma)
    return distort(
        images, float(alpha), sigma, int(6 * sigma) | 1, interpolation, fill_mode, fill_value, seed, data_format
    )


def distort(
    images: Any,
    alpha: Any,
    sigma: Any,
    length: int,
    interpolation: str,
    fill_mode: str,
    fill_value: float,
    seed: Any,
    data_format: str | None,
) -> Any:
    """`elastic_transform` with a smoothing kernel of `length` pixels, so that `alpha` and `sigma` may be tensors."""
    check_choice(interpolation, INTERPOLATION_ORDERS, "interpolation")
    check_choice(fill_mode, FILL_MODES, "fill_mode")
    images = backend.convert_to_tensor(images)
    check_images(images)
    sigma = ops.maximum(ops.cast(sigma, "float32"), 1e-6)

    def locate(batch: int, height: int, width: int) -> tuple[Any, Any]:
        # Two channels: displacements along x and y.
        noise = random.normal((batch, height, width, 2), dtype="float32", seed=seed) * sigma
        smooth = gaussian_blur(noise, (length, length), ops.stack([sigma, sigma]), data_format="channels_last")
        x, y = _grid(height, width)
        strength = ops.cast(alpha, "float32")
        return x + strength * smooth[..., 0], y + strength * smooth[..., 1]

    return _warp(images, locate, interpolation, fill_mode, fill_value, data_format)


affine_transform: Any = symbolic(_affine_transform, "affine_transform")
perspective_transform: Any = symbolic(_perspective_transform, "perspective_transform")
elastic_transform: Any = symbolic(_elastic_transform, "elastic_transform")
