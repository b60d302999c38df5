"""The progress bar of training, evaluation and prediction."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rustdl.utils import io_utils

_BOLD, _GREEN, _GREY, _PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m"


class Progbar:
    """Shows how far a loop is, how long it will take, and the current values.

    Args:
        target: Number of steps; None where it is not known.
        width: Width of the bar in characters.
        verbose: 0 silent, 1 a bar that is redrawn, 2 one line at the end.
        interval: Seconds between two drawings, at least.
        stateful_metrics: Names whose values are shown as they come.
        stateless_metrics: Names whose values are averaged over the steps.
            By default all values are averaged; when either is given, a name that is in neither is shown as it comes
            unless only `stateful_metrics` was given.
        unit_name: What a step is called.

    Example:
        >>> from rustdl.utils import Progbar
        >>> bar = Progbar(2, verbose=0)
        >>> bar.update(1, [("loss", 0.5)])
        >>> bar.add(1, [("loss", 0.3)])
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                "Only one of `stateful_metrics` or `stateless_metrics` can be provided: the first lists the names "
                "that are not "
                "averaged, the second those that are."
            )
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self.stateful_metrics = set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._dynamic_display = (
            (hasattr(sys.stdout, "isatty") and sys.stdout.isatty())
            or "ipykernel" in sys.modules
            or "posix" in sys.modules
            or "PYCHARM_HOSTED" in os.environ
        )
        self._seen_so_far = 0
        # Name -> [weighted sum, weight], or the value itself; in the order of appearance.
        self._values: dict[str, Any] = {}
        self._start = time.time()
        self._last_update = 0.0
        self._time_after_first_step: float | None = None
        self._prev_total_width = 0

    def _is_averaged(self, name: str) -> bool:
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return name not in self.stateful_metrics

    def _take(self, current: int, values: Sequence[tuple[str, Any]], finalize: bool) -> None:
        weight = max(current - self._seen_so_far, 1)
        for name, value in values:
            # The values of the last drawing are those of the whole epoch.
            if finalize or not self._is_averaged(name):
                self._values[name] = [value, 1]
            elif name in self._values:
                self._values[name][0] += value * weight
                self._values[name][1] += weight
            else:
                self._values[name] = [value * weight, weight]
        self._seen_so_far = current

    def update(
        self, current: int, values: Sequence[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Moves the bar.

        Args:
            current: Steps done.
            values: Pairs of name and value to show.
            finalize: Whether this is the last drawing; by default when `current` reaches the target.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        self._take(current, values or (), finalize)
        now = time.time()
        duration = self._estimate_step_duration(current, now)
        if self.verbose == 1:
            if now - self._last_update < self.interval and not finalize:
                return
            self._draw(current, now, duration, finalize)
        elif self.verbose == 2 and finalize:
            count = self._count(current)
            speed = self._format_time(duration, self.unit_name)
            shown = self._format_values(signed=False)
            io_utils.print_msg(f"{count} - {now - self._start:.0f}s -{speed}{shown}\n", line_break=False)
        self._last_update = now

    def add(self, n: int, values: Sequence[tuple[str, Any]] | None = None) -> None:
        """Moves the bar by `n` steps."""
        self.update(self._seen_so_far + n, values)

    def _count(self, current: int) -> str:
        if self.target is None:
            return f"{current:7d}/Unknown"
        digits = int(math.log10(self.target)) + 1 if self.target > 0 else 1
        return f"{current:{digits}d}/{self.target}"

    def _draw(self, current: int, now: float, duration: float, finalize: bool) -> None:
        hidden = 0  # characters that take no room on the screen
        bar = self._count(current)
        if self.target is not None:
            done = int(self.width * (current / self.target if self.target else 1.0))
            bar = f"{_BOLD}{bar}{_PLAIN} "
            hidden += len(_BOLD) + len(_PLAIN)
            if done > 0:
                bar += f"{_GREEN}{'━' * done}{_PLAIN}"
                hidden += len(_GREEN) + len(_PLAIN)
            bar += f"{_GREY}{'━' * (self.width - done)}{_PLAIN}"
            hidden += len(_GREY) + len(_PLAIN)

        if self.target is not None and not finalize:
            shown = _format_eta(duration * (self.target - current))
        else:
            shown = f"{now - self._start:.0f}s"
        hidden += len(_BOLD) + len(_PLAIN)
        info = f" {_BOLD}{shown}{_PLAIN}{self._format_time(duration, self.unit_name)}{self._format_values()}"

        width = len(bar) + len(info) - hidden
        text = ("\b" * self._prev_total_width + "\r" if self._dynamic_display else "\n") + bar + info
        if self._prev_total_width > width:
            text += " " * (self._prev_total_width - width)
        io_utils.print_msg(text + "\n" if finalize else text, line_break=False)
        self._prev_total_width = width

    def _format_values(self, signed: bool = True) -> str:
        """The averages; `signed` False is the format of verbose=2, which writes negative values in scientific form."""
        parts = []
        for name, (total, weight) in self._values.items():
            average = float(np.mean(np.asarray(total, dtype="float64") / max(1, weight)))
            size = abs(average) if signed else average
            parts.append(f" - {name}: {average:.4f}" if size > 1e-3 else f" - {name}: {average:.4e}")
        return "".join(parts)

    def _format_time(self, time_per_unit: float, unit_name: str) -> str:
        if time_per_unit >= 1 or time_per_unit == 0:
            return f" {time_per_unit:.0f}s/{unit_name}"
        if time_per_unit >= 1e-3:
            return f" {time_per_unit * 1e3:.0f}ms/{unit_name}"
        return f" {time_per_unit * 1e6:.0f}us/{unit_name}"

    def _estimate_step_duration(self, current: int, now: float) -> float:
        """Seconds a step: the first one, which compiles, is left out as soon as there is another."""
        if not current:
            return 0.0
        if self._time_after_first_step is not None and current > 1:
            duration = (now - self._time_after_first_step) / (current - 1)
        else:
            duration = (now - self._start) / current
        if current == 1:
            self._time_after_first_step = now
        return duration


def _format_eta(seconds: float) -> str:
    whole = int(seconds)
    if seconds > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    if seconds > 60:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole}s"
