"""HDF5 files as Keras wrote them before `.keras`: a whole model with its compilation, or weights alone.

Weights lie in one group a layer, under the layer's name, in the order of `layer_names` and `weight_names`. A file is
read with the checks of `stores`: no links, no sizes that the stored bytes cannot fill, no code in safe mode; nothing
of a model changes unless everything fits.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from rustdl.saving.atomic import atomic_write
from rustdl.saving.legacy_config import legacy_form, model_from_legacy
from rustdl.saving.serialization_lib import deserialize_keras_object
from rustdl.saving.stores import H5Store, read_dataset, safe_group

# HDF5 keeps attributes below 64 KiB in the object's header; longer lists are cut into numbered parts.
_ATTRIBUTE_LIMIT = 64512
_MODEL_WEIGHTS = "model_weights"
_TOP_LEVEL = "top_level_model_weights"
_OPTIMIZER_WEIGHTS = "optimizer_weights"
_COMPILE_ARGUMENTS = ("loss", "metrics", "weighted_metrics", "loss_weights")


def save_model(model: Any, filepath: Any, include_optimizer: bool = True) -> None:
    """Writes a model with its weights, and the optimizer's state.

    Args:
        model: A sequential or functional model.
        filepath: A path that ends in `.h5` or `.hdf5`; folders on the way are made.
        include_optimizer: Whether to write compilation and state.
    """
    from rustdl.saving.saving_lib import FORMAT_VERSION

    attributes: dict[str, Any] = {"keras_version": FORMAT_VERSION, "backend": "rustdl"}
    attributes["model_config"] = json.dumps(legacy_form(model))
    optimizer = getattr(model, "optimizer", None) if include_optimizer else None
    if optimizer is not None and model.compiled:
        attributes["training_config"] = json.dumps(_training_config(model))
    path = os.fspath(filepath)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with atomic_write(path) as temporary:
        store = H5Store(temporary, "w")
        try:
            store.file.attrs.update(attributes)
            _write_layers(store.file.create_group(_MODEL_WEIGHTS), model, FORMAT_VERSION)
            if optimizer is not None and optimizer.built:
                _write_weights(store.file.create_group(_OPTIMIZER_WEIGHTS), optimizer.variables)
        finally:
            store.close()


def _training_config(model: Any) -> dict[str, Any]:
    config = model.get_compile_config()
    optimizer = config.pop("optimizer")
    name = optimizer.get("registered_name") or optimizer["class_name"]
    return {**config, "optimizer_config": {"class_name": name, "config": optimizer["config"]}}


def _write_layers(group: Any, model: Any, version: str) -> None:
    _write_names(group, "layer_names", [layer.name for layer in model.layers])
    group.attrs.update({"backend": "rustdl", "keras_version": version})
    for layer in sorted(model.layers, key=lambda layer: layer.name):
        _write_weights(group.create_group(layer.name), _weights(layer))
    _write_weights(group.create_group(_TOP_LEVEL), _own_weights(model))


def _weights(layer: Any) -> list[Any]:
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _own_weights(model: Any) -> list[Any]:
    """The weights that belong to the model itself and not to a layer of it."""
    inside = {id(w) for layer in model.layers for w in layer.weights}
    own = [*model._trainable_variables, *model._non_trainable_variables]
    known = {id(w) for w in model.weights}
    return [w for w in own if id(w) in known and id(w) not in inside]


def _write_weights(group: Any, weights: list[Any]) -> None:
    _write_names(group, "weight_names", [w.path for w in weights])
    for weight in weights:
        value = np.asarray(weight.numpy())
        if str(value.dtype) == "bfloat16":
            value = value.astype("float32")
        group.create_dataset(weight.path, data=value)


def _write_names(group: Any, attribute: str, names: list[str]) -> None:
    values = np.array([name.encode() for name in names])
    if any(len(name) > _ATTRIBUTE_LIMIT for name in values):
        raise ValueError(f"HDF5 cannot hold names of more than {_ATTRIBUTE_LIMIT} bytes: {attribute}")
    parts = 1
    while any(part.nbytes > _ATTRIBUTE_LIMIT for part in np.array_split(values, parts)):
        parts += 1
    if parts == 1:
        group.attrs[attribute] = values
        return
    for i, part in enumerate(np.array_split(values, parts)):
        group.attrs[f"{attribute}{i}"] = part


def load_model(filepath: Any, custom_objects: Any = None, compile: bool = True, safe_mode: bool = True) -> Any:
    """Reads what `save_model`, or Keras up to version 3, wrote.

    Args:
        filepath: The file.
        custom_objects: Names of your own classes and functions.
        compile: Whether to compile the model as it was, with the optimizer's state.
        safe_mode: Refuse Python code in the file.

    Raises:
        ValueError: No model in the file, damage, code in safe mode, or weights that do not fit.
        TypeError: A class that is unknown.
    """
    store = H5Store(filepath, "r")
    try:
        config = _json_attribute(store.file, "model_config", filepath)
        if config is None:
            raise ValueError(
                f"No model config found in the file at {filepath}: it may hold weights only, which `load_weights` reads"
            )
        model = model_from_legacy(config, custom_objects, safe_mode)
        _load_weights(store._h5py, _weights_group(store, filepath), model)
        if compile:
            training = _json_attribute(store.file, "training_config", filepath)
            if training is None:
                warnings.warn(
                    "No training configuration found in the save file, so the model was *not* compiled. Compile it "
                    "manually.",
                    stacklevel=3,
                )
            else:
                _compile(model, training, custom_objects, safe_mode)
                _load_optimizer(store, model)
    finally:
        store.close()
    return model


def load_weights(model: Any, filepath: Any, by_name: bool = False, skip_mismatch: bool = False) -> None:
    """Reads the weights of an older file, of a whole model or of weights alone.

    Args:
        model: A built model.
        filepath: The file.
        by_name: Give weights to the layers of the same names; else to all layers in their order.
        skip_mismatch: Warn about layers that do not fit, and load the others.

    Raises:
        ValueError: Weights that do not fit; the model's are then as before.
    """
    store = H5Store(filepath, "r")
    try:
        _load_weights(store._h5py, _weights_group(store, filepath), model, by_name, skip_mismatch)
    finally:
        store.close()


def _weights_group(store: H5Store, filepath: Any) -> Any:
    if "layer_names" in store.file.attrs or "layer_names0" in store.file.attrs:
        return store.file
    group = safe_group(store._h5py, store.file, _MODEL_WEIGHTS)
    if group is None:
        raise ValueError(f"No weights in the older form of Keras in the file at {filepath}")
    return group


def _json_attribute(file: Any, name: str, filepath: Any) -> Any:
    if name not in file.attrs:
        return None
    text = file.attrs[name]
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"The attribute {name!r} of {filepath} is damaged: {error}") from error


def _names(group: Any, attribute: str) -> list[str]:
    """A list of names, which may be cut into numbered parts."""
    if attribute in group.attrs:
        parts = [group.attrs[attribute]]
    else:
        parts = []
        while f"{attribute}{len(parts)}" in group.attrs:
            parts.append(group.attrs[f"{attribute}{len(parts)}"])
    return [n.decode() if isinstance(n, bytes) else str(n) for part in parts for n in np.ravel(part)]


def _arrays(h5py: Any, group: Any) -> list[Any]:
    """The values of one layer, in order."""
    found = []
    for name in _names(group, "weight_names"):
        folder, _, last = name.rpartition("/")
        parent = safe_group(h5py, group, folder)
        if parent is None or last not in parent:
            raise ValueError(f"Damaged HDF5 file: {group.name!r} names the weight {name!r}, which is not there")
        found.append(read_dataset(h5py, parent, last))
    return found


def _load_weights(h5py: Any, group: Any, model: Any, by_name: bool = False, skip_mismatch: bool = False) -> None:
    if not model.built:
        if not any(_names(_group_of(h5py, group, name), "weight_names") for name in _names(group, "layer_names")):
            return  # nothing to load
        raise ValueError(
            "You are loading weights into a model that has not yet been built. Try building the model first by calling "
            "it on some data or by using `build()`."
        )
    pairs = _layers_by_name(h5py, group, model) if by_name else _layers_in_order(h5py, group, model)
    top = safe_group(h5py, group, _TOP_LEVEL)
    targets = [*pairs, *([(_own_weights(model), _arrays(h5py, top), "top-level model")] if top is not None else [])]
    # Everything is read and compared before the first variable changes.
    assignments: list[tuple[Any, Any]] = []
    for weights, values, what in targets:
        problem = _mismatch(weights, values, what)
        if problem is None:
            assignments.extend(zip(weights, values, strict=True))
        elif skip_mismatch:
            warnings.warn(f"Skipping loading weights for {what}: {problem}", stacklevel=4)
        else:
            raise ValueError(problem)
    for weight, value in assignments:
        weight.assign(value)
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state") and layer.weights:
            layer.finalize_state()


def _group_of(h5py: Any, group: Any, name: str) -> Any:
    found = safe_group(h5py, group, name)
    if found is None:
        raise ValueError(f"Damaged HDF5 file: the layer {name!r} is named but not there")
    return found


def _layers_in_order(h5py: Any, group: Any, model: Any) -> Iterator[tuple[list[Any], list[Any], str]]:
    names = [n for n in _names(group, "layer_names") if _names(_group_of(h5py, group, n), "weight_names")]
    layers = [layer for layer in model.layers if _weights(layer)]
    if len(names) != len(layers):
        raise ValueError(
            f"Layer count mismatch when loading weights from file. Model expected {len(layers)} layers, found "
            f"{len(names)} saved layers."
        )
    for number, (name, layer) in enumerate(zip(names, layers, strict=True)):
        what = f"layer #{number} (named {layer.name} in the current model, {name} in the save file)"
        yield _weights(layer), _arrays(h5py, _group_of(h5py, group, name)), what


def _layers_by_name(h5py: Any, group: Any, model: Any) -> Iterator[tuple[list[Any], list[Any], str]]:
    for number, name in enumerate(_names(group, "layer_names")):
        for layer in model.layers:
            if layer.name == name:
                what = f"layer #{number} (named {name})"
                yield _weights(layer), _arrays(h5py, _group_of(h5py, group, name)), what


def _mismatch(weights: list[Any], values: list[Any], what: str) -> str | None:
    if len(weights) != len(values):
        return (
            f"Weight count mismatch for {what}. Layer expects {len(weights)} weight(s). Received {len(values)} saved "
            "weight(s)"
        )
    for weight, value in zip(weights, values, strict=True):
        if tuple(weight.shape) != value.shape:
            return (
                f"Shape mismatch in {what} for weight {weight.path}. Weight expects shape {tuple(weight.shape)}. "
                f"Received saved weight with shape {value.shape}"
            )
    return None


def _compile(model: Any, training: dict[str, Any], custom_objects: Any, safe_mode: bool) -> None:
    from rustdl import losses, metrics, optimizers
    from rustdl.saving.object_registration import CustomObjectScope
    from rustdl.saving.serialization_lib import SafeModeScope

    def made(config: Any, deserialize: Any) -> Any:
        """Names stay names: `compile` knows them, and the logs call the metric as it was called."""
        if config is None or isinstance(config, str | int | float):
            return config
        if isinstance(config, dict) and "class_name" in config:
            if "module" in config:
                return deserialize_keras_object(config)
            return deserialize(config)
        if isinstance(config, dict):
            return {key: made(value, deserialize) for key, value in config.items()}
        return [made(value, deserialize) for value in config]

    with CustomObjectScope(custom_objects or {}), SafeModeScope(safe_mode):
        optimizer = training["optimizer_config"]
        known = {
            key: value for key, value in optimizer["config"].items() if key not in ("decay", "is_legacy_optimizer")
        }
        deserializers = (losses.deserialize, metrics.deserialize, metrics.deserialize, None)
        arguments = {
            name: made(training.get(name), deserialize)
            for name, deserialize in zip(_COMPILE_ARGUMENTS, deserializers, strict=True)
        }
        model.compile(optimizer=optimizers.deserialize({**optimizer, "config": known}), **arguments)


def _load_optimizer(store: H5Store, model: Any) -> None:
    group = safe_group(store._h5py, store.file, _OPTIMIZER_WEIGHTS)
    if group is None:
        return
    model.optimizer.build(model.trainable_variables)
    values = _arrays(store._h5py, group)
    problem = _mismatch(model.optimizer.variables, values, "optimizer")
    if problem is not None:
        warnings.warn(
            "The saved optimizer state does not fit, so the model starts with a freshly initialized optimizer. "
            f"{problem}",
            stacklevel=4,
        )
        return
    model.optimizer.set_weights(values)
