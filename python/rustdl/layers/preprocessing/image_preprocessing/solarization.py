"""Images whose bright values are inverted."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._arguments import number_range
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer


class Solarization(ColorLayer):
    """Adds a random number and inverts the values that reach a random threshold.

    Args:
        addition_factor: Range of what is added, as a fraction of the value range within [0, 1], or its upper end.
        threshold_factor: Range of the threshold, likewise.
        value_range: The range of the images' values.
        seed: A seed or `None`.
        **kwargs: arguments of `Layer`, and `data_format`.

    Raises:
        ValueError: A factor beyond [0, 1], or a value range that is not two numbers.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Solarization(seed=1)(rustdl.ops.full((1, 1, 1, 3), 100.0)).tolist()
        [[[[155.0, 155.0, 155.0]]]]
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: Any = (0, 255),
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.addition_factor = _fraction(addition_factor, "addition_factor")
        self.threshold_factor = _fraction(threshold_factor, "threshold_factor")
        self._set_value_range(value_range)
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """What is added to each image, and its threshold, for values from 0 to 255."""
        if not training:
            return None
        shape, seed = self._per_image_shape(data), self._seed(seed)

        def draw(factor: Any) -> Any:
            low, high = (255.0 * f for f in factor)
            return random.uniform(shape, minval=low, maxval=high, seed=seed, dtype=self.compute_dtype)

        return {"additions": draw(self.addition_factor), "thresholds": draw(self.threshold_factor)}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """The images with their bright values inverted."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        x = self._transform_value_range(images, self.value_range, (0, 255), dtype=self.compute_dtype)
        x = ops.clip(x + ops.cast(transformation["additions"], x.dtype), 0, 255)
        x = ops.where(x < ops.cast(transformation["thresholds"], x.dtype), x, 255 - x)
        return self._transform_value_range(x, (0, 255), self.value_range, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "addition_factor": self.addition_factor,
            "threshold_factor": self.threshold_factor,
            "seed": self.seed,
        }


def _fraction(factor: Any, name: str) -> tuple[Any, Any]:
    low, high = number_range(factor, (0, 1), name, is_symmetric=False)
    if low < 0 or high > 1:
        raise ValueError(
            "The `addition_factor` and `threshold_factor` arguments should be a number (or a list of two numbers) in "
            f"the range [0, 1]. Received: {name}={factor}"
        )
    return low, high
