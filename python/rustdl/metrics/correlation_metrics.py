"""Correlations between targets and predictions: Pearson's, and Lin's concordance."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.losses.loss import squeeze_or_expand_to_same_rank
from rustdl.metrics.metric import Tensor
from rustdl.metrics.reduction_metrics import MeanMetricWrapper


def _pair(y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    y_pred = ops.convert_to_tensor(y_pred)
    if not backend.is_float_dtype(y_pred.dtype):
        y_pred = ops.cast(y_pred, backend.floatx())
    return squeeze_or_expand_to_same_rank(ops.convert_to_tensor(y_true, dtype=y_pred.dtype), y_pred)


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Covariance over the product of the standard deviations, along `axis`; NaN where one of them does not vary."""
    y_true, y_pred = _pair(y_true, y_pred)
    true_part = y_true - ops.mean(y_true, axis=axis, keepdims=True)
    pred_part = y_pred - ops.mean(y_pred, axis=axis, keepdims=True)
    covariance = ops.mean(true_part * pred_part, axis=axis)
    return covariance / (ops.std(y_true, axis=axis) * ops.std(y_pred, axis=axis))


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """`2 cov / (var_true + var_pred + (mean_true - mean_pred)²)` along `axis` (Lin, 1989)."""
    y_true, y_pred = _pair(y_true, y_pred)
    true_mean, pred_mean = (
        ops.mean(y_true, axis=axis, keepdims=True),
        ops.mean(y_pred, axis=axis, keepdims=True),
    )
    covariance = ops.mean((y_true - true_mean) * (y_pred - pred_mean), axis=axis)
    shift = ops.squeeze(true_mean - pred_mean, axis=axis)
    spread = ops.var(y_true, axis=axis) + ops.var(y_pred, axis=axis) + ops.square(shift)
    return 2.0 * covariance / (spread + backend.epsilon())


class PearsonCorrelation(MeanMetricWrapper):
    """Running mean of `pearson_correlation`.

    Args:
        name: Name of the metric.
        dtype: See `Metric`.
        axis: The axis of the series.
    """

    _direction = "up"
    _arguments = ("axis",)

    def __init__(self, name: str | None = "pearson_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(pearson_correlation, name=name, dtype=dtype, axis=axis)
        self.axis = axis


class ConcordanceCorrelation(MeanMetricWrapper):
    """Running mean of `concordance_correlation`. Arguments as for `PearsonCorrelation`."""

    _direction = "up"
    _arguments = ("axis",)

    def __init__(self, name: str | None = "concordance_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(concordance_correlation, name=name, dtype=dtype, axis=axis)
        self.axis = axis
