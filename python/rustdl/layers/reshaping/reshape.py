"""A new shape for the same elements."""

from __future__ import annotations

import math
from typing import Any

from rustdl import backend, ops
from rustdl.layers.layer import Layer


class Reshape(Layer):
    """Reshapes all axes but the batch axis.

    Args:
        target_shape: the new shape without the batch axis; one entry may be -1.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: more than one -1, or a size that does not fit.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Reshape((3, -1))(rustdl.ops.ones((2, 12))).shape
        (2, 3, 4)
    """

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        target_shape = tuple(target_shape)
        if any(not isinstance(n, int) or n < -1 for n in target_shape):
            raise ValueError(
                "Every entry of the `target_shape` argument must be a non-negative integer, or -1 for the one that is "
                f"worked out. Received: target_shape={target_shape}"
            )
        if target_shape.count(-1) > 1:
            raise ValueError(
                "There must be at most one unknown dimension (-1) in the `target_shape` argument. Received: "
                f"target_shape={target_shape}"
            )
        self.target_shape = target_shape
        self._build_at_init()

    def _resolved(self, input_shape: Any) -> tuple[int | None, ...]:
        """The target with -1 worked out; None where the input's size is unknown."""
        sizes = tuple(input_shape[1:])
        target = self.target_shape
        if None in sizes:
            return tuple(None if n == -1 else n for n in target)
        total = math.prod(sizes)
        known = math.prod(n for n in target if n != -1)
        fits = total == known if -1 not in target else known != 0 and total % known == 0
        if not fits:
            raise ValueError(
                f"The total size of the tensor must be unchanged. Received: input_shape={sizes}, target_shape={target}"
            )
        return tuple(total // known if n == -1 else n for n in target)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], *self._resolved(input_shape))

    def compute_output_spec(self, inputs: Any) -> Any:
        return backend.KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def call(self, inputs: Any) -> Any:
        return ops.reshape(inputs, (inputs.shape[0], *self._resolved(inputs.shape)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": self.target_shape}
