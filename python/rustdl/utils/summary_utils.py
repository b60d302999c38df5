"""The table that `Model.summary()` prints."""

from __future__ import annotations

import math
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from typing import Any

from rustdl import tree
from rustdl.backend.dtypes import standardize_dtype
from rustdl.utils.table import render

_BITS = {"bool": 8, "bfloat16": 16, "string": 0, "complex64": 64, "complex128": 128}


def _bits(dtype: Any) -> int:
    name = standardize_dtype(dtype)
    found = _BITS.get(name)
    return int(re.sub(r"\D", "", name.partition("_")[0])) if found is None else found


def count_params(weights: Iterable[Any]) -> int:
    """The number of elements of variables, each counted once."""
    return sum(math.prod(v.shape) for v in {id(v): v for v in weights}.values())


def weight_memory_size(weights: Iterable[Any]) -> float:
    """The bytes of variables, each counted once."""
    return float(sum(math.prod(v.shape) * _bits(v.dtype) / 8 for v in {id(v): v for v in weights}.values()))


def readable_memory_size(size: float) -> str:
    """A number of bytes with its unit.

    Example:
        >>> readable_memory_size(217640)
        '212.54 KB'
    """
    units = ["B", "KB", "MB", "GB", "TB", "PB"]
    for i, unit in enumerate(units):
        if size < 1024 or i == len(units) - 1:
            return f"{size:.2f} {unit}"
        size /= 1024
    raise AssertionError


def is_sequential_like(model: Any) -> bool:
    """Whether the layers form a chain in which no layer is used twice."""
    from rustdl.models.functional import Functional

    if not isinstance(model, Functional):
        return True
    nodes = []
    for level in model._nodes_by_depth.values():
        if len(level) > 1 or len(level[0].input_tensors) > 1:
            return False
        nodes.extend(level)
    known = {id(node) for node in nodes}
    return all(sum(id(node) in known for node in layer._inbound_nodes) <= 1 for layer in model.layers)


def format_layer_shape(layer: Any) -> str:
    """The shape of a layer's outputs as text, `?` where it is not known."""
    if not layer._inbound_nodes and not getattr(layer, "_build_shapes_dict", None):
        return "?"
    if layer._inbound_nodes:
        shapes: Any = [x.shape for x in layer._inbound_nodes[0].output_tensors]
        shapes = shapes[0] if len(shapes) == 1 else shapes
    else:
        try:
            shapes = layer.compute_output_shape(**layer._build_shapes_dict)
        except Exception:
            try:
                shapes = layer.compute_output_shape(*layer._build_shapes_dict.values())
            except Exception:
                return "?"
    if shapes is None:
        return "?"
    leaves: list[str] = []

    def add(shape: Any) -> int:
        leaves.append(str(tuple(shape)))
        return 0

    tree.map_shape_structure(add, shapes)
    return leaves[0] if len(leaves) == 1 else "[" + ", ".join(leaves) + "]"


def _connections(layer: Any, known: set[int]) -> str:
    found = []
    for node in layer._inbound_nodes:
        if known and id(node) not in known:
            continue
        for x in node.input_tensors:
            operation, node_index, tensor_index = x._keras_history
            found.append(f"{operation.name}[{node_index}][{tensor_index}]")
    return ", ".join(found) or "-"


def _param_text(layer: Any) -> str:
    if not hasattr(layer, "built"):
        return "0"
    if not layer.built:
        return "0 (unbuilt)"
    return f"{count_params(layer.weights):,}"


def _rows(layers: list[Any], level: int, columns: dict[str, bool], known: set[int]) -> list[list[str]]:
    rows = []
    for layer in layers:
        prefix = "   " * level + "└ " if level else ""
        row = [f"{prefix}{layer.name} ({type(layer).__name__})", format_layer_shape(layer), _param_text(layer)]
        if columns["connections"]:
            row.append(_connections(layer, known) if level == 0 else "-")
        if columns["trainable"]:
            has_weights = bool(getattr(layer, "weights", None))
            row.append(("Y" if layer.trainable else "N") if has_weights else "-")
        rows.append(row)
        inner = _inner_layers(layer)
        if columns["nested"] and inner:
            rows.extend(_rows(inner, level + 1, columns, known))
    return rows


