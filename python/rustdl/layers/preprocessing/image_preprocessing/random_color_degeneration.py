"""Images that lose colour at random."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer


class RandomColorDegeneration(ColorLayer):
    """Mixes each image with its grey version: x + f (grey - x).

    Args:
        factor: Range of f within [-1, 1], two numbers or one for both directions.
        value_range: The range of the images' values, to which results are clipped.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        seed: A seed or `None`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor beyond its bounds, a value range that is not two numbers, or images without 3 channels.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomColorDegeneration(0.2, seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
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
        """How grey each image becomes."""
        low, high = self.factor
        shape = (self._batch_size(data), 1, 1, 1)
        return {"factor": random.uniform(shape, minval=low, maxval=high, seed=self._seed(seed))}

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images mixed with their grey versions."""
        images = ops.cast(images, self.compute_dtype)
        channels = images.shape[self.channel_axis]
        if channels != 3:
            raise ValueError(f"Input images must have 3 channels, but received images with {channels} channels.")
        if not training:
            return images
        grey = ops.image.rgb_to_grayscale(images, data_format=self.data_format)
        images = images + ops.cast(transformation["factor"], images.dtype) * (grey - images)
        return ops.clip(images, self.value_range[0], self.value_range[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
