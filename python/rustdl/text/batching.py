"""Batches of sequences of like lengths, so that little is padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rustdl.trainers.data_adapters.py_dataset_adapter import PyDataset
from rustdl.utils.sequence_utils import pad_sequences


def _padded(sequences: Sequence[Any], length: int, value: Any) -> Any:
    """Sequences padded behind, in their own dtype; a longer one is refused."""
    longest = max(len(s) for s in sequences)
    if longest > length:
        raise ValueError(f"BucketedDataset: a target of {longest} steps does not fit beside inputs of {length}")
    dtype = np.result_type(*(np.asarray(s).dtype for s in sequences))
    return pad_sequences(sequences, length, dtype=dtype, padding="post", value=value)


class BucketedDataset(PyDataset):
    """Batches of sequences from one range of lengths each, padded to the range's upper end.

    As many shapes of batches as there are ranges: the step is compiled once for each. Sequences and batches are
    shuffled anew before each epoch.

    Args:
        sequences: The inputs, sequences of numbers or arrays `(time, ...)`.
        targets: One target for each sequence; or `None`.
        batch_size: Rows of a batch; the last of each range may be smaller.
        boundaries: Upper ends of the ranges, ascending; by default four quantiles of the lengths. Longer sequences
            than the last make ValueError.
        pad_targets: Whether targets are sequences that are padded like the inputs.
        padding: The padding of inputs.
        target_padding: The padding of targets.
        weights: Whether batches have sample weights `(batch, time)`: 1 for steps, 0 for padding.
        shuffle: Whether the order is random.
        seed: Of the order.
        **kwargs: Arguments of `PyDataset`.

    Example:
        >>> data = BucketedDataset([[1], [2, 3], [4, 5, 6]], [0, 1, 1], batch_size=2, boundaries=[2, 4])
        >>> [x.shape for x, y in data]
        [(2, 2), (1, 4)]
    """

    def __init__(
        self,
        sequences: Sequence[Any],
        targets: Any = None,
        batch_size: int = 32,
        boundaries: Sequence[int] | None = None,
        pad_targets: bool = False,
        padding: Any = 0,
        target_padding: Any = 0,
        weights: bool = False,
        shuffle: bool = True,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if targets is not None and len(targets) != len(sequences):
            raise ValueError(f"BucketedDataset: {len(sequences)} sequences, but {len(targets)} targets")
        if batch_size < 1 or len(sequences) == 0:
            raise ValueError(f"BucketedDataset: {len(sequences)} sequences in batches of {batch_size}")
        self._sequences = [np.asarray(s) for s in sequences]
        wrong = next((s for s in self._sequences if s.ndim == 0 or s.dtype.kind not in "biuf"), None)
        if wrong is not None:
            raise ValueError(
                f"BucketedDataset: sequences must be of numbers, got {wrong!r}; a tokenizer turns text into them"
            )
        self._targets = targets if targets is None or pad_targets else np.asarray(targets)
        self._batch_size = batch_size
        self._pad_targets = pad_targets
        self._padding, self._target_padding = padding, target_padding
        self._weights = weights
        self._shuffle = shuffle
        self._rng = np.random.default_rng(seed)
        lengths = np.array([len(s) for s in self._sequences])
        if boundaries is None:
            boundaries = sorted({int(np.ceil(q)) for q in np.quantile(lengths, [0.25, 0.5, 0.75, 1.0])})
        self.boundaries = tuple(int(b) for b in boundaries)
        if list(self.boundaries) != sorted(set(self.boundaries)) or lengths.max() > self.boundaries[-1]:
            raise ValueError(
                f"BucketedDataset: `boundaries` must ascend and reach the longest sequence, {lengths.max()} steps; got "
                f"{self.boundaries}"
            )
        self._bucket = np.searchsorted(self.boundaries, lengths)
        self._batches: list[tuple[int, np.ndarray]] = []
        self._arrange()

    def _arrange(self) -> None:
        batches = []
        for bucket in range(len(self.boundaries)):
            rows = np.flatnonzero(self._bucket == bucket)
            if self._shuffle:
                rows = self._rng.permutation(rows)
            batches += [(bucket, rows[i : i + self._batch_size]) for i in range(0, len(rows), self._batch_size)]
        order = self._rng.permutation(len(batches)) if self._shuffle else range(len(batches))
        self._batches = [batches[i] for i in order]

    def __len__(self) -> int:
        """The number of batches."""
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """The inputs, targets where there are any, and sample weights where asked for."""
        bucket, rows = self._batches[index]
        length = self.boundaries[bucket]
        x = _padded([self._sequences[i] for i in rows], length, self._padding)
        if self._targets is None:
            return (x,)
        if self._pad_targets:
            y = _padded([self._targets[i] for i in rows], length, self._target_padding)
        else:
            y = self._targets[rows]
        if not self._weights:
            return x, y
        steps = np.array([len(self._sequences[i]) for i in rows])
        return x, y, (np.arange(length) < steps[:, np.newaxis]).astype("float32")

    def on_epoch_end(self) -> None:
        """Shuffles for the next epoch."""
        if self._shuffle:
            self._arrange()
