"""Shared parts of the data adapters: batches as (x, y, sample_weight), lengths, class weights, validation split."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from rustdl import tree
from rustdl._rustdl import Tensor
from rustdl.backend import config
from rustdl.backend.dtypes import standardize_dtype
from rustdl.backend.tensor import convert_to_tensor, is_scipy_sparse, is_text


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Takes a batch apart.

    Args:
        data: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    Returns:
        `(x, y, sample_weight)`, with None for what is not there.

    Example:
        >>> from rustdl.utils import unpack_x_y_sample_weight
        >>> unpack_x_y_sample_weight(([1, 2], [3, 4]))
        ([1, 2], [3, 4], None)
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            "Data is expected to be in format `x`, `(x,)`, `(x, y)`, or `(x, y, sample_weight)`, found a tuple of "
            f"{len(data)} entries: {_brief(data)}"
        )
    x, y, sample_weight = (*data, None, None)[:3]
    return x, y, sample_weight


def _brief(data: tuple[Any, ...]) -> str:
    return ", ".join(f"{type(d).__name__} {tuple(d.shape)}" if hasattr(d, "shape") else type(d).__name__ for d in data)


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Makes a batch: `x` alone (as a tuple where it is a nested structure), `(x, y)` or `(x, y, sample_weight)`.

    Example:
        >>> from rustdl.utils import pack_x_y_sample_weight
        >>> pack_x_y_sample_weight([1, 2], [3, 4])
        ([1, 2], [3, 4])
    """
    if y is None:
        # A tuple or list would be taken for (x, y).
        return (x,) if isinstance(x, (tuple, list)) else x
    if sample_weight is None:
        return (x, y)
    return (x, y, sample_weight)


def list_to_tuple(maybe_list: Any) -> Any:
    """A tuple in place of a list; anything else as it is."""
    return tuple(maybe_list) if isinstance(maybe_list, list) else maybe_list


def is_array(x: Any) -> bool:
    """Whether `x` holds its data as one array: numpy, a tensor of any library, a pandas table or column."""
    if isinstance(x, (np.ndarray, Tensor)):
        return True
    if isinstance(x, (str, bytes, int, float, bool, dict, list, tuple)) or x is None:
        return False
    return hasattr(x, "shape") and (hasattr(x, "__array__") or hasattr(x, "__rustdl_tensor__"))


def to_tensor(x: Any, name: str) -> Any:
    """A tensor; an array of strings stays one of numpy, for the layers that take text."""
    array = to_array(x, name)
    return array if is_text(array) else convert_to_tensor(array)


def to_array(x: Any, name: str) -> Any:
    """An array in memory with a dtype that the engine computes with: floats become the global float type.

    Text passes as `x`: layers that turn it into numbers take it.

    Raises:
        ValueError: for text elsewhere, objects and other dtypes that are not numbers, and an array without axes.
    """
    if hasattr(x, "__rustdl_tensor__"):
        x = x.__rustdl_tensor__()
    if is_scipy_sparse(x):
        x = x.toarray()
    if isinstance(x, Tensor):
        array: Any = x
    else:
        if hasattr(x, "detach"):
            x = x.detach().cpu()
        array = np.asarray(x)
        if name == "x" and array.ndim > 0 and is_text(array):
            return array
        if array.dtype.kind in "USOMmVcT":
            raise ValueError(
                f"`{name}` has dtype {array.dtype}, expected numbers. Encode text as integers first "
                "(for example with numpy.unique(..., return_inverse=True)), and rows of unequal length by padding."
            )
    if len(array.shape) == 0:
        raise ValueError(f"`{name}` is a single number, expected an array whose first axis counts the samples.")
    dtype = standardize_dtype(str(array.dtype))
    floatx = config.floatx()
    if dtype.startswith(("float", "bfloat")) and dtype != floatx:
        array = array.astype(floatx)
    elif dtype == "uint64":
        array = array.astype("int64")
    return array


def check_data_cardinality(data: Any) -> int:
    """The number of samples, the same in all arrays.

    Raises:
        ValueError: if the arrays have different numbers of samples, or none.
    """
    parts = dict(zip(("x", "y", "sample_weight"), data, strict=False))
    sizes = {int(a.shape[0]) for a in tree.flatten(data) if a is not None}
    if len(sizes) > 1:
        message = "Data cardinality is ambiguous. Make sure all arrays contain the same number of samples. "
        for label, part in parts.items():
            counts = ", ".join(str(a.shape[0]) for a in tree.flatten(part) if a is not None)
            if counts:
                message += f"'{label}' sizes: {counts}\n"
        raise ValueError(message)
    return sizes.pop() if sizes else 0


def class_weight_to_sample_weights(y: Any, class_weight: dict[Any, float]) -> Any:
    """The weight of each sample's class.

    Args:
        y: Class indices `[batch]` or `[batch, 1]`, or one-hot `[batch, classes]`; with further axes, one weight for
            each step.
        class_weight: Class -> weight; classes that are not in it weigh 1.

    Raises:
        ValueError: for a wrong kind of dictionary.
    """
    if not isinstance(class_weight, dict):
        raise ValueError(f"`class_weight` must be a dictionary from class index to weight. Received: {class_weight!r}")
    labels = np.asarray(y)
    if labels.ndim > 1:
        labels = labels.argmax(axis=-1) if labels.shape[-1] != 1 else labels[..., 0]
    labels = np.round(labels).astype("int32")
    weights = np.ones(labels.shape, dtype=config.floatx())
    for label, weight in class_weight.items():
        weights[labels == int(label)] = weight
    return weights


def train_validation_split(arrays: Any, validation_split: float) -> tuple[Any, Any]:
    """The first part of all arrays, for training, and the last part, for validation.

    Args:
        arrays: A structure of arrays and None.
        validation_split: The share of the last part, in (0, 1).

    Raises:
        ValueError: for data that cannot be split, or a share that leaves one part empty.
    """
    flat = [a for a in tree.flatten(arrays) if a is not None]
    wrong = [type(a) for a in flat if not is_array(a) and not is_scipy_sparse(a)]
    if wrong:
        raise ValueError(
            "Argument `validation_split` is only supported for tensors or NumPy arrays."
            f"Found incompatible type in the input: {wrong}"
        )
    if not flat:
        return arrays, arrays
    samples = int(flat[0].shape[0])
    split = int(np.floor(samples * (1.0 - validation_split)))
    if split in (0, samples):
        raise ValueError(
            f"Training data contains {samples} samples, which is not sufficient to split it into a validation and "
            "training set "
            f"as specified by `validation_split={validation_split}`. Either provide more data, or a different value "
            "for the "
            "`validation_split` argument."
        )

    def part(start: int, stop: int) -> Any:
        def cut(x: Any) -> Any:
            if x is None:
                return None
            if is_scipy_sparse(x):
                return x.tocsr()[start:stop]
            return x.iloc[start:stop] if hasattr(x, "iloc") else x[start:stop]

        return tree.map_structure(cut, arrays)

    return part(0, split), part(split, samples)


def is_empty(data: Iterable[Any]) -> bool:
    """Whether none of the arrays has any sample."""
    return all(a is None or a.shape[0] == 0 for a in tree.flatten(data))
