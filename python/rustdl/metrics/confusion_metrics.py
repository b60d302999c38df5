"""Counts of hits and misses at thresholds, precision and recall."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.metrics import metrics_utils
from rustdl.metrics.metric import Metric, Tensor
from rustdl.metrics.metrics_utils import ConfusionMatrix


class _ConfusionCount(Metric):
    """One of the four counts, at one or several thresholds."""

    _count: ConfusionMatrix

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.thresholds = metrics_utils.parse_init_thresholds(thresholds)
        self.accumulator = self.add_variable(shape=(len(self.thresholds),), initializer="zeros", name="accumulator")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        metrics_utils.update_confusion_matrix_variables(
            {self._count: self.accumulator},
            y_true,
            y_pred,
            thresholds=self.thresholds,
            sample_weight=sample_weight,
        )

    def result(self) -> Tensor:
        value = ops.convert_to_tensor(self.accumulator)
        return value[0] if len(self.thresholds) == 1 else value

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"thresholds": self.init_thresholds}


class TruePositives(_ConfusionCount):
    """The (weighted) number of positives that were predicted as such.

    Args:
        thresholds: A number or a list of numbers in [0, 1]; greater predictions count as positive. 0.5 by default.
        name: Name of the metric.
        dtype: See `Metric`.

    Example:
        >>> from rustdl.metrics import TruePositives
        >>> m = TruePositives()
        >>> m.update_state([0, 1, 1, 1], [1, 0, 1, 1])
        >>> float(m.result())
        2.0
    """

    _count = ConfusionMatrix.TRUE_POSITIVES


class FalsePositives(_ConfusionCount):
    """The (weighted) number of negatives predicted as positive. Arguments as for `TruePositives`."""

    _count = ConfusionMatrix.FALSE_POSITIVES


class TrueNegatives(_ConfusionCount):
    """The (weighted) number of negatives predicted as such. Arguments as for `TruePositives`."""

    _count = ConfusionMatrix.TRUE_NEGATIVES


class FalseNegatives(_ConfusionCount):
    """The (weighted) number of positives predicted as negative. Arguments as for `TruePositives`."""

    _count = ConfusionMatrix.FALSE_NEGATIVES


class _HitRatio(Metric):
    """True positives over true positives plus one kind of error."""

    _direction = "up"
    _error: ConfusionMatrix
    _error_name: str

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        # With top_k alone, whatever is among the k largest counts as positive.
        default = 0.5 if top_k is None else metrics_utils.NEGATIVE_INFINITY
        self.thresholds = metrics_utils.parse_init_thresholds(thresholds, default_threshold=default)
        shape = (len(self.thresholds),)
        self.true_positives = self.add_variable(shape=shape, initializer="zeros", name="true_positives")
        setattr(
            self,
            self._error_name,
            self.add_variable(shape=shape, initializer="zeros", name=self._error_name),
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        metrics_utils.update_confusion_matrix_variables(
            {
                ConfusionMatrix.TRUE_POSITIVES: self.true_positives,
                self._error: getattr(self, self._error_name),
            },
            y_true,
            y_pred,
            thresholds=self.thresholds,
            top_k=self.top_k,
            class_id=self.class_id,
            sample_weight=sample_weight,
        )

    def result(self) -> Tensor:
        hits = ops.convert_to_tensor(self.true_positives)
        value = ops.divide_no_nan(hits, hits + getattr(self, self._error_name))
        return value[0] if len(self.thresholds) == 1 else value

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


class Precision(_HitRatio):
    """True positives over all that were predicted as positive.

    Args:
        thresholds: A number or a list of numbers in [0, 1]; greater predictions count as positive. By default 0.5, or
            with `top_k` no threshold.
        top_k: Counts only the `top_k` largest predictions of each sample as positive.
        class_id: The class that counts, an index of the last axis; all of them by default.
        name: Name of the metric.
        dtype: See `Metric`.

    Example:
        >>> from rustdl.metrics import Precision
        >>> m = Precision()
        >>> m.update_state([0, 1, 1, 1], [1, 0, 1, 1])
        >>> round(float(m.result()), 4)
        0.6667
    """

    _error = ConfusionMatrix.FALSE_POSITIVES
    _error_name = "false_positives"


class Recall(_HitRatio):
    """True positives over all that are positive. Arguments as for `Precision`.

    Example:
        >>> from rustdl.metrics import Recall
        >>> m = Recall()
        >>> m.update_state([0, 1, 1, 1], [1, 0, 1, 1])
        >>> round(float(m.result()), 4)
        0.6667
    """

    _error = ConfusionMatrix.FALSE_NEGATIVES
    _error_name = "false_negatives"
