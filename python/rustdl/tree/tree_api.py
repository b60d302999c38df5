"""Flattening, mapping and comparing nested structures.

Containers are lists, tuples, named tuples, deques, dictionaries (visited by sorted key; an `OrderedDict` in
its own order), mappings and the classes registered with `register_tree_node_class`. Everything else, `None`
included, is a leaf.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class _MapToNone:
    """A leaf value that `traverse` turns into `None`."""

    def __repr__(self) -> str:
        return "keras.tree.MAP_TO_NONE"


MAP_TO_NONE = _MapToNone()


class _Kind(NamedTuple):
    """How one container class is taken apart and put together again."""

    items: Callable[[Any], list[tuple[Any, Any]]]
    build: Callable[[Any, list[Any]], Any]


def _is_namedtuple(x: Any) -> bool:
    return isinstance(x, tuple) and hasattr(x, "_fields")


def _sorted_keys(x: Mapping[Any, Any]) -> list[Any]:
    try:
        return sorted(x)
    except TypeError:  # keys of several types have no order of their own
        return sorted(x, key=lambda key: (f"{type(key).__module__}.{type(key).__qualname__}", str(key)))


def _dict_items(x: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    keys = list(x) if isinstance(x, OrderedDict) else _sorted_keys(x)
    return [(key, x[key]) for key in keys]


def _build_dict(like: Any, values: list[Any]) -> Any:
    found = dict(zip((key for key, _ in _dict_items(like)), values, strict=True))
    in_order = [(key, found[key]) for key in like]
    if isinstance(like, defaultdict):
        return defaultdict(like.default_factory, in_order)
    if type(like) is dict:
        return dict(in_order)
    try:
        return type(like)(in_order)
    except TypeError:
        return dict(in_order)


def _build_sequence(like: Any, values: list[Any]) -> Any:
    if _is_namedtuple(like):
        return type(like)(*values)
    if isinstance(like, deque):
        return deque(values, maxlen=like.maxlen)
    try:
        return type(like)(values)
    except TypeError:
        return tuple(values) if isinstance(like, tuple) else list(values)


def _sequence_items(x: Iterable[Any]) -> list[tuple[Any, Any]]:
    return list(enumerate(x))


_SEQUENCE = _Kind(_sequence_items, _build_sequence)
_MAPPING = _Kind(_dict_items, _build_dict)
_REGISTERED: dict[type, _Kind] = {list: _SEQUENCE, tuple: _SEQUENCE, dict: _MAPPING, OrderedDict: _MAPPING}


def register_tree_node_class(cls: type[T]) -> type[T]:
    """Makes a class a container.

    Args:
        cls: Has `tree_flatten()`, which gives (children, data), and the class method
            `tree_unflatten(data, children)`, which makes a new one.

    Returns:
        The class.
    """

    def items(x: Any) -> list[tuple[Any, Any]]:
        return list(enumerate(x.tree_flatten()[0]))

    def build(like: Any, values: list[Any]) -> Any:
        return cls.tree_unflatten(like.tree_flatten()[1], values)  # type: ignore[attr-defined]

    _REGISTERED[cls] = _Kind(items, build)
    return cls


def _kind(x: Any) -> _Kind | None:
    cls = type(x)
    kind = _REGISTERED.get(cls)
    if kind is not None:
        return kind
    if isinstance(x, (list, tuple, deque)):
        return _SEQUENCE
    if isinstance(x, (dict, Mapping)):
        return _MAPPING
    return None


def is_nested(structure: Any) -> bool:
    """Whether `structure` is a container.

    Example:
        >>> is_nested([1]), is_nested(1)
        (True, False)
    """
    return _kind(structure) is not None


def flatten(structure: Any) -> list[Any]:
    """The leaves of a structure, in order.

    Example:
        >>> flatten({"b": [2, 3], "a": (1,)})
        [1, 2, 3]
    """
    out: list[Any] = []
    pending = [structure]
    while pending:
        x = pending.pop()
        kind = _kind(x)
        if kind is None:
            out.append(x)
        else:
            pending.extend(value for _, value in reversed(kind.items(x)))
    return out


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves with the keys and positions that lead to each.

    Example:
        >>> flatten_with_path({"a": [1, 2]})
        [(('a', 0), 1), (('a', 1), 2)]
    """
    out: list[tuple[tuple[Any, ...], Any]] = []
    pending: list[tuple[tuple[Any, ...], Any]] = [((), structure)]
    while pending:
        path, x = pending.pop()
        kind = _kind(x)
        if kind is None:
            out.append((path, x))
            continue
        children = [((*path, key), value) for key, value in kind.items(x)]
        pending.extend(reversed(children))
    return out


