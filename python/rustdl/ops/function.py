"""`Function`: a graph of operations between symbolic inputs and outputs, run in topological order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from rustdl import tree
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.ops.node import KerasHistory, Node
from rustdl.ops.operation import Operation


def make_node_key(operation: Any, node_index: int) -> str:
    """A key for one call of an operation."""
    return f"{id(operation)}_ib-{node_index}"


class Function(Operation):
    """The computation from some `KerasTensor`s to others.

    Args:
        inputs: A `KerasTensor` or a structure of them; intermediate results may be inputs too.
        outputs: Likewise; everything they need must come from `inputs`.
        name: Automatic by default.

    Raises:
        ValueError: The outputs need something that is no input.

    Example:
        >>> import rustdl
        >>> x = rustdl.KerasTensor((None, 2))
        >>> double = Function(x, rustdl.ops.add(x, x))
        >>> double(rustdl.ops.ones((1, 2))).tolist()
        [[2.0, 2.0]]
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name=name)
        self._inputs_struct = tree.map_structure(lambda x: x, inputs)
        self._outputs_struct = tree.map_structure(lambda x: x, outputs)
        self._inputs: list[KerasTensor] = tree.flatten(inputs)
        self._outputs: list[KerasTensor] = tree.flatten(outputs)
        if not self._inputs:
            raise ValueError(f"`inputs` argument cannot be empty. Received:\ninputs={inputs}\noutputs={outputs}")
        if not self._outputs:
            raise ValueError(f"`outputs` argument cannot be empty. Received:\ninputs={inputs}\noutputs={outputs}")
        paths = [".".join(map(str, path)) for path, _ in tree.flatten_with_path(outputs)]
        graph = map_graph(self._inputs, self._outputs, paths)
        self._nodes, self._nodes_by_depth, self._operations, self._operations_by_depth = graph
        self._order = [
            node
            for depth in sorted(self._nodes_by_depth, reverse=True)
            for node in self._nodes_by_depth[depth]
            if not node.is_input
        ]
        self._input_ids = [id(x) for x in self._inputs]

    @property
    def operations(self) -> list[Any]:
        """The operations, in topological order."""
        return list(self._operations)

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic inputs as a flat list."""
        return self._inputs

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic outputs as a flat list."""
        return self._outputs

    def compute_output_spec(self, inputs: Any) -> Any:
        """The outputs as `KerasTensor`s for inputs of these shapes."""
        self._assert_input_compatibility(inputs)
        flat = tree.flatten(inputs)
        shorter = len(flat) == len(self._inputs)
        if shorter and all(tuple(a.shape) == tuple(b.shape) for a, b in zip(flat, self._inputs, strict=True)):
            return tree.map_structure(
                lambda x: KerasTensor(x.shape, dtype=x.dtype, sparse=x.sparse), self._outputs_struct
            )
        return self._run_through_graph(inputs, lambda op: op.compute_output_spec)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shapes of the outputs for inputs of these shapes."""
        shapes: list[Any] = []
        tree.map_shape_structure(shapes.append, input_shape)
        specs = [KerasTensor(s, dtype=x.dtype) for s, x in zip(shapes, self._inputs, strict=False)]
        outputs = self.compute_output_spec(
            tree.pack_sequence_as(self._inputs_struct, specs) if len(specs) == len(self._inputs) else specs
        )
        return tree.map_structure(lambda x: x.shape, outputs)

    def call(self, inputs: Any) -> Any:
        """Runs the graph."""
        self._assert_input_compatibility(inputs)
        return self._run_through_graph(inputs, lambda op: op)

    def _run_through_graph(
        self, inputs: Any, operation_fn: Callable[[Any], Callable[..., Any]], call_fn: Any = None
    ) -> Any:
        """Calls `operation_fn(operation)` for each node in order; `call_fn(fn, *args, **kwargs)` makes the call."""
        tensors: dict[int, Any] = dict(zip(self._input_ids, tree.flatten(inputs), strict=True))
        for node in self._order:
            missing = [x for x in node.arguments.keras_tensors if id(x) not in tensors]
            if missing:
                continue  # not needed for the outputs
            if all(id(x) in tensors for x in node.outputs):
                continue  # an input given from outside
            args, kwargs = node.arguments.fill_in(tensors)
            fn = operation_fn(node.operation)
            outputs = fn(*args, **kwargs) if call_fn is None else call_fn(node.operation, fn, *args, **kwargs)
            for x, value in zip(node.outputs, tree.flatten(outputs), strict=True):
                tensors[id(x)] = value
        return tree.pack_sequence_as(self._outputs_struct, [tensors[id(x)] for x in self._outputs])

    def _assert_input_compatibility(self, inputs: Any) -> None:
        try:
            tree.assert_same_structure(inputs, self._inputs_struct)
        except ValueError:
            raise ValueError(
                "Function was called with an invalid input structure. Expected input structure: "
                f"{self._inputs_struct}\nReceived input structure: {inputs}"
            ) from None
        for x, spec in zip(tree.flatten(inputs), self._inputs, strict=True):
            if len(x.shape) != len(spec.shape):
                raise ValueError(
                    f"{type(self).__name__} was passed incompatible inputs. For input '{spec.name}', expected shape "
                    f"{spec.shape}, but received instead a tensor with shape {tuple(x.shape)}."
                )
            for size, expected in zip(x.shape, spec.shape, strict=True):
                if expected is not None and size is not None and size != expected:
                    raise ValueError(
                        f"{type(self).__name__} was passed incompatible inputs. For input '{spec.name}', expected "
                        f"shape {spec.shape}, but received instead a tensor with shape {tuple(x.shape)}."
                    )


def _not_connected(path: str, tensor: KerasTensor) -> str:
    return f"Output with path `{path}` is not connected to `inputs`: it needs {tensor}, which is not among them"


def _is_input_node(history: KerasHistory) -> bool:
    return bool(history.operation._inbound_nodes[history.node_index].is_input)


Graph = tuple[set[str], dict[int, list[Node]], list[Any], dict[int, list[Any]]]


def _post_order(
    inputs: list[KerasTensor], outputs: list[KerasTensor], paths: list[str] | None = None
) -> tuple[list[Node], dict[Any, int]]:
    """The nodes that `outputs` need, parents first, and the order in which operations were met.

    A walk with its own stack, since models may be deeper than Python's recursion.
    """
    given = {id(x) for x in inputs}
    order: list[Node] = []
    met: dict[int, int] = {}
    done: set[int] = set()
    open_nodes: set[int] = set()
    for number, output in enumerate(outputs):
        path = paths[number] if paths else str(number)
        stack: list[tuple[KerasTensor, bool]] = [(output, False)]
        while stack:
            tensor, leaving = stack.pop()
            history: KerasHistory | None = tensor._keras_history
            if id(tensor) in given and history is not None and not _is_input_node(history):
                continue  # what makes an input does not belong to the graph
            if history is None:
                if id(tensor) in given:
                    continue
                raise ValueError(_not_connected(path, tensor))
            node = history.operation._inbound_nodes[history.node_index]
            key = id(node)
            if leaving:
                open_nodes.discard(key)
                if key not in done:
                    done.add(key)
                    order.append(node)
                continue
            if key in done:
                continue
            if key in open_nodes:
                raise ValueError(f"Tensor {tensor} from operation '{history.operation.name}' is part of a cycle.")
            met.setdefault(id(history.operation), len(met))
            open_nodes.add(key)
            stack.append((tensor, True))
            if node.is_input:
                if id(tensor) not in given:
                    raise ValueError(_not_connected(path, tensor))
                continue
            stack.extend((x, False) for x in reversed(node.input_tensors))
    return order, met


def map_graph(inputs: list[KerasTensor], outputs: list[KerasTensor], paths: list[str] | None = None) -> Graph:
    """Sorts the graph between inputs and outputs by depth: the number of steps to the outputs.

    Returns:
        Keys of the nodes, nodes by depth, operations in order, operations by depth.

    Raises:
        ValueError: An output that cannot be computed from the inputs; a name used twice.
    """
    order, met = _post_order(inputs, outputs, paths)
    node_depth: dict[int, int] = {}
    operation_depth: dict[int, int] = {}
    operations: dict[int, Any] = {}
    for node in reversed(order):
        depth = node_depth.setdefault(id(node), 0)
        # All calls of one operation count as the deepest.
        depth = max(depth, operation_depth.get(id(node.operation), 0))
        operation_depth[id(node.operation)] = depth
        operations[id(node.operation)] = node.operation
        node_depth[id(node)] = depth
        for parent in node.parent_nodes:
            node_depth[id(parent)] = max(depth + 1, node_depth.get(id(parent), 0))
    in_graph = {id(node): node for node in order}
    # Inputs that nothing uses.
    for x in inputs:
        history = x._keras_history
        if history is not None and _is_input_node(history) and id(history.operation) not in operations:
            operations[id(history.operation)] = history.operation
            operation_depth[id(history.operation)] = 0
            met[id(history.operation)] = -1
            node = history.operation._inbound_nodes[history.node_index]
            node_depth[id(node)] = 0
            in_graph[id(node)] = node

    nodes_by_depth: defaultdict[int, list[Node]] = defaultdict(list)
    for key, node in in_graph.items():
        nodes_by_depth[node_depth[key]].append(node)
    operations_by_depth: defaultdict[int, list[Any]] = defaultdict(list)
    for key, depth in operation_depth.items():
        operations_by_depth[depth].append(operations[key])
    ordered = []
    for depth in sorted(operations_by_depth, reverse=True):
        operations_by_depth[depth].sort(key=lambda op: met[id(op)])
        ordered.extend(operations_by_depth[depth])

    _check_connected(nodes_by_depth, inputs)
    for name, uses in Counter(op.name for op in ordered).items():
        if uses != 1:
            raise ValueError(
                f'The name "{name}" is used {uses} times in the model. All operation names should be unique.'
            )
    keys = {make_node_key(node.operation, node.operation._inbound_nodes.index(node)) for node in in_graph.values()}
    return keys, dict(nodes_by_depth), ordered, dict(operations_by_depth)


def _check_connected(nodes_by_depth: dict[int, list[Node]], inputs: list[KerasTensor]) -> None:
    computable = {id(x) for x in inputs}
    seen: list[str] = []
    for depth in sorted(nodes_by_depth, reverse=True):
        for node in nodes_by_depth[depth]:
            if all(id(x) in computable for x in node.outputs):
                continue
            if node.is_input:
                continue
            for x in node.input_tensors:
                if id(x) not in computable:
                    raise ValueError(
                        f"Graph disconnected: cannot find parent for tensor {x} at operation '{node.operation.name}'. "
                        f"The following previous operations were accessed without issue: {seen}"
                    )
            computable.update(id(x) for x in node.outputs)
            seen.append(node.operation.name)
