"""Images inverted at random."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer


class RandomInvert(ColorLayer):
    """Replaces the values x of an image by the upper end of the value range less x.

    Args:
        factor: Probability that an image is inverted, or a range that it is drawn from.
        value_range: The range of the images' values.
        seed: A seed or `None`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor beyond [0, 1].

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomInvert((1.0, 1.0), seed=1)(rustdl.ops.full((1, 1, 1, 3), 100.0)).tolist()
        [[[[155.0, 155.0, 155.0]]]]
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        factor: Any = 1.0,
        value_range: Any = (0, 255),
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        self.value_range = value_range
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Which images are inverted."""
        if not training:
            return None
        return {"apply_inversion": self._is_chosen(self._batch_size(data), self._seed(seed))}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """The images, some of them inverted."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        is_chosen = ops.reshape(transformation["apply_inversion"], (-1, 1, 1, 1))
        return ops.where(is_chosen, self.value_range[1] - images, images)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
