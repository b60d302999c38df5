"""What the adaptive pooling layers of all ranks share."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer


class BaseAdaptivePooling(Layer):
    """Maximum or mean over as many windows as the output shall have elements.

    Args:
        output_size: sizes of the spatial axes of the output; an int for all.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: arguments of `Layer`.

    Raises:
        TypeError: `output_size` is neither an int nor a tuple.
        ValueError: `output_size` of another length.
    """

    pool_dimensions = 0
    pool_mode = ""

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        rank = self.pool_dimensions
        if isinstance(output_size, int):
            output_size = (output_size,) * rank
        elif not isinstance(output_size, (tuple, list)):
            raise TypeError(
                f"`output_size` must be an integer or tuple of {rank} integer{'s' if rank > 1 else ''}. "
                f"Received: {output_size} of type {type(output_size)}"
            )
        if len(output_size) != rank:
            raise ValueError(f"For {rank}D input, `output_size` tuple must have length {rank}. Received: {output_size}")
        self.output_size = tuple(output_size)
        self.data_format = backend.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=rank + 2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        pool = ops.adaptive_max_pool if self.pool_mode == "max" else ops.adaptive_average_pool
        return pool(inputs, output_size=self.output_size, data_format=self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_size": self.output_size, "data_format": self.data_format}
