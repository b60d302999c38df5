"""Drawings of models: boxes for layers and arrows for tensors, by pydot, and by Graphviz for images."""

from __future__ import annotations

import html
import itertools
import os
import sys
from typing import Any

from rustdl import tree
from rustdl.ops.function import make_node_key
from rustdl.utils import io_utils

# What is added to `model.summary()` needs no package; the messages name it as the way out.
_NO_PYDOT = "You must install pydot (`pip install pydot`) for `{}` to work. `model.summary()` shows the layers as text."
_NO_GRAPHVIZ = (
    "You must install graphviz (see https://graphviz.org/download/) for `plot_model` to write images. A `to_file` that "
    "ends in `.dot` needs none."
)
_CELL = '<td bgcolor="{background}"{span}><font point-size="{size}" color="{color}">{text}</font></td>'


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """A model as a graph in the DOT language.

    Args:
        model: A built model.
        show_shapes: Whether to show the shapes of inputs and outputs.
        show_dtype: Whether to show the dtypes of outputs.
        show_layer_names: Whether to show the names of layers.
        rankdir: `"TB"` draws from top to bottom, `"LR"` from left to right.
        expand_nested: Whether to draw the layers of models in the model, in a frame.
        dpi: Dots for each inch.
        subgraph: Whether to return a `pydot.Cluster`, which goes into another graph.
        show_layer_activations: Whether to show the activations of layers.
        show_trainable: Whether to show which layers are trained.
        splines: How arrows are drawn: `"ortho"`, `"curved"`, `"polyline"`, `"spline"` or `"line"`.
        **kwargs: None.

    Returns:
        A `pydot.Dot` or `pydot.Cluster`.

    Raises:
        ValueError: A model that is not built, or unknown arguments.
        ImportError: pydot is missing.
    """
    _check(model, kwargs)
    pydot = _pydot()
    if pydot is None:
        raise ImportError(_NO_PYDOT.format("model_to_dot"))
    if subgraph:
        dot = pydot.Cluster(graph_name=model.name, style="dashed", label=model.name, labeljust="l")
    else:
        dot = pydot.Dot(rankdir=rankdir, concentrate=True, dpi=dpi, splines=splines)
        dot.set_node_defaults(shape="record")
    shown: dict[str, Any] = {
        "show_layer_names": show_layer_names,
        "show_layer_activations": show_layer_activations,
        "show_dtype": show_dtype,
        "show_shapes": show_shapes,
        "show_trainable": show_trainable,
    }
    operations = _operations(model)
    if operations is None:
        dot.add_node(_node(pydot, model, **shown))
        return dot
    for operation in operations:
        if expand_nested and _operations(operation) is not None:
            inner = model_to_dot(operation, rankdir=rankdir, expand_nested=True, dpi=dpi, subgraph=True, **shown)
            dot.add_subgraph(inner)
        else:
            dot.add_node(_node(pydot, operation, **shown))
    for source, target in _edges(model, operations, expand_nested):
        dot.add_edge(pydot.Edge(str(id(source)), str(id(target)), penwidth="2"))
    return dot


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """Draws a model into a file.

    Args:
        model: A built model.
        to_file: Name of the file; its ending says the format (`.png`, `.svg`, `.pdf`, `.dot`).
        show_shapes: Whether to show the shapes of inputs and outputs.
        show_dtype: Whether to show the dtypes of outputs.
        show_layer_names: Whether to show the names of layers.
        rankdir: `"TB"` draws from top to bottom, `"LR"` from left to right.
        expand_nested: Whether to draw the layers of models in the model, in a frame.
        dpi: Dots for each inch.
        show_layer_activations: Whether to show the activations of layers.
        show_trainable: Whether to show which layers are trained.
        splines: How arrows are drawn.
        **kwargs: None.

    Returns:
        In a notebook the image, else None.

    Raises:
        ValueError: A model that is not built, or unknown arguments.
        ImportError: pydot is missing, or Graphviz for an image (in a notebook a message instead).
    """
    _check(model, kwargs)
    path = os.fspath(to_file)
    extension = os.path.splitext(path)[1].removeprefix(".") or "png"
    problem = _NO_PYDOT.format("plot_model") if _pydot() is None else None
    if problem is None and extension not in {"dot", "gv"} and not _has_graphviz():
        problem = _NO_GRAPHVIZ
    if problem is not None:
        if "IPython.core.magics.namespace" not in sys.modules:
            raise ImportError(problem)
        io_utils.print_msg(problem)
        return None
    dot = model_to_dot(
        model,
        show_shapes=show_shapes,
        show_dtype=show_dtype,
        show_layer_names=show_layer_names,
        rankdir=rankdir,
        expand_nested=expand_nested,
        dpi=dpi,
        show_layer_activations=show_layer_activations,
        show_trainable=show_trainable,
        splines=splines,
    )
    if extension in {"dot", "gv"}:
        with open(path, "w", encoding="utf-8") as file:
            file.write(dot.to_string())
        return None
    dot.write(path, format=extension)
    if extension == "pdf" or "IPython" not in sys.modules:
        return None
    from IPython import display

    return display.Image(filename=path)


