"""Mixed precision under its older names."""

from rustdl._lazy import attach

_EXPORTS = {
    "DTypePolicy": "rustdl.dtype_policies.dtype_policy",
    "LossScaleOptimizer": "rustdl.optimizers.loss_scale_optimizer",
    "Policy": "rustdl.dtype_policies.dtype_policy:DTypePolicy",
    "dtype_policy": "rustdl.dtype_policies.dtype_policy",
    "global_policy": "rustdl.dtype_policies.dtype_policy:dtype_policy",
    "set_dtype_policy": "rustdl.dtype_policies.dtype_policy",
    "set_global_policy": "rustdl.dtype_policies.dtype_policy:set_dtype_policy",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
