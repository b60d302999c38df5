"""Name scopes: the path of a variable is the open scopes and its own name, joined by `/`."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rustdl.backend.global_state import state


class name_scope:  # noqa: N801  (the public name)
    """A context in which the paths of new variables get a prefix.

    Args:
        name: The prefix; no `/` in it.
        caller: The object that opens the scope.
        deduplicate: Whether a scope that the same caller opens inside itself adds nothing.
        override_parent: A path that replaces what the outer scopes gave.

    Example:
        >>> import rustdl
        >>> with rustdl.name_scope("outer"):
        ...     rustdl.Variable([1.0], name="w").path
        'outer/w'
    """

    def __init__(
        self, name: str, caller: Any = None, deduplicate: bool = True, override_parent: str | None = None
    ) -> None:
        if not isinstance(name, str) or "/" in name:
            raise ValueError(
                f"Argument `name` must be a string and cannot contain character `/`. Received: name={name}"
            )
        self.name = name
        self.caller = caller
        self.deduplicate = deduplicate
        self.override_parent = override_parent
        self._pushed: list[bool] = []

    def __enter__(self) -> name_scope:
        stack = state.name_scopes
        last = stack[-1] if stack else None
        same = (
            self.deduplicate
            and last is not None
            and self.caller is not None
            and last.caller is self.caller
            and last.name == self.name
        )
        if not same:
            stack.append(self)
        self._pushed.append(not same)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._pushed.pop() and state.name_scopes:
            state.name_scopes.pop()


def current_path() -> str:
    """The open scopes joined by `/`; empty outside of any."""
    parts: list[str] = []
    for entry in state.name_scopes:
        if entry.override_parent is not None:
            parts = [part for part in entry.override_parent.split("/") if part]
        parts.append(entry.name)
    return "/".join(parts)
