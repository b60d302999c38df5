"""Effects inside of traces: what a compiled function does besides computing its results, such as printing."""

from __future__ import annotations

from typing import Any

from rustdl.backend.global_state import state


def keep_effect(token: Any) -> None:
    """Makes an op run whose result nobody reads.

    Args:
        token: The result; inside of a trace it becomes a hidden output.
    """
    if not token.is_traced:
        return
    scope: Any = state.stateless_scope
    while scope is not None:
        if hasattr(scope, "effects"):
            scope.effects.append(token)
            return
        scope = scope.parent
