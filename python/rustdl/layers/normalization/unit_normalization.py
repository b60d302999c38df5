"""Scaling to unit length."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.layer import Layer


class UnitNormalization(Layer):
    """Scales vectors along `axis` to L2 norm 1.

    Args:
        axis: axis or axes of the norm.
        **kwargs: arguments of `Layer`.

    Raises:
        TypeError: axis of another type.

    Example:
        >>> import rustdl
        >>> rustdl.layers.UnitNormalization()(rustdl.ops.convert_to_tensor([[0.0, 2.0]])).tolist()
        [[0.0, 1.0]]
    """

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, int | list | tuple):
            raise TypeError(
                f"Invalid value for `axis` argument: expected an int or a list/tuple of ints. Received: axis={axis}"
            )
        self.axis = list(axis) if isinstance(axis, list | tuple) else axis
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        axis = tuple(self.axis) if isinstance(self.axis, list) else self.axis
        squares = ops.sum(ops.square(inputs), axis=axis, keepdims=True)
        return inputs * ops.rsqrt(ops.maximum(squares, 1e-12))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}
