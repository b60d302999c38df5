"""Helpers on graphs of operations."""

from __future__ import annotations

from typing import Any


def get_source_inputs(tensor: Any) -> list[Any]:
    """The input tensors that a `KerasTensor` is computed from.

    Example:
        >>> import rustdl
        >>> x = rustdl.Input((2,))
        >>> get_source_inputs(x + x)[0] is x
        True
    """
    found: list[Any] = []
    seen: set[int] = set()
    pending = [tensor]
    while pending:
        x = pending.pop()
        if getattr(x, "_keras_history", None) is None:
            # No input layer: a bare `KerasTensor`.
            found += [] if any(x is other for other in found) else [x]
            continue
        operation, index, _ = x._keras_history
        node = operation._inbound_nodes[index]
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.is_input:
            found.extend(node.output_tensors)
        else:
            pending.extend(reversed(node.input_tensors))
    return found
