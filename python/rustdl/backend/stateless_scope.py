"""Scopes in which a variable's value comes from a mapping and assignments go to it, leaving the variable alone."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rustdl.backend.global_state import state

if TYPE_CHECKING:
    from rustdl._rustdl import Tensor
    from rustdl.backend.variable import Variable


class StatelessScope:
    """Variables read from, and are assigned in, this scope.

    Args:
        state_mapping: Pairs of a `Variable` and the value that it has inside.
        collect_losses: Whether layers add their losses to the scope.
        initialize_variables: Whether variables made inside get their values at the end.

    Example:
        >>> import rustdl
        >>> v = rustdl.Variable(1.0)
        >>> with rustdl.StatelessScope(state_mapping=[(v, 2.0)]) as scope:
        ...     v.assign(v + 1.0).numpy().item()
        3.0
        >>> v.numpy().item(), scope.get_current_value(v).numpy().item()
        (1.0, 3.0)
    """

    defers_initialization = True

    def __init__(
        self,
        state_mapping: Iterable[tuple[Variable, Any]] | None = None,
        collect_losses: bool = False,
        initialize_variables: bool = True,
    ) -> None:
        from rustdl.backend.tensor import convert_to_tensor
        from rustdl.backend.variable import Variable

        self.collect_losses = collect_losses
        self.initialize_variables = initialize_variables
        self.losses: list[Any] = []
        self.state_mapping: dict[int, Any] = {}
        self.parent: StatelessScope | None = None
        # An id is a key only while its object lives: the variables are kept too.
        self._kept: list[Variable] = []
        for pair in state_mapping or ():
            variable, value = pair
            if not isinstance(variable, Variable):
                raise ValueError(
                    "Invalid reference variable in StatelessScope: all keys in argument `mapping` must be Variable "
                    f"instances. Received instead: {variable}"
                )
            if value is not None:
                value = convert_to_tensor(value, dtype=variable.dtype)
            if value is None or tuple(value.shape) != tuple(variable.shape):
                raise ValueError(
                    "Invalid variable value in StatelessScope: all values in argument `mapping` must be tensors with "
                    "a shape that matches the corresponding variable shape. For variable: "
                    f"{variable.path} of shape {variable.shape}, received: {value}"
                )
            self.state_mapping[id(variable)] = value
            self._kept.append(variable)

    def __enter__(self) -> StatelessScope:
        self.parent = state.stateless_scope
        state.stateless_scope = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        parent, self.parent = self.parent, None
        state.stateless_scope = parent
        if parent is None and self.initialize_variables and kind is None:
            from rustdl.backend.variable import initialize_all_variables

            initialize_all_variables()

    def add_loss(self, loss: Any) -> None:
        """Collects a loss."""
        self.losses.append(loss)

    def add_update(self, update: tuple[Variable, Tensor]) -> None:
        """Records an assignment: a pair of variable and value."""
        variable, value = update
        if id(variable) not in self.state_mapping:
            self._kept.append(variable)
        self.state_mapping[id(variable)] = value

    def get_current_value(self, variable: Variable) -> Any:
        """The variable's value here, or `None` where no scope has one."""
        value = self.state_mapping.get(id(variable))
        if value is None and self.parent is not None:
            return self.parent.get_current_value(variable)
        return value


class suspend_scopes:  # noqa: N801  (a context manager used like a function)
    """Leaves all stateless scopes for a while: what happens inside is concrete."""

    def __enter__(self) -> None:
        self._saved = state.stateless_scope
        state.stateless_scope = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        state.stateless_scope = self._saved


def in_stateless_scope() -> bool:
    """Whether a stateless scope is open."""
    return state.stateless_scope is not None


def get_stateless_scope() -> StatelessScope | None:
    """The innermost open stateless scope."""
    return state.stateless_scope
