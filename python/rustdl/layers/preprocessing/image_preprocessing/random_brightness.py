"""Images made brighter or darker at random."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer


class RandomBrightness(ColorLayer):
    """Adds a random number to all values of each image.

    Args:
        factor: Range of what is added as a fraction of the value range, two numbers within [-1, 1] or one for both
            directions.
        value_range: The range of the images' values, to which results are clipped.
        seed: A seed or `None`.
        **kwargs: arguments of `Layer`, and `data_format`.

    Raises:
        ValueError: A factor beyond [-1, 1], or a value range that is not two numbers.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomBrightness(0.2, seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: Any = None, **kwargs: Any) -> None:
        super().__init__(factor=factor, **kwargs)
        self._set_value_range(value_range)
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """What is added to each image."""
        shape = self._per_image_shape(data)
        if not training:
            return {"rgb_delta": ops.zeros(shape)}
        low, high = self.factor
        delta = random.uniform(shape, minval=low, maxval=high, seed=self._seed(seed))
        return {"rgb_delta": delta * (self.value_range[1] - self.value_range[0])}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """The images with the numbers added."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        images = images + ops.cast(transformation["rgb_delta"], images.dtype)
        return ops.clip(images, self.value_range[0], self.value_range[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
