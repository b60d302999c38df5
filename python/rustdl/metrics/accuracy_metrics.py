"""Accuracies: how often the predicted label is the right one."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.losses.loss import squeeze_or_expand_to_same_rank
from rustdl.metrics.metric import Tensor
from rustdl.metrics.reduction_metrics import MeanMetricWrapper


def accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where target and prediction are equal, else 0; shape as the arguments."""
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(ops.convert_to_tensor(y_true), y_pred.dtype)
    y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    return ops.cast(ops.equal(y_true, y_pred), backend.floatx())


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """1 where the label is that of `y_pred > threshold`, else 0; shape as the arguments."""
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    if not backend.is_float_dtype(y_pred.dtype):
        y_pred = ops.cast(y_pred, backend.floatx())
    hits = ops.equal(y_true, ops.cast(y_pred > ops.cast(threshold, y_pred.dtype), y_true.dtype))
    return ops.cast(hits, backend.floatx())


def _without_last_axis_of_one(hits: Tensor) -> Tensor:
    return ops.squeeze(hits, axis=-1) if len(hits.shape) > 1 and hits.shape[-1] == 1 else hits


def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the largest entries of target and prediction along the last axis have the same index, else 0."""
    y_true = ops.argmax(ops.convert_to_tensor(y_true), axis=-1)
    y_pred = ops.argmax(ops.convert_to_tensor(y_pred), axis=-1)
    if len(y_true.shape) != len(y_pred.shape):
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    return _without_last_axis_of_one(ops.cast(ops.equal(y_true, ops.cast(y_pred, y_true.dtype)), backend.floatx()))


def _as_indices(y_true: Any, y_pred: Tensor) -> Tensor:
    """Targets without the trailing axis of length 1 that would make their rank that of the predictions."""
    y_true = ops.convert_to_tensor(y_true)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
    return y_true


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the largest entry of the prediction has the index `y_true`, else 0."""
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = _as_indices(y_true, y_pred)
    hits = ops.equal(y_true, ops.cast(ops.argmax(y_pred, axis=-1), y_true.dtype))
    return _without_last_axis_of_one(ops.cast(hits, backend.floatx()))


def _in_top_k(indices: Tensor, y_pred: Tensor, k: int) -> Tensor:
    shape = tuple(indices.shape)
    hits = ops.in_top_k(
        ops.cast(ops.reshape(indices, (-1,)), "int32"), ops.reshape(y_pred, (-1, y_pred.shape[-1])), k=k
    )
    return ops.reshape(ops.cast(hits, backend.floatx()), shape)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """1 where the class of the one-hot target is among the `k` largest predictions, else 0."""
    return _in_top_k(ops.argmax(ops.convert_to_tensor(y_true), axis=-1), ops.convert_to_tensor(y_pred), k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Tensor:
    """1 where the class `y_true` is among the `k` largest predictions, else 0.

    With `from_sorted_ids`, the predictions are class indices already, best first.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = _as_indices(y_true, y_pred)
    if not from_sorted_ids:
        return _in_top_k(y_true, y_pred, k)
    hits = ops.equal(ops.expand_dims(ops.cast(y_true, y_pred.dtype), -1), y_pred[..., :k])
    return ops.cast(ops.any(hits, axis=-1), backend.floatx())


class Accuracy(MeanMetricWrapper):
    """The share of predictions that equal the targets.

    Args:
        name: Name of the metric.
        dtype: See `Metric`.

    Example:
        >>> from rustdl.metrics import Accuracy
        >>> m = Accuracy()
        >>> m.update_state([[1], [2], [3], [4]], [[0], [2], [3], [4]])
        >>> float(m.result())
        0.75
    """

    def __init__(self, name: str | None = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name=name, dtype=dtype)

    _direction = "up"


class BinaryAccuracy(MeanMetricWrapper):
    """The share of predictions on the right side of a threshold, for labels 0 and 1.

    Args:
        name: Name of the metric.
        dtype: See `Metric`.
        threshold: In (0, 1); larger predictions count as label 1.

    Raises:
        ValueError: for a threshold outside (0, 1).
    """

    def __init__(self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        if threshold is not None and (threshold <= 0 or threshold >= 1):
            raise ValueError(
                "Invalid value for argument `threshold`. Expected a value in interval (0, 1). Received: "
                f"threshold={threshold}"
            )
        super().__init__(binary_accuracy, name=name, dtype=dtype, threshold=threshold)
        self.threshold = threshold

    _arguments = ("threshold",)
    _direction = "up"


class CategoricalAccuracy(MeanMetricWrapper):
    """Accuracy with one-hot targets; see `categorical_accuracy`. Arguments as for `Accuracy`."""

    def __init__(self, name: str | None = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name=name, dtype=dtype)

    _direction = "up"


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """Accuracy with class indices; see `sparse_categorical_accuracy`. Arguments as for `Accuracy`."""

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name=name, dtype=dtype)

    _direction = "up"


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class of a one-hot target is among the `k` largest predictions.

    Args:
        k: How many predictions count.
        name: Name of the metric.
        dtype: See `Metric`.
    """

    def __init__(self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(top_k_categorical_accuracy, name=name, dtype=dtype, k=k)
        self.k = k

    _arguments = ("k",)
    _direction = "up"


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class index is among the `k` largest predictions.

    Args:
        k: How many predictions count.
        name: Name of the metric.
        dtype: See `Metric`.
        from_sorted_ids: Whether the predictions are class indices, best first.
    """

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(
            sparse_top_k_categorical_accuracy, name=name, dtype=dtype, k=k, from_sorted_ids=from_sorted_ids
        )
        self.k, self.from_sorted_ids = k, from_sorted_ids

    _arguments = ("k", "from_sorted_ids")
    _direction = "up"