def _map(func: Callable[..., Any], structures: tuple[Any, ...], none_is_leaf: bool) -> Any:
    first = structures[0]
    kind = _kind(first)
    if kind is None:
        if first is None and not none_is_leaf:
            return None
        return func(*structures)
    children = [[value for _, value in kind.items(first)]]
    for other in structures[1:]:
        other_kind = _kind(other)
        assert other_kind is not None
        children.append([value for _, value in other_kind.items(other)])
    return kind.build(first, [_map(func, group, none_is_leaf) for group in zip(*children, strict=True)])


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """Applies `func` to the corresponding leaves of structures that have the same shape.

    Args:
        func: Called with one leaf of each structure.
        *structures: One or more structures.
        none_is_leaf: Whether `func` is called on `None`; otherwise `None` stays `None`.

    Returns:
        A structure like the first one.

    Raises:
        TypeError: `func` is not callable.
        ValueError: No structure, or structures of different shapes.

    Example:
        >>> map_structure(lambda a, b: a + b, [1, (2,)], [10, (20,)])
        [11, (22,)]
    """
    if not callable(func):
        raise TypeError(f"map_structure: `func` must be callable, got {func!r}")
    if not structures:
        raise ValueError("map_structure: at least one structure is needed")
    for other in structures[1:]:
        _assert_same(structures[0], other, none_is_leaf)
    return _map(func, structures, none_is_leaf)


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """Like `map_structure`, with the leaves of `shallow_structure` deciding where to stop.

    Example:
        >>> map_structure_up_to([0, 0], len, [[1, 2], [3]])
        [2, 1]
    """
    if not callable(func):
        raise TypeError(f"map_structure_up_to: `func` must be callable, got {func!r}")
    if not structures:
        raise ValueError("map_structure_up_to: at least one structure is needed")

    def walk(shallow: Any, others: tuple[Any, ...], path: tuple[Any, ...]) -> Any:
        kind = _kind(shallow)
        if kind is None:
            return func(*others)
        items = kind.items(shallow)
        columns = []
        for other in others:
            columns.append(_children_like(shallow, items, other, path))
        return kind.build(
            shallow,
            [walk(value, tuple(column[i] for column in columns), (*path, key)) for i, (key, value) in enumerate(items)],
        )

    return walk(shallow_structure, structures, ())


def _children_like(shallow: Any, items: list[tuple[Any, Any]], other: Any, path: tuple[Any, ...]) -> list[Any]:
    kind = _kind(other)
    if kind is None:
        raise ValueError(f"the structures differ at {path}: {shallow!r} is nested, {other!r} is a leaf")
    if isinstance(shallow, Mapping) != isinstance(other, Mapping):
        raise ValueError(f"the structures differ at {path}: {type(shallow).__name__} and {type(other).__name__}")
    found = kind.items(other)
    if [key for key, _ in found] != [key for key, _ in items]:
        if isinstance(shallow, Mapping) and set(other) == set(shallow):
            return [other[key] for key, _ in items]
        raise ValueError(f"the structures differ at {path}: {shallow!r} and {other!r}")
    return [value for _, value in found]


def _type_class(x: Any) -> type:
    """The class that two containers must share to be of the same structure; dictionaries are all alike."""
    if isinstance(x, Mapping):
        return dict
    return type(x)


def _kind_name(x: Any) -> str:
    return f"a leaf ({type(x).__name__})" if _kind(x) is None else f"a {type(x).__name__}"


def _assert_same(a: Any, b: Any, none_is_leaf: bool = True) -> None:
    pending: list[tuple[Any, Any, tuple[Any, ...]]] = [(a, b, ())]
    while pending:
        x, y, path = pending.pop()
        kind_x, kind_y = _kind(x), _kind(y)
        if kind_x is None and kind_y is None:
            if not none_is_leaf and (x is None) != (y is None):
                raise ValueError(f"the structures differ at {path}: {x!r} and {y!r}")
            continue
        if kind_x is None or kind_y is None:
            raise ValueError(
                f"the structures differ at {path}: expected {_kind_name(x)}, found {_kind_name(y)}\nin {a!r}\nand {b!r}"
            )
        if _type_class(x) is not _type_class(y):
            raise ValueError(
                f"the structures differ at {path}: {type(x).__name__} and {type(y).__name__}\nin {a!r}\nand {b!r}"
            )
        items_x, items_y = kind_x.items(x), kind_y.items(y)
        if isinstance(x, Mapping):
            if set(x) != set(y):
                raise ValueError(
                    f"the structures differ at {path}: keys {sorted(map(str, x))} and {sorted(map(str, y))}"
                )
            items_y = [(key, y[key]) for key, _ in items_x]
        elif len(items_x) != len(items_y):
            raise ValueError(f"the structures differ at {path}: {len(items_x)} and {len(items_y)} elements")
        for (key, value), (_, other) in zip(items_x, items_y, strict=True):
            pending.append((value, other, (*path, key)))


