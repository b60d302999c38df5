"""Images of other hues at random."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer


class RandomHue(ColorLayer):
    """Turns the hues of each image along the colour circle.

    Args:
        factor: Range of the turn in halves of the circle within [0, 1], or one number for its upper end; the direction
            is drawn besides.
        value_range: The range of the images' values.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        seed: A seed or `None`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor beyond [0, 1].

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomHue(0.2, seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

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
        self.value_range = value_range
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The turn of each image in full circles."""
        shape, seed = (self._batch_size(data),), self._seed(seed)
        coin = random.uniform(shape, seed=seed)
        sign = ops.where(coin > 0.5, -ops.ones_like(coin), ops.ones_like(coin))
        size = random.uniform(shape, minval=self.factor[0], maxval=self.factor[1], seed=seed)
        return {"factor": sign * size * 0.5}

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images with their hues turned."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        images = self._transform_value_range(images, self.value_range, (0, 1), dtype=self.compute_dtype)
        turn = ops.reshape(ops.cast(transformation["factor"], images.dtype), (-1, 1, 1, 1))
        images = ops.image.rgb_to_hsv(images, data_format=self.data_format)
        hue, saturation, value = ops.split(images, 3, axis=self.channel_axis)
        hue = hue + turn
        hue = ops.where(hue > 1.0, hue - 1.0, hue)
        hue = ops.where(hue < 0.0, hue + 1.0, hue)
        images = ops.concatenate([hue, saturation, value], axis=self.channel_axis)
        images = ops.clip(ops.image.hsv_to_rgb(images, data_format=self.data_format), 0, 1)
        return self._transform_value_range(images, (0, 1), self.value_range, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
