"""The leaky rectified linear unit as a layer."""

from __future__ import annotations

import warnings
from typing import Any

from rustdl import activations
from rustdl.layers.layer import Layer


class LeakyReLU(Layer):
    """`x` where `x > 0`, else `negative_slope * x`.

    Args:
        negative_slope: slope below 0, >= 0.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: the slope is None or negative.
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
            warnings.warn("Argument `alpha` is deprecated. Use `negative_slope` instead.", stacklevel=2)
        super().__init__(**kwargs)
        if negative_slope is None or negative_slope < 0:
            raise ValueError(
                "The negative_slope value of a Leaky ReLU layer cannot be None or negative value. Expected a float. "
                f"Received: negative_slope={negative_slope}"
            )
        self.negative_slope = negative_slope
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return activations.leaky_relu(inputs, negative_slope=self.negative_slope)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "negative_slope": self.negative_slope}
