"""Checks of arguments that the image layers share."""

from __future__ import annotations

from typing import Any


def number_range(value: Any, bounds: tuple[float, float], name: str, is_symmetric: bool = True) -> tuple[Any, Any]:
    """The range that a factor is drawn from.

    Args:
        value: A range of two numbers, or one number f for -f to f (as far as the bounds allow).
        bounds: What is allowed.
        name: Name of the argument.
        is_symmetric: Whether one number means -f to f, not 0 to f.

    Raises:
        ValueError: Neither a number nor two, or out of the bounds.
    """
    low, high = bounds
    message = (
        f"The `{name}` argument should be a number (or a list of two numbers) in the range [{low}, {high}]. "
        f"Received: {name}={value}"
    )
    if isinstance(value, (tuple, list)):
        if len(value) != 2 or any(isinstance(v, str) for v in value):
            raise ValueError(message)
        if value[0] > high or value[1] < low:
            raise ValueError(message)
        lower, upper = sorted(value)
        return lower, upper
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(message)
    size = abs(value)
    return (max(-size, low) if is_symmetric else 0), size


def check_value_range(value_range: Any) -> list[Any]:
    """The two ends of a value range in order.

    Raises:
        ValueError: Not two numbers.
    """
    if not isinstance(value_range, (tuple, list)) or len(value_range) != 2:
        raise ValueError(
            f"The `value_range` argument should be a list of two numbers. Received: value_range={value_range}"
        )
    return sorted(value_range)


def check_supported(value: str, choices: tuple[str, ...], name: str) -> str:
    """The value, if it is among the choices.

    Raises:
        NotImplementedError: It is not.
    """
    if value not in choices:
        raise NotImplementedError(f"Unknown `{name}` {value}. Expected of one {choices}.")
    return value
