"""Images with random rectangles erased."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._arguments import number_range
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer
from rustdl.layers.preprocessing.image_preprocessing._rectangles import random_interval, rectangle_mask


class RandomErasing(ColorLayer):
    """Fills a random rectangle of each image with noise or a value (Zhong et al., 2020).

    Args:
        factor: Probability that an image is changed, or a range that it is drawn from.
        scale: Range of the squared sides of the rectangle as fractions of those of the image, within [0, 1].
        fill_value: What it is filled with: a number, one for each of three channels, or `None` for normal noise.
        value_range: The range of the images' values, to which what is filled in is clipped.
        seed: A seed or `None`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor or scale beyond [0, 1], or another kind of fill value.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomErasing(seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: Any = (0, 255),
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        self.scale = number_range(scale, self._FACTOR_BOUNDS, "scale")
        is_triple = isinstance(fill_value, (tuple, list)) and len(fill_value) == 3
        if fill_value is not None and not is_triple and not isinstance(fill_value, (int, float)):
            raise ValueError(
                "The `fill_value` argument should be a number (or a list of three numbers), or None. "
                f"Received: fill_value={fill_value}"
            )
        self.fill_value = fill_value
        self.value_range = value_range
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Which images are changed, where, and what is filled in."""
        if not training:
            return None
        seed, dtype, shape, batch_size = (
            self._seed(seed),
            self.compute_dtype,
            self._images_shape(data),
            self._batch_size(data),
        )
        height, width = self._height_width(shape)
        low, high = self.scale
        sides = ops.sqrt(random.uniform((batch_size, 2), minval=low, maxval=high, seed=seed, dtype=dtype))
        x = random_interval(width, sides[:, 0], seed, dtype)
        y = random_interval(height, sides[:, 1], seed, dtype)
        axes = (self.height_axis, self.width_axis, self.channel_axis)
        return {
            "apply_erasing": self._is_chosen(batch_size, seed),
            "batch_masks": rectangle_mask(shape, axes, x, y, dtype),
            "fill_value": self._filling(shape, seed),
        }

    def _filling(self, shape: Any, seed: Any) -> Any:
        """What is filled in, to broadcast with the images."""
        dtype, (low, high) = self.compute_dtype, self.value_range
        if self.fill_value is None:
            filling = random.normal(shape, seed=seed, dtype=dtype) * high
        elif isinstance(self.fill_value, (tuple, list)):
            view = [1] * len(shape)
            view[self.channel_axis] = 3
            filling = ops.reshape(ops.convert_to_tensor(list(self.fill_value), dtype=dtype), view)
        else:
            filling = ops.convert_to_tensor(float(self.fill_value), dtype=dtype)
        return ops.clip(filling, low, high)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images with their rectangles filled."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        is_chosen = ops.reshape(transformation["apply_erasing"], (-1, 1, 1, 1))
        is_erased = ops.logical_and(is_chosen, transformation["batch_masks"])
        return ops.where(is_erased, ops.cast(transformation["fill_value"], images.dtype), images)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "factor": self.factor,
            "scale": self.scale,
            "fill_value": self.fill_value,
            "value_range": self.value_range,
            "seed": self.seed,
        }
