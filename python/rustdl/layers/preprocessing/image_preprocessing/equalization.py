"""Images whose values are spread evenly."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer


class Equalization(ColorLayer):
    """Maps the values of each channel so that all become about equally frequent (histogram equalisation).

    The histogram is that of the channel over the whole batch. Channels of one value stay as they are.

    Args:
        value_range: The range of the images' values.
        bins: Number of bins of the histogram.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A value range that is not two numbers.

    Example:
        >>> import numpy as np
        >>> Equalization()(np.array([[[10.0], [20.0], [30.0]]], "float32")).numpy().ravel().tolist()
        [0.0, 128.0, 255.0]
    """

    def __init__(
        self, value_range: Any = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.bins = bins
        self._set_value_range(value_range)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images with their values spread."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        x = ops.moveaxis(self._transform_value_range(images, self.value_range, (0, 255)), self.channel_axis, 0)
        x = ops.cast(x, "float32")
        channels = x.shape[0]
        # One histogram for each channel: the bins of channel c start at c * bins.
        first = ops.reshape(ops.arange(channels, dtype="int32") * self.bins, [channels, *[1] * (len(x.shape) - 1)])
        index = ops.cast(ops.clip(x * (self.bins - 1) / 255.0, 0, self.bins - 1), "int32") + first
        counts = ops.segment_sum(
            ops.ones_like(ops.reshape(index, (-1,))), ops.reshape(index, (-1,)), num_segments=channels * self.bins
        )
        counts = ops.reshape(counts, (channels, self.bins))
        table = ops.reshape(_lookup(counts), (-1,))
        position = ops.cast(ops.clip(x / 255.0 * (self.bins - 1), 0, self.bins - 1), "int32") + first
        is_varied = ops.sum(ops.cast(counts > 0, "int32"), axis=1) > 1
        is_varied = ops.reshape(is_varied, [channels, *[1] * (len(x.shape) - 1)])
        x = ops.where(is_varied, ops.take(table, position), x)
        x = ops.moveaxis(x, 0, self.channel_axis)
        return ops.cast(self._transform_value_range(x, (0, 255), self.value_range), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bins": self.bins, "value_range": self.value_range}


def _lookup(counts: Any) -> Any:
    """For each bin the value, 0 to 255, that its pixels get: the share of pixels above the lowest filled bin."""
    below = ops.cast(ops.cumsum(counts, axis=1), "float32")
    lowest = ops.min(ops.where(below > 0, below, ops.full_like(below, float("inf"))), axis=1, keepdims=True)
    rest = below[:, -1:] - lowest
    table = (below - lowest) * 255.0 / ops.where(rest > 0, rest, ops.ones_like(rest))
    return ops.clip(ops.round(table), 0, 255)
