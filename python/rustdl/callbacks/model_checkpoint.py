"""Saves the model or its weights while it is trained."""

from __future__ import annotations

import os
import re
import warnings
from typing import Any

from rustdl.callbacks.callback import Logs, only_when
from rustdl.callbacks.monitor_callback import MonitorCallback
from rustdl.utils import io_utils


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights alone, at each epoch or every so many batches.

    Args:
        filepath: The file. It may hold fields that are filled in: `{epoch:02d}` (counted from 1), `{batch}` and the
            names of metrics, `{val_loss:.2f}`. It ends in `.keras`, or in `.weights.h5` with `save_weights_only`.
        monitor: Name of the metric in the logs, for `save_best_only`.
        verbose: 1 prints a note at each save.
        save_best_only: Whether to save only when the metric has improved.
        save_weights_only: Whether to save the weights only.
        mode: `"min"`, `"max"`, or `"auto"`, which asks the compiled metrics.
        save_freq: `"epoch"`, or a number of batches.
        initial_value_threshold: The value to beat at first, for `save_best_only`.

    Raises:
        ValueError: for an unknown `save_freq`, or a file name with another ending.

    Example:
        >>> from rustdl.callbacks import ModelCheckpoint
        >>> best = ModelCheckpoint("best.keras", monitor="val_loss", save_best_only=True)
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: int | str = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.verbose = verbose
        self.filepath = os.fspath(filepath)
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self._batches_seen_since_last_saving = 0
        self._last_batch_seen = 0
        self._current_epoch = 0
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(f"Unrecognized save_freq: {save_freq}. Expected save_freq are 'epoch' or integer values")
        if save_weights_only:
            if not self.filepath.endswith(".weights.h5"):
                raise ValueError(
                    "When using `save_weights_only=True` in `ModelCheckpoint`, the filepath provided must end in "
                    "`.weights.h5` "
                    f"(Keras weights format). Received: filepath={self.filepath}"
                )
        elif not self.filepath.endswith((".keras", ".h5")):
            raise ValueError(
                f"The filepath provided must end in `.keras` (Keras model format). Received: filepath={self.filepath}"
            )

    @only_when(lambda self: self.save_freq != "epoch")
    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self._should_save_on_batch(batch):
            self._save_model(epoch=self._current_epoch, batch=batch, logs=logs)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._current_epoch = epoch
        self._last_batch_seen = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.save_best_only and self.monitor_op is None:
            self._set_monitor_op()
        if self.save_freq == "epoch":
            self._save_model(epoch=epoch, batch=None, logs=logs)

    def _should_save_on_batch(self, batch: int) -> bool:
        """Counts the batches, of which `steps_per_execution` may have passed at once."""
        if self.save_freq == "epoch":
            return False
        self._batches_seen_since_last_saving += batch + 1 - self._last_batch_seen
        self._last_batch_seen = batch + 1
        if self._batches_seen_since_last_saving >= int(self.save_freq):
            self._batches_seen_since_last_saving = 0
            return True
        return False

    def _should_save_model(self, epoch: int, batch: int | None, logs: dict[str, Any], filepath: str) -> bool:
        if not self.save_best_only:
            return True
        if self.monitor_op is None:
            self._set_monitor_op()
        current = logs.get(self.monitor)
        if current is None:
            warnings.warn(f"Can save best model only with {self.monitor} available.", stacklevel=2)
            return True
        if getattr(current, "ndim", 0):
            warnings.warn(
                f"Can save best model only when `monitor` is a scalar value. Received: {current}.",
                stacklevel=2,
            )
            return True
        if self._is_improvement(current, self.best):
            if self.verbose > 0:
                before = "None" if self.best is None else f"{self.best:.5f}"
                io_utils.print_msg(
                    f"\nEpoch {epoch + 1}: {self.monitor} improved from {before} to {current:.5f}, saving model to "
                    f"{filepath}"
                )
            self.best = current
            return True
        if self.verbose > 0:
            io_utils.print_msg(f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {self.best:.5f}")
        return False

    def _save_model(self, epoch: int, batch: int | None, logs: Logs) -> None:
        logs = logs or {}
        filepath = self._get_file_path(epoch, batch, logs)
        folder = os.path.dirname(filepath)
        if folder:
            os.makedirs(folder, exist_ok=True)
        try:
            if not self._should_save_model(epoch, batch, logs, filepath):
                return
            if self.verbose > 0 and not self.save_best_only:
                io_utils.print_msg(f"\nEpoch {epoch + 1}: saving model to {filepath}")
            if self.save_weights_only:
                self.model.save_weights(filepath, overwrite=True)
            else:
                self.model.save(filepath, overwrite=True)
            if self.verbose > 0:
                io_utils.print_msg(f"\nEpoch {epoch + 1}: finished saving model to {filepath}")
        except IsADirectoryError as error:
            raise OSError(
                "Please specify a non-directory filepath for ModelCheckpoint. Filepath used is an existing "
                f"directory: {filepath}"
            ) from error

    def _get_file_path(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        """Fills in the fields of the file name; epoch and batch count from 1."""
        fields: dict[str, Any] = {"epoch": epoch + 1, **logs}
        if batch is not None and "batch" not in logs:
            fields["batch"] = batch + 1
        try:
            return str(self.filepath.format(**fields))
        except KeyError as error:
            raise KeyError(
                f'Failed to format this callback filepath: "{self.filepath}". Reason: {error}. '
                f"Available: {', '.join(sorted(fields))}"
            ) from error

    def _checkpoint_exists(self, filepath: str) -> bool:
        return os.path.exists(filepath)

    def _get_most_recently_modified_file_matching_pattern(self, pattern: str) -> str | None:
        """The newest file whose name fits a pattern with fields; of files of the same age the one that sorts last."""
        folder, base = os.path.dirname(pattern), os.path.basename(pattern)
        wanted = re.compile(
            "^" + re.sub(r"\\?\{.*?\\?\}", ".*", re.escape(base).replace(r"\{", "{").replace(r"\}", "}")) + "$"
        )
        names = [name for name in os.listdir(folder or ".") if wanted.match(name)]
        if not names:
            return None
        newest = max(names, key=lambda name: (os.path.getmtime(os.path.join(folder, name)), name))
        return os.path.join(folder, newest)
