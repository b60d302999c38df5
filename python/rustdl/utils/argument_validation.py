"""Checks of arguments that many layers share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any


def standardize_tuple(value: Any, n: int, name: str, allow_zero: bool = False) -> tuple[int, ...]:
    """An int, or n of them, as a tuple of n ints.

    Args:
        value: int or sequence of ints.
        n: number of elements.
        name: name of the argument, for the error.
        allow_zero: whether 0 is fine.

    Raises:
        ValueError: wrong length, not ints, or too small.

    Example:
        >>> standardize_tuple(3, 2, "kernel_size")
        (3, 3)
    """
    message = f"The `{name}` argument must be a tuple of {n} integers. Received {name}={value}"
    if isinstance(value, int):
        found: tuple[Any, ...] = (value,) * n
    else:
        try:
            found = tuple(value)
        except TypeError:
            raise ValueError(message) from None
    if len(found) != n:
        raise ValueError(message)
    for item in found:
        try:
            int(item)
        except (ValueError, TypeError):
            raise ValueError(f"{message}, including element {item} of type {type(item)}") from None
    wrong = {v for v in found if (v < 0 if allow_zero else v <= 0)}
    if wrong:
        bound = ">= 0" if allow_zero else "> 0"
        raise ValueError(f"{message}, including values {wrong} that do not satisfy `value {bound}`")
    return tuple(int(v) for v in found)


def standardize_padding(value: Any, allow_causal: bool = False) -> str:
    """A padding name in lower case: `"valid"`, `"same"`, or, where allowed, `"causal"`.

    Args:
        value: the name.
        allow_causal: whether `"causal"` is fine.

    Raises:
        ValueError: another name.
    """
    allowed = ("valid", "same", "causal") if allow_causal else ("valid", "same")
    padding = str(value).lower()
    if padding not in allowed:
        raise ValueError(f"The `padding` argument must be a list/tuple or one of {set(allowed)}. Received: {padding}")
    return padding


def validate_string_arg(
    value: Any,
    allowable_strings: Collection[str],
    caller_name: str,
    arg_name: str,
    allow_none: bool = False,
    allow_callables: bool = False,
) -> None:
    """Raises ValueError unless `value` is one of the strings (or None, or a callable, where allowed)."""
    if (allow_none and value is None) or (allow_callables and isinstance(value, Callable)):  # type: ignore[arg-type]
        return
    if isinstance(value, str) and value in allowable_strings:
        return
    raise ValueError(
        f"Unknown value for `{arg_name}` argument of {caller_name}. Allowed values are: {allowable_strings}. "
        f"Received: {arg_name}={value}"
    )
