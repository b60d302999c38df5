"""Dropout that keeps mean and variance, for SELU networks."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.layer import Layer
from rustdl.layers.regularization.dropout import check_noise_shape, check_rate, concrete_noise_shape

# The value that SELU saturates to: -scale * alpha (Klambauer et al., 2017).
_SATURATION = -1.7580993408473766


class AlphaDropout(Layer):
    """Dropout to SELU's saturation value (Klambauer et al., 2017).

    In training the result is scaled and shifted so that mean and variance stay.

    Args:
        rate: fraction, in [0, 1].
        noise_shape: shape of the random mask, as in `Dropout`.
        seed: int, or None for one drawn from the global generator.
        **kwargs: arguments of `Layer`.
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
        rate, low = self.rate, _SATURATION
        shape = concrete_noise_shape(self.noise_shape, inputs) or tuple(inputs.shape)
        kept = ops.greater_equal(random.uniform(shape, seed=self.seed_generator), rate)
        a = ((1 - rate) * (1 + rate * low**2)) ** -0.5 if rate < 1 else 0.0
        b = -a * low * rate
        return a * ops.where(kept, inputs, ops.cast(low, inputs.dtype)) + b

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}
