"""Names of custom classes and functions: the registry and the scope that deserialisation consults."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

GLOBAL_CUSTOM_OBJECTS: dict[str, Any] = {}
GLOBAL_CUSTOM_NAMES: dict[Any, str] = {}


# Classes of objects that this process itself has serialized, by module and name.
_SERIALIZED: weakref.WeakValueDictionary[tuple[str, str], type] = weakref.WeakValueDictionary()


def note_serialized(cls: type) -> None:
    """Remembers a class whose object has been serialized, so that a copy can be made from its configuration.

    Only classes that can be imported under their name: others may have namesakes.
    """
    if getattr(sys.modules.get(cls.__module__), cls.__name__, None) is cls:
        _SERIALIZED[cls.__module__, cls.__name__] = cls


def serialized_class(module: Any, name: str) -> type | None:
    """A class that `note_serialized` has seen; nothing is imported."""
    return _SERIALIZED.get((module, name)) if isinstance(module, str) else None


class _Scope(threading.local):
    """The custom objects of the innermost open scope of this thread."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}


_scope = _Scope()


class CustomObjectScope:
    """Makes custom objects known by name while the `with` block runs.

    Args:
        custom_objects: dict from name to class or function.

    Example:
        >>> import rustdl
        >>> def double(x):
        ...     return 2 * x
        >>> with rustdl.saving.custom_object_scope({"double": double}):
        ...     layer = rustdl.layers.Activation.from_config({"activation": "double"})
    """

    def __init__(self, custom_objects: dict[str, Any] | None) -> None:
        self.custom_objects: dict[str, Any] = dict(custom_objects or {})
        self._outer: dict[str, Any] = {}

    def __enter__(self) -> CustomObjectScope:
        self._outer = _scope.objects
        _scope.objects = dict(self.custom_objects)
        return self

    def __exit__(self, *args: object) -> None:
        _scope.objects = self._outer


custom_object_scope = CustomObjectScope


def scoped_objects() -> dict[str, Any]:
    """The objects of the innermost `custom_object_scope` of this thread."""
    return _scope.objects


def get_custom_objects() -> dict[str, Any]:
    """The live dict of everything registered in this process; it may be changed in place."""
    return GLOBAL_CUSTOM_OBJECTS


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """Decorator that gives a class or function the name `package>name` in saved files.

    Args:
        package: first part of the name.
        name: second part; default the object's own `__name__`.

    Raises:
        ValueError: a class without `get_config`.
    """

    def register(obj: T) -> T:
        own = name if name is not None else getattr(obj, "__name__", type(obj).__name__)
        if isinstance(obj, type) and not hasattr(obj, "get_config"):
            raise ValueError(
                f"Cannot register a class that does not have a get_config() method: {obj.__name__}. Add get_config()."
            )
        full = f"{package}>{own}"
        GLOBAL_CUSTOM_OBJECTS[full] = obj
        GLOBAL_CUSTOM_NAMES[obj] = full
        return obj

    return register


def get_registered_name(obj: Any) -> str:
    """The registered name of `obj`, or its `__name__` when it was never registered."""
    try:
        if obj in GLOBAL_CUSTOM_NAMES:
            return GLOBAL_CUSTOM_NAMES[obj]
    except TypeError:  # unhashable
        pass
    return str(obj.__name__)


def get_registered_object(
    name: str | None,
    custom_objects: dict[str, Any] | None = None,
    module_objects: dict[str, Any] | None = None,
) -> Any:
    """Looks a name up: open scope, process registry, `custom_objects`, `module_objects`; None when unknown."""
    if not isinstance(name, str):
        return None
    for table in (_scope.objects, GLOBAL_CUSTOM_OBJECTS, custom_objects, module_objects):
        if table and name in table:
            return table[name]
    return None
