"""Intersection over union of predicted and true regions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from rustdl import ops
from rustdl.metrics.metric import Metric, Tensor
from rustdl.metrics.metrics_utils import confusion_matrix


class IoU(Metric):
    """`tp / (tp + fp + fn)` of the classes asked for, averaged over those that occur (Jaccard, 1912).

    Args:
        num_classes: Number of classes.
        target_class_ids: The classes whose mean is returned.
        name: Name of the metric.
        dtype: dtype of the counts; integers by default. Use a float type with fractional weights.
        ignore_class: A label whose entries are left out.
        sparse_y_true: Whether targets are class indices rather than one-hot.
        sparse_y_pred: Whether predictions are class indices rather than probabilities.
        axis: The axis of the classes where these are not indices.

    Example:
        >>> from rustdl.metrics import IoU
        >>> m = IoU(num_classes=2, target_class_ids=[0])
        >>> m.update_state([0, 0, 1, 1], [0, 1, 0, 1])
        >>> round(float(m.result()), 4)
        0.3333
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        # Counts are exact in integers; float32 stops counting at 2**24.
        super().__init__(name=name, dtype=dtype or "int32")
        if max(target_class_ids) >= num_classes:
            raise ValueError(f"Target class id {max(target_class_ids)} is out of range, which is [0, {num_classes}).")
        self.num_classes = num_classes
        self.target_class_ids = list(target_class_ids)
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        self.total_cm = self.add_variable(
            name="total_confusion_matrix",
            shape=(num_classes, num_classes),
            initializer="zeros",
            dtype=self.dtype,
        )

    @property
    def dtype(self) -> str:
        """The dtype of the counts."""
        return str(self._dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        if not self.sparse_y_true:
            y_true = ops.argmax(y_true, axis=self.axis)
        if not self.sparse_y_pred:
            y_pred = ops.argmax(y_pred, axis=self.axis)
        shape = tuple(y_true.shape)
        y_true = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        y_pred = ops.cast(ops.reshape(y_pred, (-1,)), "int32")
        weights = None
        if sample_weight is not None:
            _warn_of_casting(sample_weight, self.dtype)
            weights = ops.convert_to_tensor(sample_weight, dtype=self.dtype)
            while len(weights.shape) < len(shape):
                weights = ops.expand_dims(weights, -1)
            if tuple(weights.shape) != shape and len(weights.shape) == len(shape):
                weights = ops.broadcast_to(weights, shape)
            weights = ops.reshape(weights, (-1,))
        if self.ignore_class is not None:
            valid = ops.not_equal(y_true, self.ignore_class)
            y_true = ops.where(valid, y_true, ops.zeros_like(y_true))
            y_pred = ops.where(valid, y_pred, ops.zeros_like(y_pred))
            counted = ops.cast(valid, self.dtype)
            weights = counted if weights is None else weights * counted
        self.total_cm.assign_add(confusion_matrix(y_true, y_pred, self.num_classes, weights=weights, dtype=self.dtype))

    def reset_state(self) -> None:
        self.total_cm.assign(ops.zeros(self.total_cm.shape, dtype=self.total_cm.dtype))

    def result(self) -> Tensor:
        counts = ops.cast(self.total_cm, "float32")
        hits = ops.diag(counts)
        union = ops.sum(counts, axis=0) + ops.sum(counts, axis=1) - hits
        ids = ops.convert_to_tensor(self.target_class_ids, dtype="int32")
        hits, union = ops.take(hits, ids, axis=0), ops.take(union, ids, axis=0)
        occurring = ops.sum(ops.cast(union > 1e-9, "float32"))
        return ops.divide_no_nan(ops.sum(ops.divide_no_nan(hits, union)), occurring)

    def get_config(self) -> dict[str, Any]:
        return {
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "name": self.name,
            "dtype": self.dtype,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }


def _warn_of_casting(sample_weight: Any, dtype: str) -> None:
    given = str(ops.convert_to_tensor(sample_weight).dtype)
    if "float" in given and "int" in dtype:
        warnings.warn(
            f"The sample weight has a float dtype ({given}), the metric counts in an int dtype ({dtype}): casting "
            "drops fractions. Make the metric with `dtype='float32'`.",
            stacklevel=3,
        )


def _pick(config: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: config[name] for name in names}


class BinaryIoU(IoU):
    """Intersection over union of two classes whose prediction is a probability.

    Args:
        target_class_ids: (0,), (1,) or both: the classes whose mean is returned.
        threshold: Predictions from here on count as class 1.
        name: Name of the metric.
        dtype: See `IoU`.
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_classes=2, target_class_ids=target_class_ids, name=name, dtype=dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_pred = ops.convert_to_tensor(y_pred)
        super().update_state(y_true, ops.cast(y_pred >= self.threshold, "int32"), sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {
            "target_class_ids": self.target_class_ids,
            "threshold": self.threshold,
            "name": self.name,
            "dtype": self.dtype,
        }


class MeanIoU(IoU):
    """Mean of the intersection over union of all classes that occur. Arguments as for `IoU`."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            target_class_ids=list(range(num_classes)),
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_true=sparse_y_true,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )

    def get_config(self) -> dict[str, Any]:
        return _pick(
            super().get_config(),
            "num_classes",
            "name",
            "dtype",
            "ignore_class",
            "sparse_y_true",
            "sparse_y_pred",
            "axis",
        )


class OneHotIoU(IoU):
    """`IoU` with one-hot targets. Arguments as for `IoU`."""

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            target_class_ids=target_class_ids,
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_true=False,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )

    def get_config(self) -> dict[str, Any]:
        return _pick(
            super().get_config(),
            "num_classes",
            "target_class_ids",
            "name",
            "dtype",
            "ignore_class",
            "sparse_y_pred",
            "axis",
        )


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` with one-hot targets. Arguments as for `IoU`."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_true=False,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )

    def get_config(self) -> dict[str, Any]:
        return _pick(super().get_config(), "num_classes", "name", "dtype", "ignore_class", "sparse_y_pred", "axis")
