"""Margin losses of classifiers: hinge, squared hinge and categorical hinge."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.losses.loss import Tensor
from rustdl.losses.regression import _pair
from rustdl.losses.wrapper import ConfiguredLoss


def _signed_labels(y_true: Tensor) -> Tensor:
    """Labels 0 and 1 become -1 and 1; labels that are anything else (-1 and 1) are kept."""
    binary = ops.all(ops.logical_or(ops.equal(y_true, 0), ops.equal(y_true, 1)))
    return ops.where(binary, 2.0 * y_true - 1.0, y_true)


def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """`mean(max(1 - y_true * y_pred, 0))` over the last axis, for labels -1 and 1 (0 and 1 are converted).

    Example:
        >>> from rustdl.losses import hinge
        >>> hinge([[-1.0, 1.0]], [[0.5, 0.5]]).tolist()
        [1.0]
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return ops.mean(ops.maximum(1.0 - _signed_labels(y_true) * y_pred, 0.0), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """`mean(max(1 - y_true * y_pred, 0) ** 2)` over the last axis, for labels -1 and 1 (0 and 1 are converted)."""
    y_true, y_pred = _pair(y_true, y_pred)
    return ops.mean(ops.square(ops.maximum(1.0 - _signed_labels(y_true) * y_pred, 0.0)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """`max(best wrong score - right score + 1, 0)` for one-hot targets `[..., classes]`."""
    y_true, y_pred = _pair(y_true, y_pred)
    right = ops.sum(y_true * y_pred, axis=-1)
    wrong = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(wrong - right + 1.0, 0.0)


class Hinge(ConfiguredLoss):
    """Mean hinge loss; see `hinge`.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "hinge", dtype: Any = None
    ) -> None:
        super().__init__(hinge, name=name, reduction=reduction, dtype=dtype)


class SquaredHinge(ConfiguredLoss):
    """Mean squared hinge loss; see `squared_hinge`. Arguments as for `Hinge`."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "squared_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(squared_hinge, name=name, reduction=reduction, dtype=dtype)


class CategoricalHinge(ConfiguredLoss):
    """Hinge loss between the right class and the best wrong one; see `categorical_hinge`. Arguments as for `Hinge`."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(categorical_hinge, name=name, reduction=reduction, dtype=dtype)
