"""Multiplicative Gaussian noise."""

from __future__ import annotations

import math
from typing import Any

from rustdl import random
from rustdl.layers.layer import Layer
from rustdl.layers.regularization.dropout import check_rate


class GaussianDropout(Layer):
    """In training multiplies by N(1, rate / (1 - rate)) noise (Srivastava et al., 2014).

    Args:
        rate: as the rate of a dropout with the same variance, in [0, 1].
        seed: int, or None for one drawn from the global generator.
        **kwargs: arguments of `Layer`.
    """

    def __init__(self, rate: float, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = check_rate(rate)
        self.seed = seed
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        stddev = math.sqrt(self.rate / (1.0 - self.rate)) if self.rate < 1 else math.inf
        noise = random.normal(
            tuple(inputs.shape), mean=1.0, stddev=stddev, dtype=self.compute_dtype, seed=self.seed_generator
        )
        return inputs * noise

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
