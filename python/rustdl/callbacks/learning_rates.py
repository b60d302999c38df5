"""Learning rates of a model's optimizer: one, or one for each optimizer that a `MultiOptimizer` holds."""

from __future__ import annotations

from typing import Any

import numpy as np


def parts(optimizer: Any) -> list[Any]:
    """The optimizers that have a learning rate: the inner ones of a `MultiOptimizer`, else the optimizer itself."""
    return list(getattr(optimizer, "optimizers", None) or [optimizer])


def rate_of(optimizer: Any) -> float:
    """The learning rate of the next step.

    Raises:
        ValueError: The optimizer has none.
    """
    if not hasattr(optimizer, "learning_rate"):
        raise ValueError('Optimizer must have a "learning_rate" attribute.')
    return float(np.asarray(optimizer.learning_rate))


def log_rates(logs: dict[str, Any], optimizer: Any) -> None:
    """Adds `learning_rate` to the logs, or `learning_rate_NAME` for each of several optimizers."""
    found = parts(optimizer)
    if found == [optimizer]:
        logs["learning_rate"] = rate_of(optimizer)
        return
    names: list[str] = []
    for part in found:
        count = sum(name.startswith(part.name) for name in names)
        names.append(f"{part.name}_{count}" if count else part.name)
        logs[f"learning_rate_{names[-1]}"] = rate_of(part)
