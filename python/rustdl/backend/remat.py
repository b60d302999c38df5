"""Rematerialisation: which activations are computed again in the backward pass instead of being kept."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from rustdl.backend.global_state import state

_MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class RematScope:
    """Layers made or called inside may recompute their activations.

    The planner of compiled steps decides what it is worth; the results are the same.

    Args:
        mode: `"full"`, `"activations"`, `"larger_than"`, `"list_of_layers"` or `None`.
        output_size_threshold: For `"larger_than"`.
        layer_names: For `"list_of_layers"`.
    """

    def __init__(
        self, mode: str | None = "full", output_size_threshold: int = 1024, layer_names: list[str] | None = None
    ) -> None:
        if mode not in _MODES:
            raise ValueError(
                f"Invalid mode '{mode}'. Supported modes are: 'full', 'activations', 'larger_than', "
                "'list_of_layers', or  None."
            )
        self.mode = mode
        self.output_size_threshold = output_size_threshold
        self.layer_names = layer_names or []
        self._saved: Any = None

    def __enter__(self) -> RematScope:
        self._saved = state.remat_scope
        state.remat_scope = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        state.remat_scope = self._saved


def get_current_remat_mode() -> Any:
    """The innermost open scope, or `None`."""
    return state.remat_scope


def remat(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` itself, with its results: what is recomputed is the planner's choice."""
    return f
