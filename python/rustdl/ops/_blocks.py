"""Rearrangements between space and depth, images and patches, and by patterns of axis names."""

from __future__ import annotations

import math
import re
from typing import Any

from rustdl import backend
from rustdl._rustdl import ops as engine
from rustdl.ops._symbolic import symbolic


def _image(name: str, x: Any, data_format: Any) -> tuple[Any, bool]:
    """An image batch, and whether its channels are last."""
    x = backend.convert_to_tensor(x)
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            f"{name}: `data_format` must be 'channels_last' or 'channels_first'. Received: data_format={data_format!r}"
        )
    if x.ndim != 4:
        raise ValueError(f"`{name}` requires a 4D input tensor. Received: x.shape={tuple(x.shape)}")
    return x, data_format == "channels_last"


def _block(name: str, block_size: int) -> int:
    if block_size < 2:
        raise ValueError(f"{name}: `block_size` must be at least 2. Received: block_size={block_size}")
    return int(block_size)


def _depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Channels moved into space (Shi et al. 2016): each pixel's channels become a block of pixels.

    Args:
        x: Images of shape `(batch, height, width, b * b * channels)`, the block's row first, then its column.
        block_size: Pixels `b` along each side of a block.
        data_format: `"channels_last"`, or `"channels_first"`, where the order of the channels is
            `(channels, row, column)`.

    Returns:
        Images of shape `(batch, b * height, b * width, channels)`.
    """
    x, last = _image("depth_to_space", x, data_format)
    b = _block("depth_to_space", block_size)
    n, h, w, c = x.shape if last else (x.shape[0], *x.shape[2:], x.shape[1])
    if c % (b * b):
        raise ValueError(f"depth_to_space: The number of channels ({c}) must be divisible by block_size**2 ({b * b}).")
    rest = c // (b * b)
    if last:
        x = engine.transpose(engine.reshape(x, [n, h, w, b, b, rest]), [0, 1, 3, 2, 4, 5])
        return engine.reshape(x, [n, h * b, w * b, rest])
    x = engine.transpose(engine.reshape(x, [n, rest, b, b, h, w]), [0, 1, 4, 2, 5, 3])
    return engine.reshape(x, [n, rest, h * b, w * b])


def _space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """The inverse of `depth_to_space`: each block of pixels becomes the channels of one.

    Args:
        x: Images of shape `(batch, height, width, channels)`; both sides are multiples of `block_size`.
        block_size: Pixels `b` along each side of a block.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Images of shape `(batch, height / b, width / b, b * b * channels)`.
    """
    x, last = _image("space_to_depth", x, data_format)
    b = _block("space_to_depth", block_size)
    n, h, w, c = x.shape if last else (x.shape[0], *x.shape[2:], x.shape[1])
    for side, size in (("height", h), ("width", w)):
        if size % b:
            raise ValueError(f"space_to_depth: The {side} ({size}) must be divisible by block_size ({b}).")
    if last:
        x = engine.transpose(engine.reshape(x, [n, h // b, b, w // b, b, c]), [0, 1, 3, 2, 4, 5])
        return engine.reshape(x, [n, h // b, w // b, c * b * b])
    x = engine.transpose(engine.reshape(x, [n, c, h // b, b, w // b, b]), [0, 1, 3, 5, 2, 4])
    return engine.reshape(x, [n, c * b * b, h // b, w // b])


depth_to_space: Any = symbolic(_depth_to_space, "depth_to_space")
space_to_depth: Any = symbolic(_space_to_depth, "space_to_depth")


class _Taps:
    """The taps of a two-dimensional sliding window, checked: what `unfold` and `fold` share."""

    def __init__(self, name: str, size: Any, dilation: Any, padding: Any, stride: Any) -> None:
        self.name = name
        self.size = self._pair("kernel_size", size, 1)
        self.dilation = self._pair("dilation", dilation, 1)
        self.padding = self._pair("padding", padding, 0)
        self.stride = self._pair("stride", stride, 1)

    def _pair(self, argument: str, value: Any, least: int) -> tuple[int, int]:
        pair = (value, value) if isinstance(value, int) else tuple(int(v) for v in value)
        if len(pair) != 2 or min(pair) < least:
            raise ValueError(
                f"{self.name}: `{argument}` must be one integer or two, at least {least}. Received: {argument}={value}"
            )
        return pair

    def counts(self, height: int, width: int) -> tuple[int, int]:
        """How many windows fit along each axis of an image of that size."""
        found = []
        for axis, have in enumerate((height, width)):
            span = self.dilation[axis] * (self.size[axis] - 1) + 1
            room = have + 2 * self.padding[axis] - span
            if room < 0:
                raise ValueError(
                    f"{self.name}: a window that spans {span} elements does not fit into axis {axis} of size {have} "
                    f"with padding {self.padding[axis]}"
                )
            found.append(room // self.stride[axis] + 1)
        return found[0], found[1]

    def slices(self, counts: tuple[int, int]) -> list[tuple[slice, slice]]:
        """For each tap, what it sees of the padded image."""

        def along(axis: int, tap: int) -> slice:
            start = tap * self.dilation[axis]
            return slice(start, start + (counts[axis] - 1) * self.stride[axis] + 1, self.stride[axis])

        return [(along(0, i), along(1, j)) for i in range(self.size[0]) for j in range(self.size[1])]


def _unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The windows that slide over images, one a column (im2col).

    Args:
        x: Images of shape `(batch, channels, height, width)`.
        kernel_size: Height and width of a window.
        dilation: Distance between its elements.
        padding: Zeros around the image.
        stride: Distance between windows.

    Returns:
        Tensor of shape `(batch, channels * kernel_height * kernel_width, windows)`.

    Example:
        >>> from rustdl import ops
        >>> ops.unfold(ops.reshape(ops.arange(9), (1, 1, 3, 3)), 2).tolist()[0][0]
        [0, 1, 3, 4]
    """
    x = backend.convert_to_tensor(x)
    if x.ndim != 4:
        raise ValueError(f"`unfold` requires a 4D input tensor. Received: x.shape={tuple(x.shape)}")
    taps = _Taps("unfold", kernel_size, dilation, padding, stride)
    n, c, h, w = x.shape
    counts = taps.counts(h, w)
    (p, q) = taps.padding
    x = engine.pad_zeros(x, [0, 0, 0, 0, p, p, q, q])
    seen = engine.stack([x[:, :, rows, columns] for rows, columns in taps.slices(counts)], 2)
    return engine.reshape(seen, [n, c * taps.size[0] * taps.size[1], counts[0] * counts[1]])


