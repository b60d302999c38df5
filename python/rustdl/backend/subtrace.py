"""A Python function traced once on placeholders to be evaluated elsewhere: what `vmap` and `remat` are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import _rustdl
from rustdl._rustdl import Tensor
from rustdl.backend import structure
from rustdl.backend.effects import keep_effect
from rustdl.backend.global_state import state
from rustdl.backend.stateless_scope import StatelessScope
from rustdl.backend.tensor import convert_to_tensor


class SubtraceScope(StatelessScope):
    """Variables read become placeholders for their values outside; assignments and losses are collected."""

    defers_initialization = False

    def __init__(self) -> None:
        super().__init__(initialize_variables=False)
        self.reads: list[tuple[Any, Tensor, Tensor]] = []
        self.writes: dict[int, tuple[Any, Tensor]] = {}
        self.effects: list[Tensor] = []

    def __enter__(self) -> SubtraceScope:
        super().__enter__()
        self.collect_losses = self.parent is not None and self.parent.collect_losses
        return self

    def get_current_value(self, variable: Any) -> Any:
        """A placeholder at the first read, later what was assigned."""
        found = self.state_mapping.get(id(variable))
        if found is None:
            state.stateless_scope = self.parent
            try:
                outside = variable._uncast()
            finally:
                state.stateless_scope = self
            found = _rustdl.placeholder(variable.shape, variable._dtype)
            self.state_mapping[id(variable)] = found
            self.reads.append((variable, found, outside))
        return found

    def add_update(self, update: tuple[Any, Tensor]) -> None:
        """Keeps an assignment until the function has been evaluated."""
        variable, value = update
        self.state_mapping[id(variable)] = value
        self.writes[id(variable)] = (variable, value)


class Subtrace:
    """What tracing a function gave.

    Args:
        fn: The function; called with `arguments`.
        args: Positional arguments, placeholders in them.
        kwargs: Keyword arguments, likewise.

    Attributes:
        result: What the function returned.
        scope: The variables read and assigned.
    """

    def __init__(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.scope = SubtraceScope()
        with self.scope:
            self.result = fn(*args, **kwargs)
        self.leaves = [convert_to_tensor(x) if is_value(x) else x for x in structure.flatten(self.result)]
        self.writes = list(self.scope.writes.values())

    def outputs(self) -> list[Tensor]:
        """The tensors among the leaves of the result, then assigned values, then losses."""
        results = [x for x in self.leaves if isinstance(x, Tensor)]
        return [*results, *(value for _, value in self.writes), *self.scope.losses, *self.scope.effects]

    def unpack(self, values: list[Any]) -> Any:
        """Hands assigned values and losses on to the scope outside; returns the function's result.

        Args:
            values: In the order of `outputs()`.
        """
        found = iter(values)
        leaves = [next(found) if isinstance(x, Tensor) else x for x in self.leaves]
        for variable, _ in self.writes:
            variable.assign(next(found))
        for _ in self.scope.losses:
            loss = next(found)
            if state.stateless_scope is not None:
                state.stateless_scope.add_loss(loss)
        for token in found:
            keep_effect(token)
        return structure.pack(self.result, leaves)


def is_value(x: Any) -> bool:
    """Whether a leaf converts to a tensor: an array of any kind or a Python number."""
    return isinstance(x, (int, float)) or hasattr(x, "__array__") or hasattr(x, "__rustdl_tensor__")


def is_array(x: Any) -> bool:
    """Whether an argument is an array of any kind: a tensor, numpy array or number of numpy, variable."""
    return isinstance(x, Tensor) or hasattr(x, "__rustdl_tensor__") or hasattr(x, "__array_interface__")
