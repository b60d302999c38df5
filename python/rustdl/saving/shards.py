"""Weights spread over several HDF5 files, with an index: `model.weights.json`, `model_00000.weights.h5`, ...

The index, as Keras 3 writes it, maps the group of each object to the file, or the files, that its values are in:
`{"metadata": {"total_size": bytes}, "weight_map": {"/layers/dense/vars": "model_00000.weights.h5", ...}}`.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rustdl import backend
from rustdl.saving.atomic import atomic_write
from rustdl.saving.state import save_state
from rustdl.saving.stores import H5Store, WeightStore

_GIB = 1024**3


class Entry(dict[str, np.ndarray[Any, Any]]):
    """The values of one object, kept as arrays, with the attributes of its group."""

    def __init__(self, metadata: dict[str, str]) -> None:
        super().__init__()
        self.metadata = metadata

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, np.asarray(backend.convert_to_numpy(value)))


class Entries(WeightStore):
    """A store in memory: inner path -> `Entry`, in the order in which objects are saved."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[str, Entry] = {}

    def make(self, path: str, metadata: dict[str, str] | None = None) -> Entry:
        """A mapping to write the values of one object to; the same one again for the same path."""
        return self.entries.setdefault(path, Entry(metadata or {}))


def index_path(path: str, action: str) -> str:
    """The name of the index file; another ending is replaced, with a warning.

    Args:
        path: as the user gave it.
        action: `"Saving"` or `"Loading"`, for the warning.
    """
    if path.endswith(".json"):
        return path
    renamed = str(Path(path).with_suffix(".json"))
    warnings.warn(
        f"{action} sharded weights requires `*.json` as the extension. The original path: {path} will be renamed to "
        f"{renamed}.",
        stacklevel=4,
    )
    return renamed


def save_shards(model: Any, path: str, max_shard_size: float, skip: Any = ()) -> None:
    """Writes the weights in files of limited size. All files appear whole, the index last; or none does.

    Args:
        model: a built model.
        path: of the index, which ends in `.weights.json`.
        max_shard_size: most GiB of values in one file.
        skip: objects to leave out.

    Raises:
        ValueError: a size that is not positive, or that a single variable exceeds.
    """
    if not max_shard_size > 0:
        raise ValueError(f"`max_shard_size` must be a positive number of GiB. Received: {max_shard_size}")
    path = index_path(path, "Saving")
    whole = Entries()
    save_state(model, whole, skip=skip)
    shards, weight_map = split(whole, int(max_shard_size * _GIB))
    folder, base = os.path.dirname(path), Path(path).stem.replace(".weights", "")
    names = [f"{base}_{i:05}.weights.h5" for i in range(len(shards))]
    files = {group: [names[i] for i in used] for group, used in weight_map.items()}
    index = {
        "metadata": {"total_size": sum(a.nbytes for entry in whole.entries.values() for a in entry.values())},
        "weight_map": {group: used[0] if len(used) == 1 else used for group, used in files.items()},
    }
    with contextlib.ExitStack() as stack:
        # Contexts end in reverse order: the index, begun first, takes its place last.
        with open(stack.enter_context(atomic_write(path)), "w", encoding="utf-8") as file:
            json.dump(index, file, indent=4)
        for name, shard in zip(names, shards, strict=True):
            _write(stack.enter_context(atomic_write(os.path.join(folder, name))), shard)


def split(whole: Entries, limit: int) -> tuple[list[Entries], dict[str, list[int]]]:
    """Cuts the values, in their order, into shards of at most `limit` bytes.

    Returns:
        The shards, and for the group of each object with values the numbers of its shards.
    """
    shards, weight_map = [Entries()], dict[str, list[int]]()
    filled = 0
    for path, entry in whole.entries.items():
        shards[-1].make(path, entry.metadata)
        for name, array in entry.items():
            if array.nbytes > limit:
                raise ValueError(
                    f"The size of {path}/vars/{name} is {array.nbytes} bytes which exceeds the maximum shard size of "
                    f"{limit} bytes. You can increase the `max_shard_size` parameter to accommodate the size."
                )
            if filled + array.nbytes > limit:
                shards.append(Entries())
                filled = 0
            filled += array.nbytes
            shards[-1].make(path)[name] = array
            used = weight_map.setdefault(_group(path), [])
            if len(shards) - 1 not in used:
                used.append(len(shards) - 1)
    return shards, weight_map


def _group(path: str) -> str:
    return f"/{path}/vars" if path else "/vars"


def _write(file: str, shard: Entries) -> None:
    store = H5Store(file, "w")
    try:
        for path, entry in shard.entries.items():
            values = store.make(path, entry.metadata)
            for name, array in entry.items():
                values[name] = array
    finally:
        store.close()


class ShardedStore(WeightStore):
    """Reads weights from the files that an index names. They must lie beside the index.

    Args:
        path: of the index.

    Raises:
        ValueError: an index that is damaged, or names files elsewhere.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._folder = os.path.dirname(path)
        with open(path, "rb") as file:
            self._files = read_index(file.read(), path)
        self._open: dict[str, H5Store] = {}

    def _store(self, name: str) -> H5Store:
        if name not in self._open:
            self._open[name] = H5Store(os.path.join(self._folder, name), "r")
        return self._open[name]

    def get(self, path: str) -> Any:
        """The values stored under an inner path, from all files that hold some of them."""
        return _Merged([self._store(name).get(path) for name in self._files.get(_group(path), ())])

    def has_path(self, path: str) -> bool:
        """Whether the index lists anything below an inner path."""
        return any(group.startswith(f"/{path}/") for group in self._files)

    def close(self) -> None:
        """Closes the files."""
        for store in self._open.values():
            store.close()
        self._open = {}


class _Merged:
    """The values of one object, from the files that hold some of them."""

    def __init__(self, parts: list[Any]) -> None:
        self._owner = {key: part for part in reversed(parts) for key in part}

    def keys(self) -> list[str]:
        """Names of the values."""
        return list(self._owner)

    def __len__(self) -> int:
        return len(self._owner)

    def __iter__(self) -> Iterator[str]:
        return iter(self._owner)

    def __contains__(self, key: object) -> bool:
        return key in self._owner

    def __getitem__(self, key: str) -> Any:
        return self._owner[key][key]


def read_index(text: bytes, path: str) -> dict[str, list[str]]:
    """Group -> names of files, out of an index.

    Args:
        text: the JSON.
        path: of the file, for errors.

    Raises:
        ValueError: the text is no index, or a name in it leads out of the folder.
    """
    try:
        weight_map = json.loads(text)["weight_map"]
        files = {group: [used] if isinstance(used, str) else list(used) for group, used in weight_map.items()}
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"Not an index of sharded weights, or a damaged one: {path} ({error})") from error
    for name in {name for used in files.values() for name in used}:
        if not isinstance(name, str) or not name.endswith(".weights.h5") or name != os.path.basename(name):
            raise ValueError(f"Not allowed: the index {path} names {name!r}; shards are `.weights.h5` files beside it.")
    return files
