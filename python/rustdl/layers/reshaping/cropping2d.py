"""The ends of images cut off."""

from __future__ import annotations

from typing import Any

from rustdl import backend
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer
from rustdl.layers.reshaping._spatial import pairs, resized


class Cropping2D(Layer):
    """Cuts elements off both ends of each spatial axis.

    Args:
        cropping: int, (height, width), or ((top, bottom), (left, right)).
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: amounts that are negative, of the wrong form, or as large as the input.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Cropping2D(1)(rustdl.ops.ones((1, 6, 6, 3))).shape
        (1, 4, 4, 3)
    """

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = backend.standardize_data_format(data_format)
        self.cropping = pairs(cropping, 2, "cropping")
        self.input_spec = InputSpec(ndim=4)
        self._build_at_init()

    def _pairs(self) -> tuple[tuple[int, int], ...]:
        return pairs(self.cropping, 2, "cropping")

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        amounts = self._pairs()

        def cropped(i: int, size: int) -> int:
            if sum(amounts[i]) >= size:
                raise ValueError(
                    "Values in `cropping` argument should be smaller than the corresponding spatial dimension of the "
                    "input. Received: "
                    f"input_shape={tuple(input_shape)}, cropping={self.cropping}"
                )
            return size - sum(amounts[i])

        return resized(input_shape, self.data_format, cropped)

    def call(self, inputs: Any) -> Any:
        self.compute_output_shape(inputs.shape)  # raises where nothing would be left
        spatial = tuple(slice(before, -after or None) for before, after in self._pairs())
        whole = (slice(None),)
        return inputs[whole + spatial + whole if self.data_format == "channels_last" else whole * 2 + spatial]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cropping": self.cropping, "data_format": self.data_format}
