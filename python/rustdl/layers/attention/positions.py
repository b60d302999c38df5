"""Positions as layers. Extensions, with the names and arguments that they have in keras-hub."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.layer import Layer


class RotaryEmbedding(Layer):
    """Turns pairs of features by angles that grow with the position: see `rustdl.ops.rotary_embedding`.

    Args:
        max_wavelength: the slowest pair turns by one radian in about so many positions.
        scaling_factor: positions are divided by it.
        sequence_axis: the axis of positions.
        feature_axis: only -1.
        **kwargs: arguments of `Layer`.

    Call arguments:
        inputs: queries or keys, such as `(B, T, heads, size)`, the size even.
        start_index: position of the first element.
        positions: positions of all, `(T,)` or `(B, T)`, in place of it.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RotaryEmbedding()(rustdl.ops.ones((1, 3, 2, 4))).shape
        (1, 3, 2, 4)
    """

    def __init__(
        self,
        max_wavelength: float = 10000,
        scaling_factor: float = 1.0,
        sequence_axis: int = 1,
        feature_axis: int = -1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if feature_axis != -1:
            raise ValueError(f"RotaryEmbedding: only feature_axis=-1 is supported, got {feature_axis}; move the axis")
        self.max_wavelength = max_wavelength
        self.scaling_factor = scaling_factor
        self.sequence_axis = sequence_axis
        self.feature_axis = feature_axis
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, start_index: Any = 0, positions: Any = None) -> Any:
        if positions is None:
            positions = ops.arange(inputs.shape[self.sequence_axis], dtype="float32") + ops.cast(start_index, "float32")
        positions = ops.divide(ops.cast(positions, "float32"), self.scaling_factor)
        return ops.rotary_embedding(
            inputs, positions=positions, max_wavelength=self.max_wavelength, axis=self.sequence_axis
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_wavelength": self.max_wavelength,
            "scaling_factor": self.scaling_factor,
            "sequence_axis": self.sequence_axis,
            "feature_axis": self.feature_axis,
        }


class SinePositionEncoding(Layer):
    """Sines and cosines of the positions, of the inputs' shape: see `rustdl.ops.sine_positions`.

    Args:
        max_wavelength: the slowest pair turns by one radian in about so many positions.
        **kwargs: arguments of `Layer`.

    Call arguments:
        inputs: embeddings `(B, T, D)`, to which the result is to be added.
        start_index: position of the first one.
        positions: positions of all, `(T,)` or `(B, T)`, in place of it.

    Example:
        >>> import rustdl
        >>> rustdl.layers.SinePositionEncoding()(rustdl.ops.ones((1, 3, 4))).shape
        (1, 3, 4)
    """

    def __init__(self, max_wavelength: float = 10000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_wavelength = max_wavelength
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, start_index: Any = 0, positions: Any = None) -> Any:
        found = ops.sine_positions(inputs, start_index, positions, max_wavelength=self.max_wavelength)
        return ops.broadcast_to(found, inputs.shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "max_wavelength": self.max_wavelength}
