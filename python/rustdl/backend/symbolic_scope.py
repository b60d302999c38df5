"""The scope in which a model's graph of `KerasTensor`s is being worked out."""

from __future__ import annotations

from types import TracebackType

from rustdl.backend.global_state import state


class SymbolicScope:
    """Marks that values are symbolic; used around the inference of shapes."""

    def __enter__(self) -> SymbolicScope:
        self._saved = state.symbolic_scope
        state.symbolic_scope = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        state.symbolic_scope = self._saved


def in_symbolic_scope() -> bool:
    """Whether a symbolic scope is open."""
    return state.symbolic_scope is not None


def get_symbolic_scope() -> SymbolicScope | None:
    """The innermost open symbolic scope."""
    found: SymbolicScope | None = state.symbolic_scope
    return found
