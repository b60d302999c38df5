"""Splitting data in two."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from rustdl import backend, tree
from rustdl.utils.sample_dataset import SampleDataset


def split_dataset(
    dataset: Any,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Any, Any]:
    """Splits samples in two: the first ones and the last ones.

    Args:
        dataset: an array; a list, tuple, dict or nesting of arrays with one first size; a dataset of PyTorch or
            `tf.data`; or any iterable of samples.
        left_size: samples (int) or fraction (float in (0, 1)) of the first part.
        right_size: the same for the second part; one of the two may be None.
        shuffle: whether samples are shuffled first.
        seed: seed of the shuffle.
        preferred_backend: `"tensorflow"` for a `tf.data.Dataset`, `"torch"` for a dataset of PyTorch. By default
            datasets of these two stay what they are, and all else gives datasets of our own.

    Returns:
        Two datasets of samples, which have a length, can be iterated over again, and have the methods `batch`, `map`,
        `take`, `skip` and `cache`.

    Raises:
        TypeError: sizes or data of another type.
        ValueError: sizes out of range, or arrays of different lengths.

    Example:
        >>> import numpy as np
        >>> left, right = split_dataset(np.arange(10), left_size=0.7)
        >>> len(left), len(right), [x.tolist() for x in right.batch(2)]
        (7, 3, [[7, 8], [9]])
    """
    if preferred_backend not in (None, "tensorflow", "torch", "jax", "numpy", "rustdl"):
        raise ValueError(
            "`preferred_backend` must be None, 'tensorflow' or 'torch'. "
            f"Received: preferred_backend={preferred_backend}"
        )
    batch_size = _batch_size_of_tf(dataset)
    count, sample = _samples(dataset.unbatch() if batch_size is not None else dataset)
    left, right = _sizes(left_size, right_size, count)
    order = np.arange(count)
    if shuffle:
        np.random.default_rng(seed).shuffle(order)
    second = order[count - right :] if left + right == count else order[left : left + right]
    kind = preferred_backend or _kind(dataset)
    return tuple(_dataset(dataset, sample, part.tolist(), kind, batch_size) for part in (order[:left], second))  # type: ignore[return-value]


def _kind(dataset: Any) -> str | None:
    """The library that a dataset is of."""
    torch_data = sys.modules.get("torch.utils.data")
    if torch_data is not None and isinstance(dataset, torch_data.Dataset):
        return "torch"
    return "tensorflow" if _is_tf(dataset) else None


def _is_tf(dataset: Any) -> bool:
    return type(dataset).__module__.startswith("tensorflow") and hasattr(dataset, "as_numpy_iterator")


def _batch_size_of_tf(dataset: Any) -> int | None:
    size = getattr(dataset, "_batch_size", None) if _is_tf(dataset) else None
    return None if size is None else int(size)


def _samples(dataset: Any) -> tuple[int, Callable[[int], Any]]:
    """The number of samples, and a function that gives one."""
    if isinstance(dataset, str | bytes):
        raise TypeError(f"The `dataset` argument must hold samples. Received: {dataset!r}")
    leaves = tree.flatten(dataset) if isinstance(dataset, list | tuple | dict) else [dataset]
    if leaves and all(len(getattr(x, "shape", ())) > 0 and hasattr(x, "__array__") for x in leaves):
        arrays = tree.map_structure(lambda x: np.asarray(backend.convert_to_numpy(x)), dataset)
        counts = [len(x) for x in tree.flatten(arrays)]
        if len(set(counts)) != 1:
            raise ValueError(f"All arrays must have one first size. Received: {counts}")

        def pick(i: int) -> Any:
            found = tree.map_structure(lambda x: x[i], arrays)
            return tuple(found) if isinstance(found, list) else found

        return counts[0], pick
    if _is_tf(dataset):
        kept = list(dataset.as_numpy_iterator())
    elif hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__") and not isinstance(dataset, dict):
        return len(dataset), lambda i: dataset[i]
    elif hasattr(dataset, "__iter__") and not isinstance(dataset, dict):
        kept = list(dataset)
    else:
        raise TypeError(
            "The `dataset` argument must be an array, a list, tuple or dict of arrays, a dataset, or an iterable. "
            f"Received: {dataset} of type {type(dataset)}"
        )
    return len(kept), kept.__getitem__


def _dataset(
    dataset: Any, sample: Callable[[int], Any], chosen: list[int], kind: str | None, batch_size: int | None
) -> Any:
    """The chosen samples as a dataset of some library."""
    if kind == "torch":
        from torch.utils.data import Dataset, Subset

        if isinstance(dataset, Dataset):
            return Subset(dataset, chosen)
        return Subset([_for_torch(sample(i)) for i in chosen], range(len(chosen)))  # type: ignore[arg-type]
    if kind == "tensorflow":
        import tensorflow as tf

        stacked = tree.map_structure(lambda *x: np.stack(x), *[_plain(sample(i)) for i in chosen])
        made = tf.data.Dataset.from_tensor_slices(stacked)
        return made if batch_size is None else made.batch(batch_size)
    return SampleDataset(len(chosen), lambda i: sample(chosen[i]), batch_size=None)


def _plain(x: Any) -> Any:
    """A sample with numpy arrays in place of tensors of any library."""
    return tree.map_structure(lambda leaf: np.asarray(leaf.cpu() if hasattr(leaf, "cpu") else leaf), x)


def _for_torch(x: Any) -> Any:
    import torch

    return tree.map_structure(lambda leaf: torch.as_tensor(np.asarray(leaf)), x)


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
