"""Data in memory: arrays cut into batches, in order or shuffled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rustdl import tree
from rustdl.backend.tensor import convert_to_tensor
from rustdl.trainers.data_adapters import data_adapter_utils as utils
from rustdl.trainers.data_adapters.data_adapter import DataAdapter


class ArrayDataAdapter(DataAdapter):
    """Arrays, or structures of arrays, with the same number of rows.

    Args:
        x: Inputs.
        y: Targets.
        sample_weight: Weights of the samples.
        batch_size: Samples in a batch; 32 by default.
        steps: Number of batches to divide the data into, where `batch_size` is not given.
        shuffle: False, True, or `"batch"` to shuffle whole batches only.
        class_weight: Class -> weight.

    Raises:
        ValueError: for data that cannot be used.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int | None = None,
        steps: int | None = None,
        shuffle: Any = False,
        class_weight: Any = None,
    ) -> None:
        if class_weight is not None:
            if y is not None and len(tree.flatten(y)) > 1:
                raise ValueError("`class_weight` is only supported for Models with a single output.")
            if sample_weight is not None:
                raise ValueError("You cannot `class_weight` and `sample_weight` at the same time.")
            if y is None:
                raise ValueError("`class_weight` needs targets: pass `y`.")
        if batch_size is not None and (not isinstance(batch_size, (int, np.integer)) or batch_size < 1):
            raise ValueError(f"`batch_size` must be a positive integer. Received: batch_size={batch_size}")
        if shuffle not in (True, False, None, "batch"):
            raise ValueError(f"`shuffle` must be True, False or 'batch'. Received: shuffle={shuffle!r}")

        def converted(part: Any, name: str) -> Any:
            return tree.map_structure(lambda a: None if a is None else utils.to_tensor(a, name), part)

        self.x, self.y = converted(x, "x"), converted(y, "y")
        if class_weight is not None:
            sample_weight = utils.class_weight_to_sample_weights(tree.flatten(self.y)[0], class_weight)
        self.sample_weight = converted(sample_weight, "sample_weight")
        self.rows = utils.check_data_cardinality((self.x, self.y, self.sample_weight))
        if self.rows == 0:
            raise ValueError("The data are empty: `x` has no samples (its first axis has length 0).")
        if batch_size is None:
            batch_size = max(1, -(-self.rows // steps)) if steps else 32
        self._batch_size = int(batch_size)
        self.shuffle = shuffle
        #: The structure of a batch, and its arrays in that order (None left out).
        self.structure = utils.pack_x_y_sample_weight(self.x, self.y, self.sample_weight)
        self.arrays = [a for a in tree.flatten(self.structure) if a is not None]

    @property
    def batch_size(self) -> int:
        return self._batch_size

    @property
    def num_batches(self) -> int:
        return -(-self.rows // self._batch_size)

    @property
    def num_full_batches(self) -> int:
        """Number of batches with all their rows; one more follows if some rows are left."""
        return self.rows // self._batch_size

    def order(self) -> np.ndarray[Any, np.dtype[np.int64]] | None:
        """The row numbers in the order of one epoch; None for the order of the arrays."""
        if not self.shuffle:
            return None
        if self.shuffle != "batch":
            return np.random.permutation(self.rows).astype(np.int64, copy=False)  # noqa: NPY002 (follows set_random_seed)
        full = self.num_full_batches
        starts = np.random.permutation(full) * self._batch_size  # noqa: NPY002
        rows = (starts[:, None] + np.arange(self._batch_size)).reshape(-1)
        return np.concatenate([rows, np.arange(full * self._batch_size, self.rows)]).astype(np.int64, copy=False)

    def take(self, order: Any, start: int, stop: int) -> list[Any]:
        """The rows from `start` to `stop` of an order, of each array."""
        if order is None:
            return [a[start:stop] for a in self.arrays]
        chosen = order[start:stop]
        return [a[chosen] if isinstance(a, np.ndarray) else convert_to_tensor(a.numpy()[chosen]) for a in self.arrays]

    def pack(self, arrays: list[Any]) -> Any:
        """The structure of a batch around its arrays."""
        values = iter(arrays)
        return tree.map_structure(lambda a: None if a is None else next(values), self.structure)

    def batches(self) -> Iterator[Any]:
        order = self.order()
        for start in range(0, self.rows, self._batch_size):
            yield self.pack(self.take(order, start, min(start + self._batch_size, self.rows)))


def can_use(*parts: Any) -> bool:
    """Whether all leaves of these structures are arrays (or None)."""
    leaves = [leaf for part in parts for leaf in tree.flatten(part) if leaf is not None]
    return bool(leaves) and all(utils.is_array(leaf) for leaf in leaves)
