"""AWQ: weights of large inputs are spread over more of the integers before they are rounded (Lin et al., 2023)."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl.quantizers.gptq import Quantized, affine_grid, to_grid


class Magnitude:
    """The largest magnitude of each input."""

    def __init__(self, inputs: int) -> None:
        self.largest = np.zeros(inputs)

    def update(self, x: np.ndarray) -> None:
        """Takes rows of inputs into account."""
        self.largest = np.maximum(self.largest, np.abs(x).max(axis=0))

    def quantize(self, weights: np.ndarray, config: Any) -> Quantized:
        """See `awq`."""
        return awq(weights, self.largest, config)


def awq(weights: np.ndarray, magnitude: np.ndarray, config: Any) -> Quantized:
    """The integers of `factors * weights`, with those factors of a grid for which the error is least.

    The factors are `magnitude^r` for some r from 0 to 1, normalised so that the largest times the smallest is 1; the
    error is the sum of squares of `magnitude * (weights - what the integers stand for)`.

    Args:
        weights: Matrix `(inputs, outputs)`.
        magnitude: Of each input, `(inputs,)`.
        config: An `AWQConfig`.
    """
    weights = weights.astype("float64")
    magnitude = np.maximum(magnitude.astype("float64"), 1e-8)
    best, least = None, np.inf
    for exponent in np.linspace(0.0, 1.0, config.num_grid_points):
        factors = np.clip(magnitude**exponent, 1e-4, 1e4)
        factors /= np.sqrt(factors.max() * factors.min())
        found = round_groups(weights * factors[:, None], config)._replace(factors=factors)
        error = np.sum((magnitude[:, None] * (weights - values(found))) ** 2)
        if best is None or error < least:
            best, least = found, error
    assert best is not None
    return best


def round_groups(weights: np.ndarray, config: Any) -> Quantized:
    """Each weight rounded to the nearest value of its group's grid."""
    rows = len(weights)
    size = rows if config.group_size == -1 else min(config.group_size, rows)
    groups = np.arange(rows) // size
    grids = [affine_grid(weights[start : start + size], config.weight_bits) for start in range(0, rows, size)]
    scale, zero = np.stack([s for s, _ in grids]), np.stack([z for _, z in grids])
    return Quantized(to_grid(weights, scale[groups], zero[groups], config.weight_bits), scale, zero, groups)


def values(quantized: Quantized) -> np.ndarray:
    """The matrix that the integers stand for."""
    groups = quantized.groups
    matrix: np.ndarray = quantized.scale[groups] * (quantized.integers - quantized.zero[groups])
    return matrix if quantized.factors is None else matrix / quantized.factors[:, None]
