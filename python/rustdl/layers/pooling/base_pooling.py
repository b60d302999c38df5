"""What the pooling layers of all ranks share."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers.convolutional._shapes import window_output_shape
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer
from rustdl.utils.argument_validation import standardize_padding, standardize_tuple


class BasePooling(Layer):
    """Maximum or mean over a sliding window.

    Args:
        pool_size: window sizes.
        strides: steps; None for the window sizes.
        pool_dimensions: number of spatial axes.
        pool_mode: `"max"` or `"average"`; padding never counts.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        name: name of the layer.
        **kwargs: arguments of `Layer`.
    """

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        pool_dimensions: int,
        pool_mode: str = "max",
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size = standardize_tuple(pool_size, pool_dimensions, "pool_size")
        self.strides = standardize_tuple(pool_size if strides is None else strides, pool_dimensions, "strides")
        self.pool_mode = pool_mode
        self.padding = standardize_padding(padding)
        self.data_format = backend.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=pool_dimensions + 2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        pool = ops.max_pool if self.pool_mode == "max" else ops.average_pool
        return pool(
            inputs,
            pool_size=self.pool_size,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
        )

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return window_output_shape(
            input_shape,
            None,
            self.pool_size,
            self.strides,
            self.padding,
            self.data_format,
            what="pool_size",
            layer=self.name,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": self.data_format,
        }
