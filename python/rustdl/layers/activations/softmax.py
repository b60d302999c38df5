"""Softmax as a layer."""

from __future__ import annotations

from typing import Any

from rustdl import activations, backend, ops
from rustdl.layers.layer import Layer


class Softmax(Layer):
    """`exp(x) / sum(exp(x))` along `axis`; masked elements get probability 0.

    Args:
        axis: axis or axes of the sum.
        **kwargs: arguments of `Layer`.

    Call arguments:
        inputs: the logits.
        mask: boolean, of the inputs' shape or broadcastable to it: True where an element counts.
    """

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is not None:
            # Large enough to vanish in the softmax, small enough not to overflow in float16.
            low = -3e4 if backend.standardize_dtype(inputs.dtype) == "float16" else -1e9
            inputs = inputs + ops.cast(ops.logical_not(mask), inputs.dtype) * low
        if not isinstance(self.axis, list | tuple):
            return activations.softmax(inputs, axis=self.axis)
        if len(self.axis) == 1:
            return activations.softmax(inputs, axis=self.axis[0])
        axes = tuple(self.axis)
        return ops.exp(inputs - ops.logsumexp(inputs, axis=axes, keepdims=True))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}
