"""Losses of segmentation and of metric learning: Dice, Tversky, Circle."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.losses.loss import Tensor
from rustdl.losses.regression import _pair
from rustdl.losses.wrapper import ConfiguredLoss


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Tensor:
    """`1 - 2 * sum(y_true * y_pred) / (sum(y_true) + sum(y_pred))`: one minus the overlap of two sets (Dice, 1945).

    Args:
        y_true: Masks with values in [0, 1].
        y_pred: Predictions of the same shape.
        axis: The axes that are summed; all of them by default.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    overlap = ops.sum(y_true * y_pred, axis=axis)
    return 1.0 - 2.0 * overlap / (ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis) + backend.epsilon())


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Tensor:
    """`1 - tp / (tp + alpha * fn + beta * fp)`: Dice with its own price for either kind of error (Salehi et al., 2017).

    Args:
        y_true: Masks with values in [0, 1].
        y_pred: Predictions of the same shape.
        alpha: Weight of the false negatives, `sum(y_true * (1 - y_pred))`.
        beta: Weight of the false positives, `sum((1 - y_true) * y_pred)`.
        axis: The axes that are summed; all of them by default.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    hits = ops.sum(y_true * y_pred, axis=axis)
    misses = ops.sum(y_true * (1.0 - y_pred), axis=axis)
    false_alarms = ops.sum((1.0 - y_true) * y_pred, axis=axis)
    return 1.0 - hits / (hits + alpha * misses + beta * false_alarms + backend.epsilon())


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Tensor:
    """Circle loss (Sun et al., 2020): pulls embeddings of one class together and pushes the others away.

    Each pair the more, the farther it is from its optimum.

    With `s` the cosine similarity of a pair, same-class pairs weigh `max(1 + m - s, 0)` and aim at `1 - m`, others
    weigh
    `max(s + m, 0)` and aim at `m`; the loss is `softplus(logsumexp(other pairs) + logsumexp(same-class pairs))`.

    Args:
        y_true: Class indices `[batch]`.
        y_pred: Embeddings `[batch, features]` of unit length.
        ref_labels: Labels of the embeddings to compare with; `y_true` by default.
        ref_embeddings: The embeddings to compare with; `y_pred` by default.
        remove_diagonal: Whether a sample is not compared with itself; False only with reference embeddings that do not
            contain it.
        gamma: Scale of the similarities.
        margin: The margin `m`.

    Returns:
        Values `[batch]`; a sample without any pair of either kind is masked.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(ops.convert_to_tensor(y_true), "int32")
    references = y_pred if ref_embeddings is None else ops.convert_to_tensor(ref_embeddings)
    labels = y_true if ref_labels is None else ops.cast(ops.convert_to_tensor(ref_labels), "int32")
    y_true, labels = ops.reshape(y_true, (-1, 1)), ops.reshape(labels, (1, -1))

    # 1 - s is clipped at 0, as rounding can take a cosine beyond 1.
    similarity = 1.0 - ops.maximum(1.0 - ops.matmul(y_pred, ops.transpose(references)), 0.0)
    same = ops.equal(y_true, labels)
    other = ops.logical_not(same)
    if remove_diagonal:
        batch, count = y_pred.shape[0], references.shape[0]
        itself = ops.equal(ops.expand_dims(ops.arange(batch), 1), ops.expand_dims(ops.arange(count), 0))
        same = ops.logical_and(same, ops.logical_not(itself))

    pull = -gamma * ops.maximum(1.0 + margin - similarity, 0.0) * (similarity - (1.0 - margin))
    push = gamma * ops.maximum(similarity + margin, 0.0) * (similarity - margin)
    absent = ops.full_like(similarity, -float("inf"))
    pull = ops.logsumexp(ops.where(same, pull, absent), axis=1)
    push = ops.logsumexp(ops.where(other, push, absent), axis=1)
    values = ops.softplus(pull + push)
    backend.set_keras_mask(values, mask=ops.logical_and(pull > -float("inf"), push > -float("inf")))
    return values


class Dice(ConfiguredLoss):
    """Dice loss; see `dice`.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        axis: The axes that are summed; all of them by default.
        dtype: See `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "dice",
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dice, name=name, reduction=reduction, dtype=dtype, axis=axis)
        self.axis = axis

    _arguments = ("axis",)


class Tversky(ConfiguredLoss):
    """Tversky loss; see `tversky`.

    Args:
        alpha: Weight of the false negatives, `sum(y_true * (1 - y_pred))`.
        beta: Weight of the false positives, `sum((1 - y_true) * y_pred)`.
        reduction: See `Loss`.
        name: Name of the loss.
        axis: The axes that are summed; all of them by default.
        dtype: See `Loss`.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "tversky",
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(tversky, name=name, reduction=reduction, dtype=dtype, alpha=alpha, beta=beta, axis=axis)
        self.alpha, self.beta, self.axis = alpha, beta, axis

    _arguments = ("alpha", "beta", "axis")


class Circle(ConfiguredLoss):
    """Circle loss; see `circle`.

    Args:
        gamma: Scale of the similarities.
        margin: The margin.
        remove_diagonal: Whether a sample is not compared with itself.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.
    """

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "circle",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            circle,
            name=name,
            reduction=reduction,
            dtype=dtype,
            gamma=gamma,
            margin=margin,
            remove_diagonal=remove_diagonal,
        )
        self.gamma, self.margin, self.remove_diagonal = gamma, margin, remove_diagonal

    _arguments = ("gamma", "margin", "remove_diagonal")
