"""All axes but the batch axis into one."""

from __future__ import annotations

import math
from typing import Any

from rustdl import backend, ops
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer


class Flatten(Layer):
    """Reshapes `(batch, ...)` to `(batch, product of the rest)`; `(batch,)` to `(batch, 1)`.

    Args:
        data_format: with `"channels_first"`, the channels are moved to the end first.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Flatten()(rustdl.ops.ones((2, 3, 4))).shape
        (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = backend.standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)
        self._channels_first = self.data_format == "channels_first"
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        rank = len(inputs.shape)
        if self._channels_first and rank > 1:
            inputs = ops.transpose(inputs, (0, *range(2, rank), 1))
        size = math.prod(inputs.shape[1:])
        return ops.reshape(inputs, (inputs.shape[0], size))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        rest = tuple(input_shape[1:])
        return (input_shape[0], None if None in rest else math.prod(rest))

    def compute_output_spec(self, inputs: Any) -> Any:
        return backend.KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}
