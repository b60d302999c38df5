"""Data adapters: arrays, tables, generators, loaders and datasets as batches."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable
from typing import Any

from rustdl.trainers.data_adapters import array_data_adapter
from rustdl.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
from rustdl.trainers.data_adapters.data_adapter import DataAdapter
from rustdl.trainers.data_adapters.iterable_data_adapter import (
    GeneratorDataAdapter,
    IterableDataAdapter,
    TFDatasetAdapter,
)
from rustdl.trainers.data_adapters.py_dataset_adapter import PyDataset, PyDatasetAdapter
from rustdl.trainers.data_adapters.sparse_rows import SparseRows, has_sparse


def get_data_adapter(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    steps: int | None = None,
    shuffle: Any = False,
    class_weight: Any = None,
) -> DataAdapter:
    """The adapter for some data.

    Raises:
        ValueError: for data of an unknown kind, or arguments that the kind of data rules out.
    """
    if isinstance(x, DataAdapter):
        return x
    if array_data_adapter.can_use(x, y, sample_weight):
        return ArrayDataAdapter(
            x, y, sample_weight, batch_size=batch_size, steps=steps, shuffle=shuffle, class_weight=class_weight
        )
    if has_sparse(x, y, sample_weight):
        rows = SparseRows(x, y, sample_weight, batch_size=batch_size, steps=steps, shuffle=shuffle)
        return PyDatasetAdapter(rows, class_weight=class_weight)
    if isinstance(x, PyDataset):
        _without("PyDataset", y, sample_weight)
        # By default the dataset decides on its order itself.
        return PyDatasetAdapter(x, class_weight=class_weight, shuffle=bool(shuffle))
    source = _source(x)
    if source is None:
        raise ValueError(_unknown(x, y, sample_weight))
    _without(source, y, sample_weight)
    if class_weight is not None:
        raise ValueError(
            f"Argument `class_weight` is not supported for {source} inputs. Received: class_weight={class_weight}"
        )
    if source == "generator":
        return GeneratorDataAdapter(x)
    if source == "tf.data.Dataset":
        return TFDatasetAdapter(x)
    return IterableDataAdapter(x, source)


def _source(x: Any) -> str | None:
    if isinstance(x, types.GeneratorType):
        return "generator"
    module = type(x).__module__
    if module.startswith("tensorflow") and hasattr(x, "as_numpy_iterator"):
        return "tf.data.Dataset"
    torch_data = sys.modules.get("torch.utils.data")
    if torch_data is not None and isinstance(x, torch_data.DataLoader):
        return "torch DataLoader"
    if (
        isinstance(x, Iterable)
        and not isinstance(x, (str, bytes, dict, list, tuple, set))
        and not hasattr(x, "__array__")
    ):
        return "iterator" if hasattr(x, "__next__") else "iterable"
    return None


def _without(source: str, y: Any, sample_weight: Any) -> None:
    if y is not None:
        raise ValueError(
            f"When providing `x` as a {source}, `y` should not be passed. Instead, the targets should be included as "
            f"part of the {source}."
        )
    if sample_weight is not None:
        raise ValueError(
            f"When providing `x` as a {source}, `sample_weights` should not be passed. Instead, the sample weights "
            "should be included "
            f"as part of the {source}."
        )


def _unknown(x: Any, y: Any, sample_weight: Any) -> str:
    named = {"x": x, "y": y, "sample_weight": sample_weight}
    for name, value in named.items():
        if isinstance(value, (list, tuple)) and any(isinstance(v, (int, float, str, list, tuple)) for v in value):
            hint = f"A list is taken for several arrays: pass numbers as one array, `numpy.array({name})`"
            if _is_ragged(value):
                hint = "The rows have different lengths: pad them to one length first (rustdl.utils.pad_sequences)"
            return f"Unrecognized data type: {name}={_short(value)} (of type {type(value)}). {hint}."
    return f"Unrecognized data type: x={_short(x)} (of type {type(x)})" + "".join(
        f", {name} of type {type(value)}" for name, value in named.items() if name != "x" and value is not None
    )


def _is_ragged(value: Any) -> bool:
    rows = [v for v in value if isinstance(v, (list, tuple))]
    return len({len(r) for r in rows}) > 1


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}..."


__all__ = [
    "ArrayDataAdapter",
    "DataAdapter",
    "GeneratorDataAdapter",
    "IterableDataAdapter",
    "PyDataset",
    "PyDatasetAdapter",
    "TFDatasetAdapter",
    "get_data_adapter",
]