def _check(model: Any, kwargs: dict[str, Any]) -> None:
    if not model.built:
        raise ValueError(
            "This model has not yet been built. Build the model first by calling `build()` or by calling the model on "
            "a batch of data."
        )
    if "layer_range" in kwargs:
        raise ValueError("Argument `layer_range` is no longer supported: draw `Model(inputs, layer.output)` instead.")
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments: {kwargs}")


def _pydot() -> Any:
    try:
        import pydot
    except ImportError:
        return None
    return pydot


def _has_graphviz() -> bool:
    pydot = _pydot()
    try:
        pydot.Dot.create(pydot.Dot())
    except (OSError, pydot.PydotException):
        return False
    return True


def _operations(model: Any) -> list[Any] | None:
    """The parts of a model that has a graph, in order; None for a layer, or a model without one."""
    from rustdl.models.functional import Functional
    from rustdl.models.sequential import Sequential

    if isinstance(model, Sequential):
        return list(model.layers)
    return list(model.operations) if isinstance(model, Functional) else None


def _edges(model: Any, operations: list[Any], expand: bool) -> list[tuple[Any, Any]]:
    """Which part reads which, each pair once."""
    from rustdl.models.sequential import Sequential

    found: dict[tuple[int, int], tuple[Any, Any]] = {}

    def add(source: Any, output: int, target: Any, number: int) -> None:
        if expand:
            source, target = _last(source, output), _first(target, number)
        found.setdefault((id(source), id(target)), (source, target))

    if isinstance(model, Sequential):
        for source, target in itertools.pairwise(operations):
            add(source, 0, target, 0)
        return list(found.values())
    for target in operations:
        for index, node in enumerate(target._inbound_nodes):
            if make_node_key(target, index) not in model._nodes:
                continue  # a call that belongs to another model
            for number, tensor in enumerate(node.input_tensors):
                source, _, output = tensor._keras_history
                add(source, output, target, number)
    return list(found.values())


def _last(operation: Any, output: int) -> Any:
    """The layer inside a nested model that makes an output of it."""
    operations = _operations(operation)
    if operations is None:
        return operation
    tensors = getattr(operation, "outputs", None)
    if tensors and hasattr(operation, "_nodes"):
        source, _, inner = tensors[output]._keras_history
        return _last(source, inner)
    return _last(operations[-1], output)


def _first(operation: Any, number: int) -> Any:
    """The layer inside a nested model that reads an input of it."""
    operations = _operations(operation)
    if operations is None:
        return operation
    if hasattr(operation, "_nodes"):
        return operation.inputs[number]._keras_history.operation
    return _first(operations[0], number)


def _node(pydot: Any, layer: Any, **shown: bool) -> Any:
    return pydot.Node(str(id(layer)), label=_label(layer, **shown), fontname="Helvetica", border="0", margin="0")


def _cell(text: str, background: str = "white", color: str = "black", size: int = 14, span: int = 0) -> str:
    columns = f' colspan="{span}"' if span else ""
    return _CELL.format(background=background, span=columns, size=size, color=color, text=text)


def _label(
    layer: Any,
    show_layer_names: bool,
    show_layer_activations: bool,
    show_dtype: bool,
    show_shapes: bool,
    show_trainable: bool,
) -> str:
    """A table: name and class on black, below what else is shown."""
    class_name = type(layer).__name__
    cells = []
    if show_shapes:
        if class_name != "InputLayer":
            cells.append(_cell(f"Input shape: <b>{_of_tensors(layer, 'input', 'shape')}</b>"))
        cells.append(_cell(f"Output shape: <b>{_of_tensors(layer, 'output', 'shape')}</b>"))
    if show_dtype:
        cells.append(_cell(f"Output dtype: <b>{_of_tensors(layer, 'output', 'dtype')}</b>"))
    if show_trainable and getattr(layer, "weights", None):
        trained = layer.trainable
        text, background = ("Trainable", "forestgreen") if trained else ("Non-trainable", "firebrick")
        cells.append(_cell(f"<b>{text}</b>", background, "white"))
    span = max(1, len(cells))
    title = f"<b>{html.escape(layer.name)}</b> ({class_name})" if show_layer_names else f"<b>{class_name}</b>"
    rows = [_cell(title, "black", "white", 16, span)]
    activation = getattr(layer, "activation", None)
    if show_layer_activations and activation is not None:
        name = getattr(activation, "name", None) or getattr(activation, "__name__", None) or str(activation)
        rows.append(_cell(f"Activation: <b>{html.escape(str(name))}</b>", span=span))
    if cells:
        rows.append("".join(cells))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<<table border="0" cellborder="1" bgcolor="black" cellpadding="10">{body}</table>>'


def _of_tensors(layer: Any, side: str, what: str) -> str:
    """Shapes or dtypes of a layer's inputs or outputs, `?` where they are not known."""
    try:
        found = tree.map_structure(lambda x: getattr(x, what), getattr(layer, side))
    except (ValueError, AttributeError):
        return "?"
    if isinstance(found, dict):
        return html.escape(", ".join(f"{key}: {value}" for key, value in found.items()))
    return html.escape(str(found))
