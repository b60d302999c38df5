"""The margin losses as running means."""

from __future__ import annotations

from typing import Any

from rustdl import losses
from rustdl.metrics.reduction_metrics import MeanMetricWrapper


class Hinge(MeanMetricWrapper):
    """Running mean of `losses.hinge`.

    Args:
        name: Name of the metric.
        dtype: See `Metric`.

    Example:
        >>> from rustdl.metrics import Hinge
        >>> m = Hinge()
        >>> m.update_state([[0, 1], [0, 0]], [[0.5, 0.5], [0.5, 0.5]])
        >>> float(m.result())
        1.25
    """

    _direction = "down"

    def __init__(self, name: str | None = "hinge", dtype: Any = None) -> None:
        super().__init__(losses.hinge, name=name, dtype=dtype)


class SquaredHinge(MeanMetricWrapper):
    """Running mean of `losses.squared_hinge`. Arguments as for `Hinge`."""

    _direction = "down"

    def __init__(self, name: str | None = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(losses.squared_hinge, name=name, dtype=dtype)


class CategoricalHinge(MeanMetricWrapper):
    """Running mean of `losses.categorical_hinge`. Arguments as for `Hinge`."""

    _direction = "down"

    def __init__(self, name: str | None = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(losses.categorical_hinge, name=name, dtype=dtype)
