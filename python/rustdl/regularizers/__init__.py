"""Weight penalties, and `get`, `serialize`, `deserialize` for them."""

from __future__ import annotations

from typing import Any

from rustdl.regularizers.regularizers import L1, L1L2, L2, OrthogonalRegularizer, Regularizer
from rustdl.saving import serialization_lib

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]

l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer

_ALL: dict[str, Any] = {
    "Regularizer": Regularizer,
    "L1": L1,
    "l1": L1,
    "L2": L2,
    "l2": L2,
    "L1L2": L1L2,
    "l1l2": L1L2,
    "l1_l2": L1L2,
    "OrthogonalRegularizer": OrthogonalRegularizer,
    "orthogonal_regularizer": OrthogonalRegularizer,
}


def serialize(regularizer: Any) -> Any:
    """The JSON-able form of a regularizer."""
    return serialization_lib.serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The regularizer that a config or name stands for."""
    return serialization_lib.deserialize_keras_object(config, module_objects=_ALL, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """A regularizer from a name, config, class or callable; None for None.

    Args:
        identifier: e.g. `"l2"`, `{"class_name": "L2", "config": {"l2": 0.1}}`, an instance, a class, a function.

    Raises:
        ValueError: nothing is known by that name.

    Example:
        >>> import rustdl
        >>> rustdl.regularizers.get("l2").get_config()
        {'l2': 0.01}
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

    raise unknown_identifier("regularizer", identifier, _ALL)
