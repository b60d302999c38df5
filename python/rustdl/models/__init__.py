"""Models: `Model` (functional and subclassed) and `Sequential`, with saving and cloning."""

from rustdl._lazy import attach

_EXPORTS = {
    "Model": "rustdl.models.model",
    "Sequential": "rustdl.models.sequential",
    "clone_model": "rustdl.models.cloning",
    "load_model": "rustdl.saving.saving_api",
    "model_from_json": "rustdl.models.model",
    "save_model": "rustdl.saving.saving_api",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
