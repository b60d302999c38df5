"""Data that come batch by batch: generators, data loaders of PyTorch, tf.data, any iterable."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from rustdl import tree
from rustdl._rustdl import Tensor
from rustdl.backend.tensor import convert_to_tensor, is_scipy_sparse
from rustdl.trainers.data_adapters import data_adapter_utils as utils
from rustdl.trainers.data_adapters.data_adapter import DataAdapter


def to_batch(data: Any, source: str) -> Any:
    """A batch with tensors in place of its arrays.

    Raises:
        ValueError: for a batch that is not `(x,)`, `(x, y)` or `(x, y, sample_weight)`.
    """
    data = utils.list_to_tuple(data)
    if isinstance(data, tuple) and not 1 <= len(data) <= 3:
        raise ValueError(
            f"A batch of the {source} must be `(x,)`, `(x, y)` or `(x, y, sample_weight)`, got {len(data)} entries."
        )

    def convert(x: Any, name: str = "x") -> Any:
        if x is None or isinstance(x, Tensor):
            return x
        if utils.is_array(x) or is_scipy_sparse(x):
            return utils.to_tensor(x, name) if len(x.shape) else convert_to_tensor(np.asarray(x))
        return convert_to_tensor(np.asarray(x)) if isinstance(x, (int, float)) else x

    if not isinstance(data, tuple):
        return tree.map_structure(convert, data)
    names = ("x", "y", "sample_weight")
    return tuple(
        tree.map_structure(lambda leaf, name=name: convert(leaf, name), part)
        for name, part in zip(names, data, strict=False)
    )


class GeneratorDataAdapter(DataAdapter):
    """A Python generator, which is used up as it goes.

    Args:
        generator: Yields `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        ValueError: if it yields nothing, or something else.
    """

    def __init__(self, generator: Iterator[Any]) -> None:
        try:
            first = next(generator)
        except StopIteration:
            raise ValueError(
                "When passing a Python generator to a model, the generator must yield at least one batch. Received an "
                "empty generator."
            ) from None
        if isinstance(first, list):
            first = tuple(first)
        if not isinstance(first, tuple):
            raise ValueError(
                "When passing a Python generator to a model, the generator must return a tuple, either (input,) or "
                "(inputs, targets) "
                f"or (inputs, targets, sample_weights). Received: {first}"
            )
        self._all = itertools.chain([first], generator)

    def batches(self) -> Iterator[Any]:
        for data in self._all:
            yield to_batch(data, "generator")


class IterableDataAdapter(DataAdapter):
    """Anything that can be iterated over again for each epoch; a length, if it has one, counts its batches.

    Args:
        data: The iterable.
        source: What it is called in errors.
    """

    def __init__(self, data: Iterable[Any], source: str = "iterable") -> None:
        self._data = data
        self._source = source
        try:
            self._length: int | None = len(data)  # type: ignore[arg-type]
        except TypeError:
            self._length = None

    @property
    def num_batches(self) -> int | None:
        return self._length

    def batches(self) -> Iterator[Any]:
        for data in self._data:
            yield to_batch(data, self._source)


class TFDatasetAdapter(DataAdapter):
    """A `tf.data.Dataset`, read through numpy.

    Args:
        dataset: The dataset.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    @property
    def num_batches(self) -> int | None:
        count = int(self._dataset.cardinality())
        return count if count >= 0 else None

    def batches(self) -> Iterator[Any]:
        for data in self._dataset.as_numpy_iterator():
            yield to_batch(data, "tf.data.Dataset")
