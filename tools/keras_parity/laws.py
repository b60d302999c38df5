"""Random numbers against their distributions: the bits of two libraries differ, what they promise does not.

`check` raises where a sample is not what was asked for; what it returns is the same for any sample that passes. The
bounds let a right generator fail once in about a million samples, and seeds are fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

# Kolmogorov: P(sqrt(n) D > k) = 2 exp(-2 k^2), below 1e-6 for k = 2.7.
KOLMOGOROV = 2.7
DEVIATIONS = 5.0
Cdf = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Law:
    """A distribution: its name and numbers. Mean and deviation; for `uniform` the two ends."""

    name: str
    a: float = 0.0
    b: float = 1.0

    def cdf(self, x: np.ndarray) -> np.ndarray:
        """The distribution function."""
        if self.name == "uniform":
            return np.clip((x - self.a) / (self.b - self.a), 0, 1)
        z = (x - self.a) / self.b
        if self.name == "normal":
            return _phi(z)
        low, high = _phi(np.array(-2.0)), _phi(np.array(2.0))
        return np.clip((_phi(z) - low) / (high - low), 0, 1)

    def bounds(self) -> tuple[float, float]:
        """Where all numbers lie."""
        if self.name == "uniform":
            return self.a, self.b
        reach = 2 * self.b if self.name == "truncated" else math.inf
        return self.a - reach, self.a + reach


def _phi(z: np.ndarray) -> np.ndarray:
    return 0.5 * np.vectorize(math.erfc)(-np.asarray(z, "float64") / math.sqrt(2))


def check(sample: Any, cdf: Cdf, low: float = -math.inf, high: float = math.inf) -> np.ndarray:
    """Kolmogorov's test, and that no number lies outside of `[low, high]`; gives `[True]`."""
    x = np.sort(np.asarray(sample, "float64").ravel())
    slack = 1e-6 * max(1.0, *(abs(v) for v in (low, high) if math.isfinite(v)), 0.0)
    if x[0] < low - slack or x[-1] > high + slack:
        raise AssertionError(f"numbers from {x[0]} to {x[-1]} leave [{low}, {high}]")
    at = cdf(x)
    n = x.size
    distance = max(np.max(np.arange(1, n + 1) / n - at), np.max(at - np.arange(n) / n))
    if distance * math.sqrt(n) > KOLMOGOROV:
        raise AssertionError(f"Kolmogorov's distance is {distance:.4f} for {n} numbers")
    return np.array([True])


def check_moments(sample: Any, mean: float, deviation: float) -> np.ndarray:
    """The mean within five standard errors, the deviation within five of its own (for tails as of the normal law)."""
    x = np.asarray(sample, "float64").ravel()
    error = deviation / math.sqrt(x.size)
    if abs(x.mean() - mean) > DEVIATIONS * error:
        raise AssertionError(f"mean {x.mean():.5f} instead of {mean:.5f}")
    if abs(x.std() - deviation) > DEVIATIONS * error:
        raise AssertionError(f"deviation {x.std():.5f} instead of {deviation:.5f}")
    return np.array([True])


def check_counts(counts: Any, probabilities: Any) -> np.ndarray:
    """How often each value came, against binomial bounds."""
    counts, p = np.asarray(counts, "float64"), np.asarray(probabilities, "float64")
    n = counts.sum()
    slack = DEVIATIONS * np.sqrt(n * p * (1 - p)) + 1e-9
    if (np.abs(counts - n * p) > slack).any():
        raise AssertionError(f"counts {counts} instead of {n * p}")
    return np.array([True])


def check_independent(sample: Any) -> np.ndarray:
    """Neighbours along each axis are uncorrelated."""
    x = np.asarray(sample, "float64")
    x = (x - x.mean()) / x.std()
    for axis in range(x.ndim):
        if x.shape[axis] < 2:
            continue
        a, b = np.take(x, range(x.shape[axis] - 1), axis), np.take(x, range(1, x.shape[axis]), axis)
        correlation = float((a * b).mean()) * math.sqrt(a.size)
        if abs(correlation) > DEVIATIONS:
            raise AssertionError(f"neighbours along axis {axis} are correlated: {correlation:.2f} standard errors")
    return np.array([True])
