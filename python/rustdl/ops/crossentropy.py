"""Cross-entropies between targets and predictions, one value for each distribution."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.ops._symbolic import symbolic

Tensor = Any


def _probabilities(output: Tensor, axis: int) -> Tensor:
    """Predictions scaled to sum 1, and kept off 0 and 1, where the logarithm or its gradient is infinite."""
    output = output / ops.sum(output, axis=axis, keepdims=True)
    epsilon = backend.epsilon()
    return ops.clip(output, epsilon, 1.0 - epsilon)


def _log_probabilities(output: Tensor, from_logits: bool, axis: int) -> Tensor:
    return ops.log_softmax(output, axis=axis) if from_logits else ops.log(_probabilities(output, axis))


@symbolic
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """`-sum(target * log(output))` along `axis`.

    Args:
        target: Probabilities (one-hot for known classes), `[..., classes]`.
        output: Probabilities of the same shape (they are scaled to sum 1), or logits.
        from_logits: Whether `output` are logits.
        axis: The axis of the classes.

    Returns:
        Values of the shape without that axis.

    Raises:
        ValueError: if the shapes differ, or are those of numbers.

    Example:
        >>> from rustdl import ops
        >>> round(float(ops.categorical_crossentropy([[0.0, 1.0]], [[0.25, 0.75]])[0]), 4)
        0.2877
    """
    target, output = ops.convert_to_tensor(target), ops.convert_to_tensor(output)
    if tuple(target.shape) != tuple(output.shape):
        raise ValueError(
            "Arguments `target` and `output` must have the same shape. Received: "
            f"target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    if len(target.shape) < 1:
        raise ValueError(
            "Arguments `target` and `output` must be at least rank 1. Received: "
            f"target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    return -ops.sum(ops.cast(target, output.dtype) * _log_probabilities(output, from_logits, axis), axis=axis)


@symbolic
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """`-log(output[..., target])`: the cross-entropy with classes given by index.

    Args:
        target: Class indices `[...]`, or `[..., 1]`.
        output: Probabilities `[..., classes]` (they are scaled to sum 1), or logits.
        from_logits: Whether `output` are logits.
        axis: The axis of the classes.

    Returns:
        Values `[...]`.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> from rustdl import ops
        >>> round(float(ops.sparse_categorical_crossentropy([1], [[0.25, 0.75]])[0]), 4)
        0.2877
    """
    target, output = ops.convert_to_tensor(target), ops.convert_to_tensor(output)
    if len(target.shape) == len(output.shape) and target.shape[-1] == 1:
        target = ops.squeeze(target, axis=-1)
    if len(output.shape) < 1:
        raise ValueError(f"Argument `output` must be at least rank 1. Received: output.shape={tuple(output.shape)}")
    axis %= len(output.shape)
    expected = tuple(n for i, n in enumerate(output.shape) if i != axis)
    if tuple(target.shape) != expected:
        raise ValueError(
            "Arguments `target` and `output` must have the same shape up until the last dimension: "
            f"target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    # The comparison with 0, 1, 2, ... is an expression that is fused into the softmax: no one-hot array is made.
    numbers = ops.reshape(ops.arange(output.shape[axis], dtype="int32"), (-1,) + (1,) * (len(output.shape) - 1 - axis))
    chosen = ops.equal(ops.expand_dims(ops.cast(target, "int32"), axis), numbers)
    logs = _log_probabilities(output, from_logits, axis)
    return -ops.sum(ops.where(chosen, logs, ops.zeros_like(logs)), axis=axis)


@symbolic
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """`-target * log(output) - (1 - target) * log(1 - output)` for each entry.

    With logits `x` it is `softplus(x) - x * target`, which neither overflows nor loses digits.

    Args:
        target: Labels 0 or 1, or probabilities.
        output: Probabilities of the same shape, or logits.
        from_logits: Whether `output` are logits.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> from rustdl import ops
        >>> round(float(ops.binary_crossentropy([1.0], [0.75])[0]), 4)
        0.2877
    """
    target, output = ops.convert_to_tensor(target), ops.convert_to_tensor(output)
    if tuple(target.shape) != tuple(output.shape):
        raise ValueError(
            "Arguments `target` and `output` must have the same shape. Received: "
            f"target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    target = ops.cast(target, output.dtype)
    if from_logits:
        return ops.softplus(output) - output * target
    epsilon = backend.epsilon()
    output = ops.clip(output, epsilon, 1.0 - epsilon)
    return -(target * ops.log(output) + (1.0 - target) * ops.log(1.0 - output))
