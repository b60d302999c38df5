"""Saving and loading of models, weights and configurations."""

from rustdl._lazy import attach

_EXPORTS = {
    "KerasFileEditor": "rustdl.saving.file_editor",
    "CustomObjectScope": "rustdl.saving.object_registration",
    "custom_object_scope": "rustdl.saving.object_registration:CustomObjectScope",
    "deserialize_keras_object": "rustdl.saving.serialization_lib",
    "get_custom_objects": "rustdl.saving.object_registration",
    "get_registered_name": "rustdl.saving.object_registration",
    "get_registered_object": "rustdl.saving.object_registration",
    "load_model": "rustdl.saving.saving_api",
    "load_weights": "rustdl.saving.saving_api",
    "register_keras_serializable": "rustdl.saving.object_registration",
    "save_model": "rustdl.saving.saving_api",
    "save_weights": "rustdl.saving.saving_api",
    "serialize_keras_object": "rustdl.saving.serialization_lib",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
