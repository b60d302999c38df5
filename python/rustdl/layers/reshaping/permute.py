"""Axes in another order."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer


class Permute(Layer):
    """Reorders the axes after the batch axis.

    Args:
        dims: for each output axis the input axis, counted from 1.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: `dims` is not a permutation of 1 ... n.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Permute((2, 1))(rustdl.ops.ones((1, 3, 4))).shape
        (1, 4, 3)
    """

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                "Invalid permutation argument `dims` for Permute Layer. The set of indices in `dims` must be "
                f"consecutive and start from 1. Received dims={dims}"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)
        self._build_at_init()

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], *(input_shape[d] for d in self.dims))

    def compute_output_spec(self, inputs: Any) -> Any:
        return backend.KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def call(self, inputs: Any) -> Any:
        return ops.transpose(inputs, (0, *self.dims))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dims": self.dims}
