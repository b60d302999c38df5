"""Images made sharper or softer at random."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer

# Each pixel counts 5, its eight neighbours 1 each, of 13.
_SMOOTHING = [[1 / 13, 1 / 13, 1 / 13], [1 / 13, 5 / 13, 1 / 13], [1 / 13, 1 / 13, 1 / 13]]


class RandomSharpness(ColorLayer):
    """Mixes each image with a smoothed version: x + (1 - 2 f) (smooth - x).

    Args:
        factor: Range of f within [0, 1], or one number for its upper end: 0 gives the smooth image, 0.5 leaves it, 1
            exaggerates the difference.
        value_range: The range of the images' values, to which results are clipped.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        seed: A seed or `None`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor beyond [0, 1], or a value range that is not two numbers.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomSharpness(0.2, seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        self._set_value_range(value_range)
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The factor f of each image."""
        low, high = self.factor
        return {"factor": random.uniform((self._batch_size(data),), minval=low, maxval=high, seed=self._seed(seed))}

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images mixed with their smooth versions."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        is_channels_first = self.data_format == "channels_first"
        x = ops.moveaxis(images, -3, -1) if is_channels_first else images
        kernel = ops.reshape(ops.convert_to_tensor(_SMOOTHING, dtype=x.dtype), (3, 3, 1, 1))
        kernel = ops.broadcast_to(kernel, (3, 3, x.shape[-1], 1))
        smooth = ops.depthwise_conv(x, kernel, padding="same", data_format="channels_last")
        factor = ops.reshape(ops.cast(transformation["factor"], x.dtype), (-1, 1, 1, 1))
        x = ops.clip(x + (1.0 - 2.0 * factor) * (smooth - x), self.value_range[0], self.value_range[1])
        return ops.moveaxis(x, -1, -3) if is_channels_first else x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
