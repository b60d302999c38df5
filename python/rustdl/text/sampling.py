"""From logits to tokens: temperature, top-k and top-p."""

from __future__ import annotations

from typing import Any

import numpy as np


def log_softmax(logits: Any) -> np.ndarray:
    """`logits - log(sum(exp(logits)))` over the last axis, in float64.

    Args:
        logits: Any shape; minus infinity stands for what is impossible.
    """
    x = np.asarray(logits, dtype="float64")
    x = x - x.max(axis=-1, keepdims=True)
    return np.asarray(x - np.log(np.exp(x).sum(axis=-1, keepdims=True)))


def filter_logits(
    logits: Any, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> np.ndarray:
    """The logits divided by the temperature, with minus infinity for what may not be drawn.

    Args:
        logits: `(..., vocabulary)`.
        temperature: > 0; below 1 makes likely tokens likelier.
        top_k: Only the k likeliest tokens stay (Fan et al., 2018); ties with the k-th stay too.
        top_p: Only the smallest set of likeliest tokens stays whose probability is at least p (nucleus sampling,
            Holtzman et al., 2020). It is taken after `top_k`.

    Raises:
        ValueError: An argument out of range, or NaN among the logits.

    Example:
        >>> import numpy as np
        >>> filter_logits(np.log([0.5, 0.3, 0.2]), top_p=0.6)[2]
        np.float64(-inf)
    """
    x = np.array(logits, dtype="float64")
    if np.isnan(x).any():
        raise ValueError("filter_logits: the logits have NaN: the model has diverged, or its input was wrong")
    if not temperature > 0:
        raise ValueError(f"filter_logits: `temperature` must be > 0, got {temperature}; greedy choice is `argmax`")
    x /= temperature
    if top_k is not None:
        if top_k < 1:
            raise ValueError(f"filter_logits: `top_k` must be at least 1, got {top_k}")
        if top_k < x.shape[-1]:
            smallest = np.partition(x, -top_k, axis=-1)[..., -top_k, np.newaxis]
            x[x < smallest] = -np.inf
    if top_p is not None:
        if not 0 < top_p <= 1:
            raise ValueError(f"filter_logits: `top_p` must be in (0, 1], got {top_p}")
        order = np.argsort(-x, axis=-1, kind="stable")
        likely = np.exp(log_softmax(np.take_along_axis(x, order, axis=-1)))
        # A token stays where those before it do not reach p yet: the first always does.
        gone = np.cumsum(likely, axis=-1) - likely >= top_p
        np.put_along_axis(x, order, np.where(gone, -np.inf, np.take_along_axis(x, order, axis=-1)), axis=-1)
    return x


def sample(
    logits: Any,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> np.ndarray:
    """One token for each row, drawn from the softmax of the filtered logits; the likeliest at temperature 0.

    Args:
        logits: `(rows, vocabulary)`.
        rng: Where the random numbers come from.
        temperature: At least 0.
        top_k: See `filter_logits`.
        top_p: See `filter_logits`.

    Returns:
        int64 of shape `(rows,)`.
    """
    if temperature == 0:
        return np.asarray(np.asarray(logits).argmax(axis=-1))
    # The largest of logit + Gumbel noise is a draw from the softmax (Gumbel, 1954).
    x = filter_logits(logits, temperature, top_k, top_p)
    return np.asarray((x + rng.gumbel(size=x.shape)).argmax(axis=-1))
