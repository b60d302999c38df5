"""Patches of images and volumes, each laid out along the channels."""

from __future__ import annotations

import itertools
from typing import Any

from rustdl import backend, ops
from rustdl.ops._image._arguments import CHANNELS_FIRST
from rustdl.ops._symbolic import symbolic
from rustdl.utils.argument_validation import standardize_tuple


def _extract_patches(
    images: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The patches of images; with a `size` of three numbers, of volumes.

    Element (i, j, c) of a patch of `size` (h, w) stands at channel (i w + j) C + c of the result.

    Args:
        images: One image (rank 3) or a batch (rank 4); volumes have one axis more.
        size: Height and width of a patch (an int for both), or depth, height and width.
        strides: Steps from a patch to the next; `size` by default.
        dilation_rate: Steps from a pixel of a patch to the next.
        padding: `"valid"`: only whole patches; `"same"`: zeros at the edges, a patch for each step.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        A tensor of shape `[batch, rows, columns, h * w * C]` (the channels at their place in `data_format`).

    Raises:
        TypeError: `size` is neither an int nor a tuple.
        ValueError: `size` has not two or three elements, or another argument is out of range.

    Example:
        >>> import rustdl
        >>> extract_patches(rustdl.ops.ones((2, 20, 20, 3)), (5, 5)).shape
        (2, 4, 4, 75)
    """
    if not isinstance(size, int):
        if not isinstance(size, (tuple, list)):
            raise TypeError(
                "Invalid `size` argument. Expected an int or a tuple. "
                f"Received: size={size} of type {type(size).__name__}"
            )
        if len(size) not in (2, 3):
            raise ValueError(
                "Invalid `size` argument. Expected a tuple of length 2 or 3. "
                f"Received: size={size} with length {len(size)}"
            )
    rank = 2 if isinstance(size, int) else len(size)
    return _patches(images, rank, size, strides, dilation_rate, padding, data_format)


def _extract_patches_3d(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The patches of volumes, each laid out along the channels.

    Args:
        volumes: One volume (rank 4) or a batch (rank 5).
        size: Depth, height and width of a patch, an int for all three.
        strides: Steps from a patch to the next; `size` by default.
        dilation_rate: Steps from a voxel of a patch to the next.
        padding: `"valid"`: only whole patches; `"same"`: zeros at the edges, a patch for each step.
        data_format: `"channels_last"` or `"channels_first"`; as configured by default.

    Returns:
        A tensor of shape `[batch, depths, rows, columns, d * h * w * C]` (channels at their place in `data_format`).

    Raises:
        TypeError: `size` is neither an int nor a tuple of three.
        ValueError: Another argument is out of range.

    Example:
        >>> import rustdl
        >>> extract_patches_3d(rustdl.ops.ones((2, 20, 20, 20, 3)), 5).shape
        (2, 4, 4, 4, 375)
    """
    if not isinstance(size, int) and not (isinstance(size, (tuple, list)) and len(size) == 3):
        raise TypeError(f"Invalid `size` argument. Expected an int or a tuple of length 3. Received: size={size}")
    return _patches(volumes, 3, size, strides, dilation_rate, padding, data_format)


def _patches(
    images: Any, rank: int, size: Any, strides: Any, dilation_rate: Any, padding: str, data_format: str | None
) -> Any:
    images = backend.convert_to_tensor(images)
    size = standardize_tuple(size, rank, "size")
    strides = standardize_tuple(strides or size, rank, "strides")
    dilation = standardize_tuple(dilation_rate, rank, "dilation_rate")
    if not isinstance(padding, str) or padding.lower() not in ("valid", "same"):
        raise ValueError(f"Argument `padding` must be 'valid' or 'same'. Received: padding={padding}")
    if len(images.shape) not in (rank + 1, rank + 2):
        raise ValueError(
            f"Patches of size {size} are taken from a tensor of rank {rank + 1} or {rank + 2} (with a batch axis). "
            f"Received input with shape: {tuple(images.shape)}"
        )
    is_single = len(images.shape) == rank + 1
    if is_single:
        images = ops.expand_dims(images, 0)
    is_channels_first = backend.standardize_data_format(data_format) == CHANNELS_FIRST
    if is_channels_first:
        images = ops.moveaxis(images, 1, -1)
    reach = tuple((k - 1) * d + 1 for k, d in zip(size, dilation, strict=True))
    if padding.lower() == "same":
        images = _padded(images, reach, strides)
    counts = [max((n - r) // s + 1, 0) for n, r, s in zip(images.shape[1:-1], reach, strides, strict=True)]
    if strides == size and reach == size:
        patches = _tiles(images, size, counts)
    else:
        patches = _windows(images, size, strides, dilation, counts)
    if is_channels_first:
        patches = ops.moveaxis(patches, -1, 1)
    return ops.squeeze(patches, 0) if is_single else patches


def _padded(images: Any, reach: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """Zeros around the images so that every step has a patch, the odd one at the end."""
    widths = [(0, 0)]
    for n, r, s in zip(images.shape[1:-1], reach, strides, strict=True):
        missing = max((-(-n // s) - 1) * s + r - n, 0)
        widths.append((missing // 2, missing - missing // 2))
    return ops.pad(images, [*widths, (0, 0)])


def _tiles(images: Any, size: tuple[int, ...], counts: list[int]) -> Any:
    """Patches that lie side by side: a reshape and a transposition."""
    batch, channels, rank = images.shape[0], images.shape[-1], len(size)
    inside = [0] * (rank + 2), [batch, *(n * k for n, k in zip(counts, size, strict=True)), channels]
    split = [part for pair in zip(counts, size, strict=True) for part in pair]
    images = ops.reshape(ops.slice(images, *inside), [batch, *split, channels])
    order = [0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1]
    elements = channels
    for k in size:
        elements *= k
    return ops.reshape(ops.transpose(images, order), [batch, *counts, elements])


def _windows(images: Any, size: Any, strides: Any, dilation: Any, counts: list[int]) -> Any:
    """Patches that overlap or have gaps: one strided view of the images for each element of a patch."""
    views = []
    for offsets in itertools.product(*(range(0, k * d, d) for k, d in zip(size, dilation, strict=True))):
        index = [
            slice(start, start + (count - 1) * step + 1 if count else start, step)
            for start, count, step in zip(offsets, counts, strides, strict=True)
        ]
        views.append(images[(slice(None), *index)])
    return ops.concatenate(views, axis=-1)


extract_patches: Any = symbolic(_extract_patches, "extract_patches")
extract_patches_3d: Any = symbolic(_extract_patches_3d, "extract_patches_3d")
