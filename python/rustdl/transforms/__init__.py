"""Transformations of functions: gradients of every kind, batching, tapes, rematerialisation, checks."""

from rustdl._lazy import attach

_EXPORTS = {
    "GradientTape": "rustdl.transforms.tape",
    "check_grads": "rustdl.transforms.check",
    "grad": "rustdl.backend.autodiff",
    "hessian": "rustdl.transforms.jacobians",
    "hvp": "rustdl.transforms.products",
    "jacobian": "rustdl.transforms.jacobians",
    "jvp": "rustdl.transforms.products",
    "remat": "rustdl.backend.remat",
    "value_and_grad": "rustdl.backend.autodiff",
    "vjp": "rustdl.transforms.products",
    "vmap": "rustdl.transforms.vmap",
    "zero_grad": "rustdl.transforms.leaves",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
