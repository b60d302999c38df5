"""Small helpers about Python objects."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def default(method: F) -> F:
    """Marks a method as the base class's own, so that one can see whether a subclass overrides it."""
    method._is_default = True  # type: ignore[attr-defined]
    return method


def is_default(method: Any) -> bool:
    """Whether a method carries the mark of `default`."""
    return bool(getattr(method, "_is_default", False))


def to_list(x: Any) -> list[Any]:
    """A list of `x`, or `x` itself where it is a list."""
    return x if isinstance(x, list) else [x]


def remove_long_seq(maxlen: int, seq: Iterable[Any], label: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """The sequences shorter than `maxlen`, and their labels."""
    pairs = [(s, y) for s, y in zip(seq, label, strict=True) if len(s) < maxlen]
    return [s for s, _ in pairs], [y for _, y in pairs]


def removeprefix(text: str, prefix: str) -> str:
    """`str.removeprefix`."""
    return text.removeprefix(prefix)


def removesuffix(text: str, suffix: str) -> str:
    """`str.removesuffix`."""
    return text.removesuffix(suffix)


def pythonify_logs(logs: dict[str, Any] | None) -> dict[str, Any]:
    """Logs with Python floats for values, nested dictionaries flattened, keys sorted."""
    result: dict[str, Any] = {}
    for key, value in sorted((logs or {}).items()):
        if isinstance(value, dict):
            result.update(pythonify_logs(value))
        else:
            with contextlib.suppress(TypeError, ValueError):
                value = float(value)
            result[key] = value
    return result
