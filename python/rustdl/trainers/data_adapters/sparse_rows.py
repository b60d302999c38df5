"""Sparse matrices of scipy as training data: the rows of a batch become a dense array, the matrix itself never does."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import tree
from rustdl.backend.tensor import is_scipy_sparse
from rustdl.trainers.data_adapters import data_adapter_utils as utils
from rustdl.trainers.data_adapters.py_dataset_adapter import PyDataset


def has_sparse(*parts: Any) -> bool:
    """Whether there is a sparse matrix among the leaves of these structures, and arrays else."""
    leaves = [leaf for part in parts for leaf in tree.flatten(part) if leaf is not None]
    return any(map(is_scipy_sparse, leaves)) and all(is_scipy_sparse(x) or utils.is_array(x) for x in leaves)


class SparseRows(PyDataset):
    """Batches of arrays and sparse matrices with the same number of rows.

    Args:
        x: Inputs.
        y: Targets.
        sample_weight: Weights of the samples.
        batch_size: Samples in a batch; 32 by default.
        steps: Number of batches to divide the data into, where `batch_size` is not given.
        shuffle: Whether each epoch takes the rows in another order.

    Raises:
        ValueError: for different numbers of rows, or none.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: Any = None,
        steps: Any = None,
        shuffle: Any = False,
    ) -> None:
        super().__init__()

        def converted(part: Any, name: str) -> Any:
            return tree.map_structure(lambda a: None if a is None else _rows_of(a, name), part)

        self._parts = (converted(x, "x"), converted(y, "y"), converted(sample_weight, "sample_weight"))
        self._rows = utils.check_data_cardinality(self._parts)
        if self._rows == 0:
            raise ValueError("The data are empty: `x` has no samples (its first axis has length 0).")
        if batch_size is None:
            batch_size = max(1, -(-self._rows // steps)) if steps else 32
        self._batch_size = int(batch_size)
        self._shuffle = shuffle
        self._order = np.arange(self._rows)

    @property
    def num_batches(self) -> int:
        return -(-self._rows // self._batch_size)

    def on_epoch_begin(self) -> None:
        if not self._shuffle:
            return
        if self._shuffle != "batch":
            self._order = np.random.permutation(self._rows)  # noqa: NPY002 (follows set_random_seed)
            return
        starts = np.random.permutation(self._rows // self._batch_size) * self._batch_size  # noqa: NPY002
        full = (starts[:, None] + np.arange(self._batch_size)).reshape(-1)
        self._order = np.concatenate([full, np.arange(len(full), self._rows)])

    def __getitem__(self, index: int) -> Any:
        chosen = self._order[index * self._batch_size : (index + 1) * self._batch_size]

        def taken(a: Any) -> Any:
            if a is None:
                return None
            return a[chosen].toarray() if is_scipy_sparse(a) else np.asarray(a)[chosen]

        x, y, sample_weight = (tree.map_structure(taken, part) for part in self._parts)
        return utils.pack_x_y_sample_weight(x, y, sample_weight)


def _rows_of(a: Any, name: str) -> Any:
    # The format by rows is the one of which rows can be taken.
    return a.tocsr() if is_scipy_sparse(a) else np.asarray(utils.to_array(a, name))
