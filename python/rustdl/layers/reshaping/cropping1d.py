"""The ends of one axis cut off."""

from __future__ import annotations

from typing import Any

from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer
from rustdl.layers.reshaping._spatial import pairs, resized


class Cropping1D(Layer):
    """Cuts elements off both ends of each spatial axis.

    Args:
        cropping: int, or (before, after).
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: amounts that are negative, of the wrong form, or as large as the input.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Cropping1D(1)(rustdl.ops.ones((1, 6, 3))).shape
        (1, 4, 3)
    """

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cropping = pairs(cropping, 1, "cropping")[0]
        self.input_spec = InputSpec(ndim=3)
        self._build_at_init()

    def _pairs(self) -> tuple[tuple[int, int], ...]:
        return pairs(self.cropping, 1, "cropping")

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        amounts = self._pairs()

        def cropped(i: int, size: int) -> int:
            if sum(amounts[i]) >= size:
                raise ValueError(
                    "`cropping` parameter of `Cropping1D` layer must be smaller than the input size. Received: "
                    f"input_shape={tuple(input_shape)}, cropping={self.cropping}"
                )
            return size - sum(amounts[i])

        return resized(input_shape, "channels_last", cropped)

    def call(self, inputs: Any) -> Any:
        self.compute_output_shape(inputs.shape)  # raises where nothing would be left
        spatial = tuple(slice(before, -after or None) for before, after in self._pairs())
        whole = (slice(None),)
        return inputs[whole + spatial + whole]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cropping": self.cropping}
