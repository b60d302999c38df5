"""Masks time steps by a value."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers.layer import Layer
from rustdl.saving import serialization_lib


class Masking(Layer):
    """Masks the time steps all of whose features equal `mask_value`: sets them to 0 and passes a mask on.

    Args:
        mask_value: the value, a number.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> x = rustdl.ops.convert_to_tensor([[[1.0, 2.0], [0.0, 0.0]]])
        >>> rustdl.layers.Masking().compute_mask(x).tolist()
        [[True, False]]
    """

    def __init__(self, mask_value: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(mask_value, dict):
            mask_value = serialization_lib.deserialize_keras_object(mask_value)
        self.mask_value = mask_value
        self.supports_masking = True
        self._build_at_init()

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:
        kept = ops.any(ops.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        outputs = ops.where(kept, inputs, ops.zeros_like(inputs))
        backend.set_keras_mask(outputs, mask=ops.squeeze(kept, axis=-1))
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mask_value": self.mask_value}
