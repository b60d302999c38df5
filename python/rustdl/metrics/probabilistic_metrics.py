"""Cross-entropies, divergence and Poisson likelihood as running means."""

from __future__ import annotations

from typing import Any

from rustdl import losses
from rustdl.metrics.reduction_metrics import MeanMetricWrapper


class KLDivergence(MeanMetricWrapper):
    """Running mean of `losses.kl_divergence`.

    Args:
        name: Name of the metric.
        dtype: See `Metric`.
    """

    _direction = "down"

    def __init__(self, name: str | None = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(losses.kl_divergence, name=name, dtype=dtype)


class Poisson(MeanMetricWrapper):
    """Running mean of `losses.poisson`. Arguments as for `KLDivergence`."""

    _direction = "down"

    def __init__(self, name: str | None = "poisson", dtype: Any = None) -> None:
        super().__init__(losses.poisson, name=name, dtype=dtype)


class BinaryCrossentropy(MeanMetricWrapper):
    """Running mean of `losses.binary_crossentropy`.

    Args:
        name: Name of the metric.
        dtype: See `Metric`.
        from_logits: Whether the predictions are logits.
        label_smoothing: In [0, 1].

    Example:
        >>> from rustdl.metrics import BinaryCrossentropy
        >>> m = BinaryCrossentropy()
        >>> m.update_state([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]])
        >>> round(float(m.result()), 4)
        0.8149
    """

    _direction = "down"
    _arguments = ("from_logits", "label_smoothing")

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        kwargs = {"from_logits": from_logits, "label_smoothing": label_smoothing}
        super().__init__(losses.binary_crossentropy, name=name, dtype=dtype, **kwargs)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing


class CategoricalCrossentropy(MeanMetricWrapper):
    """Running mean of `losses.categorical_crossentropy`, for one-hot targets.

    Args:
        name: Name of the metric.
        dtype: See `Metric`.
        from_logits: Whether the predictions are logits.
        label_smoothing: In [0, 1].
        axis: The axis of the classes.
    """

    _direction = "down"
    _arguments = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        kwargs = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(losses.categorical_crossentropy, name=name, dtype=dtype, **kwargs)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """Running mean of `losses.sparse_categorical_crossentropy`, for class indices.

    Args:
        name: Name of the metric.
        dtype: See `Metric`.
        from_logits: Whether the predictions are logits.
        ignore_class: A label whose samples are left out.
        axis: The axis of the classes.
    """

    _direction = "down"
    _arguments = ("from_logits", "ignore_class", "axis")

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        kwargs = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(losses.sparse_categorical_crossentropy, name=name, dtype=dtype, **kwargs)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis
