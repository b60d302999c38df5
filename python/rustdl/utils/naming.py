"""Automatic names: the class name in snake case, numbered by use."""

from __future__ import annotations

import re
from typing import Any

from rustdl.backend.global_state import uids


def to_snake_case(name: str) -> str:
    """The name in snake case.

    Example:
        >>> to_snake_case("Conv2DTranspose"), to_snake_case("MyReLU")
        ('conv2d_transpose', 'my_re_lu')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def to_pkg_name(name: str) -> str:
    """The text made usable as a part of a path."""
    return re.sub(r"\W+", "_", name)


def uniquify(name: str) -> str:
    """`name` at its first use in the process (or since `clear_session`), then `name_1`, `name_2`, ..."""
    count = uids[name]
    uids[name] = count + 1
    return f"{name}_{count}" if count else name


def auto_name(prefix: str) -> str:
    """A unique name from a class name.

    Example:
        >>> reset_uids()
        >>> auto_name("Dense"), auto_name("Dense")
        ('dense', 'dense_1')
    """
    return uniquify(to_snake_case(prefix))


def get_uid(prefix: str = "") -> int:
    """Counts the uses of a prefix: 1, 2, ..."""
    uids[prefix] += 1
    return uids[prefix]


def reset_uids() -> None:
    """Starts all counts afresh."""
    uids.clear()


def get_object_name(obj: Any) -> str:
    """The name of a class instance or function, in snake case."""
    if hasattr(obj, "name"):
        return str(obj.name)
    if hasattr(obj, "__name__"):
        return to_snake_case(obj.__name__)
    return to_snake_case(type(obj).__name__)
