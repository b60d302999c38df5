"""Evaluates with the moving averages of the weights."""

from __future__ import annotations

from typing import Any

from rustdl.callbacks.callback import Callback, Logs
from rustdl.callbacks.learning_rates import parts


class SwapEMAWeights(Callback):
    """Puts the optimizer's moving averages in place of the weights for evaluation and prediction.

    The optimizer must have been made with `use_ema=True`. Outside of evaluation the model has its own weights again.

    Args:
        swap_on_epoch: Whether to swap at the end of each epoch too, so that callbacks after this one
            (`ModelCheckpoint`)
            see the averages.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._ema_weights_in_model = False

    def _optimizers(self) -> list[Any]:
        """The optimizers that keep averages: those in a `MultiOptimizer` each for their own variables."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        found = [inner for inner in parts(optimizer) if getattr(inner, "use_ema", False)]
        if not found:
            raise ValueError(
                "SwapEMAWeights must be used when `use_ema=True` is set on the optimizer. "
                f"Received: use_ema={getattr(optimizer, 'use_ema', None)}"
            )
        return found

    def _pairs(self) -> list[tuple[Any, Any]]:
        """Each variable with its average."""
        pairs: list[tuple[Any, Any]] = []
        for optimizer in self._optimizers():
            averages = getattr(optimizer, "_model_variables_moving_average", None) or []
            variables = getattr(optimizer, "_trainable_variables", self.model.trainable_variables)
            pairs += zip(variables, averages, strict=False)
        return pairs

    def _swap(self) -> None:
        for variable, average in self._pairs():
            value, smoothed = variable.numpy().copy(), average.numpy().copy()
            variable.assign(smoothed)
            average.assign(value)

    def _show_averages(self) -> None:
        if not self._ema_weights_in_model:
            self._swap()
            self._ema_weights_in_model = True

    def _show_weights(self) -> None:
        if self._ema_weights_in_model:
            self._swap()
            self._ema_weights_in_model = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self.swap_on_epoch:
            self._show_weights()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if not self.swap_on_epoch:
            return
        self._show_averages()
        if epoch == self.params.get("epochs", 0) - 1 or self.model.stop_training:
            # At the end of `fit` the optimizer gives the averages to the model, which has them already.
            for variable, average in self._pairs():
                average.assign(variable)

    def on_test_begin(self, logs: Logs = None) -> None:
        self._show_averages()

    def on_test_end(self, logs: Logs = None) -> None:
        self._show_weights()

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._show_averages()

    def on_predict_end(self, logs: Logs = None) -> None:
        self._show_weights()
