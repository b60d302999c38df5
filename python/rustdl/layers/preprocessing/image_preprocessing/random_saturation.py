"""Images of stronger or weaker colours at random."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops, random
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer


class RandomSaturation(ColorLayer):
    """Multiplies the saturation of each image by f / (1 - f).

    Args:
        factor: Range of f within [0, 1], or one number for its upper end: 0 makes images grey, 0.5 leaves them.
        value_range: The range of the images' values; saturations are clipped to it.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        seed: A seed or `None`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor beyond its bounds, or a value range that is not two numbers.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomSaturation(0.2, seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

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
        """The factor of each image."""
        low, high = self.factor
        factor = random.uniform((self._batch_size(data),), minval=low, maxval=high, seed=self._seed(seed))
        return {"factor": factor / (1 - factor + backend.epsilon())}

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images with their saturations multiplied."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        factor = ops.reshape(ops.cast(transformation["factor"], self.compute_dtype), (-1, 1, 1, 1))
        images = ops.image.rgb_to_hsv(images, data_format=self.data_format)
        hue, saturation, value = ops.split(images, 3, axis=self.channel_axis)
        saturation = ops.clip(saturation * factor, self.value_range[0], self.value_range[1])
        images = ops.concatenate([hue, saturation, value], axis=self.channel_axis)
        return ops.image.hsv_to_rgb(images, data_format=self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
