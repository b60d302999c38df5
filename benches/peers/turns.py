"""Candidates that take turns in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

Step = Callable[[], Any]

# Seconds between two turns: OpenMP's threads spin after their work, on a core that the next candidate needs.
SETTLE = 0.02


def in_turns(candidates: list[Step], seconds: float, turns: int = 4) -> list[float]:
    """The minimum time of each candidate in milliseconds; a turn is as many runs as its part of the seconds allows."""
    best = [float("inf")] * len(candidates)
    for _ in range(turns):
        for i, f in enumerate(candidates):
            time.sleep(SETTLE)
            f()
            end = time.perf_counter() + seconds / turns
            while time.perf_counter() < end:
                start = time.perf_counter()
                f()
                best[i] = min(best[i], 1e3 * (time.perf_counter() - start))
    return best
