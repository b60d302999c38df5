"""Images of more or less contrast at random."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer


class RandomContrast(ColorLayer):
    """Spreads the values of each channel around its mean: (x - mean) c + mean.

    Args:
        factor: (l, u) for c between 1 - l and 1 + u, or one number for both, within [0, 1].
        value_range: The range of the images' values, to which results are clipped.
        seed: A seed or `None`.
        **kwargs: arguments of `Layer`, and `data_format`.

    Raises:
        ValueError: A factor beyond [0, 1].

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomContrast(0.2, seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    _FACTOR_BOUNDS = (0, 1)

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set_factor(factor)
        self.value_range = value_range
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The factor c of each image."""
        shape = self._per_image_shape(data)
        if not training:
            return {"contrast_factor": ops.zeros(shape)}
        low, high = 1.0 - self.factor[0], 1.0 + self.factor[1]
        factor = random.uniform(shape, minval=low, maxval=high, seed=self._seed(seed), dtype=self.compute_dtype)
        return {"contrast_factor": factor}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """The images with their values spread."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        mean = ops.mean(images, axis=(self.height_axis, self.width_axis), keepdims=True)
        factor = ops.cast(transformation["contrast_factor"], images.dtype)
        return ops.clip((images - mean) * factor + mean, self.value_range[0], self.value_range[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
