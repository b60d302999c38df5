"""Several cells as one."""

from __future__ import annotations

from typing import Any

from rustdl import ops, tree
from rustdl.layers.call_spec import call_info
from rustdl.layers.layer import Layer
from rustdl.saving import serialization_lib


def output_size_of(cell: Any) -> int:
    """The cell's `output_size`, else its first state size.

    Raises:
        ValueError: It is not an int.
    """
    size = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size
        size = size[0] if isinstance(size, (list, tuple)) else size
    if not isinstance(size, int):
        raise ValueError(f"output_size must be an integer. Received: output_size={size} of the cell {cell}")
    return size


def zero_states(cell: Any, batch_size: int | None, dtype: str) -> Any:
    """The cell's initial state: what its `get_initial_state` says, else zeros in the structure of `state_size`.

    Args:
        cell: The cell.
        batch_size: The number of rows.
        dtype: Of the zeros, where the cell has no dtype.
    """
    if hasattr(cell, "get_initial_state"):
        return cell.get_initial_state(batch_size=batch_size)
    dtype = getattr(cell, "compute_dtype", dtype)
    zeros = tree.map_structure(lambda n: ops.zeros((batch_size, n), dtype=dtype), cell.state_size)
    return list(zeros) if tree.is_nested(zeros) else zeros


class StackedRNNCells(Layer):
    """Cells on top of one another: the output of each is the input of the next.

    Args:
        cells: The cells.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: A cell without `call` or `state_size`.

    Example:
        >>> import rustdl
        >>> cells = rustdl.layers.StackedRNNCells([rustdl.layers.GRUCell(4), rustdl.layers.GRUCell(3)])
        >>> rustdl.layers.RNN(cells)(rustdl.ops.ones((2, 5, 6))).shape
        (2, 3)
    """

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for cell in cells:
            for attribute, what in (("call", "`call` method"), ("state_size", "`state_size` attribute")):
                if not hasattr(cell, attribute):
                    raise ValueError(
                        f"All cells must have a {what}. Received cell without a "
                        f"`{attribute}`{' method' if attribute == 'call' else ''}: {cell}"
                    )
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The state sizes of the cells."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The output size of the last cell."""
        return output_size_of(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """The initial states of the cells, a tensor for each cell with one state and a list for others.

        Args:
            batch_size: The number of rows.
        """
        found = []
        for cell in self.cells:
            states = zero_states(cell, batch_size, self.compute_dtype)
            is_single = isinstance(cell.state_size, int) and tree.is_nested(states)
            found.append(tree.flatten(states)[0] if is_single else states)
        return found

    def call(self, inputs: Any, states: Any, training: bool = False, **kwargs: Any) -> tuple[Any, Any]:
        after = []
        for cell, own in zip(self.cells, states, strict=True):
            nested = tree.is_nested(own)
            arguments = dict(kwargs)
            if isinstance(cell, Layer) and "training" in call_info(cell.call).names:
                arguments["training"] = training
            call = cell if callable(cell) else cell.call
            inputs, new = call(inputs, list(own) if nested else [own], **arguments)
            after.append(new if nested or not tree.is_nested(new) else new[0])
        return inputs, after

    def build(self, input_shape: Any) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
                cell.built = True
            input_shape = (input_shape[0], output_size_of(cell))

    def get_config(self) -> dict[str, Any]:
        cells = [serialization_lib.serialize_keras_object(cell) for cell in self.cells]
        return {**super().get_config(), "cells": cells}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        config = dict(config)
        cells = [
            serialization_lib.deserialize_keras_object(cell, custom_objects=custom_objects)
            for cell in config.pop("cells")
        ]
        return cls(cells, **config)
