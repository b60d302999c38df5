"""Images made grey at random."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer


class RandomGrayscale(ColorLayer):
    """Makes images grey with a probability; three equal channels stay.

    Args:
        factor: The probability.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        seed: A seed or `None`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor beyond [0, 1].

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomGrayscale(0.5, seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    def __init__(self, factor: float = 0.5, data_format: str | None = None, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if factor < 0 or factor > 1:
            raise ValueError(f"`factor` should be between 0 and 1. Received: factor={factor}")
        self.factor = factor  # type: ignore[assignment]
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Which images become grey."""
        shape = (self._batch_size(data), 1, 1, 1)
        return random.uniform(shape, seed=self._seed(seed)) < self.factor

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """The images, some of them grey."""
        if not training:
            return images
        is_chosen = self.get_random_transformation(images) if transformation is None else transformation
        return ops.where(is_chosen, ops.image.rgb_to_grayscale(images, data_format=self.data_format), images)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "seed": self.seed}
