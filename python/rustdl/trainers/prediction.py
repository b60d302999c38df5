"""Prediction batch by batch, gathered into arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend, tree
from rustdl.trainers.data_adapters import ArrayDataAdapter
from rustdl.trainers.epoch import Feed
from rustdl.trainers.runner import StepRunner


def predict_batches(model: Any, feed: Feed, callbacks: Any) -> Any:
    """Predicts all batches of a feed.

    Args:
        model: The model, with its `predict_function`.
        feed: The batches.
        callbacks: The callback list.

    Returns:
        The model's structure of outputs with arrays.
    """
    function = model.predict_function
    every_batch = callbacks.wants_batches("predict") if hasattr(callbacks, "wants_batches") else True
    bar = getattr(callbacks, "progbar", None)
    gathered = Gathered(
        feed.adapter.rows if isinstance(feed.adapter, ArrayDataAdapter) and feed.steps_per_epoch is None else None
    )
    total = feed.num_batches
    done = 0
    feed.start_epoch()
    while (total is None or done < total) and not model.stop_predicting:
        count = feed.steps_per_execution if total is None else min(feed.steps_per_execution, total - done)
        batches = feed.next_batches(count)
        if not batches:
            break
        if every_batch:
            callbacks.on_predict_batch_begin(done)
        outputs: Any = None
        if isinstance(function, StepRunner):
            for data in batches:
                outputs = function.run(data)
                gathered.add(outputs)
        else:
            outputs = function(iter(batches))
            gathered.add(outputs)
        done += len(batches)
        if every_batch:
            callbacks.on_predict_batch_end(done - 1, {"outputs": outputs})
        elif bar is not None:
            bar.on_predict_batch_end(done - 1)
    return gathered.result()


class Gathered:
    """Outputs of batches, written into arrays of the final size where that is known.

    Args:
        rows: Number of samples in all, or None.
    """

    def __init__(self, rows: int | None) -> None:
        self.rows = rows
        self.structure: Any = None
        self.whole: list[np.ndarray[Any, Any]] = []
        self.parts: list[list[np.ndarray[Any, Any]]] = []
        self.filled = 0

    def add(self, outputs: Any) -> None:
        """Takes the outputs of one batch."""
        flat = [backend.convert_to_numpy(o) for o in tree.flatten(outputs)]
        if self.structure is None:
            self.structure = outputs
            self.parts = [[] for _ in flat]
            if self.rows is not None and all(a.ndim > 0 for a in flat):
                self.whole = [np.empty((self.rows, *a.shape[1:]), dtype=a.dtype) for a in flat]
        if self.whole and not self._fits(flat):
            # Outputs of another length or shape than the inputs: keep what there is as parts.
            for part, whole in zip(self.parts, self.whole, strict=True):
                part.append(whole[: self.filled])
            self.whole = []
        if self.whole:
            stop = self.filled + flat[0].shape[0]
            for whole, a in zip(self.whole, flat, strict=True):
                whole[self.filled : stop] = a
            self.filled = stop
            return
        for part, a in zip(self.parts, flat, strict=True):
            part.append(a)

    def _fits(self, flat: list[np.ndarray[Any, Any]]) -> bool:
        length = flat[0].shape[0]
        return self.filled + length <= (self.rows or 0) and all(
            a.shape[1:] == whole.shape[1:] and a.shape[0] == length and a.dtype == whole.dtype
            for a, whole in zip(flat, self.whole, strict=True)
        )

    def result(self) -> Any:
        """The whole."""
        if self.structure is None:
            raise ValueError("predict: the data gave no batch.")
        if self.whole:
            flat = [whole[: self.filled] for whole in self.whole]
        else:
            flat = [np.concatenate(part, axis=0) if part[0].ndim else np.stack(part) for part in self.parts]
        return tree.pack_sequence_as(self.structure, flat)
