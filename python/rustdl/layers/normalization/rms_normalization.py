"""Root mean square normalisation."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.layer import Layer
from rustdl.layers.normalization._axes import check_axes


class RMSNormalization(Layer):
    """`scale * x / sqrt(mean(x^2) + epsilon)` (Zhang and Sennrich, 2019).

    Args:
        axis: axis or axes over which the mean is taken; the scale has their shape.
        epsilon: added to the mean.
        **kwargs: arguments of `Layer`.
    """

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        check_axes(self.axis, input_shape)
        self.axis = sorted(self.axis) if isinstance(self.axis, list | tuple) else [self.axis]
        shape = tuple(input_shape[a] for a in self.axis)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")
        self.built = True

    def call(self, x: Any) -> Any:
        return ops.rms_normalization(x, scale=self.scale, axis=self.axis, epsilon=self.epsilon)

    def compute_output_shape(self, input_shape: Any) -> Any:
        check_axes(self.axis, input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}
