"""Knowledge distillation: a small model learns from the outputs or the features of a large one."""

from rustdl._lazy import attach

_EXPORTS = {
    "DistillationLoss": "rustdl.distillation.distillation_loss",
    "Distiller": "rustdl.distillation.distiller",
    "FeatureDistillation": "rustdl.distillation.distillation_loss",
    "LogitsDistillation": "rustdl.distillation.distillation_loss",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
