"""rustdl: deep learning on the CPU, with the API of Keras 3 over an engine in Rust.

`import rustdl as keras` runs a Keras script. Everything is imported at its first use: importing the package itself
loads numpy and the extension only.
"""

from rustdl import _rustdl as _rustdl
from rustdl._lazy import attach
from rustdl.errors import RustdlError

__version__: str = _rustdl.__version__

_EXPORTS = {
    "DTypePolicy": "rustdl.dtype_policies.dtype_policy",
    "FloatDTypePolicy": "rustdl.dtype_policies.dtype_policy",
    "Function": "rustdl.ops.function",
    "GradientTape": "rustdl.transforms.tape",
    "Initializer": "rustdl.initializers.initializer",
    "Input": "rustdl.layers.core.input_layer",
    "InputSpec": "rustdl.layers.input_spec",
    "KerasTensor": "rustdl.backend.keras_tensor",
    "Layer": "rustdl.layers.layer",
    "Loss": "rustdl.losses.loss",
    "Metric": "rustdl.metrics.metric",
    "Model": "rustdl.models.model",
    "Operation": "rustdl.ops.operation",
    "Optimizer": "rustdl.optimizers.optimizer",
    "Quantizer": "rustdl.quantizers.quantizer",
    "Regularizer": "rustdl.regularizers.regularizers",
    "RematScope": "rustdl.backend.remat",
    "Sequential": "rustdl.models.sequential",
    "StatelessScope": "rustdl.backend.stateless_scope",
    "SymbolicScope": "rustdl.backend.symbolic_scope",
    "Tensor": "rustdl._rustdl",
    "Variable": "rustdl.backend.variable",
    "check_grads": "rustdl.transforms.check",
    "checkpoint": "rustdl.backend.remat",
    "convert": "rustdl._rustdl",
    "custom_gradient": "rustdl.ops.core",
    "debug_print": "rustdl.debugging.printing",
    "device": "rustdl.backend.device_scope",
    "draw_graph": "rustdl.debugging.graph_picture",
    "grad": "rustdl.backend.autodiff",
    "hessian": "rustdl.transforms.jacobians",
    "hvp": "rustdl.transforms.products",
    "jacobian": "rustdl.transforms.jacobians",
    "jit": "rustdl.backend.jit",
    "jvp": "rustdl.transforms.products",
    "live_tensors": "rustdl._rustdl",
    "name_scope": "rustdl.backend.name_scope",
    "num_threads": "rustdl._rustdl",
    "numpy_op": "rustdl.transforms.numpy_op",
    "profile": "rustdl.debugging.profile",
    "remat": "rustdl.backend.remat",
    "set_num_threads": "rustdl._rustdl",
    "stop_gradient": "rustdl.ops.core",
    "value_and_grad": "rustdl.backend.autodiff",
    "vjp": "rustdl.transforms.products",
    "vmap": "rustdl.transforms.vmap",
    "zero_grad": "rustdl.transforms.leaves",
}

_lazy_get, __dir__, _names = attach(__name__, _EXPORTS)
__all__ = [*_names, "RustdlError", "version"]  # noqa: PLE0604  (strings all of them)


def __getattr__(name: str) -> object:
    return _lazy_get(name)


def version() -> str:
    """The version of the library.

    Example:
        >>> import rustdl
        >>> rustdl.version() == rustdl.__version__
        True
    """
    return __version__
