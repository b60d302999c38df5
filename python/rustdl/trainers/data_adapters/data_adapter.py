"""The base class of data adapters: any kind of data as a sequence of batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class DataAdapter:
    """Gives batches `(x, y, sample_weight)`, shortened to what there is, of numpy arrays or tensors."""

    def batches(self) -> Iterator[Any]:
        """The batches of one epoch."""
        raise NotImplementedError

    @property
    def num_batches(self) -> int | None:
        """Number of batches of an epoch; None where it is not known."""
        return None

    @property
    def batch_size(self) -> int | None:
        """Number of samples of a full batch; None where it is not known."""
        return None

    def on_epoch_begin(self) -> None:
        """Called before an epoch."""

    def on_epoch_end(self) -> None:
        """Called after an epoch."""
