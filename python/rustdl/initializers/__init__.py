"""Weight initializers, and `get`, `serialize`, `deserialize` for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl.initializers.constant_initializers import STFT, Constant, Identity, Ones, Zeros
from rustdl.initializers.initializer import Initializer
from rustdl.initializers.random_initializers import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)
from rustdl.saving import serialization_lib

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "STFT",
    "STFTInitializer",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "stft",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

IdentityInitializer = Identity
OrthogonalInitializer = Orthogonal
STFTInitializer = STFT
constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
orthogonal = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
stft = STFT
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros

_ALL: dict[str, Any] = {
    name: value for name, value in list(globals().items()) if isinstance(value, type) and issubclass(value, Initializer)
}
_ALL.update({"normal": RandomNormal, "one": Ones, "uniform": RandomUniform, "zero": Zeros})


def serialize(initializer: Any) -> Any:
    """The JSON-able form of an initializer."""
    return serialization_lib.serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The initializer that a config or name stands for.

    Args:
        config: what `serialize` returned, or a name.
        custom_objects: names of your own classes and functions.
    """
    return serialization_lib.deserialize_keras_object(config, module_objects=_ALL, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """An initializer from a name, config, class, callable, or array of values.

    Args:
        identifier: e.g. `"glorot_uniform"`, `{"class_name": ..., "config": ...}`, an instance, a class, a function
            `f(shape, dtype=None)`, a tensor or array with the weight's values, or None.

    Returns:
        A callable `f(shape, dtype=None)`, or None for None.

    Raises:
        ValueError: nothing is known by that name.

    Example:
        >>> import rustdl
        >>> type(rustdl.initializers.get("ones")).__name__
        'Ones'
    """
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        obj = deserialize(identifier)
    elif isinstance(identifier, str):
        obj = deserialize({"class_name": identifier, "config": {}})
    elif backend.is_tensor(identifier) or isinstance(identifier, np.generic | np.ndarray):
        return _from_values(identifier)
    else:
        obj = identifier
    if isinstance(obj, type):
        obj = obj()
    if callable(obj):
        return obj
    from rustdl.utils.suggestions import unknown_identifier

    raise unknown_identifier("initializer", identifier, _ALL)


def _from_values(values: Any) -> Any:
    """An initializer that returns the given values, for exactly their shape."""

    def initialize(shape: Any, dtype: Any = None) -> Any:
        if tuple(shape) != tuple(values.shape):
            raise ValueError(
                f"Expected `shape` to be {tuple(values.shape)} for direct tensor as initializer. Received shape={shape}"
            )
        return ops.cast(values, backend.standardize_dtype(dtype))

    return initialize
