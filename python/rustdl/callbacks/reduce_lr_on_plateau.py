"""Lowers the learning rate when a metric has stopped improving."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from rustdl.callbacks.callback import Logs
from rustdl.callbacks.learning_rates import log_rates, parts, rate_of
from rustdl.callbacks.monitor_callback import MonitorCallback
from rustdl.utils import io_utils


class ReduceLROnPlateau(MonitorCallback):
    """Multiplies the learning rate by a factor when a metric has not improved for some epochs.

    Of a `MultiOptimizer`, the rates of all inner optimizers.

    Args:
        monitor: Name of the metric in the logs.
        factor: Below 1.
        patience: Number of epochs without improvement after which the rate is lowered.
        verbose: 1 prints a note.
        mode: `"min"`, `"max"`, or `"auto"`, which asks the compiled metrics.
        min_delta: The least change that counts as an improvement.
        cooldown: Number of epochs after a change in which none are counted.
        min_lr: The rate is not lowered below this.

    Raises:
        ValueError: for a factor of 1 or more.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau does not support a factor >= 1.0. Received factor={factor}")
        self.factor = factor
        self.min_lr = min_lr
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.cooldown_counter = 0
        self.wait = 0

    def _reset(self) -> None:
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        self._reset()

    def in_cooldown(self) -> bool:
        """Whether the rate was changed within the last `cooldown` epochs."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.monitor_op is None:
            self._set_monitor_op()
        logs = {} if logs is None else logs
        log_rates(logs, self.model.optimizer)
        current = logs.get(self.monitor)
        if current is None:
            warnings.warn(
                f"Learning rate reduction is conditioned on metric `{self.monitor}` which is not available. "
                f"Available metrics are: {','.join(logs)}.",
                stacklevel=2,
            )
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._lower(epoch)

    def _lower(self, epoch: int) -> None:
        higher = [part for part in parts(self.model.optimizer) if rate_of(part) > np.float32(self.min_lr)]
        if not higher:
            return
        for part in higher:
            part.learning_rate = new = max(rate_of(part) * self.factor, self.min_lr)
            if self.verbose > 0:
                io_utils.print_msg(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}.")
        self.cooldown_counter = self.cooldown
        self.wait = 0
