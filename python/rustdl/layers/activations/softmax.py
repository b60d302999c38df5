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
        if mask is None:
            return self._softmax(inputs)
        _check_mask(mask, inputs)
        if backend.standardize_dtype(mask.dtype) != "bool":
            mask = ops.greater(mask, 0.5)
        # Large enough to vanish in the softmax, small enough not to overflow in float16.
        low = -3e4 if backend.standardize_dtype(inputs.dtype) == "float16" else -1e9
        outputs = self._softmax(ops.where(mask, inputs, ops.cast(low, inputs.dtype)))
        # Also where everything along the axis is masked.
        return ops.where(mask, outputs, ops.zeros_like(outputs))

    def _softmax(self, inputs: Any) -> Any:
        if not isinstance(self.axis, list | tuple):
            return activations.softmax(inputs, axis=self.axis)
        if len(self.axis) == 1:
            return activations.softmax(inputs, axis=self.axis[0])
        return ops.exp(inputs - ops.logsumexp(inputs, axis=tuple(self.axis), keepdims=True))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


def _check_mask(mask: Any, inputs: Any) -> None:
    """Raises ValueError unless the mask broadcasts to the inputs."""
    shapes = f"Received: inputs.shape={inputs.shape}, mask.shape={mask.shape}"
    if len(mask.shape) > len(inputs.shape):
        raise ValueError(f"The `mask` must be broadcastable to `inputs` and must not have more dimensions. {shapes}")
    for m, n in zip(reversed(mask.shape), reversed(inputs.shape), strict=False):
        if m is not None and n is not None and m not in (1, n):
            raise ValueError(
                "The `mask` must be broadcastable to `inputs`. Each mask dimension must be 1 or match that of the "
                f"input dimension. {shapes}"
            )
