"""Steps repeated."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer
from rustdl.layers.reshaping._spatial import resized


class UpSampling1D(Layer):
    """Repeats each step `size` times.

    Args:
        size: int.
        **kwargs: arguments of `Layer`.
    """

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(size, int) or isinstance(size, bool):
            raise TypeError(f"Expected an integer value for `size`, got {type(size)}.")
        if size <= 0:
            raise ValueError(f"Argument `size` should be a positive integer. Received: size={size}")
        self.size = size
        self.input_spec = InputSpec(ndim=3)
        self._build_at_init()

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return resized(input_shape, "channels_last", lambda i, n: n * self.size)

    def call(self, inputs: Any) -> Any:
        return ops.repeat(inputs, self.size, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}
