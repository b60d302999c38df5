"""Datasets of samples that are made one by one: files in a folder, windows of a series. What the loaders return."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rustdl import backend, tree
from rustdl.trainers.data_adapters.py_dataset_adapter import PyDataset


class PipelineDataset(PyDataset):
    """A `PyDataset` with the usual steps of input pipelines; each returns a new dataset.

    Every pass over the dataset (a `for` loop, an epoch of `fit`) shuffles anew where the dataset shuffles.
    """

    def start_pass(self) -> None:
        """Called before each pass."""

    def __len__(self) -> int:
        raise NotImplementedError

    def on_epoch_begin(self) -> None:
        """Starts a pass."""
        self.start_pass()

    def __iter__(self) -> Iterator[Any]:
        self.start_pass()
        for index in range(len(self)):
            yield self[index]

    def map(self, fn: Callable[..., Any], num_parallel_calls: Any = None) -> PipelineDataset:
        """Applies a function to each entry.

        Args:
            fn: takes the parts of an entry: `fn(x)` or `fn(x, y)`.
            num_parallel_calls: plays no part; set `workers` to prepare batches in threads while training.
        """
        del num_parallel_calls
        return _Mapped(self, fn)

    def take(self, count: int) -> PipelineDataset:
        """The first entries of each pass.

        Args:
            count: how many; -1 for all.
        """
        return _Part(self, 0, len(self) if count < 0 else min(count, len(self)))

    def skip(self, count: int) -> PipelineDataset:
        """All but the first entries of each pass.

        Args:
            count: how many to leave out.
        """
        return _Part(self, min(count, len(self)), len(self))

    def cardinality(self) -> int:
        """The number of entries."""
        return len(self)

    def cache(self) -> PipelineDataset:
        """Keeps the entries of the first pass in memory and gives the same ones in every later pass."""
        return _Cached(self)

    def prefetch(self, buffer_size: Any = None) -> PipelineDataset:
        """This dataset: `fit` prepares batches ahead where `workers` is set to more than 1."""
        del buffer_size
        return self

    def as_numpy_iterator(self) -> Iterator[Any]:
        """The entries with numpy arrays in place of tensors."""
        for entry in self:
            yield tree.map_structure(lambda x: backend.convert_to_numpy(x) if backend.is_tensor(x) else x, entry)


class _Derived(PipelineDataset):
    """A dataset made of another one."""

    def __init__(self, source: Any) -> None:
        super().__init__(workers=source.workers, max_queue_size=source.max_queue_size)
        self._source = source
        for name in ("class_names", "file_paths"):
            if hasattr(source, name):
                setattr(self, name, getattr(source, name))

    def start_pass(self) -> None:
        self._source.start_pass()

    def __len__(self) -> int:
        return len(self._source)


class _Mapped(_Derived):
    def __init__(self, source: Any, fn: Callable[..., Any]) -> None:
        super().__init__(source)
        self._fn = fn

    def __getitem__(self, index: int) -> Any:
        entry = self._source[index]
        return self._fn(*entry) if isinstance(entry, tuple) else self._fn(entry)


class _Part(_Derived):
    def __init__(self, source: Any, start: int, stop: int) -> None:
        super().__init__(source)
        self._start, self._stop = start, stop

    def __len__(self) -> int:
        return self._stop - self._start

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._source[self._start + index]


class _Cached(_Derived):
    def __init__(self, source: Any) -> None:
        super().__init__(source)
        self._kept: dict[int, Any] = {}

    def start_pass(self) -> None:
        if not self._kept:
            self._source.start_pass()

    def __getitem__(self, index: int) -> Any:
        if index not in self._kept:
            self._kept[index] = self._source[index]
        return self._kept[index]


class SampleDataset(PipelineDataset):
    """Samples that a function makes, in batches and in an order that is new in each pass.

    Args:
        count: number of samples.
        load: `load(i)`: the sample number `i`, an array or a tuple of arrays.
        batch_size: samples in a batch, the last one being smaller; `None` for single samples.
        shuffle: whether each pass has an order of its own.
        seed: of the orders.
        stack: `stack(values)`: one array for the values of a batch; `numpy.stack` by default.
        class_names: kept as an attribute.
        file_paths: kept as an attribute.

    Attributes:
        class_names: names of the classes, in the order of their numbers, or None.
        file_paths: the files, in the order of the samples, or None.
    """

    def __init__(
        self,
        count: int,
        load: Callable[[int], Any],
        batch_size: int | None = 32,
        shuffle: bool = False,
        seed: int | None = None,
        stack: Callable[[list[Any]], Any] = np.stack,
        class_names: list[str] | None = None,
        file_paths: list[str] | None = None,
    ) -> None:
        super().__init__()
        if batch_size is not None and (isinstance(batch_size, bool) or batch_size < 1):
            raise ValueError(f"`batch_size` must be a positive integer or None. Received: batch_size={batch_size}")
        self._count = count
        self._load = load
        self.batch_size = batch_size
        self._shuffle = shuffle
        self._rng = np.random.default_rng(seed)
        self._order = np.arange(count)
        self._stack = stack
        self.class_names = class_names
        self.file_paths = file_paths

    def batch(self, batch_size: int, drop_remainder: bool = False) -> PipelineDataset:
        """The single samples of this dataset in batches.

        Args:
            batch_size: samples in a batch.
            drop_remainder: whether a last batch that is smaller is left out.

        Raises:
            ValueError: the dataset has batches already.
        """
        if self.batch_size is not None:
            raise ValueError(f"The dataset has batches already, of {self.batch_size} samples.")
        made = SampleDataset(self._count, self._load, batch_size, self._shuffle, None, self._stack)
        made._rng, made.class_names, made.file_paths = self._rng, self.class_names, self.file_paths
        return made.take(self._count // batch_size) if drop_remainder else made

    def start_pass(self) -> None:
        """Draws the order of the pass."""
        if self._shuffle:
            self._order = self._rng.permutation(self._count)

    def __len__(self) -> int:
        return self._count if self.batch_size is None else -(-self._count // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"entry {index} of a dataset with {len(self)}")
        if self.batch_size is None:
            return tree.map_structure(_to_tensor, self._load(int(self._order[index])))
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size].tolist()
        samples = [self._load(i) for i in chosen]
        return tree.map_structure(lambda *values: _to_tensor(self._stack(list(values))), *samples)


def _to_tensor(x: Any) -> Any:
    """Numbers as a tensor; text stays an array of `str`."""
    if isinstance(x, str) or (isinstance(x, np.ndarray) and x.dtype.kind in "OU"):
        return x
    return backend.convert_to_tensor(x)
