"""Sets the learning rate at the start of each epoch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rustdl.callbacks.callback import Callback, Logs
from rustdl.callbacks.learning_rates import log_rates, parts, rate_of
from rustdl.utils import io_utils


class LearningRateScheduler(Callback):
    """Sets the learning rate by a function of the epoch; that of each optimizer in a `MultiOptimizer`.

    Args:
        schedule: `schedule(epoch, learning_rate)` or `schedule(epoch)`, which returns a float.
        verbose: 1 prints a note at each epoch.

    Raises:
        ValueError: if the optimizer has no learning rate, or the schedule returns something else than a float.

    Example:
        >>> from rustdl.callbacks import LearningRateScheduler
        >>> halve = LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        for optimizer in parts(self.model.optimizer):
            old, rate = rate_of(optimizer), None
            try:
                rate = self.schedule(epoch, old)
            except TypeError:
                # A schedule of the epoch alone.
                rate = self.schedule(epoch)
            if not isinstance(rate, (float, np.float32, np.float64)):
                raise ValueError(f"The output of the `schedule` function should be a float. Got: {rate}")
            optimizer.learning_rate = rate
            if self.verbose > 0:
                io_utils.print_msg(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            log_rates(logs, self.model.optimizer)
