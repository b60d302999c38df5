"""Configurations in the form of Keras 2."""

from rustdl._lazy import attach

_EXPORTS = {
    "deserialize_keras_object": "rustdl.legacy.saving.serialization",
    "serialize_keras_object": "rustdl.legacy.saving.serialization",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
