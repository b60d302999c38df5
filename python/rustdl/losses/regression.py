"""Losses on real numbers: squared, absolute, relative and robust errors, and the cosine of the angle."""

from __future__ import annotations

from math import log as _log
from typing import Any

from rustdl import backend, ops
from rustdl.losses.loss import Tensor, squeeze_or_expand_to_same_rank
from rustdl.losses.wrapper import ConfiguredLoss


def _pair(y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Both arguments as tensors of the dtype of the predictions, and of the same rank."""
    y_pred = ops.convert_to_tensor(y_pred)
    if not backend.is_float_dtype(y_pred.dtype):
        y_pred = ops.cast(y_pred, backend.floatx())
    y_true = ops.cast(ops.convert_to_tensor(y_true), y_pred.dtype)
    return squeeze_or_expand_to_same_rank(y_true, y_pred)


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """`mean((y_true - y_pred) ** 2)` over the last axis.

    Args:
        y_true: Targets `[batch, d1, ..., n]`.
        y_pred: Predictions of the same shape.

    Returns:
        Values `[batch, d1, ...]`.

    Example:
        >>> from rustdl.losses import mean_squared_error
        >>> mean_squared_error([[1.0, 2.0]], [[1.0, 4.0]]).tolist()
        [2.0]
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """`mean(|y_true - y_pred|)` over the last axis; shapes as in `mean_squared_error`."""
    y_true, y_pred = _pair(y_true, y_pred)
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """`100 * mean(|y_true - y_pred| / max(|y_true|, epsilon))` over the last axis."""
    y_true, y_pred = _pair(y_true, y_pred)
    relative = ops.abs((y_true - y_pred) / ops.maximum(ops.abs(y_true), backend.epsilon()))
    return 100.0 * ops.mean(relative, axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """`mean((log(1 + y_true) - log(1 + y_pred)) ** 2)` over the last axis, with both clipped from below to epsilon.

    Half precisions are widened to float32 on the way: the logarithms cancel.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    dtype = y_pred.dtype
    y_true, y_pred = (ops.cast(y, backend.result_type(dtype, "float32")) for y in (y_true, y_pred))
    floor = backend.epsilon()
    difference = ops.log1p(ops.maximum(y_true, floor)) - ops.log1p(ops.maximum(y_pred, floor))
    return ops.cast(ops.mean(ops.square(difference), axis=-1), dtype)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """Quadratic for errors `e` up to `delta`, linear beyond: `e² / 2` and `delta * |e| - delta² / 2` (Huber, 1964)."""
    y_true, y_pred = _pair(y_true, y_pred)
    error = ops.abs(y_pred - y_true)
    delta = ops.convert_to_tensor(delta, dtype=y_pred.dtype)
    return ops.mean(
        ops.where(error <= delta, 0.5 * ops.square(error), delta * error - 0.5 * ops.square(delta)), axis=-1
    )


def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    """`mean(log(cosh(y_pred - y_true)))` over the last axis, as `x + softplus(-2x) - log 2`."""
    y_true, y_pred = _pair(y_true, y_pred)
    # cosh is even: with |x| the formula has no cancellation for large negative errors.
    error = ops.abs(y_pred - y_true)
    return ops.mean(error + ops.softplus(-2.0 * error) - _log(2.0), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """Negative log-likelihood of counts of rate `y_pred`: `mean(y_pred - y_true * log(y_pred + epsilon))`."""
    y_true, y_pred = _pair(y_true, y_pred)
    return ops.mean(y_pred - y_true * ops.log(y_pred + backend.epsilon()), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Minus the cosine of the angle along `axis`: -1 for the same direction, 1 for opposite ones."""
    y_true, y_pred = _pair(y_true, y_pred)
    return -ops.sum(ops.normalize(y_true, axis=axis) * ops.normalize(y_pred, axis=axis), axis=axis)


class MeanSquaredError(ConfiguredLoss):
    """Mean of the squared errors; see `mean_squared_error`.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_error, name=name, reduction=reduction, dtype=dtype)


class MeanAbsoluteError(ConfiguredLoss):
    """Mean of the absolute errors; see `mean_absolute_error`. Arguments as for `MeanSquaredError`."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_error, name=name, reduction=reduction, dtype=dtype)


class MeanAbsolutePercentageError(ConfiguredLoss):
    """Mean of the relative errors in percent; see `mean_absolute_percentage_error`.

    Arguments as for `MeanSquaredError`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_percentage_error, name=name, reduction=reduction, dtype=dtype)


class MeanSquaredLogarithmicError(ConfiguredLoss):
    """Mean of the squared differences of logarithms; see `mean_squared_logarithmic_error`.

    Arguments as for `MeanSquaredError`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_logarithmic_error, name=name, reduction=reduction, dtype=dtype)


class Huber(ConfiguredLoss):
    """Quadratic near zero, linear far from it; see `huber`.

    Args:
        delta: The error at which it turns linear.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(huber, name=name, reduction=reduction, dtype=dtype, delta=delta)
        self.delta = delta

    _arguments = ("delta",)


class LogCosh(ConfiguredLoss):
    """Mean of `log(cosh(error))`; see `log_cosh`. Arguments as for `MeanSquaredError`."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "log_cosh", dtype: Any = None
    ) -> None:
        super().__init__(log_cosh, name=name, reduction=reduction, dtype=dtype)


class Poisson(ConfiguredLoss):
    """Negative log-likelihood of counts; see `poisson`. Arguments as for `MeanSquaredError`."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "poisson", dtype: Any = None
    ) -> None:
        super().__init__(poisson, name=name, reduction=reduction, dtype=dtype)


class CosineSimilarity(ConfiguredLoss):
    """Minus the cosine of the angle; see `cosine_similarity`.

    Args:
        axis: The axis of the vectors.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(cosine_similarity, name=name, reduction=reduction, dtype=dtype, axis=axis)
        self.axis = axis

    _arguments = ("axis",)
