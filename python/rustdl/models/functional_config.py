"""Functional models from and to configurations, in the format of Keras 3 (`inbound_nodes` with `__keras_tensor__`)."""

from __future__ import annotations

from typing import Any

from rustdl import tree
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.ops.function import make_node_key
from rustdl.ops.node import Node


def functional_config(model: Any) -> dict[str, Any]:
    """The configuration of a functional model."""
    # Nodes are numbered by their place among those of the model.
    numbers: dict[str, int] = {}
    for operation in model.operations:
        count = 0
        for i in range(len(operation._inbound_nodes)):
            key = make_node_key(operation, i)
            if key in model._nodes:
                numbers[key] = count
                count += 1

    layers = []
    for operation in model.operations:
        nodes = [
            _serialize_node(node, numbers)
            for i, node in enumerate(operation._inbound_nodes)
            if make_node_key(operation, i) in model._nodes and not node.is_input
        ]
        entry = _operation_entry(operation)
        entry["name"] = operation.name
        entry["inbound_nodes"] = nodes
        layers.append(entry)

    def place(x: KerasTensor) -> list[Any]:
        operation, node_index, tensor_index = x._keras_history
        return [operation.name, numbers[make_node_key(operation, node_index)], tensor_index]

    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": tree.map_structure(place, model._inputs_struct),
        "output_layers": tree.map_structure(place, model._outputs_struct),
    }


def _operation_entry(operation: Any) -> dict[str, Any]:
    """The configuration of a layer, or of an op under the name that Keras gives it."""
    from rustdl.ops._symbolic import OpFunction
    from rustdl.saving import serialize_keras_object

    if not isinstance(operation, OpFunction):
        found: dict[str, Any] = serialize_keras_object(operation)
        return found
    name = type(operation).__name__
    return {
        "module": f"keras.src.ops.{_family(operation.function_name)}",
        "class_name": name,
        "config": serialize_keras_object(operation.get_config()),
        "registered_name": name,
    }


def _family(name: str) -> str:
    """The file in which Keras has an op."""
    from rustdl.ops import core, image, linalg, nn, numpy

    for family, module in (("nn", nn), ("linalg", linalg), ("image", image), ("numpy", numpy)):
        if name in dir(module):
            return family
    return "core" if hasattr(core, name) else "math"


def _serialize_node(node: Node, numbers: dict[str, int]) -> dict[str, Any]:
    from rustdl.saving import serialize_keras_object

    def leaf(x: Any) -> Any:
        if not isinstance(x, KerasTensor):
            return serialize_keras_object(x)
        operation, node_index, tensor_index = x._keras_history
        return {
            "class_name": "__keras_tensor__",
            "config": {
                "shape": list(x.shape),
                "dtype": x.dtype,
                "keras_history": [operation.name, numbers[make_node_key(operation, node_index)], tensor_index],
            },
        }

    return {
        "args": [tree.map_structure(leaf, x) for x in node.arguments.args],
        "kwargs": {key: tree.map_structure(leaf, x) for key, x in node.arguments.kwargs.items()},
    }


class _NotYet(Exception):
    """A tensor that is needed has not been made."""


