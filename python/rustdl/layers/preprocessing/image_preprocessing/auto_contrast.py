"""Images whose values fill their range."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer


class AutoContrast(ColorLayer):
    """Spreads the values of each channel so that the smallest and largest are the ends of the value range.

    Channels of one value stay as they are. There is nothing random: it does so at inference, too.

    Args:
        value_range: The range of the images' values.
        **kwargs: arguments of `Layer`, and `data_format`.

    Raises:
        ValueError: A value range that is not two numbers.

    Example:
        >>> import numpy as np
        >>> AutoContrast()(np.array([[[10.0], [20.0], [30.0]]], "float32")).numpy().ravel().tolist()
        [0.0, 127.5, 255.0]
    """

    _USE_BASE_FACTOR = False

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set_value_range(value_range)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images with their values spread."""
        images = ops.cast(images, self.compute_dtype)
        x = self._transform_value_range(images, self.value_range, (0, 255), dtype=self.compute_dtype)
        axes = (self.height_axis, self.width_axis)
        low, high = ops.min(x, axis=axes, keepdims=True), ops.max(x, axis=axes, keepdims=True)
        is_spread = high > low
        scale = 255.0 / ops.where(is_spread, high - low, ops.ones_like(low))
        spread = ops.clip(x * scale - low * scale, 0.0, 255.0)
        spread = self._transform_value_range(spread, (0, 255), self.value_range, dtype=self.compute_dtype)
        return ops.where(is_spread, spread, images)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value_range": self.value_range}
