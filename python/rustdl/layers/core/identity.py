"""The layer that does nothing."""

from __future__ import annotations

from typing import Any

from rustdl import backend, tree
from rustdl.layers.layer import Layer


class Identity(Layer):
    """Returns its input: a placeholder where a layer is expected.

    Args:
        **kwargs: arguments of `Layer`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def compute_output_spec(self, inputs: Any) -> Any:
        return tree.map_structure(lambda x: backend.KerasTensor(x.shape, dtype=x.dtype), inputs)
