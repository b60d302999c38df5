"""Category indices as one-hot, multi-hot and count vectors: what all encoding layers share."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.utils.argument_validation import validate_string_arg

ENCODINGS = ("int", "one_hot", "multi_hot", "count")


def encode_categorical_inputs(inputs: Any, output_mode: str, depth: int, dtype: Any, count_weights: Any = None) -> Any:
    """Encodes indices; those outside of `[0, depth)` add nothing.

    Args:
        inputs: integer tensor. All modes but `"int"` take a scalar for a sample of one index.
        output_mode: `"int"` (the indices themselves), `"one_hot"` (a last axis of size 1 gives way to the new one),
            `"multi_hot"` or `"count"` (over axis 1, or over the only axis).
        depth: size of the new last axis.
        dtype: dtype of the result, unless there are weights.
        count_weights: what each index counts, in the shape of `inputs`; `"count"` only.

    Returns:
        A tensor.

    Example:
        >>> import rustdl
        >>> encode_categorical_inputs(rustdl.ops.array([[0, 2, 2]]), "count", 3, "float32").tolist()
        [[1.0, 0.0, 2.0]]
    """
    if output_mode == "int":
        return ops.cast(inputs, dtype)
    if len(inputs.shape) == 0:
        inputs = ops.expand_dims(inputs, -1)
    if output_mode == "multi_hot":
        return ops.multi_hot(inputs, depth, dtype=dtype)
    if output_mode == "one_hot":
        if len(inputs.shape) > 1 and inputs.shape[-1] == 1:
            inputs = ops.squeeze(inputs, axis=-1)
        return ops.one_hot(inputs, depth, dtype=dtype)
    axis = 1 if len(inputs.shape) > 1 else 0
    if count_weights is None:
        return ops.sum(ops.one_hot(inputs, depth, dtype=dtype), axis=axis)
    encoded = ops.one_hot(inputs, depth, dtype=count_weights.dtype)
    return ops.sum(encoded * ops.expand_dims(count_weights, -1), axis=axis)


def check_output_mode(output_mode: Any, caller_name: str, allowed: tuple[str, ...] = ENCODINGS) -> str:
    """The name of an encoding, older names made new.

    Args:
        output_mode: the name.
        caller_name: class name, for the error.
        allowed: the names that the caller takes.

    Raises:
        ValueError: another name.
    """
    newer = {"binary": "multi_hot", "tf-idf": "tf_idf"}
    mode = newer.get(output_mode, output_mode) if isinstance(output_mode, str) else output_mode
    validate_string_arg(mode if mode in allowed else output_mode, allowed, caller_name, "output_mode")
    return str(mode)


def check_not_sparse(sparse: Any, caller_name: str) -> None:
    """Refuses `sparse=True`.

    Raises:
        ValueError: for anything true.
    """
    if sparse:
        raise ValueError(
            f"{caller_name}: `sparse=True` can only be used with the TensorFlow backend of Keras; rustdl has dense "
            "tensors only. Use `sparse=False`."
        )
