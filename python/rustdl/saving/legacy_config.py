"""Configurations in the older form of Keras: `{"class_name", "config"}` without modules, as HDF5 model files hold them.

Keras 2 and the HDF5 files of Keras 3 name classes without saying where they live. Reading adds the module, so that
classes are looked up in the same closed table as for `.keras` files; writing takes it away.
"""

from __future__ import annotations

from typing import Any

from rustdl.saving.public_names import symbol_from_name
from rustdl.saving.serialization_lib import MAX_DEPTH, deserialize_keras_object, serialize_keras_object

_LAYERS = "keras.layers"
_MODELS = {
    "Functional": "keras.src.models.functional",
    "Model": "keras.src.models.functional",
    "Sequential": "keras.models",
}
# Settings of Keras 2 that say how something was computed there and not what.
_GONE = (
    "time_major",
    "implementation",
    "ragged",
    "module",
    "function_type",
    "output_shape_type",
    "output_shape_module",
)


def model_from_legacy(config: Any, custom_objects: dict[str, Any] | None = None, safe_mode: bool = True) -> Any:
    """The model that an older configuration describes, without its weights.

    Args:
        config: `{"class_name", "config"}` out of JSON.
        custom_objects: Names of your own classes and functions.
        safe_mode: Refuse Python code.

    Raises:
        ValueError: Not such a configuration, or one with code in safe mode.
        TypeError: A class that is unknown.
    """
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict | list):
        raise ValueError(
            "The configuration in the file is not a model's: expected a dict with `class_name` and `config`. "
            f"Received: {str(config)[:200]}"
        )
    return deserialize_keras_object(with_modules(config, 0), custom_objects, safe_mode=safe_mode)


def with_modules(entry: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """An older configuration of a layer or model in the newer form.

    Args:
        entry: `{"class_name", "config"}`, with `name` and `inbound_nodes` inside a functional model.
        depth: Models around it.

    Raises:
        ValueError: It is nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"The config is nested more than {MAX_DEPTH} levels deep: it is damaged or hostile.")
    if "module" in entry:
        return entry
    class_name = str(entry.get("class_name"))
    config = entry.get("config")
    if isinstance(config, list):  # the Sequential models of Keras 1
        config = {"layers": config}
    config = dict(config or {})
    module = _MODELS.get(class_name, _LAYERS)
    if class_name == "Model":
        class_name = "Functional"
    if _is_operation(entry, class_name):
        module = "keras.src.ops"
    if isinstance(config.get("layers"), list):
        layers = [with_modules(layer, depth + 1) for layer in config["layers"]]
        config["layers"] = _with_input(layers) if class_name == "Sequential" else layers
        config.setdefault("name", None)
    for key in ("layer", "cell", "forward_layer", "backward_layer"):
        inner = config.get(key)
        if isinstance(inner, dict) and "class_name" in inner:
            config[key] = with_modules(inner, depth + 1)
    config = _updated(class_name, config)
    found: dict[str, Any] = {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": class_name,
    }
    if module != _LAYERS or symbol_from_name(f"{_LAYERS}.{class_name}") is not None:
        found["registered_name"] = None
    return {**entry, **found}


def _is_operation(entry: dict[str, Any], class_name: str) -> bool:
    """Whether an entry is a call of a function of `ops`: a name that is no layer's, or two tensors side by side."""
    nodes = entry.get("inbound_nodes")
    if not nodes or not isinstance(nodes[0], dict):
        return False
    several = len(nodes[0].get("args", ())) > 1 and class_name in ("Add", "Subtract", "Multiply", "Maximum", "Minimum")
    return several or (class_name in ("TrueDivide", "GetItem", "Power", "Negative", "Divide"))


def _updated(class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Settings as they are called now."""
    gone = _GONE if class_name != "InputLayer" else ()
    config = {key: value for key, value in config.items() if key not in gone}
    shape = config.pop("batch_input_shape", None)
    if class_name == "InputLayer":
        if shape is not None:
            config["batch_shape"] = shape
        if not config.get("ragged"):
            config.pop("ragged", None)
    elif shape is not None:
        config["_batch_input_shape"] = shape
    axis = config.get("axis")
    if isinstance(axis, list) and len(axis) == 1 and class_name != "LayerNormalization":
        config["axis"] = int(axis[0])
    dtype = config.get("dtype")
    if isinstance(dtype, dict) and dtype.get("class_name") == "Policy":
        config["dtype"] = dtype["config"]["name"]
    if class_name == "Lambda" and isinstance(config.get("function"), list):
        code, defaults, closure = config["function"]
        config["function"] = {
            "class_name": "__lambda__",
            "config": {"code": code, "defaults": defaults, "closure": closure},
        }
    return config


def _with_input(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The layers of a sequential model, an input first where only the first layer told the shape."""
    found = []
    for i, layer in enumerate(layers):
        shape = layer["config"].pop("_batch_input_shape", None)
        if i == 0 and shape is not None:
            name = f"{layer['config'].get('name', 'first')}_input"
            dtype = layer["config"].get("dtype") if layer["class_name"] == "Embedding" else None
            config = {"batch_shape": shape, "name": name, **({"dtype": dtype} if isinstance(dtype, str) else {})}
            found.append({"module": _LAYERS, "class_name": "InputLayer", "config": config, "registered_name": None})
        found.append(layer)
    return found


def legacy_form(model: Any) -> dict[str, Any]:
    """The older configuration of a model."""
    return _without_modules(serialize_keras_object(model))


def _without_modules(entry: dict[str, Any]) -> dict[str, Any]:
    module = str(entry.get("module"))
    if ".ops" in module:
        return entry
    config = dict(entry["config"])
    if isinstance(config.get("layers"), list):
        config["layers"] = [_without_modules(layer) for layer in config["layers"]]
    found = {"class_name": entry.get("registered_name") or entry["class_name"], "config": config}
    return {**found, **{key: entry[key] for key in ("name", "inbound_nodes") if key in entry}}
