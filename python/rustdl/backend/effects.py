"""Effects inside of traces: what a compiled function does besides computing its results, such as printing."""

from __future__ import annotations

from typing import Any

from rustdl.backend.global_state import state


def effect_scope() -> Any:
    """The scope that collects the effects of the trace being made; `None` outside of traces.

    While shapes are inferred nothing has an effect: then it is a list that is thrown away.
    """
    scope: Any = state.stateless_scope
    while scope is not None:
        if hasattr(scope, "effects"):
            return scope
        scope = scope.parent
    return None


def anchor() -> Any:
    """An empty traced tensor: what reads it runs whenever the plan runs. `None` outside of traces without inputs."""
    scope: Any = state.stateless_scope
    while scope is not None:
        found = getattr(scope, "anchor", None)
        if found is not None:
            return found.reshape(-1)[:0]
        scope = scope.parent
    return None


def keep_effect(token: Any) -> None:
    """Makes an op run whose result nobody reads.

    Args:
        token: The result; inside of a trace it becomes a hidden output.
    """
    scope = effect_scope()
    if scope is not None and token.is_traced:
        scope.effects.append(token)