def assert_same_structure(a: Any, b: Any) -> None:
    """Raises `ValueError` unless the two structures have the same containers, keys and lengths."""
    _assert_same(a, b)


def assert_same_paths(a: Any, b: Any) -> None:
    """Raises `ValueError` unless the leaves of both structures have the same paths (lists and tuples are alike)."""
    paths_a = {path for path, _ in flatten_with_path(a)}
    paths_b = {path for path, _ in flatten_with_path(b)}
    if paths_a != paths_b:
        raise ValueError(
            f"`a` and `b` don't have the same paths.\na: {a!r}\nb: {b!r}\n"
            f"only in a: {sorted(map(str, paths_a - paths_b))}; only in b: {sorted(map(str, paths_b - paths_a))}"
        )


def pack_sequence_as(structure: Any, flat_sequence: Iterable[Any]) -> Any:
    """The inverse of `flatten`: the leaves of `structure` replaced in order.

    Raises:
        TypeError: `flat_sequence` is not a sequence.
        ValueError: It has another number of elements than `structure` has leaves.

    Example:
        >>> pack_sequence_as({"a": [0, 0]}, [1, 2])
        {'a': [1, 2]}
    """
    if not hasattr(flat_sequence, "__iter__") or isinstance(flat_sequence, (str, bytes, dict)):
        raise TypeError(f"pack_sequence_as: `flat_sequence` must be a list or tuple, got {flat_sequence!r}")
    flat = list(flat_sequence)
    leaves = len(flatten(structure))
    if leaves != len(flat):
        raise ValueError(
            f"pack_sequence_as: the structure has {leaves} leaves, but `flat_sequence` has {len(flat)} elements. "
            f"structure: {structure!r}, flat_sequence: {flat!r}"
        )
    values = iter(flat)
    return _map(lambda _: next(values), (structure,), True)


def lists_to_tuples(structure: Any) -> Any:
    """The structure with every list made a tuple."""
    return traverse(lambda x: tuple(x) if isinstance(x, list) else None, structure, top_down=False)


def _is_shape(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and all(d is None or isinstance(d, int) for d in x)


def map_shape_structure(func: Callable[[Any], Any], structure: Any) -> Any:
    """`map_structure` where a tuple or list of integers and `None` counts as one leaf, a shape.

    Example:
        >>> map_shape_structure(lambda shape: len(shape), [(None, 2), (3,)])
        [2, 1]
    """
    if not callable(func):
        raise TypeError(f"map_shape_structure: `func` must be callable, got {func!r}")
    kind = None if _is_shape(structure) else _kind(structure)
    if kind is None:
        return func(structure)
    return kind.build(structure, [map_shape_structure(func, value) for _, value in kind.items(structure)])


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """Calls `func` on every container and leaf; a result other than `None` replaces what it was called on.

    Args:
        func: Returns `None` to go on (a leaf is kept), `MAP_TO_NONE` for `None`, or the replacement.
        structure: What to visit.
        top_down: Whether containers come before what they hold; a replaced one is then not entered.

    Example:
        >>> traverse(lambda x: x + 1 if isinstance(x, int) else None, [1, (2, "a")])
        [2, (3, 'a')]
    """
    if not callable(func):
        raise TypeError(f"traverse: `func` must be callable, got {func!r}")

    def finish(x: Any) -> Any:
        return None if x is MAP_TO_NONE else x

    def walk(x: Any) -> Any:
        if top_down:
            replaced = func(x)
            if replaced is not None:
                return finish(replaced)
        kind = _kind(x)
        if kind is not None:
            x = kind.build(x, [walk(value) for _, value in kind.items(x)])
        elif top_down:
            return x
        if not top_down:
            replaced = func(x)
            if replaced is not None:
                return finish(replaced)
        return x

    return walk(structure)
