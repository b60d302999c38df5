"""Layers to JSON-able dicts and back."""

from __future__ import annotations

from typing import Any

from rustdl.layers.layer import Layer
from rustdl.saving import serialization_lib


def serialize(layer: Any) -> Any:
    """The JSON-able form of a layer.

    Args:
        layer: the layer.

    Example:
        >>> import rustdl
        >>> rustdl.layers.serialize(rustdl.layers.Flatten())["class_name"]
        'Flatten'
    """
    return serialization_lib.serialize_keras_object(layer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The layer that a config stands for.

    Args:
        config: what `serialize` returned.
        custom_objects: names of your own classes.

    Raises:
        ValueError: the config stands for something else.
    """
    layer = serialization_lib.deserialize_keras_object(config, custom_objects=custom_objects)
    if not isinstance(layer, Layer):
        raise ValueError(
            "`keras.layers.deserialize` was passed a `config` object that is not a `keras.layers.Layer`. "
            f"Received: {config}"
        )
    return layer
