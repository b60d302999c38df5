"""Attributes of layers that hold layers, variables or metrics, found as they are set, in containers too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, SupportsIndex

from rustdl import tree
from rustdl.backend.global_state import state


class DotNotTrackScope:
    """Attributes set inside are not tracked."""

    def __enter__(self) -> None:
        self._saved = state.attributes.get("tracking_off", False)
        state.attributes["tracking_off"] = True

    def __exit__(self, *_: Any) -> None:
        state.attributes["tracking_off"] = self._saved


def is_tracking_enabled() -> bool:
    """Whether attributes are tracked."""
    return not state.attributes.get("tracking_off", False)


def no_automatic_dependency_tracking(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function during which attributes are not tracked."""

    @wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        with DotNotTrackScope():
            return fn(*args, **kwargs)

    return call


class Tracker:
    """Sorts values into stores.

    Args:
        config: Store name -> (whether a value belongs there, the list that it goes to).
        exclusions: Store name -> stores that keep a value out of it.

    Example:
        >>> numbers = []
        >>> tracker = Tracker({"numbers": (lambda x: isinstance(x, int), numbers)})
        >>> _ = tracker.track([1, "a", {"b": 2}])
        >>> numbers
        [1, 2]
    """

    def __init__(self, config: dict[str, Any], exclusions: dict[str, list[str]] | None = None) -> None:
        self.config = config
        self.stored_ids: dict[str, set[int]] = {name: set() for name in config}
        self.locked = False
        self._lock_message: str | None = None
        self.exclusions = exclusions or {}

    def track(self, attr: Any) -> Any:
        """Stores a value, or what a container holds; containers come back as ones that go on tracking."""
        if not is_tracking_enabled():
            return attr
        for name, (matches, _) in self.config.items():
            if matches(attr):
                if any(id(attr) in self.stored_ids[other] for other in self.exclusions.get(name, ())):
                    break
                if id(attr) not in self.stored_ids[name]:
                    self.add_to_store(name, attr)
                return attr
        if isinstance(attr, tuple) and hasattr(attr, "_fields"):
            return type(attr)(*[self.track(x) for x in attr])
        if isinstance(attr, tuple):
            wrapped = tuple(self.track(x) for x in attr)
            return (
                attr if type(attr) is not tuple or all(a is b for a, b in zip(attr, wrapped, strict=True)) else wrapped
            )
        if type(attr) is list:
            return TrackedList(attr, self)
        if type(attr) is dict:
            return TrackedDict(attr, self)
        if type(attr) is set:
            return TrackedSet(attr, self)
        return attr

    def untrack(self, value: Any) -> None:
        """Takes a value out of its store."""
        for name, (_, store) in self.config.items():
            if id(value) in self.stored_ids[name]:
                self.stored_ids[name].remove(id(value))
                # By identity: comparing variables gives tensors.
                store[:] = [x for x in store if x is not value]

    def lock(self, msg: str | None = None) -> None:
        """Refuses new values from now on."""
        self.locked = True
        if msg is not None:
            self._lock_message = msg

    def unlock(self) -> None:
        """Accepts new values again."""
        self.locked = False

    def add_to_store(self, store_name: str, value: Any) -> None:
        """Puts a value into a store.

        Raises:
            ValueError: The tracker is locked.
        """
        if self.locked:
            raise ValueError(
                self._lock_message or "You cannot add new elements of state to a layer that is already built."
            )
        self.config[store_name][1].append(value)
        self.stored_ids[store_name].add(id(value))

    def replace_tracked_value(self, store_name: str, old_value: Any, new_value: Any) -> None:
        """Puts a value in the place of another."""
        if store_name not in self.stored_ids:
            raise ValueError(f"Unknown store: {store_name}. Supported: {list(self.stored_ids)}")
        if id(old_value) not in self.stored_ids[store_name]:
            raise ValueError(f"Unknown value: {old_value}")
        store = self.config[store_name][1]
        index = next(i for i, x in enumerate(store) if x is old_value)
        store[index] = new_value
        self.stored_ids[store_name].remove(id(old_value))
        self.stored_ids[store_name].add(id(new_value))

    def is_in_store(self, store_name: str, value: Any) -> bool:
        """Whether a store has this very object."""
        return id(value) in self.stored_ids[store_name]


