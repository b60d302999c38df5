"""Images of fewer bits a channel at random."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer

_BITS = 8


class RandomPosterization(ColorLayer):
    """Keeps the highest bits of each value, of 8.

    Args:
        factor: How many bits are kept: a range (its upper end left out unless it is the lower one, too) within [1, 8],
            or its upper end.
        value_range: The range of the images' values.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        seed: A seed or `None`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor beyond [1, 8], or a value range that is not two numbers.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomPosterization((3, 3))(rustdl.ops.full((1, 1, 1, 3), 100.0)).tolist()
        [[[[96.0, 96.0, 96.0]]]]
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (1, 8)

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
        """How many bits of each image are dropped."""
        shape, (low, high) = (self._batch_size(data),), self.factor
        if low == high:
            return {"shift_factor": ops.full(shape, _BITS - low, dtype="uint8")}
        bits = random.randint(shape, minval=low, maxval=high, seed=self._seed(seed), dtype="int32")
        return {"shift_factor": ops.cast(_BITS - bits, "uint8")}

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images with the lowest bits cleared."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        shift = ops.reshape(ops.cast(transformation["shift_factor"], "int32"), (-1, 1, 1, 1))
        x = self._transform_value_range(images, self.value_range, (0, 255), dtype=self.compute_dtype)
        x = ops.cast(ops.clip(x, 0, 255), "int32")
        x = ops.bitwise_left_shift(ops.bitwise_right_shift(x, shift), shift)
        x = ops.cast(x, self.compute_dtype)
        return self._transform_value_range(x, (0, 255), self.value_range, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
