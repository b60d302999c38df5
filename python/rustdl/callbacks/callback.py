"""The base class of callbacks: what a program wants done at certain moments of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Logs = dict[str, Any] | None
F = TypeVar("F", bound=Callable[..., Any])


class Callback:
    """Base class of all callbacks. Override the methods of the moments that matter.

    A program that overrides no method of a batch runs faster: whole epochs then run without Python.

    Attributes:
        params: Dictionary with `verbose`, `epochs` and `steps`.
        model: The model.

    In the methods below, `logs` is a dictionary of the metrics (Python floats). What a callback adds to the logs of
    `on_epoch_end` is seen by the callbacks after it, `History` among them.

    Example:
        >>> import rustdl
        >>> class Stop(rustdl.callbacks.Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         self.model.stop_training = logs["loss"] < 0.1
    """

    def __init__(self) -> None:
        self.params: Any = None
        self._model: Any = None

    def set_params(self, params: dict[str, Any]) -> None:
        """Called by the training loop."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called by the training loop."""
        self._model = model

    @property
    def model(self) -> Any:
        """The model that is being trained, evaluated or used."""
        return self._model

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """An older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """An older name of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Called at the start of an epoch of training; `epoch` counts from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Called at the end of an epoch of training, after validation; `logs` has the metrics of both."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch (or `steps_per_execution` of them) is trained on."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch; `logs` has the running metrics of the epoch."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of evaluation, also of the validation inside `fit`."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch of evaluation."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of prediction."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch of prediction; `logs` has its `outputs`."""

    def on_train_begin(self, logs: Logs = None) -> None:
        """Called once, when training starts."""

    def on_train_end(self, logs: Logs = None) -> None:
        """Called once, when training has ended without an exception; `logs` is that of the last epoch."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """Called when an evaluation starts."""

    def on_test_end(self, logs: Logs = None) -> None:
        """Called when an evaluation has ended."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Called when a prediction starts."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """Called when a prediction has ended."""


def only_when(condition: Callable[[Any], bool]) -> Callable[[F], F]:
    """Marks a batch method that does nothing unless `condition(callback)`, so that the loop may leave it out."""

    def mark(method: F) -> F:
        method._only_when = condition  # type: ignore[attr-defined]
        return method

    return mark


def wants_batches(callback: Callback, mode: str) -> bool:
    """Whether a callback does anything at a batch.

    Args:
        callback: The callback.
        mode: `"train"`, `"test"` or `"predict"`.
    """
    names = [f"on_{mode}_batch_begin", f"on_{mode}_batch_end"]
    if mode == "train":
        names += ["on_batch_begin", "on_batch_end"]
    for name in names:
        method = getattr(callback, name, None)
        function = getattr(method, "__func__", method)
        if function is None or function is getattr(Callback, name):
            continue
        condition = getattr(function, "_only_when", None)
        if condition is None or condition(callback):
            return True
    return False
