"""`PyDataset`: a dataset as a Python class with one method for each batch."""

from __future__ import annotations

import queue
import random
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from rustdl.trainers.data_adapters import data_adapter_utils as utils
from rustdl.trainers.data_adapters.data_adapter import DataAdapter
from rustdl.trainers.data_adapters.iterable_data_adapter import to_batch


class PyDataset:
    """Base class of datasets that give a batch for each index.

    A subclass defines `__getitem__(index)`, which returns `(x,)`, `(x, y)` or `(x, y, sample_weight)`, and `__len__()`
    or
    `num_batches`, the number of batches (None for an endless dataset).

    Args:
        workers: Number of threads that prepare batches ahead.
        use_multiprocessing: Kept for compatibility: batches are prepared by threads.
        max_queue_size: Number of batches prepared ahead.

    Example:
        >>> import numpy as np
        >>> import rustdl
        >>> class Squares(rustdl.utils.PyDataset):
        ...     def __len__(self):
        ...         return 4
        ...     def __getitem__(self, index):
        ...         x = np.full((8, 1), index, dtype="float32")
        ...         return x, x ** 2
        >>> Squares().num_batches
        4
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self._workers = workers
        self._use_multiprocessing = use_multiprocessing
        self._max_queue_size = max_queue_size

    def _setting(self, name: str, default: Any) -> Any:
        if name not in self.__dict__:
            if "_warned" not in self.__dict__:
                warnings.warn(
                    f"Your `{type(self).__name__}` class should call `super().__init__(**kwargs)` in its constructor. "
                    "`**kwargs` can "
                    "include `workers`, `use_multiprocessing`, `max_queue_size`.",
                    stacklevel=3,
                )
                self.__dict__["_warned"] = True
            self.__dict__[name] = default
        return self.__dict__[name]

    @property
    def workers(self) -> int:
        """Number of threads that prepare batches ahead."""
        return int(self._setting("_workers", 1))

    @workers.setter
    def workers(self, value: int) -> None:
        self._workers = value

    @property
    def use_multiprocessing(self) -> bool:
        """Kept for compatibility."""
        return bool(self._setting("_use_multiprocessing", False))

    @use_multiprocessing.setter
    def use_multiprocessing(self, value: bool) -> None:
        self._use_multiprocessing = value

    @property
    def max_queue_size(self) -> int:
        """Number of batches prepared ahead."""
        return int(self._setting("_max_queue_size", 10))

    @max_queue_size.setter
    def max_queue_size(self, value: int) -> None:
        self._max_queue_size = value

    def __getitem__(self, index: int) -> Any:
        """The batch number `index`."""
        raise NotImplementedError(f"{type(self).__name__} must define `__getitem__(self, index)`.")

    @property
    def num_batches(self) -> int | None:
        """Number of batches; None for an endless dataset."""
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(
            "You need to implement the `num_batches` property:\n\n@property\ndef num_batches(self):\n  return ..."
        )

    def __iter__(self) -> Iterator[Any]:
        try:
            count = self.num_batches
        except NotImplementedError:
            count = None
        index = 0
        while count is None or index < count:
            yield self[index]
            index += 1

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


class PyDatasetAdapter(DataAdapter):
    """Runs through a `PyDataset`, preparing batches ahead in threads where it has workers.

    Args:
        dataset: The dataset.
        class_weight: Class -> weight.
        shuffle: Whether to visit the batches in random order.
    """

    def __init__(self, dataset: PyDataset, class_weight: Any = None, shuffle: bool = False) -> None:
        self.dataset = dataset
        self.class_weight = class_weight
        self.shuffle = shuffle

    @property
    def num_batches(self) -> int | None:
        return self.dataset.num_batches

    def on_epoch_begin(self) -> None:
        self.dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self.dataset.on_epoch_end()

    def _batch(self, index: int) -> Any:
        data = utils.list_to_tuple(self.dataset[index])
        if self.class_weight is not None:
            x, y, sample_weight = utils.unpack_x_y_sample_weight(data)
            if sample_weight is not None:
                raise ValueError(
                    "You cannot specify both `class_weight` and a third element (the sample weights) in the batches "
                    "of a PyDataset."
                )
            if y is None:
                raise ValueError("`class_weight` needs targets: the PyDataset must return `(x, y)`.")
            data = (x, y, utils.class_weight_to_sample_weights(y, self.class_weight))
        return data

    def _indices(self) -> Iterator[int]:
        count = self.dataset.num_batches
        if count is None:
            index = 0
            while True:
                yield index
                index += 1
        order = list(range(count))
        if self.shuffle:
            random.shuffle(order)
        yield from order

    def batches(self) -> Iterator[Any]:
        if self.dataset.workers > 1 or (self.dataset.use_multiprocessing and self.dataset.workers > 0):
            for data in self._prepared_ahead():
                yield to_batch(data, "PyDataset")
            return
        for index in self._indices():
            yield to_batch(self._batch(index), "PyDataset")

    def _prepared_ahead(self) -> Iterator[Any]:
        """The batches in order, made by threads; at most `max_queue_size` wait."""
        slots: queue.Queue[Any] = queue.Queue(maxsize=max(1, self.dataset.max_queue_size))
        jobs: queue.Queue[Any] = queue.Queue(maxsize=max(1, self.dataset.max_queue_size))
        stop = threading.Event()

        def put(target: queue.Queue[Any], item: Any) -> bool:
            while not stop.is_set():
                try:
                    target.put(item, timeout=0.05)
                except queue.Full:
                    continue
                return True
            return False

        def hand_out() -> None:
            try:
                for index in self._indices():
                    answer: queue.Queue[Any] = queue.Queue(maxsize=1)
                    # The slot keeps the order; the job may be done by any worker.
                    if not put(slots, answer) or not put(jobs, (index, answer)):
                        return
            except BaseException as error:  # of the dataset's length; raised again by the reader
                failed: queue.Queue[Any] = queue.Queue(maxsize=1)
                failed.put((None, error))
                put(slots, failed)
            put(slots, None)

        def work() -> None:
            while not stop.is_set():
                try:
                    index, answer = jobs.get(timeout=0.05)
                except queue.Empty:
                    continue
                try:
                    answer.put((self._batch(index), None))
                except BaseException as error:  # raised again by the reader
                    answer.put((None, error))

        threads = [threading.Thread(target=hand_out, daemon=True)]
        threads += [threading.Thread(target=work, daemon=True) for _ in range(self.dataset.workers)]
        for thread in threads:
            thread.start()
        try:
            while True:
                answer = slots.get()
                if answer is None:
                    return
                data, error = answer.get()
                if error is not None:
                    raise error
                yield data
        finally:
            stop.set()
            for thread in threads:
                thread.join(timeout=1.0)
