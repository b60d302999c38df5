"""Objects as `{"class_name", "config"}`, the form of Keras 2, and back. A name is looked up, never imported."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from rustdl.saving.object_registration import CustomObjectScope, get_registered_name, get_registered_object

_INSIDE = "__passive_serialization__"


def serialize_keras_object(instance: Any) -> Any:
    """The older form of an object: its class and configuration, or the name of a function.

    Args:
        instance: an object with `get_config`, a function, a class, or None.

    Raises:
        ValueError: anything else.

    Example:
        >>> import rustdl
        >>> serialize_keras_object(rustdl.regularizers.L2(0.5))["class_name"]
        'L2'
    """
    if instance is None:
        return None
    instance = inspect.unwrap(instance)
    if hasattr(instance, "get_config"):
        config = {key: _inside(value) for key, value in instance.get_config().items()}
        return {"class_name": get_registered_name(type(instance)), "config": config}
    if hasattr(instance, "__name__"):
        return get_registered_name(instance)
    raise ValueError(f"Cannot serialize {instance} because it doesn't implement `get_config()`.")


def _inside(value: Any) -> Any:
    """An entry of a configuration."""
    if isinstance(value, str):
        return value
    try:
        found = serialize_keras_object(value)
    except ValueError:
        return value
    return {**found, _INSIDE: True} if isinstance(found, dict) and not isinstance(value, dict) else found


def deserialize_keras_object(
    identifier: Any,
    module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """The object that the older form stands for.

    Args:
        identifier: a configuration, a name, a function, or None.
        module_objects: names of the library's objects: nothing is known beforehand.
        custom_objects: names of your own.
        printable_module_name: what is looked for, for errors.

    Raises:
        ValueError: an unknown name, or something of another form.

    Example:
        >>> import rustdl
        >>> config = {"class_name": "L2", "config": {"l2": 0.5}}
        >>> deserialize_keras_object(config, module_objects={"L2": rustdl.regularizers.L2}).get_config()
        {'l2': 0.5}
    """
    if identifier is None:
        return None
    known = {**(module_objects or {})}
    own = {**(custom_objects or {})}
    if isinstance(identifier, dict):
        return _from_config(identifier, known, own, printable_module_name)
    if isinstance(identifier, str):
        found = get_registered_object(identifier, custom_objects=own, module_objects=known)
        if found is None:
            raise ValueError(
                f"Unknown {printable_module_name}: '{identifier}'. Please ensure you are using a "
                "`keras.utils.custom_object_scope` and that this object is included in the scope."
            )
        return found() if inspect.isclass(found) else found
    if inspect.isfunction(identifier):
        return identifier
    raise ValueError(
        f"Could not interpret serialized {printable_module_name}: {identifier}. Expected a dict with `class_name` and "
        "`config`, a name, a function or None."
    )


def _from_config(identifier: dict[str, Any], known: dict[str, Any], own: dict[str, Any], kind: str) -> Any:
    if "class_name" not in identifier or "config" not in identifier:
        raise ValueError(
            f"Improper config format for {identifier}. Expecting python dict contains `class_name` and `config` as keys"
        )
    cls = get_registered_object(identifier["class_name"], custom_objects=own, module_objects=known)
    if cls is None:
        raise ValueError(
            f"Unknown {kind}: '{identifier['class_name']}'. Please ensure you are using a "
            "`keras.utils.custom_object_scope` and that this object is included in the scope."
        )
    config = identifier["config"]
    if isinstance(config, dict):
        config = {key: _entry(key, value, known, own) for key, value in config.items()}
    with CustomObjectScope(own):
        if not hasattr(cls, "from_config"):
            return cls(**config)
        if "custom_objects" in inspect.signature(cls.from_config).parameters:
            return cls.from_config(config, custom_objects=own)
        return cls.from_config(config)


def _entry(key: str, value: Any, known: dict[str, Any], own: dict[str, Any]) -> Any:
    """An entry of a configuration with the objects inside made; the object's own name stays a name."""
    if isinstance(value, dict) and _INSIDE in value:
        return deserialize_keras_object(value, known, own, "config_item")
    if isinstance(value, str) and key != "name":
        found = get_registered_object(value, custom_objects=own, module_objects=known)
        return found if inspect.isfunction(found) else value
    return value
