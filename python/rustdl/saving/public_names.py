"""The closed table between names in files (`keras.layers.Dense`) and classes of this package.

A file never decides what is imported: only the namespaces listed here are ever looked into.
"""

from __future__ import annotations

import importlib
import types
from typing import Any

# Shorter names first: a class that is public in two places is written under the first.
_NAMESPACES: tuple[str, ...] = (
    "keras",
    "keras.activations",
    "keras.constraints",
    "keras.distillation",
    "keras.dtype_policies",
    "keras.initializers",
    "keras.layers",
    "keras.losses",
    "keras.metrics",
    "keras.models",
    "keras.ops",
    "keras.optimizers",
    "keras.optimizers.schedules",
    "keras.quantizers",
    "keras.random",
    "keras.regularizers",
)

# Classes that Keras does not export but writes into files by the path of their source.
_INTERNAL: dict[str, str] = {
    "keras.src.applications.convnext.LayerScale": "rustdl.applications.convnext",
    "keras.src.applications.convnext.StochasticDepth": "rustdl.applications.convnext",
    "keras.src.applications.inception_resnet_v2.CustomScaleLayer": "rustdl.applications.inception_resnet_v2",
    "keras.src.models.functional.Functional": "rustdl.models.functional",
    "keras.src.layers.input_spec.InputSpec": "rustdl.layers.input_spec",
    **{
        f"keras.src.layers.preprocessing.feature_space.{name}": "rustdl.layers.preprocessing.feature_space"
        for name in ("Cross", "Feature", "TFDConcat", "TFDIdentity")
    },
}

# Single classes of namespaces whose other names files have no business with.
_SINGLE: dict[str, str] = {"keras.utils.FeatureSpace": "rustdl.layers.preprocessing.feature_space"}

# Functions of the namespaces above that do work on files, the network or this process.
_FORBIDDEN = frozenset({"load_model", "save_model", "model_from_json", "clone_model", "Input", "Model", "Variable"})

# Classes whose public name is not their own.
_EXPORTED_AS: dict[str, str] = {"GroupedQueryAttention": "GroupQueryAttention"}

_names: dict[Any, str | None] = {}


def _namespace(path: str) -> Any:
    """The rustdl module behind a `keras...` namespace, or None when it is not in the table."""
    if path not in _NAMESPACES:
        return None
    try:
        return importlib.import_module("rustdl" + path[len("keras") :])
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("rustdl"):
            return None
        raise


def _is_ours(obj: Any) -> bool:
    module = getattr(obj, "__module__", None)
    return isinstance(module, str) and (module == "rustdl" or module.startswith("rustdl."))


def symbol_from_name(path: str) -> Any:
    """The class or function with a public name such as `keras.layers.Dense`; None when there is none.

    Args:
        path: dotted public name; `rustdl.` is accepted in place of `keras.`.
    """
    if path.startswith("rustdl."):
        path = "keras." + path[len("rustdl.") :]
    single = _INTERNAL.get(path) or _SINGLE.get(path)
    if single is not None:
        return getattr(importlib.import_module(single), path.rpartition(".")[2], None)
    namespace, _, name = path.rpartition(".")
    if name.startswith("_") or (name in _FORBIDDEN and path != "keras.Model"):
        return None
    module = _namespace(namespace)
    found = getattr(module, name, None) if module is not None else None
    if isinstance(found, type):
        return found if _is_ours(found) else None
    if isinstance(found, types.FunctionType | types.BuiltinFunctionType):
        return found
    return None


def name_from_symbol(obj: Any) -> str | None:
    """The public name of a class or function of this package, or None."""
    if not _is_ours(obj) or file_module(obj) + "." + obj.__name__ in _INTERNAL:
        return None
    if obj in _names:
        return _names[obj]
    name = _EXPORTED_AS.get(obj.__name__, obj.__name__)
    found = next((p for p, m in _SINGLE.items() if (m, p.rpartition(".")[2]) == (obj.__module__, obj.__name__)), None)
    for namespace in _NAMESPACES:
        module = _namespace(namespace)
        # `vars` would miss what a lazy module has not loaded yet.
        if found is None and module is not None and getattr(module, name, None) is obj:
            found = f"{namespace}.{name}"
            break
    _names[obj] = found
    return found


def file_module(obj: Any) -> str:
    """What a file's `module` field says for a class that has no public name."""
    module = str(obj.__module__)
    return "keras.src" + module[len("rustdl") :] if _is_ours(obj) else module
