"""`KerasFileEditor`: shows and changes the weights in a file whose model does not fit them any more."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rustdl.saving.atomic import atomic_write
from rustdl.saving.saving_lib import CONFIG_NAME, METADATA_NAME, _open_weights, read_member
from rustdl.saving.state import save_state
from rustdl.saving.stores import H5Store, WeightStore, check_link, read_dataset
from rustdl.utils import io_utils

Tree = dict[str, Any]
_OWN = "vars"


class KerasFileEditor:
    """The weights of a `.keras` or `.weights.h5` file as nested dictionaries, to be looked at and edited.

    An object is named by its path (`layers/dense`), or by its last name where that occurs once.

    Args:
        filepath: The file.

    Raises:
        ValueError: Another ending, or a file that is damaged or points to other files.

    Example:
        >>> import os, tempfile, rustdl
        >>> model = rustdl.Sequential([rustdl.Input((2,)), rustdl.layers.Dense(1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "m.weights.h5")
        ...     model.save_weights(path)
        ...     editor = KerasFileEditor(path)
        Keras model file '...m.weights.h5'
        >>> editor.compare(model)["status"]
        Running comparison
        Comparison successful: saved file is compatible with the reference model
            Found 2 matching weights
        'success'
    """

    def __init__(self, filepath: Any) -> None:
        self.filepath = str(filepath)
        self.metadata: Any = None
        self.config: Any = None
        if not self.filepath.endswith((".keras", ".weights.h5")):
            raise ValueError(
                f"Invalid filename: expected a `.keras` or `.weights.h5` extension. Received: filepath={filepath}"
            )
        if self.filepath.endswith(".keras"):
            with zipfile.ZipFile(self.filepath) as archive:
                self.config = json.loads(read_member(archive, CONFIG_NAME))
                self.metadata = json.loads(read_member(archive, METADATA_NAME))
        store = _open_weights(self.filepath)
        assert isinstance(store, H5Store)
        self.object_metadata: dict[str, dict[str, Any]] = {}
        try:
            self.weights_dict = self._read(store._h5py, store.file, "")
        finally:
            store.close()
        io_utils.print_msg(f"Keras model file '{self.filepath}'")
        if self.metadata is not None:
            version, date = self.metadata.get("keras_version"), self.metadata.get("date_saved")
            io_utils.print_msg(f"Saved with Keras {version} - date: {date}")

    def _read(self, h5py: Any, group: Any, path: str) -> Tree:
        found: Tree = {}
        for name in group:
            check_link(h5py, group, name)
            inner_path = f"{path}/{name}" if path else name
            if isinstance(group[name], h5py.Group) and name == _OWN:
                self.object_metadata[path] = dict(group[name].attrs)
                found.update({key: read_dataset(h5py, group[name], key) for key in group[name]})
            elif isinstance(group[name], h5py.Group):
                inner = self._read(h5py, group[name], inner_path)
                if inner:
                    found[name] = inner
            else:
                found[name] = read_dataset(h5py, group, name)
        return found

    def summary(self) -> None:
        """Prints all objects, with the shapes and dtypes of their weights."""
        io_utils.print_msg("Weights structure")
        for line in self._lines(self.weights_dict, "", "  "):
            io_utils.print_msg(line)

    def _lines(self, tree: Tree, path: str, prefix: str) -> Iterator[str]:
        for i, (key, value) in enumerate(tree.items()):
            last = i == len(tree) - 1
            connector = "└─ " if last else "├─ "
            if isinstance(value, dict):
                inner_path = f"{path}/{key}" if path else key
                name = self.object_metadata.get(inner_path, {}).get("name")
                yield f"{prefix}{connector}{key}" + (f" ('{name}')" if name else "")
                yield from self._lines(value, inner_path, prefix + ("    " if last else "│   "))
            else:
                yield f"{prefix}{connector}{key}: shape={value.shape}, dtype={value.dtype}"

    def compare(self, reference_model: Any) -> dict[str, Any]:
        """Compares names and shapes with those of a model, and prints the differences.

        Args:
            reference_model: A built model.

        Returns:
            `{"status": "success" or "error", "error_count", "match_count"}`.
        """
        io_utils.print_msg("Running comparison")
        reference = _weights_of(reference_model)
        problems: list[str] = []
        matches = _compare(self.weights_dict, reference, "", ("saved file", "reference model"), problems)
        _compare(reference, self.weights_dict, "", ("reference model", "saved file"), problems, shapes=False)
        for problem in problems:
            io_utils.print_msg(f"...{problem}")
        if not problems:
            io_utils.print_msg("Comparison successful: saved file is compatible with the reference model")
            io_utils.print_msg(f"    Found {matches} matching weight{'' if matches == 1 else 's'}")
        else:
            count = f"{len(problems)} error{'' if len(problems) == 1 else 's'}"
            io_utils.print_msg(f"Found {count}: saved file is not compatible with the reference model")
        status = "error" if problems else "success"
        return {"status": status, "error_count": len(problems), "match_count": matches}

    def rename_object(self, object_name: str, new_name: str) -> None:
        """Renames an object.

        Args:
            object_name: Its path, or its name.
            new_name: The new name, without the path.
        """
        if "/" in new_name:
            raise ValueError(f"`new_name` should be a name, not a path. Received: new_name='{new_name}'")

        def rename(tree: Tree, name: str) -> None:
            tree[new_name] = tree.pop(name)

        self._edit(object_name, rename)

    def delete_object(self, object_name: str) -> None:
        """Takes an object out, with what is inside.

        Args:
            object_name: Its path, or its name.
        """
        self._edit(object_name, lambda tree, name: tree.pop(name))

    def add_object(self, object_path: str, weights: dict[str, Any]) -> None:
        """Adds an object.

        Args:
            object_path: Its path; what it lies in is there already.
            weights: Values by name (usually `"0"`, `"1"`, ...).
        """
        _check_weights(weights)
        parent, _, name = object_path.rpartition("/")
        tree = self._tree(parent) if parent else self.weights_dict
        tree[name] = {key: np.asarray(value) for key, value in weights.items()}

    def add_weights(self, object_name: str, weights: dict[str, Any]) -> None:
        """Adds weights to an object.

        Args:
            object_name: Its path, or its name.
            weights: Values by name.
        """
        _check_weights(weights)
        values = {key: np.asarray(value) for key, value in weights.items()}
        self._edit(object_name, lambda tree, name: tree[name].update(values))

    def delete_weight(self, object_name: str, weight_name: str) -> None:
        """Takes a weight out of an object.

        Args:
            object_name: Path or name of the object.
            weight_name: Name of the weight.
        """

        def delete(tree: Tree, name: str) -> None:
            if weight_name not in tree[name]:
                raise ValueError(
                    f"Weight {weight_name} not found in object {object_name}. Weights found: {list(tree[name])}"
                )
            del tree[name][weight_name]

        self._edit(object_name, delete)

    def save(self, filepath: Any) -> None:
        """Writes the edited weights.

        Args:
            filepath: A path that ends in `.weights.h5`.
        """
        path = str(filepath)
        if not path.endswith(".weights.h5"):
            raise ValueError(f"Invalid `filepath` argument: expected a `.weights.h5` extension. Received: {filepath}")
        with atomic_write(path) as temporary:
            store = H5Store(temporary, "w")
            try:
                self._write(store, self.weights_dict, "")
            finally:
                store.close()

    def _write(self, store: H5Store, tree: Tree, path: str) -> None:
        own = {key: value for key, value in tree.items() if not isinstance(value, dict)}
        if own:
            group = store.make(path, metadata=self.object_metadata.get(path))
            for key, value in own.items():
                group[key] = value
        for key, value in tree.items():
            if isinstance(value, dict):
                self._write(store, value, f"{path}/{key}" if path else key)

    def _tree(self, path: str) -> Tree:
        tree = self.weights_dict
        for name in path.split("/"):
            if not isinstance(tree.get(name), dict):
                raise ValueError(f"Path '{path}' not found in model.")
            tree = tree[name]
        return tree

    def _edit(self, object_name: str, edit: Callable[[Tree, str], Any]) -> None:
        parent, slash, name = object_name.rpartition("/")
        if slash:
            trees = [self._tree(parent)]
            if name not in trees[0]:
                raise ValueError(f"Path '{object_name}' not found in model.")
        else:
            trees = [tree for tree in _all_trees(self.weights_dict) if name in tree]
        if not trees:
            raise ValueError(
                f"Source name '{object_name}' does not appear in the model. `editor.summary()` lists all objects."
            )
        if len(trees) > 1:
            raise ValueError(f"Name '{object_name}' occurs more than once in the model; try passing a complete path")
        edit(trees[0], name)


def _all_trees(tree: Tree) -> list[Tree]:
    return [tree, *(inner for value in tree.values() if isinstance(value, dict) for inner in _all_trees(value))]


def _check_weights(weights: Any) -> None:
    if not isinstance(weights, dict):
        raise ValueError(
            "Argument `weights` should be a dict where keys are weight names (usually '0', '1', etc.) and values are "
            f"NumPy arrays. Received: type(weights)={type(weights)}"
        )


def _weights_of(model: Any) -> Tree:
    """The weights that saving the model would write, as nested dictionaries."""
    memory = WeightStore()
    save_state(model, memory)
    found: Tree = {}
    for path, value in memory.arrays.items():
        *parents, name = [part for part in path.split("/") if part != _OWN]
        tree = found
        for parent in parents:
            tree = tree.setdefault(parent, {})
        tree[name] = value
    return found


def _compare(
    target: Tree, reference: Tree, path: str, names: tuple[str, str], problems: list[str], shapes: bool = True
) -> int:
    """Notes what `reference` has and `target` has not; returns how many weights are equal in name and shape."""
    matches = 0
    for key, value in reference.items():
        inner_path = f"{path}/{key}"
        if key not in target:
            kind = "Object" if isinstance(value, dict) else "Weight"
            problems.append(f"{kind} {inner_path} present in {names[1]}, missing from {names[0]}")
        elif isinstance(value, dict):
            inner = target[key] if isinstance(target[key], dict) else {}
            matches += _compare(inner, value, inner_path, names, problems, shapes)
        elif tuple(target[key].shape) == tuple(value.shape):
            matches += 1
        elif shapes:
            problems.append(
                f"Weight shape mismatch for {inner_path}: shape={tuple(value.shape)} in {names[1]}, "
                f"shape={tuple(target[key].shape)} in {names[0]}"
            )
    return matches