class TrackedList(list[Any]):
    """A list that tracks what is put into it."""

    def __init__(self, values: Iterable[Any] | None = None, tracker: Tracker | None = None) -> None:
        self.tracker = tracker
        super().__init__([tracker.track(x) for x in values or ()] if tracker else values or ())

    def _in(self, value: Any) -> Any:
        return self.tracker.track(value) if self.tracker else value

    def _out(self, value: Any) -> None:
        if self.tracker:
            self.tracker.untrack(value)

    def append(self, value: Any) -> None:
        """Adds a value at the end."""
        super().append(self._in(value))

    def insert(self, index: SupportsIndex, value: Any) -> None:
        """Adds a value at a position."""
        super().insert(index, self._in(value))

    def extend(self, values: Iterable[Any]) -> None:
        """Adds values at the end."""
        super().extend([self._in(x) for x in values])

    def __iadd__(self, values: Iterable[Any]) -> TrackedList:  # type: ignore[misc,override]
        self.extend(values)
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, [self._in(x) for x in value] if isinstance(key, slice) else self._in(value))

    def remove(self, value: Any) -> None:
        """Takes a value out."""
        self._out(value)
        for i, x in enumerate(self):
            if x is value or x == value:
                super().__delitem__(i)
                return
        raise ValueError(f"{value!r} is not in the list")

    def pop(self, index: SupportsIndex = -1) -> Any:
        """Takes a value out and returns it."""
        value = super().pop(index)
        self._out(value)
        return value

    def clear(self) -> None:
        """Takes all values out."""
        for value in self:
            self._out(value)
        super().clear()

    def __delitem__(self, key: Any) -> None:
        value = self[key]
        super().__delitem__(key)
        for x in value if isinstance(key, slice) else [value]:
            self._out(x)

    def tree_flatten(self) -> tuple[Any, Any]:
        """Children and no data."""
        return (self, None)

    @classmethod
    def tree_unflatten(cls, metadata: Any, children: Iterable[Any]) -> TrackedList:
        """A list of the children, tracking nothing."""
        return cls(children)

    def __reduce__(self) -> Any:
        return (list, (list(self),))


class TrackedDict(dict[Any, Any]):
    """A dictionary that tracks its values."""

    def __init__(self, values: Any = None, tracker: Tracker | None = None) -> None:
        self.tracker = tracker
        found = dict(values or {})
        super().__init__({key: tracker.track(x) for key, x in found.items()} if tracker else found)

    def _out(self, value: Any) -> None:
        if self.tracker:
            self.tracker.untrack(value)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, self.tracker.track(value) if self.tracker else value)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Adds values."""
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """The value of a key, set to `default` where there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: Any, *default: Any) -> Any:
        """Takes a value out and returns it."""
        value = super().pop(key, *default)
        self._out(value)
        return value

    def popitem(self) -> tuple[Any, Any]:
        """Takes an entry out and returns it."""
        key, value = super().popitem()
        self._out(value)
        return key, value

    def clear(self) -> None:
        """Takes all values out."""
        for value in self.values():
            self._out(value)
        super().clear()

    def __delitem__(self, key: Any) -> None:
        self._out(self[key])
        super().__delitem__(key)

    def tree_flatten(self) -> tuple[Any, Any]:
        """Values by sorted key, and the keys."""
        keys = sorted(self)
        return [self[key] for key in keys], keys

    @classmethod
    def tree_unflatten(cls, keys: Any, values: Iterable[Any]) -> TrackedDict:
        """A dictionary of keys and values, tracking nothing."""
        return cls(zip(keys, values, strict=True))

    def __reduce__(self) -> Any:
        return (dict, (dict(self),))


class TrackedSet(set[Any]):
    """A set that tracks its elements."""

    def __init__(self, values: Iterable[Any] | None = None, tracker: Tracker | None = None) -> None:
        self.tracker = tracker
        super().__init__([tracker.track(x) for x in values or ()] if tracker else values or ())

    def add(self, value: Any) -> None:
        """Adds a value."""
        super().add(self.tracker.track(value) if self.tracker else value)

    def update(self, *others: Iterable[Any]) -> None:
        """Adds values."""
        for values in others:
            for value in values:
                self.add(value)

    def _out(self, value: Any) -> None:
        if self.tracker:
            self.tracker.untrack(value)

    def remove(self, value: Any) -> None:
        """Takes a value out."""
        self._out(value)
        super().remove(value)

    def discard(self, value: Any) -> None:
        """Takes a value out where it is there."""
        self._out(value)
        super().discard(value)

    def pop(self) -> Any:
        """Takes a value out and returns it."""
        value = super().pop()
        self._out(value)
        return value

    def clear(self) -> None:
        """Takes all values out."""
        for value in self:
            self._out(value)
        super().clear()

    def __iter__(self) -> Iterator[Any]:
        return super().__iter__()

    def tree_flatten(self) -> tuple[Any, Any]:
        """Children and no data."""
        return (list(self), None)

    @classmethod
    def tree_unflatten(cls, metadata: Any, children: Iterable[Any]) -> TrackedSet:
        """A set of the children, tracking nothing."""
        return cls(children)

    def __reduce__(self) -> Any:
        return (set, (set(self),))


def _register_containers() -> None:
    for cls in (TrackedList, TrackedDict, TrackedSet):
        tree.register_tree_node_class(cls)


_register_containers()
