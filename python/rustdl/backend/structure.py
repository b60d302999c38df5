"""Nested arguments and results of transformed functions: `rustdl.tree`'s containers, and dataclasses besides."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rustdl.tree.tree_api import _kind


def _is_dataclass(x: Any) -> bool:
    return dataclasses.is_dataclass(x) and not isinstance(x, type)


def children(x: Any) -> list[tuple[Any, Any]] | None:
    """The keys and values of a container; `None` for a leaf."""
    kind = _kind(x)
    if kind is not None:
        return kind.items(x)
    if _is_dataclass(x):
        return [(field.name, getattr(x, field.name)) for field in dataclasses.fields(x)]
    return None


def _rebuilt(like: Any, keys: list[Any], values: list[Any]) -> Any:
    kind = _kind(like)
    if kind is not None:
        return kind.build(like, values)
    made = copy.copy(like)
    for name, value in zip(keys, values, strict=True):
        object.__setattr__(made, name, value)
    return made


def is_leaf(x: Any) -> bool:
    """Whether `x` is no container."""
    return children(x) is None


def flatten(structure: Any) -> list[Any]:
    """The leaves, in order."""
    found: list[Any] = []

    def walk(x: Any) -> None:
        inner = children(x)
        if inner is None:
            found.append(x)
            return
        for _, value in inner:
            walk(value)

    walk(structure)
    return found


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves with the keys, positions and field names that lead to each."""
    found: list[tuple[tuple[Any, ...], Any]] = []

    def walk(x: Any, path: tuple[Any, ...]) -> None:
        inner = children(x)
        if inner is None:
            found.append((path, x))
            return
        for key, value in inner:
            walk(value, (*path, key))

    walk(structure, ())
    return found


def map_leaves(fn: Callable[[Any], Any], structure: Any) -> Any:
    """The structure with `fn` applied to each leaf."""
    inner = children(structure)
    if inner is None:
        return fn(structure)
    return _rebuilt(structure, [key for key, _ in inner], [map_leaves(fn, value) for _, value in inner])


def pack(structure: Any, leaves: Iterable[Any]) -> Any:
    """The structure with its leaves replaced, in order."""
    values: Iterator[Any] = iter(leaves)
    return map_leaves(lambda _: next(values), structure)


def map_many(name: str, fn: Callable[..., Any], structure: Any, *others: Any) -> Any:
    """`fn` of the corresponding leaves of structures that must agree.

    Raises:
        ValueError: They differ; `name` says in whose call.
    """
    flat = [flatten_with_path(structure)]
    for other in others:
        flat.append(flatten_with_path(other))
        if [path for path, _ in flat[-1]] != [path for path, _ in flat[0]]:
            raise ValueError(f"{name}: the structures differ: {structure!r} and {other!r}")
    rows = zip(*[[leaf for _, leaf in column] for column in flat], strict=True)
    return pack(structure, [fn(*row) for row in rows])


def spread(name: str, prefix: Any, structure: Any, is_leaf: Callable[[Any], bool]) -> list[Any]:
    """One leaf of `prefix` for each leaf of `structure`: a leaf above a container counts for all in it.

    Raises:
        ValueError: `prefix` is deeper than, or differs from, the structure.
    """
    inner = children(structure)
    if is_leaf(prefix):
        return [prefix] * (len(flatten(structure)))
    above = children(prefix)
    if above is None or inner is None or len(above) != len(inner):
        raise ValueError(f"{name}: {prefix!r} does not fit the structure {structure!r}")
    if isinstance(structure, dict):
        if not isinstance(prefix, dict) or set(prefix) != set(structure):
            raise ValueError(f"{name}: {prefix!r} does not have the keys of {structure!r}")
        above = [(key, prefix[key]) for key, _ in inner]
    found: list[Any] = []
    for (_, part), (_, value) in zip(above, inner, strict=True):
        found.extend(spread(name, part, value, is_leaf))
    return found
