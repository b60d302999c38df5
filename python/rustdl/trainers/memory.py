"""How much memory a model's steps need, and how much they may."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from rustdl import tree
from rustdl._rustdl import Tensor

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_bytes(value: Any) -> int | None:
    """A number of bytes from an integer or a text such as `"512 MiB"`; `None` stays `None`.

    Raises:
        ValueError: Anything else.

    Example:
        >>> parse_bytes("1.5 KiB")
        1536
    """
    if value is None:
        return None
    if isinstance(value, str):
        number = value.strip().rstrip("BKMGiIkmgb")
        unit = value.strip()[len(number) :].strip().upper() or "B"
        try:
            return int(float(number) * _UNITS[unit])
        except (ValueError, KeyError):
            pass
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 1:
        return int(value)
    raise ValueError(f"memory_budget must be a number of bytes or a text such as '512 MiB', got {value!r}")


class MemoryReport(NamedTuple):
    """Bytes that one step needs.

    Attributes:
        temporaries: The planned arena: activations, gradients and scratch of the plan, sharing memory over time.
        variables: Weights and other state of the model.
        optimizer: State of the optimizer.
        inputs: One batch.
    """

    temporaries: int
    variables: int
    optimizer: int
    inputs: int

    @property
    def total(self) -> int:
        """The sum."""
        return sum(self)

    def __str__(self) -> str:
        rows = [*self._asdict().items(), ("total", self.total)]
        return "\n".join(f"{name:<12} {value / 2**20:12.3f} MiB" for name, value in rows)


def _bytes(x: Any) -> int:
    size = 2 if x.dtype == "bfloat16" else np.dtype(x.dtype).itemsize
    return int(math.prod(x.shape)) * size


def memory_report(model: Any, data: Any, training: bool) -> MemoryReport:
    """The memory of a model's train or predict step on a batch; see `Model.memory`."""
    if training:
        model._assert_compile_called("memory")
    runner = model.make_train_function() if training else model.make_predict_function()
    compiled = runner.compiled(data)
    optimizer = getattr(model.optimizer, "variables", []) if training and model.optimizer is not None else []
    return MemoryReport(
        temporaries=compiled.plan.arena_bytes,
        variables=sum(_bytes(v) for v in model.variables),
        optimizer=sum(_bytes(v) for v in optimizer),
        inputs=sum(_bytes(x) for x in tree.flatten(data) if isinstance(x, Tensor)),
    )
