"""The rectified linear unit as a layer."""

from __future__ import annotations

from typing import Any

from rustdl import activations
from rustdl.layers.layer import Layer


class ReLU(Layer):
    """`x` above `threshold`, `negative_slope * (x - threshold)` below, cut at `max_value`.

    Args:
        max_value: upper bound >= 0, None for none.
        negative_slope: slope below the threshold, >= 0.
        threshold: where the unit starts, >= 0.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a negative argument, or None where a number is needed.
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
        super().__init__(**kwargs)
        if max_value is not None and max_value < 0.0:
            raise ValueError(f"max_value of a ReLU layer cannot be a negative value. Received: max_value={max_value}")
        for name, value in (("negative_slope", negative_slope), ("threshold", threshold)):
            if value is None or value < 0.0:
                raise ValueError(f"{name} of a ReLU layer cannot be None or a negative value. Received: {name}={value}")
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return activations.relu(
            inputs, negative_slope=self.negative_slope, max_value=self.max_value, threshold=self.threshold
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }
