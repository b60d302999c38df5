"""Losses between probability distributions: cross-entropies, their focal forms, Kullback-Leibler divergence."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl.losses.loss import Tensor
from rustdl.losses.regression import _pair
from rustdl.losses.wrapper import ConfiguredLoss


def _check_axis(axis: Any) -> None:
    if isinstance(axis, bool) or not isinstance(axis, (int, np.integer)):
        raise ValueError(f"`axis` must be of type `int`. Received: axis={axis} of type {type(axis)}")


def _check_smoothing(label_smoothing: Any) -> None:
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(
            f"`label_smoothing` must be in the interval [0, 1]. Received: label_smoothing={label_smoothing}"
        )


def _smooth_classes(y_true: Tensor, y_pred: Tensor, label_smoothing: float, axis: int) -> Tensor:
    """Mixes one-hot targets with the uniform distribution over the classes."""
    if not label_smoothing:
        return y_true
    return y_true * (1.0 - label_smoothing) + label_smoothing / y_pred.shape[axis]


def _smooth_binary(y_true: Tensor, label_smoothing: float) -> Tensor:
    """Moves labels 0 and 1 towards one half."""
    return y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else y_true


def _warn_single_class(y_pred: Tensor, function: str) -> None:
    if len(y_pred.shape) > 0 and y_pred.shape[-1] == 1:
        warnings.warn(
            f"In loss {function}, expected y_pred.shape to be (batch_size, num_classes) with num_classes > 1. "
            f"Received: y_pred.shape={tuple(y_pred.shape)}. Consider using 'binary_crossentropy' if you only have 2 "
            "classes.",
            SyntaxWarning,
            stacklevel=3,
        )


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """`-sum(y_true * log(y_pred))` along `axis`.

    Args:
        y_true: One-hot (or soft) targets `[batch, ..., classes]`.
        y_pred: Probabilities of the same shape, or logits.
        from_logits: Whether `y_pred` are logits, to which softmax is applied.
        label_smoothing: In [0, 1]: the share of the target that is spread evenly over the classes.
        axis: The axis of the classes.

    Returns:
        Values `[batch, ...]`.

    Raises:
        ValueError: if the shapes differ, or `axis` is not an integer.

    Example:
        >>> from rustdl.losses import categorical_crossentropy
        >>> round(float(categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])[0]), 4)
        0.6931
    """
    _check_axis(axis)
    y_true, y_pred = _pair(y_true, y_pred)
    _warn_single_class(y_pred, "categorical_crossentropy")
    y_true = _smooth_classes(y_true, y_pred, label_smoothing, axis)
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """`-sum(alpha * (1 - p) ** gamma * y_true * log(p))`: cross-entropy with easy samples weighted down.

    Args:
        y_true: One-hot targets `[batch, ..., classes]`.
        y_pred: Probabilities of the same shape, or logits.
        alpha: Weight, one for all classes or one for each.
        gamma: Exponent of the focus; 0 gives cross-entropy times `alpha`.
        from_logits: Whether `y_pred` are logits.
        label_smoothing: See `categorical_crossentropy`.
        axis: The axis of the classes.
    """
    _check_axis(axis)
    y_true, y_pred = _pair(y_true, y_pred)
    _warn_single_class(y_pred, "categorical_focal_crossentropy")
    y_true = _smooth_classes(y_true, y_pred, label_smoothing, axis)
    if from_logits:
        y_pred = ops.softmax(y_pred, axis=axis)
    epsilon = backend.epsilon()
    p = ops.clip(y_pred / ops.sum(y_pred, axis=axis, keepdims=True), epsilon, 1.0 - epsilon)
    weight = ops.power(1.0 - p, gamma) * ops.convert_to_tensor(alpha, dtype=p.dtype)
    return ops.sum(-weight * y_true * ops.log(p), axis=axis)


def check_sparse_labels(
    y_true: Any, num_classes: int | None, ignore_class: int | None = None, where: str = "y_true"
) -> None:
    """Raises ValueError when a concrete array of class indices holds one outside `[0, num_classes)`."""
    if num_classes is None:
        return
    labels = np.asarray(ops.cast(y_true, "int32") if hasattr(y_true, "is_traced") else y_true)
    if labels.size == 0:
        return
    bad = (labels < 0) | (labels >= num_classes)
    if ignore_class is not None:
        bad &= labels != ignore_class
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"sparse_categorical_crossentropy: `{where}` holds the label {labels[first]} at index {first}, but the "
            "model predicts "
            f"{num_classes} classes: labels must lie in [0, {num_classes - 1}]. Give the last layer more units, "
            "renumber the labels, or pass `ignore_class`."
        )


def _is_concrete(x: Any) -> bool:
    return hasattr(x, "is_traced") and not x.is_traced


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Tensor:
    """`-log(y_pred[..., y_true])`: cross-entropy with targets given as class indices.

    Args:
        y_true: Class indices `[batch, ...]` (or `[batch, ..., 1]`).
        y_pred: Probabilities `[batch, ..., classes]`, or logits.
        from_logits: Whether `y_pred` are logits.
        ignore_class: A label whose samples are left out of the loss.
        axis: The axis of the classes.

    Returns:
        Values `[batch, ...]`.

    Raises:
        ValueError: if the shapes do not fit, or a label is outside `[0, classes)` (checked where values are at hand).

    Example:
        >>> from rustdl.losses import sparse_categorical_crossentropy
        >>> round(float(sparse_categorical_crossentropy([1], [[0.5, 0.5]])[0]), 4)
        0.6931
    """
    y_true = ops.convert_to_tensor(y_true)
    y_pred = ops.convert_to_tensor(y_pred)
    if _is_concrete(y_true) and _is_concrete(y_pred) and len(y_pred.shape) > 0:
        check_sparse_labels(y_true, y_pred.shape[axis], ignore_class)
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)

    values_shape = tuple(n for i, n in enumerate(y_pred.shape) if i != axis % len(y_pred.shape))
    valid = ops.reshape(ops.not_equal(y_true, ops.cast(ignore_class, y_true.dtype)), values_shape)
    # Any label in range will do where the result is thrown away.
    labels = ops.where(valid, ops.reshape(y_true, values_shape), ops.zeros_like(ops.reshape(y_true, values_shape)))
    values = ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=from_logits, axis=axis)
    values = ops.where(valid, values, ops.zeros_like(values))
    backend.set_keras_mask(values, mask=valid)
    return values


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Tensor:
    """`(1 - p ** q) / q` with `p` the probability of the right class.

    Cross-entropy for `q -> 0`, absolute error for `q = 1`, robust to wrong labels between (Zhang and Sabuncu, 2018).

    Args:
        y_true: Class indices `[batch]`.
        y_pred: Probabilities `[batch, classes]`.
        q: In (0, 1).
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(ops.convert_to_tensor(y_true), "int32")
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
    chosen = ops.equal(ops.expand_dims(y_true, -1), ops.arange(y_pred.shape[-1], dtype="int32"))
    p = ops.sum(ops.where(chosen, y_pred, ops.zeros_like(y_pred)), axis=-1)
    return (1.0 - ops.power(p, q)) / q


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """`-mean(y_true * log(y_pred) + (1 - y_true) * log(1 - y_pred))` along `axis`.

    Args:
        y_true: Labels 0 or 1 (or probabilities).
        y_pred: Probabilities, or logits; the same shape.
        from_logits: Whether `y_pred` are logits.
        label_smoothing: In [0, 1]: moves the labels towards one half.
        axis: The axis that is averaged.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> from rustdl.losses import binary_crossentropy
        >>> round(float(binary_crossentropy([[1.0]], [[0.5]])[0]), 4)
        0.6931
    """
    y_true, y_pred = _pair(y_true, y_pred)
    y_true = _smooth_binary(y_true, label_smoothing)
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=axis)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Binary cross-entropy times `(1 - p) ** gamma`, with `p` the probability of the right label (Lin et al., 2017).

    Args:
        y_true: Labels 0 or 1.
        y_pred: Probabilities, or logits; the same shape.
        apply_class_balancing: Whether to weight label 1 by `alpha` and label 0 by `1 - alpha`.
        alpha: Weight of label 1.
        gamma: Exponent of the focus.
        from_logits: Whether `y_pred` are logits.
        label_smoothing: In [0, 1]: moves the labels towards one half.
        axis: The axis that is averaged.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    y_true = _smooth_binary(y_true, label_smoothing)
    if from_logits:
        y_pred = ops.sigmoid(y_pred)
    right = y_true * y_pred + (1.0 - y_true) * (1.0 - y_pred)
    values = ops.power(1.0 - right, gamma) * ops.binary_crossentropy(y_true, y_pred, from_logits=False)
    if apply_class_balancing:
        values = values * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return ops.mean(values, axis=axis)


def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """`sum(y_true * log(y_true / y_pred))` over the last axis, with both clipped to [epsilon, 1]."""
    y_true, y_pred = _pair(y_true, y_pred)
    y_true = ops.clip(y_true, backend.epsilon(), 1.0)
    y_pred = ops.clip(y_pred, backend.epsilon(), 1.0)
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


def ctc(y_true: Any, y_pred: Any) -> Tensor:
    """Connectionist temporal classification (Graves et al., 2006): label sequences without alignment.

    Args:
        y_true: Labels `[batch, label_length]`, padded with 0, which is the blank.
        y_pred: Logits `[batch, time, classes]`.

    Returns:
        Values `[batch]`.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if len(y_true.shape) != 2:
        raise ValueError(
            "Targets `y_true` must be a tensor of shape `(batch_size, max_length)`. Received: "
            f"y_true.shape={tuple(y_true.shape)}"
        )
    if len(y_pred.shape) != 3:
        raise ValueError(
            "Logits `y_pred` must be a tensor of shape `(batch_size, max_length, num_classes)`. "
            f"Received: y_pred.shape={tuple(y_pred.shape)}"
        )
    blank = 0
    y_true = ops.cast(y_true, "int32")
    label_lengths = ops.sum(ops.cast(ops.not_equal(y_true, blank), "int32"), axis=-1)
    logit_lengths = ops.full((y_pred.shape[0],), y_pred.shape[1], dtype="int32")
    return ops.ctc_loss(y_true, y_pred, label_lengths, logit_lengths, mask_index=blank)


class CategoricalCrossentropy(ConfiguredLoss):
    """Cross-entropy with one-hot targets; see `categorical_crossentropy`.

    Args:
        from_logits: Whether the predictions are logits.
        label_smoothing: In [0, 1].
        axis: The axis of the classes.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        _check_smoothing(label_smoothing)
        kwargs = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(categorical_crossentropy, name=name, reduction=reduction, dtype=dtype, **kwargs)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis

    _arguments = ("from_logits", "label_smoothing", "axis")


class CategoricalFocalCrossentropy(ConfiguredLoss):
    """Focal cross-entropy with one-hot targets; see `categorical_focal_crossentropy` for the arguments."""

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        _check_smoothing(label_smoothing)
        kwargs = {
            "alpha": alpha,
            "gamma": gamma,
            "from_logits": from_logits,
            "label_smoothing": label_smoothing,
            "axis": axis,
        }
        super().__init__(categorical_focal_crossentropy, name=name, reduction=reduction, dtype=dtype, **kwargs)
        self.alpha, self.gamma = alpha, gamma
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis

    _arguments = ("from_logits", "label_smoothing", "axis", "alpha", "gamma")


class SparseCategoricalCrossentropy(ConfiguredLoss):
    """Cross-entropy with targets given as class indices; see `sparse_categorical_crossentropy` for the arguments."""

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        kwargs = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(sparse_categorical_crossentropy, name=name, reduction=reduction, dtype=dtype, **kwargs)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis

    _arguments = ("from_logits", "ignore_class", "axis")


class CategoricalGeneralizedCrossEntropy(ConfiguredLoss):
    """Noise-robust cross-entropy; see `categorical_generalized_cross_entropy`.

    Raises:
        ValueError: unless `0 < q < 1`.
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        if not 0 < q < 1:
            raise ValueError(f"q must be in the interval (0, 1). Received: q={q}")
        super().__init__(categorical_generalized_cross_entropy, name=name, reduction=reduction, dtype=dtype, q=q)
        self.q = q

    _arguments = ("q",)


class BinaryCrossentropy(ConfiguredLoss):
    """Cross-entropy with labels 0 and 1; see `binary_crossentropy` for the arguments."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        _check_smoothing(label_smoothing)
        kwargs = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(binary_crossentropy, name=name, reduction=reduction, dtype=dtype, **kwargs)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis

    _arguments = ("from_logits", "label_smoothing", "axis")


class BinaryFocalCrossentropy(ConfiguredLoss):
    """Focal cross-entropy with labels 0 and 1; see `binary_focal_crossentropy` for the arguments."""

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        _check_smoothing(label_smoothing)
        kwargs = {"apply_class_balancing": apply_class_balancing, "alpha": alpha, "gamma": gamma}
        kwargs |= {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(binary_focal_crossentropy, name=name, reduction=reduction, dtype=dtype, **kwargs)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis
        self.alpha, self.gamma, self.apply_class_balancing = alpha, gamma, apply_class_balancing

    _arguments = ("from_logits", "label_smoothing", "axis", "apply_class_balancing", "alpha", "gamma")


class KLDivergence(ConfiguredLoss):
    """Kullback-Leibler divergence; see `kl_divergence`."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "kl_divergence",
        dtype: Any = None,
    ) -> None:
        super().__init__(kl_divergence, name=name, reduction=reduction, dtype=dtype)


class CTC(ConfiguredLoss):
    """Connectionist temporal classification; see `ctc`."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "ctc", dtype: Any = None
    ) -> None:
        super().__init__(ctc, name=name, reduction=reduction, dtype=dtype)
