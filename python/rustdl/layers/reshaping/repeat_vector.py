"""A vector repeated along a new axis."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer


class RepeatVector(Layer):
    """`(batch, features)` to `(batch, n, features)`.

    Args:
        n: number of repetitions.
        **kwargs: arguments of `Layer`.

    Raises:
        TypeError: `n` is not an int.
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(n, int) or isinstance(n, bool):
            raise TypeError(f"Expected an integer value for `n`, got {type(n)}.")
        if n <= 0:
            raise ValueError(f"Argument `n` should be a positive integer. Received: n={n}")
        self.n = n
        self.input_spec = InputSpec(ndim=2)
        self._build_at_init()

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], self.n, input_shape[1])

    def call(self, inputs: Any) -> Any:
        return ops.repeat(ops.expand_dims(inputs, 1), self.n, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n": self.n}
