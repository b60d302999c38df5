"""Dtype policies from and to names and configurations."""

from __future__ import annotations

from typing import Any

from rustdl.dtype_policies.dtype_policy import (
    QUANTIZATION_MODES,
    DTypePolicy,
    FloatDTypePolicy,
    dtype_policy,
)


def _classes() -> dict[str, Any]:
    from rustdl.dtype_policies import quantized_policy as quantized
    from rustdl.dtype_policies.dtype_policy_map import DTypePolicyMap

    classes = (
        DTypePolicy,
        FloatDTypePolicy,
        DTypePolicyMap,
        quantized.QuantizedDTypePolicy,
        quantized.QuantizedFloat8DTypePolicy,
        quantized.Int4DTypePolicy,
        quantized.GPTQDTypePolicy,
        quantized.AWQDTypePolicy,
    )
    return {cls.__name__: cls for cls in classes}


def serialize(dtype_policy: Any) -> Any:
    """The configuration of a policy."""
    from rustdl.saving import serialize_keras_object

    return serialize_keras_object(dtype_policy)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The policy of a configuration."""
    from rustdl.saving import deserialize_keras_object

    if isinstance(config, dict) and config.get("class_name") in _classes() and not custom_objects:
        return _classes()[config["class_name"]].from_config(config["config"])
    return deserialize_keras_object(config, module_objects=_classes(), custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """A policy from a policy, a name, a dtype, a configuration, or `None` (the global policy).

    Raises:
        ValueError: Nothing of the kind.
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        if identifier.startswith(QUANTIZATION_MODES):
            from rustdl.dtype_policies.quantized_policy import policy_of_name

            return policy_of_name(identifier)
        return DTypePolicy(identifier)
    try:
        from rustdl.backend.dtypes import standardize_dtype

        return DTypePolicy(standardize_dtype(identifier))
    except ValueError:
        raise ValueError(
            "Cannot interpret `dtype` argument. Expected a string or an instance of DTypePolicy. "
            f"Received: dtype={identifier}"
        ) from None
