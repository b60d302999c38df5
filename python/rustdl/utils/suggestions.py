"""The error for a name that is not known, with the names that come near it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def unknown_identifier(kind: str, identifier: Any, names: Iterable[str]) -> ValueError:
    """The error for an identifier for which there is nothing.

    Args:
        kind: What was looked for, such as `"loss"`.
        identifier: What was given.
        names: The names that are known.

    Returns:
        A ValueError to raise.

    Example:
        >>> from rustdl.utils.suggestions import unknown_identifier
        >>> str(unknown_identifier("optimizer", "adamm", ["adam", "sgd"]))
        "Could not interpret optimizer identifier: adamm. Did you mean 'adam'?"
    """
    message = f"Could not interpret {kind} identifier: {identifier}"
    if not isinstance(identifier, str):
        return ValueError(
            f"{message} (of type {type(identifier).__name__}). Pass a name, an object or a configuration."
        )
    near = difflib.get_close_matches(identifier, sorted(set(names)), n=3)
    if near:
        return ValueError(f"{message}. Did you mean {' or '.join(repr(name) for name in near)}?")
    return ValueError(f"{message}. Pass an object, register your own by that name, or use a name of the documentation.")
