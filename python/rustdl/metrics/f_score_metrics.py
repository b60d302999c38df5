"""F-scores: the weighted harmonic mean of precision and recall."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.metrics.metric import Metric, Tensor

_AVERAGES = (None, "micro", "macro", "weighted")


class FBetaScore(Metric):
    """`(1 + beta²) * precision * recall / (beta² * precision + recall)`.

    Args:
        average: None: one score a class; `"micro"`: one score over all entries; `"macro"`: the mean over classes;
            `"weighted"`: the mean weighted by the number of true entries of each class.
        beta: Weight of recall against precision.
        threshold: Greater predictions count as positive; None takes the largest of each sample.
        name: Name of the metric.
        dtype: See `Metric`.

    Raises:
        ValueError: for wrong arguments, or data that are not `[batch, classes]`.

    Example:
        >>> from rustdl.metrics import FBetaScore
        >>> m = FBetaScore(average="micro", beta=2.0, threshold=0.5)
        >>> m.update_state([[1, 1], [1, 0]], [[0.2, 0.6], [0.6, 0.2]])
        >>> round(float(m.result()), 4)
        0.7143
    """

    _direction = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if average not in _AVERAGES:
            allowed = ", ".join(map(repr, _AVERAGES))
            raise ValueError(
                f"Invalid `average` argument value. Expected one of: {{{allowed}}}. Received: average={average}"
            )
        if not isinstance(beta, float):
            raise ValueError(
                f"Invalid `beta` argument value. It should be a Python float. Received: beta={beta} of type "
                f"'{type(beta)}'"
            )
        if beta <= 0.0:
            raise ValueError(f"Invalid `beta` argument value. It should be > 0. Received: beta={beta}")
        if threshold is not None:
            if not isinstance(threshold, float):
                raise ValueError(
                    "Invalid `threshold` argument value. It should be a Python float. "
                    f"Received: threshold={threshold} of type '{type(threshold)}'"
                )
            if threshold > 1.0 or threshold <= 0.0:
                raise ValueError(
                    "Invalid `threshold` argument value. It should verify 0 < threshold <= 1. Received: "
                    f"threshold={threshold}"
                )
        self.average = average
        self.beta = beta
        self.threshold = threshold
        self.axis = None if average == "micro" else 0
        self._built = False

    def _build(self, y_true_shape: Any, y_pred_shape: Any) -> None:
        received = f"Received input shapes: y_pred.shape={tuple(y_pred_shape)} and y_true.shape={tuple(y_true_shape)}."
        if len(y_pred_shape) != 2 or len(y_true_shape) != 2:
            raise ValueError(f"FBetaScore expects 2D inputs with shape (batch_size, output_dim). {received}")
        if y_pred_shape[-1] is None or y_true_shape[-1] is None:
            raise ValueError(
                "FBetaScore expects 2D inputs with shape (batch_size, output_dim), with output_dim fully defined "
                f"(not None). {received}"
            )
        if y_pred_shape[-1] != y_true_shape[-1]:
            raise ValueError(f"FBetaScore expects targets and predictions with the same number of classes. {received}")
        shape = () if self.average == "micro" else (y_pred_shape[-1],)
        self.true_positives = self.add_variable(shape, "zeros", dtype=self.dtype, name="true_positives")
        self.false_positives = self.add_variable(shape, "zeros", dtype=self.dtype, name="false_positives")
        self.false_negatives = self.add_variable(shape, "zeros", dtype=self.dtype, name="false_negatives")
        self.intermediate_weights = self.add_variable(shape, "zeros", dtype=self.dtype, name="intermediate_weights")
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true = ops.convert_to_tensor(y_true, dtype=self.dtype)
        y_pred = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        if not self._built:
            self._build(y_true.shape, y_pred.shape)
        if self.threshold is None:
            largest = ops.max(y_pred, axis=-1, keepdims=True)
            # A sample whose predictions are all (nearly) zero has no positive one.
            chosen = ops.logical_and(y_pred >= largest, ops.abs(y_pred) > 1e-9)
        else:
            chosen = y_pred > self.threshold
        predicted = ops.cast(chosen, self.dtype)
        labels = ops.cast(y_true, self.dtype)

        def count(x: Tensor) -> Tensor:
            if sample_weight is not None:
                weights = ops.convert_to_tensor(sample_weight, dtype=self.dtype)
                x = x * (ops.expand_dims(weights, axis=1) if len(weights.shape) == 1 else weights)
            return ops.sum(x, axis=self.axis)

        self.true_positives.assign_add(count(predicted * labels))
        self.false_positives.assign_add(count(predicted * (1.0 - labels)))
        self.false_negatives.assign_add(count((1.0 - predicted) * labels))
        self.intermediate_weights.assign_add(count(labels))

    def result(self) -> Tensor:
        hits = ops.convert_to_tensor(self.true_positives)
        precision = ops.divide_no_nan(hits, hits + self.false_positives)
        recall = ops.divide_no_nan(hits, hits + self.false_negatives)
        square = self.beta * self.beta
        scores = (1.0 + square) * ops.divide_no_nan(precision * recall, precision * square + recall)
        if self.average == "weighted":
            weights = ops.divide_no_nan(
                ops.convert_to_tensor(self.intermediate_weights), ops.sum(self.intermediate_weights)
            )
            return ops.sum(scores * weights)
        return scores if self.average is None else ops.mean(scores)

    def reset_state(self) -> None:
        for v in self.variables:
            v.assign(ops.zeros(v.shape, dtype=v.dtype))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "average": self.average,
            "beta": self.beta,
            "threshold": self.threshold,
        }


class F1Score(FBetaScore):
    """`2 * precision * recall / (precision + recall)`: `FBetaScore` with `beta=1`.

    Args:
        average: See `FBetaScore`.
        threshold: See `FBetaScore`.
        name: Name of the metric.
        dtype: See `Metric`.
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average=average, beta=1.0, threshold=threshold, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["beta"]
        return config
