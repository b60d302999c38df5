"""Volumes enlarged by whole factors."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer
from rustdl.layers.reshaping._spatial import resized
from rustdl.utils.argument_validation import standardize_tuple


class UpSampling3D(Layer):
    """Repeats the elements of each spatial axis.

    Args:
        size: int or three ints.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`.
    """

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = backend.standardize_data_format(data_format)
        self.size = standardize_tuple(size, 3, "size")
        self.input_spec = InputSpec(ndim=5)
        self._build_at_init()

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return resized(input_shape, self.data_format, lambda i, n: n * self.size[i])

    def call(self, inputs: Any) -> Any:
        first = 1 if self.data_format == "channels_last" else 2
        for i, factor in enumerate(self.size):
            inputs = ops.repeat(inputs, factor, axis=first + i)
        return inputs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "data_format": self.data_format}
