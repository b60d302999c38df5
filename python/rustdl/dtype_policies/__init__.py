"""Dtype policies: in which dtype a layer keeps its weights, and in which it computes."""

from rustdl._lazy import attach

_EXPORTS = {
    "AWQDTypePolicy": "rustdl.dtype_policies.quantized_policy",
    "DTypePolicy": "rustdl.dtype_policies.dtype_policy",
    "DTypePolicyMap": "rustdl.dtype_policies.dtype_policy_map",
    "FloatDTypePolicy": "rustdl.dtype_policies.dtype_policy",
    "GPTQDTypePolicy": "rustdl.dtype_policies.quantized_policy",
    "Int4DTypePolicy": "rustdl.dtype_policies.quantized_policy",
    "QuantizedDTypePolicy": "rustdl.dtype_policies.quantized_policy",
    "QuantizedFloat8DTypePolicy": "rustdl.dtype_policies.quantized_policy",
    "deserialize": "rustdl.dtype_policies.serialization",
    "get": "rustdl.dtype_policies.serialization",
    "serialize": "rustdl.dtype_policies.serialization",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
