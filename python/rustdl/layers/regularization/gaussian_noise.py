"""Additive Gaussian noise."""

from __future__ import annotations

from typing import Any

from rustdl import random
from rustdl.layers.layer import Layer


class GaussianNoise(Layer):
    """In training adds N(0, stddev^2) noise.

    Args:
        stddev: standard deviation, >= 0.
        seed: int, or None for one drawn from the global generator.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: stddev is negative.
    """

    def __init__(self, stddev: float, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if stddev < 0:
            raise ValueError(
                f"Invalid value received for argument `stddev`. Expected a float value >= 0. Received: stddev={stddev}"
            )
        self.stddev = stddev
        self.seed = seed
        if stddev > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.stddev == 0:
            return inputs
        noise = random.normal(
            tuple(inputs.shape), mean=0.0, stddev=self.stddev, dtype=self.compute_dtype, seed=self.seed_generator
        )
        return inputs + noise

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}
