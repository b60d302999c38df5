"""Settings of the process."""

from rustdl._lazy import attach

_EXPORTS = {
    "backend": "rustdl.backend.config",
    "debug_nans": "rustdl.debugging.nans",
    "disable_flash_attention": "rustdl.backend.config",
    "disable_interactive_logging": "rustdl.utils.io_utils",
    "disable_traceback_filtering": "rustdl.utils.traceback_utils",
    "dtype_policy": "rustdl.dtype_policies.dtype_policy",
    "enable_flash_attention": "rustdl.backend.config",
    "enable_interactive_logging": "rustdl.utils.io_utils",
    "enable_traceback_filtering": "rustdl.utils.traceback_utils",
    "enable_unsafe_deserialization": "rustdl.saving.serialization_lib",
    "epsilon": "rustdl.backend.config",
    "floatx": "rustdl.backend.config",
    "image_data_format": "rustdl.backend.config",
    "is_flash_attention_enabled": "rustdl.backend.config",
    "is_interactive_logging_enabled": "rustdl.utils.io_utils",
    "is_nnx_enabled": "rustdl.backend.config",
    "is_traceback_filtering_enabled": "rustdl.utils.traceback_utils",
    "max_epochs": "rustdl.backend.config",
    "max_steps_per_epoch": "rustdl.backend.config",
    "set_backend": "rustdl.backend.config",
    "set_dtype_policy": "rustdl.dtype_policies.dtype_policy",
    "set_epsilon": "rustdl.backend.config",
    "set_floatx": "rustdl.backend.config",
    "set_image_data_format": "rustdl.backend.config",
    "set_max_epochs": "rustdl.backend.config",
    "set_max_steps_per_epoch": "rustdl.backend.config",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
