"""Metrics over a curve of thresholds: the area under it, and one rate at a given value of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import ops
from rustdl.metrics import metrics_utils
from rustdl.metrics.metric import Metric, Tensor
from rustdl.metrics.metrics_utils import ConfusionMatrix

_COUNTS = {
    ConfusionMatrix.TRUE_POSITIVES: "true_positives",
    ConfusionMatrix.FALSE_POSITIVES: "false_positives",
    ConfusionMatrix.TRUE_NEGATIVES: "true_negatives",
    ConfusionMatrix.FALSE_NEGATIVES: "false_negatives",
}


class _ConfusionCurve(Metric):
    """The four counts at many thresholds."""

    _direction = "up"
    true_positives: Any
    false_positives: Any
    true_negatives: Any
    false_negatives: Any

    def _add_counts(self, shape: tuple[int, ...]) -> None:
        for attribute in _COUNTS.values():
            setattr(
                self,
                attribute,
                self.add_variable(shape=shape, initializer="zeros", name=attribute),
            )

    def _counts(self) -> dict[ConfusionMatrix, Any]:
        return {count: getattr(self, attribute) for count, attribute in _COUNTS.items()}


class _RateAtRate(_ConfusionCurve):
    """The best value of one rate over the thresholds at which another reaches a given value."""

    _argument: str

    def __init__(
        self,
        value: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if value < 0 or value > 1:
            raise ValueError(
                f"Argument `{self._argument}` must be in the range [0, 1]. Received: {self._argument}={value}"
            )
        if num_thresholds <= 0:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 0. Received: num_thresholds={num_thresholds}"
            )
        self.value = value
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        self.thresholds = [0.5] if num_thresholds == 1 else metrics_utils.even_thresholds(num_thresholds)
        self._add_counts((len(self.thresholds),))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        # A prediction of exactly 0 counts as positive at the first threshold, where everything does.
        limits = self.thresholds if len(self.thresholds) == 1 else [-1e-7, *self.thresholds[1:]]
        metrics_utils.update_confusion_matrix_variables(
            self._counts(),
            y_true,
            y_pred,
            thresholds=limits,
            class_id=self.class_id,
            sample_weight=sample_weight,
        )

    def _best(self, constrained: Tensor, dependent: Tensor) -> Tensor:
        """The largest `dependent` where `constrained` reaches the value; 0 where nothing does."""
        return ops.max(ops.where(self._feasible(constrained), dependent, ops.zeros_like(dependent)))

    def _feasible(self, constrained: Tensor) -> Tensor:
        return constrained >= self.value

    def _rate(self, hits: Any, misses: Any) -> Tensor:
        return ops.divide_no_nan(ops.convert_to_tensor(hits), ops.convert_to_tensor(hits) + misses)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "class_id": self.class_id,
            "num_thresholds": self.num_thresholds,
            self._argument: self.value,
        }


class SensitivityAtSpecificity(_RateAtRate):
    """The best sensitivity among the thresholds with specificity >= `specificity`.

    Sensitivity is `tp / (tp + fn)`, specificity `tn / (tn + fp)`.

    Args:
        specificity: In [0, 1].
        num_thresholds: Number of thresholds tried, at equal distances in [0, 1].
        class_id: The class that counts, an index of the last axis; all of them by default.
        name: Name of the metric.
        dtype: See `Metric`.
    """

    _argument = "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.specificity = specificity
        super().__init__(specificity, num_thresholds=num_thresholds, class_id=class_id, name=name, dtype=dtype)

    def result(self) -> Tensor:
        specificities = self._rate(self.true_negatives, self.false_positives)
        return self._best(specificities, self._rate(self.true_positives, self.false_negatives))


class SpecificityAtSensitivity(_RateAtRate):
    """The best specificity among the thresholds with sensitivity >= `sensitivity`; see `SensitivityAtSpecificity`."""

    _argument = "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.sensitivity = sensitivity
        super().__init__(sensitivity, num_thresholds=num_thresholds, class_id=class_id, name=name, dtype=dtype)

    def result(self) -> Tensor:
        sensitivities = self._rate(self.true_positives, self.false_negatives)
        return self._best(sensitivities, self._rate(self.true_negatives, self.false_positives))


class PrecisionAtRecall(_RateAtRate):
    """The best precision, `tp / (tp + fp)`, among the thresholds with recall, `tp / (tp + fn)`, >= `recall`.

    Arguments as for `SensitivityAtSpecificity`.
    """

    _argument = "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.recall = recall
        super().__init__(recall, num_thresholds=num_thresholds, class_id=class_id, name=name, dtype=dtype)

    def result(self) -> Tensor:
        recalls = self._rate(self.true_positives, self.false_negatives)
        return self._best(recalls, self._rate(self.true_positives, self.false_positives))


class RecallAtPrecision(_RateAtRate):
    """The best recall among the thresholds with precision >= `precision`; see `PrecisionAtRecall`."""

    _argument = "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.precision = precision
        super().__init__(precision, num_thresholds=num_thresholds, class_id=class_id, name=name, dtype=dtype)

    def result(self) -> Tensor:
        precisions = self._rate(self.true_positives, self.false_positives)
        return self._best(precisions, self._rate(self.true_positives, self.false_negatives))


_CURVES = ("PR", "ROC", "PRGAIN")
_SUMMATIONS = ("interpolation", "majoring", "minoring")


def _one_of(value: str, allowed: tuple[str, ...], fold: Callable[[str], str], what: str) -> str:
    folded = fold(str(value))
    if folded not in allowed:
        options = ", ".join(f'"{name}"' for name in allowed)
        raise ValueError(f'Invalid AUC {what} value: "{value}". Expected values are [{options}]')
    return folded


class AUC(_ConfusionCurve):
    """The area under a curve over thresholds, by a Riemann sum.

    Args:
        num_thresholds: Number of thresholds, at equal distances in [0, 1]; more give a finer sum.
        curve: `"ROC"` (true over false positive rate), `"PR"` (precision over recall) or `"PRGAIN"` (Flach and Kull,
            2015).
        summation_method: `"interpolation"`: trapezoids for ROC and PRGAIN, and for PR the interpolation of Davis and
            Goadrich (2006); `"majoring"`: the larger side of each step; `"minoring"`: the smaller one.
        name: Name of the metric.
        dtype: See `Metric`.
        thresholds: The thresholds, in place of `num_thresholds`.
        multi_label: Whether to compute one area a label, for data `[batch, labels]`, and to average these.
        num_labels: Number of labels with `multi_label`, where it shall be known at once.
        label_weights: Weights of the labels.
        from_logits: Whether the predictions are logits, to which the sigmoid is applied.

    Raises:
        ValueError: for unknown names, fewer than two thresholds, or thresholds outside [0, 1].

    Example:
        >>> from rustdl.metrics import AUC
        >>> m = AUC(num_thresholds=3)
        >>> m.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
        >>> float(m.result())
        0.75
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.curve = _one_of(curve, _CURVES, str.upper, "curve")
        self.summation_method = _one_of(summation_method, _SUMMATIONS, str.lower, "summation method")
        self._init_from_thresholds = thresholds is not None
        if thresholds is not None:
            metrics_utils.assert_thresholds_range(thresholds)
            inner = sorted(float(t) for t in thresholds)
            self.num_thresholds = len(inner) + 2
        else:
            if num_thresholds <= 1:
                raise ValueError(
                    f"Argument `num_thresholds` must be an integer > 1. Received: num_thresholds={num_thresholds}"
                )
            self.num_thresholds = num_thresholds
            inner = metrics_utils.even_thresholds(num_thresholds)[1:-1]
        self._thresholds = metrics_utils.epsilon_bounded(inner)

        if not multi_label and num_labels:
            raise ValueError("`num_labels` is needed only when `multi_label` is True.")
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = label_weights
        self._from_logits = from_logits
        self._built = False
        if not multi_label:
            self._build(None)
        elif num_labels:
            self._build((None, num_labels))

    @property
    def thresholds(self) -> list[float]:
        """The thresholds; the first lies below 0 and the last above 1."""
        return list(self._thresholds)

    def _build(self, shape: Any) -> None:
        if not self.multi_label:
            self._add_counts((self.num_thresholds,))
        else:
            if len(shape) != 2:
                raise ValueError(
                    f"`y_true` must have rank 2 when `multi_label` is True. Found rank {len(shape)}. Full shape "
                    f"received for `y_true`: {shape}"
                )
            self.num_labels = shape[1]
            if self.label_weights is not None and len(self.label_weights) != self.num_labels:
                raise ValueError(
                    f"`label_weights` has {len(self.label_weights)} entries, but there are {self.num_labels} labels: "
                    "pass one weight for each label."
                )
            self._add_counts((self.num_thresholds, shape[1]))
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_pred = ops.convert_to_tensor(y_pred)
        if not self._built:
            self._build(tuple(y_pred.shape))
        if self.multi_label and tuple(y_pred.shape[-1:]) != (self.num_labels,):
            raise ValueError(
                f"AUC counts {self.num_labels} labels, but the predictions have shape {tuple(y_pred.shape)}."
            )
        if self._from_logits:
            y_pred = ops.sigmoid(y_pred)
        metrics_utils.update_confusion_matrix_variables(
            self._counts(),
            y_true,
            y_pred,
            thresholds=self._thresholds,
            sample_weight=sample_weight,
            multi_label=self.multi_label,
            label_weights=None if self.multi_label else self.label_weights,
        )

    def _interpolated_pr(self) -> Tensor:
        """The area under precision over recall, interpolated.

        Between two thresholds true positives are taken to grow linearly with positives.

        On a segment tp = intercept + slope * p, so the integral of tp / p over d tp is
        slope * (d tp + intercept * log(p_start / p_end)).
        """
        tp, fp, fn = (
            ops.convert_to_tensor(v) for v in (self.true_positives, self.false_positives, self.false_negatives)
        )
        positives = tp + fp
        gain = tp[:-1] - tp[1:]
        slope = ops.divide_no_nan(gain, ops.maximum(positives[:-1] - positives[1:], 0))
        intercept = tp[1:] - slope * positives[1:]
        both = ops.logical_and(positives[:-1] > 0, positives[1:] > 0)
        ratio = ops.where(both, ops.divide_no_nan(positives[:-1], ops.maximum(positives[1:], 0)), ops.ones_like(slope))
        pieces = ops.divide_no_nan(slope * (gain + intercept * ops.log(ratio)), ops.maximum(tp[1:] + fn[1:], 0))
        return self._over_labels(ops.sum(pieces, axis=0)) if self.multi_label else ops.sum(pieces)

    def _over_labels(self, areas: Tensor) -> Tensor:
        if self.label_weights is None:
            return ops.mean(areas)
        weights = ops.cast(ops.convert_to_tensor(self.label_weights), areas.dtype)
        return ops.divide_no_nan(ops.sum(areas * weights), ops.sum(weights))

    def _axes(self) -> tuple[Tensor, Tensor]:
        """Abscissa and ordinate of the curve at each threshold."""
        tp, fp, tn, fn = (ops.convert_to_tensor(v) for v in self._counts().values())
        recall = ops.divide_no_nan(tp, tp + fn)
        if self.curve == "ROC":
            return ops.divide_no_nan(fp, fp + tn), recall
        if self.curve == "PR":
            return recall, ops.divide_no_nan(tp, tp + fp)
        # Below the recall gain of the classifier that calls everything positive the curve is not integrated.
        odds = ops.divide_no_nan(tp + fn, fp + tn)
        recall_gain = ops.where(tp > 0, 1.0 - odds * ops.divide_no_nan(fn, tp), 0.0)
        return ops.clip(recall_gain, 0.0, 1.0), 1.0 - odds * ops.divide_no_nan(fp, tp)

    def result(self) -> Tensor:
        if not self._built:
            return ops.zeros((), dtype=self.dtype)
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated_pr()
        x, y = self._axes()
        if self.summation_method == "interpolation":
            heights = (y[:-1] + y[1:]) / 2.0
        elif self.summation_method == "minoring":
            heights = ops.minimum(y[:-1], y[1:])
        else:
            heights = ops.maximum(y[:-1], y[1:])
        pieces = (x[:-1] - x[1:]) * heights
        return self._over_labels(ops.sum(pieces, axis=0)) if self.multi_label else ops.sum(pieces)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config() | {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": self.label_weights,
            "from_logits": self._from_logits,
        }
        if self._init_from_thresholds:
            config["thresholds"] = self._thresholds[1:-1]
        return config
