"""Scale and offset."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers.preprocessing.data_layer import DataLayer
from rustdl.saving import serialization_lib


class Rescaling(DataLayer):
    """`x * scale + offset`.

    Args:
        scale: number or array.
        offset: number or array.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Rescaling(0.5, offset=1)(rustdl.ops.convert_to_tensor([2, 4])).tolist()
        [2.0, 3.0]
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        dtype = self.compute_dtype
        scale, offset = ops.cast(self.scale, dtype), ops.cast(self.offset, dtype)
        if backend.image_data_format() == "channels_first" and len(inputs.shape) == 4 and len(scale.shape) == 1:
            scale = ops.reshape(scale, (-1, 1, 1))
            offset = ops.reshape(offset, (-1, 1, 1)) if len(offset.shape) == 1 else offset
        return backend.convert_to_tensor(inputs, dtype=dtype) * scale + offset

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": serialization_lib.serialize_keras_object(self.scale),
            "offset": serialization_lib.serialize_keras_object(self.offset),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        config = dict(config)
        for key in ("scale", "offset"):
            if isinstance(config.get(key), dict):
                config[key] = serialization_lib.deserialize_keras_object(config[key], custom_objects=custom_objects)
        return cls(**config)
