"""Layers of Keras that wrap functions or modules of JAX, Flax, TensorFlow and PyTorch: refused."""

from __future__ import annotations

from rustdl.utils.unsupported import refused_class


def _reason(what: str, instead: str) -> str:
    return f"it runs {what}, whose tensors and gradients are not rustdl's. {instead}"


FlaxLayer = refused_class(
    __name__,
    "FlaxLayer",
    _reason("a Flax module", "Write it as a `rustdl.Layer` and copy its parameters with `set_weights`."),
)
JaxLayer = refused_class(
    __name__,
    "JaxLayer",
    _reason("a JAX function", "Write it with `rustdl.ops`, whose functions have the names and semantics of NumPy."),
)
TFSMLayer = refused_class(
    __name__,
    "TFSMLayer",
    _reason("a TensorFlow SavedModel", "Load the model with Keras and save it as `.keras`, which `load_model` reads."),
)
TorchModuleWrapper = refused_class(
    __name__,
    "TorchModuleWrapper",
    _reason("a PyTorch module", "Write it as a `rustdl.Layer`; weights come over by `.safetensors` or `set_weights`."),
)
