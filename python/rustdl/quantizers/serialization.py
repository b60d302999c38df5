"""Quantizers from and to names and configurations."""

from __future__ import annotations

import inspect
from typing import Any


def _classes() -> dict[str, Any]:
    from rustdl.quantizers import calibration_config, quantization_config, quantizer

    classes = (
        quantizer.Quantizer,
        quantizer.AbsMaxQuantizer,
        quantization_config.QuantizationConfig,
        quantization_config.Int8QuantizationConfig,
        quantization_config.Int4QuantizationConfig,
        quantization_config.Float8QuantizationConfig,
        calibration_config.AWQConfig,
        calibration_config.GPTQConfig,
    )
    named = {cls.__name__: cls for cls in classes}
    return {**named, "quantizer": quantizer.Quantizer, "abs_max_quantizer": quantizer.AbsMaxQuantizer}


def serialize(initializer: Any) -> Any:
    """The configuration of a quantizer.

    Args:
        initializer: The quantizer (Keras' name of the argument).
    """
    from rustdl.saving import serialize_keras_object

    return serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The quantizer of a configuration."""
    from rustdl.saving import deserialize_keras_object

    return deserialize_keras_object(config, module_objects=_classes(), custom_objects=custom_objects)


def get(identifier: Any, **kwargs: Any) -> Any:
    """A quantizer from a quantizer, a class, a name, a configuration, or `None`.

    Args:
        identifier: Such as `"abs_max_quantizer"`.
        **kwargs: Arguments for the constructor, where a class or a name is given.

    Raises:
        ValueError: Nothing of the kind.
    """
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        found = deserialize(identifier)
    else:
        found = _classes().get(identifier) if isinstance(identifier, str) else identifier
    if not callable(found):
        raise ValueError(f"Could not interpret quantizer identifier: {identifier}")
    return found(**kwargs) if inspect.isclass(found) else found
