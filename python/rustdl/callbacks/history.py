"""`History`: the record of the metrics of each epoch, which `fit` returns."""

from __future__ import annotations

from typing import Any

from rustdl.callbacks.callback import Callback, Logs


class History(Callback):
    """Records the metrics of each epoch.

    Attributes:
        history: Name -> list with one value an epoch.
        epoch: List of the epochs, counted from 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self
