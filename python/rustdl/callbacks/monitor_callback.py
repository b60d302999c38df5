"""The part shared by the callbacks that watch one metric: is it better now?"""

from __future__ import annotations

import warnings
from typing import Any

from rustdl import ops
from rustdl.callbacks.callback import Callback

_HIGHER_IS_BETTER = ("acc", "accuracy", "auc", "fmeasure")


class MonitorCallback(Callback):
    """Base class of callbacks that watch a metric.

    Args:
        monitor: Name of the metric in the logs.
        mode: `"min"`, `"max"`, or `"auto"`, which asks the compiled metrics.
        baseline: The value to beat at first; None for none.
        min_delta: The least change that counts as an improvement.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: str = "auto",
        baseline: float | None = None,
        min_delta: float = 0,
    ) -> None:
        super().__init__()
        if mode not in {"auto", "min", "max"}:
            warnings.warn(f"{type(self).__name__} mode '{mode}' is unknown, fallback to auto mode.", stacklevel=3)
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        # Chosen at the first use: mode "auto" needs the compiled metrics.
        self.monitor_op: Any = None

    def _set_monitor_op(self) -> None:
        direction = {"min": "down", "max": "up"}.get(self.mode) or self._auto_direction()
        if direction is None:
            raise ValueError(
                f"{type(self).__name__} callback received monitor={self.monitor}, but it cannot be told whether that "
                "metric "
                "should be maximized or minimized. Pass `mode='max'` in order to monitor based on the highest metric "
                "value, "
                "or pass `mode='min'` in order to use the lowest value."
            )
        self.monitor_op = ops.greater if direction == "up" else ops.less

    def _auto_direction(self) -> str | None:
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return "down"
        for metric in _all_metrics(self.model):
            if metric.name == name and getattr(metric, "_direction", None):
                return str(metric._direction)
        # Outputs of a model with several are named "<output>_<metric>".
        for metric in _all_metrics(self.model):
            if name.endswith(f"_{metric.name}") and getattr(metric, "_direction", None):
                return str(metric._direction)
        if name.endswith(_HIGHER_IS_BETTER):
            return "up"
        return "down" if name.endswith("loss") else None

    def _is_improvement(self, monitor_value: Any, reference_value: Any) -> bool:
        if reference_value is None:
            return True
        if self.monitor_op is None:
            self._set_monitor_op()
        if self.monitor_op is ops.greater:
            return bool(monitor_value - self.min_delta > reference_value)
        if self.monitor_op is ops.less:
            return bool(monitor_value + self.min_delta < reference_value)
        return bool(self.monitor_op(monitor_value, reference_value))


def _all_metrics(model: Any) -> list[Any]:
    """The metrics of a model, those inside of the compiled metrics included."""
    found: list[Any] = []
    for metric in getattr(model, "metrics", None) or []:
        found.append(metric)
        found.extend(getattr(metric, "metrics", None) or [])
    return found
