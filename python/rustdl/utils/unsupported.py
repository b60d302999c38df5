"""Names of Keras that cannot be here: they exist, and say at first use what to take instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn


def refused_class(module: str, name: str, reason: str) -> type[Any]:
    """A class that cannot be made.

    Args:
        module: The module it belongs to.
        name: Its public name.
        reason: Why not, and what to use instead.
    """

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        raise NotImplementedError(f"{name} is not supported: {reason}")

    documentation = f"Not supported: {reason}\n\nRaises:\n    NotImplementedError: Always."
    return type(name, (), {"__init__": __init__, "__module__": module, "__doc__": documentation})


def refused_function(module: str, name: str, reason: str) -> Callable[..., NoReturn]:
    """A function that cannot be called.

    Args:
        module: The module it belongs to.
        name: Its public name.
        reason: Why not, and what to use instead.
    """

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"{name}() is not supported: {reason}")

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__module__ = module
    refuse.__doc__ = f"Not supported: {reason}\n\nRaises:\n    NotImplementedError: Always."
    return refuse
