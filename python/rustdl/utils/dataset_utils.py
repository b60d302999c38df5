"""Splitting data in two."""

from __future__ import annotations

from typing import Any

import numpy as np


def split_dataset(
    dataset: Any,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Any, Any]:
    """Splits arrays, lists or tuples of arrays, dicts of arrays, or any iterable of samples in two.

    Args:
        dataset: an array, a structure of arrays with one first size, or an iterable of samples.
        left_size: samples (int) or fraction (float in (0, 1)) of the first part.
        right_size: the same for the second part; one of the two may be None.
        shuffle: whether samples are shuffled first.
        seed: seed of the shuffle.
        preferred_backend: kept for compatibility; results are always of the dataset's own kind.

    Returns:
        Two datasets of the same structure (lists for iterables).

    Raises:
        TypeError: sizes or data of another type.
        ValueError: sizes out of range.

    Example:
        >>> import numpy as np
        >>> left, right = split_dataset(np.arange(10), left_size=0.7)
        >>> len(left), len(right)
        (7, 3)
    """
    del preferred_backend
    leaves, rebuild = _leaves(dataset)
    total = len(leaves[0])
    if any(len(leaf) != total for leaf in leaves):
        raise ValueError(f"All arrays must have one first size. Received: {[len(leaf) for leaf in leaves]}")
    left, right = _sizes(left_size, right_size, total)
    order = np.arange(total)
    if shuffle:
        np.random.default_rng(seed).shuffle(order)
    first, second = order[:left], order[total - right :] if left + right == total else order[left : left + right]
    return rebuild([_take(leaf, first) for leaf in leaves]), rebuild([_take(leaf, second) for leaf in leaves])


def _leaves(dataset: Any) -> tuple[list[Any], Any]:
    """The arrays inside, and how to put others in their places."""
    if isinstance(dataset, dict):
        keys = list(dataset)
        return [np.asarray(dataset[k]) for k in keys], lambda parts: dict(zip(keys, parts, strict=True))
    if isinstance(dataset, list | tuple):
        if dataset and all(hasattr(d, "shape") and len(d.shape) > 0 for d in dataset):
            kind = type(dataset)
            return [np.asarray(d) for d in dataset], kind
        return [list(dataset)], lambda parts: parts[0]
    if hasattr(dataset, "__array__"):
        return [np.asarray(dataset)], lambda parts: parts[0]
    if hasattr(dataset, "__iter__"):
        return [list(dataset)], lambda parts: parts[0]
    raise TypeError(
        "The `dataset` argument must be an array, a list, tuple or dict of arrays, or an iterable. "
        f"Received: {dataset} of type {type(dataset)}"
    )


def _take(leaf: Any, index: Any) -> Any:
    return [leaf[i] for i in index] if isinstance(leaf, list) else leaf[index]


def _sizes(left: Any, right: Any, total: int) -> tuple[int, int]:
    if left is None and right is None:
        raise ValueError(
            "At least one of the `left_size` or `right_size` must be specified. Received: left_size=None and "
            "right_size=None"
        )
    for name, value in (("left_size", left), ("right_size", right)):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(
                f"Invalid `{name}` type. Expected: int or float or None. Received: {name}={value} of type {type(value)}"
            )
        fits = 0 < value < total if isinstance(value, int) else 0 < value < 1
        if not fits:
            raise ValueError(
                f"`{name}` should be either a positive int smaller than {total}, or a float within the range (0, 1). "
                f"Received: {name}={value}"
            )

    def count(value: Any) -> int | None:
        return round(value * total) if isinstance(value, float) else value

    a, b = count(left), count(right)
    a = total - b if a is None and b is not None else a
    b = total - a if b is None and a is not None else b
    assert a is not None
    assert b is not None
    if a + b > total:
        raise ValueError(
            f"The sum of `left_size` and `right_size` should be at most the length of the dataset. Received: "
            f"left_size={left}, right_size={right}, length {total}"
        )
    if a == 0 or b == 0:
        raise ValueError(
            f"With a dataset of length={total}, left_size={left} and right_size={right}, one part would be empty. "
            "Adjust the sizes."
        )
    return a, b
