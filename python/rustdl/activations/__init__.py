"""Activation functions, and `get`, `serialize`, `deserialize` for them."""

from __future__ import annotations

import types
from typing import Any

from rustdl.activations.activations import (
    celu,
    elu,
    exponential,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    linear,
    log_sigmoid,
    log_softmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    tanh,
    tanh_shrink,
    threshold,
)
from rustdl.saving import object_registration, serialization_lib

__all__ = [
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

swish = silu
hard_swish = hard_silu

_ALL: dict[str, Any] = {name: value for name, value in list(globals().items()) if isinstance(value, types.FunctionType)}


def serialize(activation: Any) -> Any:
    """The name of a built-in activation, or the config of any other.

    Raises:
        ValueError: an object that cannot be written.
    """
    config = serialization_lib.serialize_keras_object(activation)
    if "config" not in config:
        raise ValueError(
            f"Unknown activation function '{activation}' cannot be serialized. Use a name of `rustdl.activations` or "
            "`@keras.saving.register_keras_serializable()` to register a custom activation."
        )
    if not isinstance(activation, types.FunctionType):
        return config
    name: str = activation.__name__
    if _ALL.get(name) is activation:
        return name
    if isinstance(config["config"], str):
        config["config"] = object_registration.get_registered_name(activation)
    return config


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The activation that a config or name stands for."""
    return serialization_lib.deserialize_keras_object(config, module_objects=_ALL, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """An activation from a name, config or callable; `linear` for None.

    Args:
        identifier: e.g. `"relu"`, a config, a function, a layer.

    Raises:
        ValueError: nothing is known by that name.

    Example:
        >>> import rustdl
        >>> rustdl.activations.get("swish") is rustdl.activations.silu
        True
    """
    if identifier is None:
        return linear
    obj = identifier
    if isinstance(identifier, dict):
        obj = serialization_lib.deserialize_keras_object(identifier)
    elif isinstance(identifier, str):
        obj = _ALL.get(identifier)
        if obj is None:
            obj = object_registration.get_registered_object(identifier)
    if callable(obj):
        return obj
    from rustdl.utils.suggestions import unknown_identifier

    raise unknown_identifier("activation function", identifier, _ALL)
