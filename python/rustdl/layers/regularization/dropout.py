"""Dropout."""

from __future__ import annotations

from typing import Any

from rustdl import random
from rustdl.layers.layer import Layer


def check_rate(rate: Any) -> float:
    """`rate`, or ValueError unless it is in [0, 1]."""
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise ValueError(
            f"Invalid value received for argument `rate`. Expected a float value between 0 and 1. Received: rate={rate}"
        )
    return rate


class Dropout(Layer):
    """In training sets a random fraction of the elements to 0 (Srivastava et al., 2014).

    The rest is scaled by `1 / (1 - rate)`. Outside of training it does nothing.

    Args:
        rate: fraction, in [0, 1].
        noise_shape: shape of the random mask, which is broadcast; None in it takes the input's size; default the
            input's shape.
        seed: int, or None for one drawn from the global generator.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: rate out of range, or noise_shape that is not a sequence of positive ints and None.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Dropout(0.5)(rustdl.ops.ones((1, 3))).tolist()
        [[1.0, 1.0, 1.0]]
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = check_rate(rate)
        self.seed = seed
        self.noise_shape = check_noise_shape(noise_shape)
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        return random.dropout(
            inputs, self.rate, noise_shape=concrete_noise_shape(self.noise_shape, inputs), seed=self.seed_generator
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rate": self.rate,
            "seed": self.seed,
            "noise_shape": self.noise_shape,
        }


def check_noise_shape(noise_shape: Any) -> tuple[int | None, ...] | None:
    """A noise shape as a tuple, or ValueError unless it holds positive ints and None."""
    if noise_shape is None:
        return None
    what = "Invalid value received for argument `noise_shape`."
    if isinstance(noise_shape, str) or not hasattr(noise_shape, "__iter__"):
        kinds = (
            "a tuple or list of integers"
            if isinstance(noise_shape, str)
            else "an iterable of integers (a tuple or list)"
        )
        raise ValueError(f"{what} Expected {kinds}. Received: noise_shape={noise_shape}")
    for n in noise_shape:
        if n is not None and not isinstance(n, int):
            raise ValueError(
                f"{what} Expected all elements to be integers or None. Received: noise_shape={noise_shape}"
            )
        if n is not None and n < 1:
            raise ValueError(
                f"{what} Expected all dimensions to be positive integers or None. Received: noise_shape={noise_shape}"
            )
    return tuple(noise_shape)


def concrete_noise_shape(noise_shape: Any, inputs: Any) -> tuple[int, ...] | None:
    """The noise shape with None replaced by the input's sizes."""
    if noise_shape is None:
        return None
    return tuple(inputs.shape[i] if n is None else n for i, n in enumerate(noise_shape))
