"""The list of callbacks of one run, called as one."""

from __future__ import annotations

from typing import Any

from rustdl import tree
from rustdl.callbacks.callback import Callback, Logs, wants_batches
from rustdl.callbacks.history import History
from rustdl.callbacks.progbar_logger import ProgbarLogger


class CallbackList(Callback):
    """Calls each of its callbacks in order.

    Args:
        callbacks: Callbacks, or nested lists of them.
        add_history: Whether to add a `History` unless there is one.
        add_progbar: Whether to add a `ProgbarLogger` unless there is one.
        model: The model.
        **params: The parameters of the run: `verbose`, `epochs`, `steps`.

    Raises:
        TypeError: if something in the list is not a callback.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.callbacks: list[Callback] = tree.flatten(callbacks) if callbacks is not None else []
        for callback in self.callbacks:
            if isinstance(callback, type):
                raise TypeError(
                    f"`callbacks` holds the class {callback.__name__}: pass an instance, `{callback.__name__}(...)`."
                )
            if not hasattr(callback, "set_model") or not hasattr(callback, "on_epoch_end"):
                raise TypeError(
                    f"`callbacks` holds {callback!r} of type {type(callback).__name__}, expected instances of "
                    "`rustdl.callbacks.Callback`."
                )
        self._progbar = next((c for c in self.callbacks if isinstance(c, ProgbarLogger)), None)
        self._history = next((c for c in self.callbacks if isinstance(c, History)), None)
        if self._history is None and add_history:
            self._history = History()
            self.callbacks.append(self._history)
        if self._progbar is None and add_progbar:
            self._progbar = ProgbarLogger()
            self.callbacks.append(self._progbar)
        if model is not None:
            self.set_model(model)
        self.set_params(params)
        # Callbacks that do something at a batch, the progress bar apart: it is called as often as something is drawn.
        self._at_batches = {
            mode: [c for c in self.callbacks if type(c) is not ProgbarLogger and wants_batches(c, mode)]
            for mode in ("train", "test", "predict")
        }

    def wants_batches(self, mode: str) -> bool:
        """Whether a callback (the progress bar apart) does something at each batch of a mode."""
        return bool(self._at_batches[mode])

    @property
    def progbar(self) -> ProgbarLogger | None:
        """The progress bar's callback."""
        return self._progbar

    def append(self, callback: Callback) -> None:
        """Adds a callback at the end."""
        self.callbacks.append(callback)
        if isinstance(callback, ProgbarLogger):
            self._progbar = callback
        for mode, active in self._at_batches.items():
            if type(callback) is not ProgbarLogger and wants_batches(callback, mode):
                active.append(callback)

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params
        if params:
            for callback in self.callbacks:
                callback.set_params(params)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        if self._history is not None:
            model.history = self._history
        for callback in self.callbacks:
            callback.set_model(model)

    def _batch(self, method: str, batch: int, logs: Logs) -> None:
        for callback in self.callbacks:
            getattr(callback, method)(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._batch("on_batch_begin", batch, logs or {})

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._batch("on_batch_end", batch, logs or {})

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        # One dictionary, by name: what a callback adds, later ones (History!) see.
        logs = dict(sorted((logs or {}).items()))
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._batch("on_train_batch_begin", batch, logs or {})

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._batch("on_train_batch_end", batch, logs or {})

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._batch("on_test_batch_begin", batch, logs or {})

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._batch("on_test_batch_end", batch, logs or {})

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._batch("on_predict_batch_begin", batch, logs or {})

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._batch("on_predict_batch_end", batch, logs or {})

    def _moment(self, method: str, logs: Logs) -> None:
        for callback in self.callbacks:
            getattr(callback, method)({} if logs is None else logs)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._moment("on_train_begin", logs)

    def on_train_end(self, logs: Logs = None) -> None:
        self._moment("on_train_end", logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        self._moment("on_test_begin", logs)

    def on_test_end(self, logs: Logs = None) -> None:
        self._moment("on_test_end", logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._moment("on_predict_begin", logs)

    def on_predict_end(self, logs: Logs = None) -> None:
        self._moment("on_predict_end", logs)