def _inner_layers(layer: Any) -> list[Any]:
    from rustdl.models.functional import Functional
    from rustdl.models.model import Model

    if isinstance(layer, Functional):
        return layer.operations
    if isinstance(layer, Model):
        return layer.layers
    return []


def get_layer_index_bound_by_layer_name(layers: list[Any], layer_range: Any = None) -> list[int]:
    """First and last-plus-one position of the layers between two names.

    Raises:
        ValueError: Not two names, or a name that no layer has.
    """
    if layer_range is None:
        return [0, len(layers)]
    if len(layer_range) != 2:
        raise ValueError(
            f"layer_range must be a list or tuple of length 2. Received: layer_range = {layer_range} of length "
            f"{len(layer_range)}"
        )
    if not isinstance(layer_range[0], str) or not isinstance(layer_range[1], str):
        raise ValueError(f"layer_range should contain string type only. Received: {layer_range}")
    lower = [i for i, layer in enumerate(layers) if re.match(layer_range[0], layer.name)]
    upper = [i for i, layer in enumerate(layers) if re.match(layer_range[1], layer.name)]
    if not lower or not upper:
        raise ValueError(f"Passed layer_names do not match the layer names in the model. Received: {layer_range}")
    if min(lower) > max(upper):
        return [min(upper), max(lower) + 1]
    return [min(lower), max(upper) + 1]


def _footer(model: Any) -> list[str]:
    trainable, frozen = model.trainable_weights, model.non_trainable_weights
    lines = [("Total params", [*trainable, *frozen]), ("Trainable params", trainable), ("Non-trainable params", frozen)]
    optimizer = getattr(model, "optimizer", None) if getattr(model, "compiled", False) else None
    if optimizer is not None and getattr(optimizer, "built", False):
        lines[0][1].extend(optimizer.variables)
        lines.append(("Optimizer params", list(optimizer.variables)))
    return [
        f" {title}: {count_params(weights):,} ({readable_memory_size(weight_memory_size(weights))})"
        for title, weights in lines
    ]


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Any = None,
    print_fn: Callable[..., Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Any = None,
) -> None:
    """Prints a model's layers; see `Model.summary`."""
    from rustdl.models.functional import Functional

    chain = is_sequential_like(model)
    layers = model.operations if isinstance(model, Functional) else model.layers
    header = ["Layer (type)", "Output Shape", "Param #"]
    alignments = ["left", "left", "right"]
    default_length, default_positions = 88, [0.45, 0.80, 1.0]
    known: set[int] = set()
    if not chain:
        header.append("Connected to")
        alignments.append("left")
        default_length, default_positions = 108, [0.30, 0.56, 0.74, 1.0]
        known = {id(node) for level in model._nodes_by_depth.values() for node in level}
    if show_trainable:
        header.append("Trainable")
        alignments.append("center")
        default_length += 12
        default_positions = [p * 0.90 for p in default_positions] + [1.0]
    if line_length is None:
        line_length = min(default_length, shutil.get_terminal_size().columns - 4)
    if positions is None:
        positions = default_positions
    elif show_trainable and len(positions) == len(header) - 1:
        positions = [p * 0.90 for p in positions] + [1.0]
    if positions[-1] <= 1:
        positions = [int(line_length * p) for p in positions]
    if len(positions) < len(header):
        raise ValueError(f"summary: `positions` needs {len(header)} numbers, one a column, got {list(positions)}")

    first, last = get_layer_index_bound_by_layer_name(layers, layer_range)
    columns = {"connections": not chain, "trainable": show_trainable, "nested": expand_nested}
    table = render(
        header,
        _rows(layers[first:last], 0, columns, known),
        alignments,
        [int(p) for p in positions[: len(header)]],
        line_length,
    )
    title = f'Model: "{model.name}"'
    if print_fn is None and sys.stdout.isatty():
        title = f"\x1b[1m{title}\x1b[0m"
    text = "\n".join([title, table, *_footer(model)])
    if print_fn is not None:
        print_fn(f"{text}\n")
    else:
        print(text)
