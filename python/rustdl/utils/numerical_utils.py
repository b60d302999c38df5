"""Small numerical helpers for preparing data: one-hot coding and normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import ops
from rustdl._rustdl import Tensor


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """One-hot coding of class indices.

    Args:
        x: Class indices, from 0.
        num_classes: Number of classes; one more than the largest index by default.

    Returns:
        An array `[..., num_classes]` (float64 for numpy, a tensor for a tensor). A last axis of length 1 of
        `x` is dropped.

    Raises:
        ValueError: if an index is not in `[0, num_classes)`.

    Example:
        >>> from rustdl.utils import to_categorical
        >>> to_categorical([0, 2]).tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    as_tensor = isinstance(x, Tensor)
    labels = np.asarray(x)
    shape = labels.shape
    if len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    labels = labels.astype("int64").reshape(shape)
    if not num_classes:
        num_classes = int(labels.max()) + 1 if labels.size else 0
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        raise ValueError(
            f"to_categorical: `x` holds indices from {labels.min()} to {labels.max()}, expected [0, {num_classes - 1}]"
        )
    coded = np.eye(num_classes)[labels] if labels.size else np.zeros((*shape, num_classes))
    return ops.convert_to_tensor(coded, dtype="float32") if as_tensor else coded


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """The vectors along an axis, divided by their norm; zero vectors stay zero.

    Args:
        x: Array or tensor.
        axis: The axis of the vectors.
        order: Order of the norm.

    Example:
        >>> from rustdl.utils import normalize
        >>> normalize([[3.0, 4.0]]).tolist()
        [[0.6, 0.8]]
    """
    if isinstance(x, Tensor):
        return ops.normalize(x, axis=axis, order=order)
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        x = x.astype("float64")
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    return x / np.where(norm == 0, 1.0, norm)
