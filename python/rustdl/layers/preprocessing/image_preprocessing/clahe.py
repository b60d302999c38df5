"""Contrast-limited adaptive histogram equalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import ops
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer

_BINS = 256


class ContrastLimitedAdaptiveHistogramEqualization(ColorLayer):
    """Spreads values by the histogram of their neighbourhood, without strengthening noise too much (Zuiderveld, 1994).

    Each channel is cut into tiles. The histogram of a tile is cut off at a limit, what was cut off is shared among all
    bins, and its running sum maps values. A pixel's value is interpolated between the maps of the four nearest tiles.

    Args:
        value_range: The range of the images' values.
        clip_limit: Where histograms are cut off, in multiples of the mean of a bin; 0 for nowhere.
        tile_grid_size: Number of tiles down and across.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> layer = rustdl.layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2))
        >>> layer(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Any = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = value_range
        self.clip_limit = clip_limit
        self.tile_grid_size = tile_grid_size

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images with their values spread."""
        dtype = images.dtype
        x = ops.cast(images, "float32")
        x = ops.moveaxis(x, -3, -1) if self.data_format == "channels_first" else x
        is_single = len(x.shape) == 3
        x = ops.expand_dims(x, 0) if is_single else x
        x = self._transform_value_range(x, self.value_range, (0, 255))
        x = self._transform_value_range(self._equalized(x), (0, 255), self.value_range)
        x = ops.squeeze(x, 0) if is_single else x
        x = ops.moveaxis(x, -1, -3) if self.data_format == "channels_first" else x
        return ops.cast(x, dtype)

    def _equalized(self, images: Any) -> Any:
        batch, height, width, channels = images.shape
        rows, columns = self.tile_grid_size
        tile = (-(-height // rows), -(-width // columns))
        # Reflected at the edges, so that all tiles are whole.
        for axis, length, count, size in ((1, height, rows, tile[0]), (2, width, columns, tile[1])):
            if size * count > length:
                images = ops.take(images, _reflected(size * count, length), axis=axis)
        pixels = ops.cast(ops.clip(images, 0, _BINS - 1), "int32")
        maps = self._maps(pixels, tile)
        (top, bottom, down), (left, right, across) = (
            _neighbours(count, size) for count, size in zip((rows, columns), tile, strict=True)
        )
        # The steps from a channel, column, row and image to the next; each axis adds its own part to the values.
        step = _BINS * np.array([1, channels, columns * channels, rows * columns * channels])
        base = pixels + _along(np.arange(channels) * step[0], 3) + _along(np.arange(batch) * step[3], 0)

        def mapped(row: Any, column: Any) -> Any:
            return ops.take(maps, base + _along(row * step[2], 1) + _along(column * step[1], 2))

        across_weight, down_weight = _along(across, 2), _along(down, 1)
        above = mapped(top, left) * (1.0 - across_weight) + mapped(top, right) * across_weight
        below = mapped(bottom, left) * (1.0 - across_weight) + mapped(bottom, right) * across_weight
        result = above * (1.0 - down_weight) + below * down_weight
        return ops.slice(result, [0, 0, 0, 0], [batch, height, width, channels])

    def _maps(self, pixels: Any, tile: tuple[int, int]) -> Any:
        """What the values 0 to 255 become in each tile, flat: [image, row, column, channel, value]."""
        batch, _, _, channels = pixels.shape
        rows, columns = self.tile_grid_size
        area, tiles = tile[0] * tile[1], batch * rows * columns * channels
        x = ops.reshape(pixels, (batch, rows, tile[0], columns, tile[1], channels))
        x = ops.reshape(ops.transpose(x, (0, 1, 3, 5, 2, 4)), (tiles, area))
        index = ops.reshape(x + ops.convert_to_tensor(np.arange(tiles, dtype="int32")[:, None] * _BINS), (-1,))
        ones = ops.ones_like(index, dtype="float32")
        counts = ops.reshape(ops.segment_sum(ones, index, num_segments=tiles * _BINS), (tiles, _BINS))
        if self.clip_limit > 0:
            kept = ops.minimum(counts, self.clip_limit * area / _BINS)
            counts = kept + ops.sum(counts - kept, axis=1, keepdims=True) / _BINS
        below = ops.cumsum(counts, axis=1)
        lowest = ops.min(below, axis=1, keepdims=True)
        rest = area - lowest
        maps = (below - lowest) * 255.0 / ops.where(ops.equal(rest, 0), ops.ones_like(rest), rest)
        return ops.reshape(ops.clip(maps, 0, 255), (-1,))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "clip_limit": self.clip_limit,
            "tile_grid_size": self.tile_grid_size,
        }


def _along(values: Any, axis: int) -> Any:
    """A vector to broadcast along one of four axes."""
    shape = [1] * 4
    shape[axis] = len(values)
    return ops.convert_to_tensor(values.reshape(shape).astype("int32" if values.dtype.kind == "i" else "float32"))


def _reflected(length: int, size: int) -> Any:
    """Indices into an axis of `size` that continue it to `length`, reflected at its end."""
    index = np.arange(length) % (2 * size)
    return np.minimum(index, 2 * size - 1 - index).astype("int32")


def _neighbours(count: int, size: int) -> tuple[Any, Any, Any]:
    """For each pixel of an axis of tiles the tile with its centre before it, the next one, and the weight of that."""
    position = ((np.arange(count * size, dtype="float32") - size / 2.0) / size).astype("float32")
    before = np.floor(position)
    weight = position - before
    index = before.astype("int32")
    return np.clip(index, 0, count - 1), np.clip(index + 1, 0, count - 1), weight
