"""Walks through an object and those inside it, to save or load what each holds.

The paths are those of Keras 3: the attribute's name for an attribute, and for members of a list or dict the class name
in snake case, numbered. Public attributes come first, in alphabetical order; an object that is met twice is handled
under its first path.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from typing import Any

from rustdl import backend
from rustdl.utils.naming import to_snake_case


def is_saveable(obj: Any) -> bool:
    """Whether an object takes part in saving: a layer, operation, optimizer, metric or loss."""
    return not isinstance(obj, type) and hasattr(obj, "_obj_type")


@functools.cache
def _base_attributes(kind: str) -> frozenset[str]:
    """Attributes that every object of a kind has: they hold nothing of the user's."""
    from rustdl.layers.layer import Layer

    if kind in ("Layer", "Functional", "Sequential", "Model"):
        return frozenset({*dir(Layer()), "operations", "_operations", "_functional", "_stack"})
    if kind == "Optimizer":
        from rustdl.optimizers.sgd import SGD

        return frozenset(dir(SGD())) - {"variables"}
    return frozenset()


def _attributes(obj: Any) -> Iterator[tuple[str, Any]]:
    kind = obj._obj_type()
    skip = _base_attributes(kind)
    if kind in ("Sequential", "Functional"):
        yield "layers", obj.layers
    for name in sorted(dir(obj), key=lambda n: f"~{n}" if n.startswith("_") else n):
        if name.startswith("__") or name in skip:
            continue
        try:
            child = getattr(obj, name)
        except Exception:  # a property that is not ready
            continue
        yield name, child


def _members(container: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The saveables and containers in a list, tuple or dict, with their paths."""
    used: dict[str, int] = {}
    for member in list(container.values()) if isinstance(container, dict) else list(container):
        if is_saveable(member):
            name = to_snake_case(type(member).__name__)
        elif isinstance(member, list | dict | tuple):
            name = "container"
        else:
            continue
        count = used.get(name, -1) + 1
        used[name] = count
        yield _join(path, f"{name}_{count}" if count else name), member


def walk(root: Any, skip: Any = ()) -> Iterator[tuple[str, Any]]:
    """Every saveable object reachable from `root`, each once, with its inner path.

    Args:
        root: the object to start from; its path is empty.
        skip: objects to leave out.
    """
    seen = {id(obj): obj for obj in skip}
    yield from _walk(root, "", seen)


def _walk(obj: Any, path: str, seen: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    if id(obj) in seen:
        return
    # Objects are kept, not only their ids: lists that properties make would die, and others be born with their ids.
    seen[id(obj)] = obj
    if is_saveable(obj):
        yield path, obj
        children: Iterator[tuple[str, Any]] = ((_join(path, name), child) for name, child in _attributes(obj))
    else:
        children = _members(obj, path)
    for child_path, child in children:
        if is_saveable(child) or isinstance(child, list | dict | tuple):
            yield from _walk(child, child_path, seen)


def save_state(root: Any, weights: Any, assets: Any = None, skip: Any = ()) -> None:
    """Writes the values of all objects.

    Args:
        root: the model.
        weights: a weight store, or None.
        assets: an asset store, or None.
        skip: objects to leave out.
    """
    for path, obj in walk(root, skip):
        if weights is not None and hasattr(obj, "save_own_variables"):
            name = getattr(obj, "name", None)
            obj.save_own_variables(weights.make(path, metadata={"name": name} if isinstance(name, str) else None))
        if assets is not None and hasattr(obj, "save_assets"):
            obj.save_assets(assets.make(path))


def load_state(root: Any, weights: Any, assets: Any = None, skip_mismatch: bool = False, skip: Any = ()) -> None:
    """Reads the values of all objects. On an error all variables get back the values they had.

    Args:
        root: the model.
        weights: a weight store.
        assets: an asset store, or None.
        skip_mismatch: warn about objects whose values do not fit, and load the others.
        skip: objects to leave out.

    Raises:
        ValueError: values that do not fit, unless `skip_mismatch`.
    """
    loader = _Loader(weights, assets, skip)
    try:
        loader.load(root, "")
        if loader.failures:
            message = _failure_message(list(loader.failures.values()))
            if not skip_mismatch:
                raise ValueError(message)
            warnings.warn(message, stacklevel=3)
    except BaseException:
        _restore(loader.before)
        raise


class _Loader:
    """One pass over the objects. One whose values are not under a path is tried again under its later paths.

    The file may have been written by a program that met the object under another name first.
    """

    def __init__(self, weights: Any, assets: Any, skip: Any) -> None:
        self.weights = weights
        self.assets = assets
        # By id, with the objects, whose ids would else be given to others once they are gone.
        self.done = {id(obj): obj for obj in skip}
        self.open: set[int] = set()
        self.failures: dict[int, tuple[Any, Exception]] = {}
        self.before: list[tuple[Any, Any]] = []

    def load(self, obj: Any, path: str) -> None:
        """Loads an object, or the members of a container, and what is inside."""
        if id(obj) in self.done or id(obj) in self.open:
            return
        self.open.add(id(obj))
        count = len(self.failures)
        if is_saveable(obj):
            self._load_own(obj, path)
            children: Iterator[tuple[str, Any]] = ((_join(path, name), child) for name, child in _attributes(obj))
        else:
            children = _members(obj, path)
        for child_path, child in children:
            if is_saveable(child) or isinstance(child, list | dict | tuple):
                self.load(child, child_path)
        self.open.discard(id(obj))
        if len(self.failures) <= count and id(obj) not in self.failures:
            self.done[id(obj)] = obj

    def _load_own(self, obj: Any, path: str) -> None:
        own = [(v, v.value) for v in _variables_of(obj)]
        self.before.extend(own)
        try:
            if hasattr(obj, "load_own_variables"):
                obj.load_own_variables(self.weights.get(path))
            if self.assets is not None and hasattr(obj, "load_assets"):
                obj.load_assets(self.assets.get(path))
        except Exception as error:
            _restore(own)
            self.failures.setdefault(id(obj), (obj, error))
        else:
            self.failures.pop(id(obj), None)


def _variables_of(obj: Any) -> list[Any]:
    """The variables that an object itself loads."""
    if obj._obj_type() == "Optimizer":
        # (Its `_trainable_variables` are those of the model.)
        own = obj.variables
    else:
        own = [*getattr(obj, "_trainable_variables", ()), *getattr(obj, "_non_trainable_variables", ())]
    return [v for v in own if isinstance(v, backend.Variable)]


def _restore(values: list[tuple[Any, Any]]) -> None:
    for variable, value in reversed(values):
        variable.assign(value)


def _failure_message(failures: list[tuple[Any, Exception]]) -> str:
    obj, error = failures[0]
    return (
        f"A total of {len(failures)} objects could not be loaded. Example error message for object {obj}:\n\n{error}"
        "\n\n"
        f"List of objects that could not be loaded:\n{[obj for obj, _ in failures]}"
    )


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
