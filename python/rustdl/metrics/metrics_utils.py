"""Shared parts of the metrics that compare predictions with thresholds: threshold lists and confusion counts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl.losses.loss import squeeze_or_expand_to_same_rank

Tensor = Any


class ConfusionMatrix(Enum):
    """The four counts of a binary decision."""

    TRUE_POSITIVES = "tp"
    FALSE_POSITIVES = "fp"
    TRUE_NEGATIVES = "tn"
    FALSE_NEGATIVES = "fn"


def assert_thresholds_range(thresholds: Any) -> None:
    """Raises ValueError for thresholds outside [0, 1]."""
    wrong = [t for t in (thresholds or ()) if t is None or t < 0 or t > 1]
    if wrong:
        raise ValueError(f"Threshold values must be in [0, 1]. Received: {wrong}")


def parse_init_thresholds(thresholds: Any, default_threshold: float = 0.5) -> list[float]:
    """A list of thresholds from a number, a list, or None."""
    if thresholds is not None:
        values = list(thresholds) if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
        assert_thresholds_range(values)
        return values
    return [default_threshold]


def even_thresholds(count: int) -> list[float]:
    """`count` numbers from 0 to 1 at equal distances."""
    return [i / (count - 1) for i in range(count)]


def filter_top_k(x: Tensor, k: int) -> Tensor:
    """Keeps the `k` largest entries of the last axis, and makes the others minus infinity (in effect)."""
    _, indices = ops.top_k(x, k, sorted=False)
    columns = ops.arange(x.shape[-1], dtype="int32")
    kept = ops.any(ops.equal(ops.expand_dims(ops.cast(indices, "int32"), -1), columns), axis=-2)
    return ops.where(kept, x, ops.full_like(x, NEGATIVE_INFINITY))


NEGATIVE_INFINITY = -1e10


def update_confusion_matrix_variables(
    variables_to_update: Mapping[ConfusionMatrix, Any],
    y_true: Any,
    y_pred: Any,
    thresholds: Any,
    top_k: int | None = None,
    class_id: int | None = None,
    sample_weight: Any = None,
    multi_label: bool = False,
    label_weights: Any = None,
) -> None:
    """Adds the (weighted) counts of hits and misses at each threshold to variables.

    An entry of `y_pred` counts as positive where it is greater than the threshold.

    Args:
        variables_to_update: Count -> variable of shape `[thresholds]`, or `[thresholds, labels]` with `multi_label`.
        y_true: Labels 0 or 1.
        y_pred: Predictions of the same shape.
        thresholds: List of numbers.
        top_k: Counts only the `top_k` largest predictions of the last axis as positive.
        class_id: Looks at this entry of the last axis only.
        sample_weight: Weights that broadcast to the predictions.
        multi_label: Whether the labels (the last axis of a 2-D array) are counted apart.
        label_weights: Weights of the labels, used without `multi_label`.

    Raises:
        ValueError: if shapes do not fit.
    """
    if not any(key in variables_to_update for key in ConfusionMatrix):
        raise ValueError(
            f"Please provide at least one valid confusion matrix variable to update. Valid variable key options are: "
            f'"{list(ConfusionMatrix)}". Received: "{list(variables_to_update)}"'
        )
    dtype = next(iter(variables_to_update.values())).dtype
    y_true, y_pred = (
        ops.cast(ops.convert_to_tensor(y_true), dtype),
        ops.cast(ops.convert_to_tensor(y_pred), dtype),
    )
    y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    if tuple(y_true.shape) != tuple(y_pred.shape):
        raise ValueError(
            f"Shapes of `y_true` and `y_pred` are incompatible: y_true.shape={tuple(y_true.shape)}, "
            f"y_pred.shape={tuple(y_pred.shape)}."
        )
    if top_k is not None:
        y_pred = filter_top_k(y_pred, top_k)
    if class_id is not None:
        if len(y_pred.shape) == 1:
            raise ValueError(
                "When class_id is provided, y_pred must be a 2D array with shape (num_samples, num_classes), found "
                f"shape: {tuple(y_pred.shape)}"
            )
        if not -y_pred.shape[-1] <= class_id < y_pred.shape[-1]:
            raise ValueError(f"`class_id`={class_id} is out of range for predictions of shape {tuple(y_pred.shape)}.")
        y_true, y_pred = (
            y_true[..., class_id : class_id + 1 or None],
            y_pred[..., class_id : class_id + 1 or None],
        )

    weights = _weights(sample_weight, y_pred, dtype)
    if label_weights is not None and not multi_label:
        per_label = ops.expand_dims(ops.cast(ops.convert_to_tensor(label_weights), dtype), 0)
        weights = per_label * (1.0 if weights is None else weights) * ops.ones_like(y_pred)

    # [thresholds, entries] or [thresholds, samples, labels]: one comparison, and for each count a sum of products.
    shape = (-1, y_pred.shape[-1]) if multi_label else (-1,)
    y_true, y_pred = ops.reshape(y_true, shape), ops.reshape(y_pred, shape)
    limits = ops.reshape(
        ops.convert_to_tensor(np.asarray(thresholds, dtype="float32"), dtype=dtype), (-1,) + (1,) * len(shape)
    )
    above = ops.cast(ops.expand_dims(y_pred, 0) > limits, dtype)
    positive = ops.cast(ops.cast(y_true, "bool"), dtype)
    negative = 1.0 - positive
    if weights is not None:
        weights = ops.reshape(weights, shape)
        positive, negative = positive * weights, negative * weights
    masses = {
        ConfusionMatrix.TRUE_POSITIVES: (above, positive),
        ConfusionMatrix.FALSE_POSITIVES: (above, negative),
        ConfusionMatrix.TRUE_NEGATIVES: (1.0 - above, negative),
        ConfusionMatrix.FALSE_NEGATIVES: (1.0 - above, positive),
    }
    for key, variable in variables_to_update.items():
        decided, mass = masses[key]
        variable.assign_add(ops.sum(decided * ops.expand_dims(mass, 0), axis=1))


def _weights(sample_weight: Any, y_pred: Tensor, dtype: Any) -> Tensor | None:
    """The sample weights, broadcast to the shape of the predictions."""
    if sample_weight is None:
        return None
    weights = ops.cast(ops.convert_to_tensor(sample_weight), dtype)
    while len(weights.shape) > len(y_pred.shape) and weights.shape[-1] == 1:
        weights = ops.squeeze(weights, axis=-1)
    while len(weights.shape) < len(y_pred.shape):
        weights = ops.expand_dims(weights, axis=-1)
    return ops.broadcast_to(weights, tuple(y_pred.shape))


def confusion_matrix(
    labels: Any, predictions: Any, num_classes: int, weights: Any = None, dtype: str = "int32"
) -> Tensor:
    """Counts `[num_classes, num_classes]`: row = label, column = prediction.

    Args:
        labels: Class indices `[n]`.
        predictions: Class indices `[n]`.
        num_classes: Number of classes.
        weights: Weights `[n]`; 1 by default.
        dtype: dtype of the result.
    """
    cells = ops.cast(labels, "int32") * num_classes + ops.cast(predictions, "int32")
    mass = ops.ones_like(cells, dtype=dtype) if weights is None else ops.cast(weights, dtype)
    return ops.reshape(ops.segment_sum(mass, cells, num_segments=num_classes * num_classes), (num_classes, num_classes))


def epsilon_bounded(thresholds: list[float]) -> list[float]:
    """Thresholds with one below 0 in front and one above 1 at the end: all positive, none positive."""
    return [0.0 - backend.epsilon(), *thresholds, 1.0 + backend.epsilon()]
