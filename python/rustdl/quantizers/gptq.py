"""GPTQ: weights rounded one input after the other, each making up for those before (Frantar et al., 2022)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

# So many rows are corrected one by one before the rows after them are, in one matrix product.
_BLOCK = 128


class Quantized(NamedTuple):
    """Integers that stand for a matrix `(inputs, outputs)`.

    `W[i, j]` is about `scale[g, j] (integers[i, j] - zero[g, j]) / factors[i]` with `g = groups[i]`.
    """

    integers: np.ndarray
    scale: np.ndarray
    zero: np.ndarray
    groups: np.ndarray
    factors: np.ndarray | None = None


def affine_grid(
    weights: np.ndarray, bits: int, symmetric: bool = False, per_channel: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Scales and zero points of rows that share them: 0 and both extremes lie on the grid of `2^bits` values.

    Args:
        weights: Matrix `(inputs, outputs)`.
        bits: Bits of an integer.
        symmetric: Whether the range is symmetric around 0.
        per_channel: Whether each output has a scale of its own.

    Returns:
        Scales and zero points, both of shape `(outputs,)`.
    """
    levels = 2**bits - 1
    low, high = np.minimum(weights.min(axis=0), 0.0), np.maximum(weights.max(axis=0), 0.0)
    if not per_channel:
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
    if symmetric:
        high = np.maximum(high, -low)
        low = -high
    nothing = low == high
    low, high = np.where(nothing, -1.0, low), np.where(nothing, 1.0, high)
    scale = (high - low) / levels
    zero = np.full_like(scale, (levels + 1) // 2) if symmetric else np.round(-low / scale)
    return scale, zero


def to_grid(weights: np.ndarray, scale: np.ndarray, zero: np.ndarray, bits: int) -> np.ndarray:
    """The nearest integers of a grid: `clip(round(w / scale) + zero, 0, 2^bits - 1)`."""
    grid: np.ndarray = np.clip(np.round(weights / scale) + zero, 0, 2**bits - 1)
    return grid


class Curvature:
    """The second derivative of the squared error of a product by its weights: `H = 2/n sum_s x_s x_s^T`."""

    def __init__(self, inputs: int) -> None:
        self.matrix = np.zeros((inputs, inputs))
        self.samples = 0

    def update(self, x: np.ndarray) -> None:
        """Takes rows of inputs into the mean."""
        x = x.astype("float64")
        total = self.samples + len(x)
        self.matrix *= self.samples / total
        self.matrix += 2.0 / total * (x.T @ x)
        self.samples = total

    def quantize(self, weights: np.ndarray, config: Any) -> Quantized:
        """See `gptq`."""
        return gptq(weights, self.matrix, config)


def gptq(weights: np.ndarray, curvature: np.ndarray, config: Any) -> Quantized:
    """The integers for which the squared error of `x @ weights` is small, found greedily.

    After row i is rounded, its error is passed on to the rows j > i that are still floats:
    `W[j] -= U[i, j] / U[i, i] (W[i] - rounded)`, where `U^T U` is the inverse of the damped curvature.

    Args:
        weights: Matrix `(inputs, outputs)`.
        curvature: `(inputs, inputs)`, a multiple of the mean of `x x^T`.
        config: A `GPTQConfig`.
    """
    work, hessian = weights.astype("float64"), curvature.astype("float64")
    rows, columns = work.shape
    dead = np.diag(hessian) == 0
    work[dead] = 0.0  # inputs that are always 0
    hessian[dead, dead] = 1.0
    order = np.argsort(-np.diag(hessian), kind="stable") if config.activation_order else np.arange(rows)
    work, hessian = work[order], hessian[np.ix_(order, order)]
    hessian[np.diag_indices(rows)] += config.hessian_damping * np.diag(hessian).mean()
    upper = np.linalg.cholesky(np.linalg.inv(hessian)).T
    size = rows if config.group_size == -1 else min(config.group_size, rows)
    groups = np.arange(rows) // size
    scales, zeros = np.empty((groups[-1] + 1, columns)), np.empty((groups[-1] + 1, columns))
    integers = np.empty((rows, columns))
    for start in range(0, rows, _BLOCK):
        stop = min(start + _BLOCK, rows)
        errors = np.empty((stop - start, columns))
        for i in range(start, stop):
            g = groups[i]
            if i % size == 0:
                # The rows of a group beyond this block don't have the errors of its first rows yet.
                ahead = work[i : i + size].copy()
                ahead[stop - i :] -= upper[start:i, stop : i + size].T @ errors[: i - start]
                scales[g], zeros[g] = affine_grid(ahead, config.weight_bits, config.symmetric, config.per_channel)
            integers[i] = to_grid(work[i], scales[g], zeros[g], config.weight_bits)
            errors[i - start] = (work[i] - scales[g] * (integers[i] - zeros[g])) / upper[i, i]
            work[i + 1 : stop] -= np.outer(upper[i, i + 1 : stop], errors[i - start])
        work[stop:] -= upper[start:stop, stop:].T @ errors
    back = np.argsort(order)
    return Quantized(integers[back], scales, zeros, groups[back])
