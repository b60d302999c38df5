"""A small sketch of a stream's distribution, from which quantiles are read.

The sketch is `[2, points]` in float32: values in ascending order, and how many samples each stands for. Batches are
summed up one by one and merged, so that data of any size need about `1 / epsilon` points (a simple form of the
mergeable summaries of Agarwal et al., 2012).
"""

from __future__ import annotations

from typing import Any

import numpy as np

_Sketch = np.ndarray[Any, np.dtype[np.float32]]

EMPTY: _Sketch = np.zeros((2, 0), dtype=np.float32)


def summarize(values: Any, epsilon: float) -> _Sketch:
    """The sketch of some values: about every `epsilon`-th part of them, and all where they are few.

    Args:
        values: an array of any shape.
        epsilon: the share of samples that one point stands for.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float32).reshape(-1))
    step = max(ordered.size * epsilon, 1)
    points = ordered[int(step - 1) :: int(step)]
    return np.stack([points, np.full_like(points, step)])


def merge(first: _Sketch, second: _Sketch, epsilon: float) -> _Sketch:
    """One sketch for the samples of both."""
    both = np.concatenate([first, second], axis=1)
    return compress(both[:, np.argsort(both[0])], epsilon)


def compress(sketch: _Sketch, epsilon: float) -> _Sketch:
    """A sketch of `1 / epsilon` points, equally many samples apart, by linear interpolation."""
    if sketch.shape[1] * epsilon < 1:
        return sketch
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    total = np.cumsum(sketch[1])
    reached = total / total[-1]
    counts = np.interp(shares, reached, total)
    return np.stack([np.interp(shares, reached, sketch[0]), np.diff(counts, prepend=0)]).astype(np.float32)


def boundaries(sketch: _Sketch, num_bins: int) -> list[float]:
    """The values between `num_bins` bins with about equally many samples each."""
    found: list[float] = compress(sketch, 1.0 / num_bins)[0, :-1].tolist()
    return found
