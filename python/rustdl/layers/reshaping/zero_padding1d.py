"""Zeros around one axis."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer
from rustdl.layers.reshaping._spatial import pairs, resized


class ZeroPadding1D(Layer):
    """Adds zeros at both ends of each spatial axis.

    Args:
        padding: int, or (before, after).
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: amounts that are negative or of the wrong form.

    Example:
        >>> import rustdl
        >>> rustdl.layers.ZeroPadding1D()(rustdl.ops.ones((1, 4, 3))).shape
        (1, 6, 3)
    """

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = backend.standardize_data_format(data_format)
        self.padding = pairs(padding, 1, "padding")[0]
        self.input_spec = InputSpec(ndim=3)
        self._build_at_init()

    def _pairs(self) -> tuple[tuple[int, int], ...]:
        return pairs(self.padding, 1, "padding")

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        amounts = self._pairs()
        return resized(input_shape, self.data_format, lambda i, size: size + sum(amounts[i]))

    def call(self, inputs: Any) -> Any:
        none = ((0, 0),)
        around = none + self._pairs() + none if self.data_format == "channels_last" else none * 2 + self._pairs()
        return ops.pad(inputs, around)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}