def functional_from_config(cls: Any, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """A functional model from a configuration.

    Args:
        cls: The class of the model.
        config: Made by `functional_config`, here or by Keras.
        custom_objects: Name -> class or function.
    """
    operations: dict[str, Any] = {}
    waiting: dict[str, list[dict[str, Any]]] = {}
    for entry in config["layers"]:
        operations[entry["name"]] = _make_operation(entry, custom_objects)
        waiting[entry["name"]] = list(entry["inbound_nodes"])

    # The calls are repeated in an order in which their inputs exist.
    pending = [entry["name"] for entry in config["layers"] if waiting[entry["name"]]]
    while pending:
        left = []
        for name in pending:
            nodes = waiting[name]
            while nodes:
                try:
                    args, kwargs = _deserialize_node(nodes[0], operations)
                except _NotYet:
                    break
                operations[name](*args, **kwargs)
                nodes.pop(0)
            if nodes:
                left.append(name)
        if left and not _progress(left, operations, waiting):
            raise ValueError(
                f"The configuration of model '{config.get('name')}' has a loop: {left} wait for each other"
            )
        pending = left

    def tensor(place: Any) -> KerasTensor:
        name, node_index, tensor_index = place
        operation = operations[name]
        return operation._inbound_nodes[node_index].output_tensors[tensor_index]  # type: ignore[no-any-return]

    def structure(places: Any) -> Any:
        if _is_place(places):
            return tensor(places)
        if isinstance(places, dict):
            return {key: structure(value) for key, value in places.items()}
        made = [structure(value) for value in places]
        return tuple(made) if isinstance(places, tuple) else made

    return cls(
        inputs=structure(config["input_layers"]),
        outputs=structure(config["output_layers"]),
        name=config.get("name"),
        **({"trainable": config["trainable"]} if config.get("trainable") is not None else {}),
        **{
            k: v
            for k, v in config.items()
            if k not in ("name", "trainable", "layers", "input_layers", "output_layers", "dtype")
        },
    )


def _progress(left: list[str], operations: dict[str, Any], waiting: dict[str, Any]) -> bool:
    """Whether some waiting call could be made now."""
    for name in left:
        try:
            _deserialize_node(waiting[name][0], operations)
        except _NotYet:
            continue
        return True
    return False


def _is_place(x: Any) -> bool:
    return (
        isinstance(x, (list, tuple))
        and len(x) == 3
        and isinstance(x[0], str)
        and all(isinstance(i, int) for i in x[1:])
    )


def _make_operation(entry: dict[str, Any], custom_objects: dict[str, Any] | None) -> Any:
    from rustdl.saving import deserialize_keras_object

    if "module" not in entry:  # as Keras 2 wrote it
        entry = {**entry, "module": "keras.layers"}
    module = str(entry["module"])
    if module.startswith(("keras.src.ops", "keras.ops", "rustdl.ops")) and entry["class_name"] != "Function":
        return operation_from_config(entry)
    operation = deserialize_keras_object(
        {key: value for key, value in entry.items() if key not in ("name", "inbound_nodes")},
        custom_objects=custom_objects,
    )
    if not hasattr(operation, "_inbound_nodes"):
        raise ValueError(
            f"Unexpected object from deserialization, expected a layer or operation, got a {type(operation)}"
        )
    return operation


def operation_from_config(entry: dict[str, Any]) -> Any:
    """The operation of a function of `ops` from its configuration.

    Raises:
        ValueError: No function of this name.
    """
    from rustdl import ops
    from rustdl.ops._symbolic import operation_class
    from rustdl.utils.naming import to_snake_case

    class_name = str(entry["class_name"])
    wanted = to_snake_case(class_name).replace("_", "")
    for name in dir(ops):
        if name.replace("_", "") == wanted and not name.startswith("_"):
            return operation_class(name).from_config(dict(entry.get("config") or {}))
    raise ValueError(f"The operation {class_name!r} of the configuration is not in rustdl.ops")


def _made_tensor(operations: dict[str, Any], name: str, node_index: int, tensor_index: int) -> Any:
    operation = operations.get(name)
    if operation is None:
        raise ValueError(f"Missing node: {name}: the configuration refers to a layer that it does not have")
    if node_index >= len(operation._inbound_nodes):
        raise _NotYet
    outputs = operation._inbound_nodes[node_index].output_tensors
    if not 0 <= tensor_index < len(outputs):
        raise ValueError(
            f"Missing output {tensor_index} of layer '{name}', which has {len(outputs)}: the configuration is damaged"
        )
    return outputs[tensor_index]


def _deserialize_old_node(data: Any, operations: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """A call in the format of Keras 2: `[[layer, node, tensor, kwargs], ...]`."""
    tensors: list[Any] = []
    kwargs: dict[str, Any] = {}
    for entry in [data] if data and isinstance(data[0], str) else data:
        name, node_index, tensor_index, *rest = entry
        tensors.append(_made_tensor(operations, name, node_index, tensor_index))
        kwargs.update(rest[0] if rest else {})
    return [tensors[0] if len(tensors) == 1 else tensors], kwargs


def _deserialize_node(data: Any, operations: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    from rustdl.saving import deserialize_keras_object

    if not isinstance(data, dict):
        return _deserialize_old_node(data, operations)

    def leaf(x: Any) -> Any:
        if isinstance(x, dict):
            if x.get("class_name") == "__keras_tensor__":
                name, node_index, tensor_index = x["config"]["keras_history"]
                return _made_tensor(operations, name, node_index, tensor_index)
            if "class_name" in x and "config" in x:
                return deserialize_keras_object(x)
            return {key: leaf(value) for key, value in x.items()}
        if isinstance(x, list):
            return [leaf(value) for value in x]
        if isinstance(x, tuple):
            return tuple(leaf(value) for value in x)
        return x

    return [leaf(x) for x in data["args"]], {key: leaf(value) for key, value in data["kwargs"].items()}
