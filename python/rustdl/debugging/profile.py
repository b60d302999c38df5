"""Times of the steps of a compiled function, as a table and as a Chrome trace."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rustdl.backend import structure
from rustdl.backend.jit import Jitted
from rustdl.backend.tensor import convert_to_tensor
from rustdl.backend.trace import Compiled, is_input, trace


class ProfileRow(NamedTuple):
    """One step: a kernel, or a loop into which several ops were fused."""

    ops: str
    layer: str
    shape: tuple[int, ...]
    seconds: float


class Profile:
    """The steps of a compiled function with their times; `print` shows a table.

    Args:
        rows: The steps in the order in which they run.
        arena_bytes: Memory for temporaries.
        name: Of the function.

    Attributes:
        seconds: The sum of all times.
    """

    def __init__(self, rows: list[ProfileRow], arena_bytes: int, name: str) -> None:
        self.rows = rows
        self.arena_bytes = arena_bytes
        self.name = name
        self.seconds = sum(row.seconds for row in rows)

    def by_ops(self) -> list[tuple[str, int, float]]:
        """(ops, number of steps, seconds) of equal steps together, the slowest first."""
        sums: dict[str, tuple[int, float]] = {}
        for row in self.rows:
            count, seconds = sums.get(row.ops, (0, 0.0))
            sums[row.ops] = (count + 1, seconds + row.seconds)
        return sorted(((ops, *found) for ops, found in sums.items()), key=lambda item: -item[2])

    def by_layer(self) -> list[tuple[str, int, float]]:
        """(layer, number of steps, seconds), the slowest first."""
        sums: dict[str, tuple[int, float]] = {}
        for row in self.rows:
            count, seconds = sums.get(row.layer, (0, 0.0))
            sums[row.layer] = (count + 1, seconds + row.seconds)
        return sorted(((layer, *found) for layer, found in sums.items()), key=lambda item: -item[2])

    def table(self, limit: int = 20) -> str:
        """The slowest steps as text.

        Args:
            limit: The most lines.
        """
        lines = [
            f"{self.name}: {len(self.rows)} steps, {1e3 * self.seconds:.3f} ms, "
            f"{self.arena_bytes / 2**20:.2f} MiB of temporaries",
            f"{'ms':>10} {'%':>6}  {'shape':<20} {'layer':<32} ops",
        ]
        for row in sorted(self.rows, key=lambda row: -row.seconds)[:limit]:
            share = 100 * row.seconds / self.seconds if self.seconds else 0.0
            shape = "x".join(map(str, row.shape)) or "scalar"
            lines.append(f"{1e3 * row.seconds:10.4f} {share:6.1f}  {shape:<20} {_cut(row.layer, 32):<32} {row.ops}")
        rest = len(self.rows) - limit
        if rest > 0:
            lines.append(f"... and {rest} steps more")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()

    def save_chrome_trace(self, path: Any) -> None:
        """Writes a file for chrome://tracing or Perfetto: the steps one after another.

        Args:
            path: The file, a `.json`.
        """
        events, start = [], 0.0
        for row in self.rows:
            events.append(
                {
                    "name": row.ops,
                    "cat": row.layer or "step",
                    "ph": "X",
                    "ts": start,
                    "dur": 1e6 * row.seconds,
                    "pid": 0,
                    "tid": 0,
                    "args": {"shape": list(row.shape), "layer": row.layer, "elements": math.prod(row.shape)},
                }
            )
            start += 1e6 * row.seconds
        meta = {"name": "process_name", "ph": "M", "pid": 0, "args": {"name": self.name}}
        document = {"traceEvents": [meta, *events], "displayTimeUnit": "ms"}
        Path(path).write_text(json.dumps(document), encoding="utf-8")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else "..." + text[3 - width :]


def profile(fn: Callable[..., Any], *args: Any, repeats: int = 10, **kwargs: Any) -> Profile:
    """Measures each step of a compiled function.

    Args:
        fn: A function (compiled if it is not yet), with or without `rustdl.jit`.
        *args: Its arguments.
        repeats: The function is run so often; the least time of each step counts. Variables that it assigns have
            their values again afterwards.
        **kwargs: Its keyword arguments.

    Returns:
        A `Profile`: `print` it, or write a Chrome trace.

    Example:
        >>> import rustdl
        >>> found = rustdl.profile(lambda x: rustdl.ops.sum(rustdl.ops.exp(x)), rustdl.ops.ones((64, 64)))
        >>> found.rows[0].ops
        'exp+sum'
    """
    if repeats < 1:
        raise ValueError(f"profile: repeats must be at least 1, got {repeats}")
    if isinstance(fn, Compiled):
        compiled = fn
    elif isinstance(fn, Jitted):
        compiled = fn.compiled(*args, **kwargs)
    else:
        compiled = trace(getattr(fn, "fn", fn), args, kwargs)
    return profile_plan(compiled, args, kwargs, repeats, getattr(fn, "__qualname__", type(fn).__name__))


def profile_plan(compiled: Compiled, args: Any, kwargs: Any, repeats: int, name: str) -> Profile:
    """The `Profile` of a compiled function; see `profile`."""
    arrays = [convert_to_tensor(x) for x in structure.flatten((args, kwargs)) if is_input(x)]
    before = [(variable, variable.cell.get()) for variable in compiled.variables]
    try:
        measured = compiled.plan.profile(arrays, repeats)
    finally:
        for variable, value in before:
            variable.cell.set(value)
    rows = []
    for label, shape, seconds in measured:
        ops, _, layer = label.partition(" @ ")
        rows.append(ProfileRow(ops, layer, tuple(shape), seconds))
    return Profile(rows, compiled.plan.arena_bytes, name)