def _fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Images from columns of windows, overlapping elements summed (col2im): the transpose of `unfold`.

    Args:
        x: Tensor of shape `(batch, channels * kernel_height * kernel_width, windows)`.
        output_size: Height and width of the images.
        kernel_size: Height and width of a window.
        dilation: Distance between its elements.
        padding: Zeros that were around the image.
        stride: Distance between windows.

    Returns:
        Tensor of shape `(batch, channels, height, width)`.
    """
    x = backend.convert_to_tensor(x)
    if x.ndim != 3:
        raise ValueError(f"`fold` requires a 3D input tensor. Received: x.shape={tuple(x.shape)}")
    taps = _Taps("fold", kernel_size, dilation, padding, stride)
    height, width = (output_size, output_size) if isinstance(output_size, int) else (int(s) for s in output_size)
    area = taps.size[0] * taps.size[1]
    if x.shape[1] % area:
        raise ValueError(
            f"The second dimension of the input ({x.shape[1]}) must be divisible by kernel_size product ({area})."
        )
    counts = taps.counts(height, width)
    if x.shape[2] != counts[0] * counts[1]:
        raise ValueError(
            f"fold: an image of size {(height, width)} has {counts[0]} * {counts[1]} windows, but the input has "
            f"{x.shape[2]}: x.shape={tuple(x.shape)}"
        )
    n, c = x.shape[0], x.shape[1] // area
    (p, q) = taps.padding
    seen = engine.reshape(x, [n, c, area, *counts])
    total: Any = None
    for tap, (rows, columns) in enumerate(taps.slices(counts)):
        image = _spread(seen[:, :, tap], 2, rows, height + 2 * p)
        image = _spread(image, 3, columns, width + 2 * q)
        total = image if total is None else total + image
    return total[:, :, p : p + height, q : q + width]


def _spread(x: Any, axis: int, places: slice, size: int) -> Any:
    """Zeros of `size` elements along an axis with `x` at evenly spaced places."""
    shape, step = list(x.shape), places.step
    if step > 1:
        x = engine.pad_zeros(engine.expand_dims(x, axis + 1), [0, 0] * (axis + 1) + [0, step - 1] + [0, 0] * (3 - axis))
        x = engine.reshape(x, [*shape[:axis], shape[axis] * step, *shape[axis + 1 :]])
        x = engine.slice(x, [0] * 4, [*shape[:axis], shape[axis] * step - step + 1, *shape[axis + 1 :]])
    after = size - places.start - x.shape[axis]
    return engine.pad_zeros(x, [0, 0] * axis + [places.start, after] + [0, 0] * (3 - axis))


unfold: Any = symbolic(_unfold, "unfold")
fold: Any = symbolic(_fold, "fold")


def _groups(side: str, pattern: str) -> list[list[str]]:
    """The axes of one side of a pattern, each as the list of its names."""
    tokens = re.findall(r"[A-Za-z_]\w*|[()]|\S", side)
    found: list[list[str]] = []
    inside = False
    for token in tokens:
        if token == "(" and not inside:
            inside = True
            found.append([])
        elif token == ")" and inside:
            inside = False
        elif token.isidentifier():
            if inside:
                found[-1].append(token)
            else:
                found.append([token])
        else:
            raise ValueError(
                f"rearrange: unexpected {token!r} in pattern {pattern!r}; axes have names, groups parentheses"
            )
    if inside:
        raise ValueError(f"rearrange: a parenthesis is not closed in pattern {pattern!r}")
    return found


def _axis_sizes(
    groups: list[list[str]], shape: tuple[int, ...], lengths: dict[str, int], pattern: str
) -> dict[str, int]:
    """The size of each named axis of the input."""
    if len(groups) != len(shape):
        raise ValueError(f"rearrange: pattern {pattern!r} has {len(groups)} axes, the tensor {len(shape)}: {shape}")
    sizes: dict[str, int] = {}
    for group, size in zip(groups, shape, strict=True):
        unknown = [name for name in group if name not in lengths]
        known = math.prod(lengths[name] for name in group if name in lengths)
        if len(unknown) > 1:
            raise ValueError(f"rearrange: give the sizes of all but one of {unknown} in pattern {pattern!r}")
        if (unknown and (known == 0 or size % known)) or (not unknown and known != size):
            raise ValueError(
                f"rearrange: an axis of size {size} cannot be split into {group} with the sizes {lengths} "
                f"(pattern {pattern!r}, shape {shape})"
            )
        for name in group:
            sizes[name] = lengths[name] if name in lengths else size // known
    return sizes


def _rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """A tensor with its axes split, permuted and merged after a pattern, as the einops package does.

    Args:
        tensor: The tensor.
        pattern: Names of the axes before and after, such as `"b h w c -> b (h w) c"`. Names in parentheses are one
            axis, the last of them changing fastest.
        **axes_lengths: Sizes of axes that cannot be inferred.

    Raises:
        ValueError: A pattern that is malformed or does not fit the shape.

    Example:
        >>> from rustdl import ops
        >>> ops.rearrange(ops.zeros((2, 6, 4)), "b (h w) c -> b c h w", h=2).shape
        (2, 4, 2, 3)
    """
    tensor = backend.convert_to_tensor(tensor)
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError(f"rearrange: pattern {pattern!r} must have one '->' between the axes before and after")
    before, after = (_groups(side, pattern) for side in sides)
    source, target = [n for g in before for n in g], [n for g in after for n in g]
    if len(set(source)) != len(source) or sorted(source) != sorted(target):
        raise ValueError(f"rearrange: both sides of pattern {pattern!r} must name the same axes, each once")
    unused = set(axes_lengths) - set(source)
    if unused:
        raise ValueError(f"rearrange: sizes of {sorted(unused)} are given, which pattern {pattern!r} does not name")
    sizes = _axis_sizes(before, tuple(tensor.shape), axes_lengths, pattern)
    split = engine.reshape(tensor, [sizes[name] for name in source])
    turned = engine.transpose(split, [source.index(name) for name in target])
    return engine.reshape(turned, [math.prod(sizes[name] for name in group) for group in after])


rearrange: Any = symbolic(_rearrange, "rearrange")
