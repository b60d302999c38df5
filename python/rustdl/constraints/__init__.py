"""Weight constraints, and `get`, `serialize`, `deserialize` for them."""

from __future__ import annotations

from typing import Any

from rustdl.constraints.constraints import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from rustdl.saving import serialization_lib

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

_ALL: dict[str, Any] = {
    name: value for name, value in list(globals().items()) if isinstance(value, type) and issubclass(value, Constraint)
}


def serialize(constraint: Any) -> Any:
    """The JSON-able form of a constraint."""
    return serialization_lib.serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The constraint that a config or name stands for."""
    return serialization_lib.deserialize_keras_object(config, module_objects=_ALL, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """A constraint from a name, config, class or callable; None for None.

    Args:
        identifier: e.g. `"non_neg"`, `{"class_name": "MaxNorm", "config": {...}}`, an instance, a class, a function.

    Raises:
        ValueError: nothing is known by that name.
    """
    if identifier is None:
        return None
    obj = identifier
    if isinstance(identifier, dict):
        obj = deserialize(identifier)
    elif isinstance(identifier, str):
        obj = deserialize({"class_name": identifier, "config": {}})
    if isinstance(obj, type):
        obj = obj()
    if callable(obj):
        return obj
    from rustdl.utils.suggestions import unknown_identifier

    raise unknown_identifier("constraint", identifier, _ALL)
