"""A node of a graph of layers and ops: one symbolic call of an operation."""

from __future__ import annotations

from typing import Any, NamedTuple

from rustdl import tree
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.ops.symbolic_arguments import SymbolicArguments


class KerasHistory(NamedTuple):
    """Where a `KerasTensor` comes from.

    Attributes:
        operation: What made it.
        node_index: Which call of the operation, from 0.
        tensor_index: Which output of the call, from 0.
    """

    operation: Any
    node_index: int
    tensor_index: int


class Node:
    """Ties the inputs of one call to its outputs.

    Args:
        operation: What was called.
        call_args: Positional arguments.
        call_kwargs: Keyword arguments.
        outputs: A `KerasTensor` or a structure of them.

    Raises:
        ValueError: An output that is not a `KerasTensor`.
    """

    def __init__(self, operation: Any, call_args: Any = None, call_kwargs: Any = None, outputs: Any = None) -> None:
        self.operation = operation
        self.arguments = SymbolicArguments(*(call_args or ()), **(call_kwargs or {}))
        self.outputs = [] if outputs is None else tree.flatten(outputs)
        for x in self.outputs:
            if not isinstance(x, KerasTensor):
                raise ValueError(
                    f"All operation outputs must be tensors. Operation {operation} returned a non-tensor. "
                    f"Non-tensor received: {x}"
                )
        if not self.arguments.keras_tensors and not self.outputs:
            raise ValueError("A node needs inputs or outputs")
        if not self.arguments.keras_tensors:
            for x in self.outputs:
                if x.record_history is False:
                    raise ValueError(f"Cannot make an input node of {x}: it was made with record_history=False")
        operation._inbound_nodes.append(self)
        for x in self.arguments.keras_tensors:
            history = x._keras_history
            if history is not None:
                history.operation._outbound_nodes.append(self)
        index = len(operation._inbound_nodes) - 1
        for i, x in enumerate(self.outputs):
            x._keras_history = KerasHistory(operation, index, i)

    def __repr__(self) -> str:
        return f"<Node operation={self.operation}, id={id(self)}>"

    @property
    def input_tensors(self) -> list[KerasTensor]:
        """The tensors that went in."""
        return self.arguments.keras_tensors

    @property
    def output_tensors(self) -> list[KerasTensor]:
        """The tensors that came out."""
        return self.outputs

    @property
    def is_input(self) -> bool:
        """Whether nothing goes in."""
        return not self.arguments.keras_tensors

    @property
    def parent_nodes(self) -> list[Node]:
        """The nodes that make the inputs."""
        found = []
        for x in self.arguments.keras_tensors:
            if x._keras_history is not None:
                operation, index, _ = x._keras_history
                found.append(operation._inbound_nodes[index])
        return found
