"""What padding, cropping and up-sampling share: amounts at both ends of each spatial axis."""

from __future__ import annotations

from typing import Any


def pairs(value: Any, rank: int, name: str) -> tuple[tuple[int, int], ...]:
    """`value` as `(before, after)` for each axis.

    Args:
        value: int; for rank 1 a pair; else one int, or pair, for each axis.
        rank: number of spatial axes.
        name: name of the argument, for the error.

    Raises:
        ValueError: another form, or negative amounts.
    """
    if isinstance(value, int):
        found: list[Any] = [(value, value)] * rank
    elif rank == 1:
        found = [value]
    else:
        if not hasattr(value, "__len__") or len(value) != rank:
            raise ValueError(
                f"`{name}` should have {'two' if rank == 2 else 'three'} elements. Received: {name}={value}."
            )
        found = [(v, v) if isinstance(v, int) else v for v in value]
    result = []
    for i, pair in enumerate(found):
        ordinal = ("1st", "2nd", "3rd")[i]
        what = f"{name}" if rank == 1 else f"{ordinal} entry of {name}"
        fine = hasattr(pair, "__len__") and len(pair) == 2 and all(isinstance(v, int) and v >= 0 for v in pair)
        if not fine:
            raise ValueError(
                f"The `{what}` argument must be a tuple of 2 integers, each >= 0. Received: {name}={value}"
            )
        result.append((int(pair[0]), int(pair[1])))
    return tuple(result)


def resized(input_shape: Any, data_format: str, new_size: Any) -> tuple[int | None, ...]:
    """`input_shape` with each spatial size n replaced by `new_size(axis, n)`; unknown sizes stay unknown."""
    first = 1 if data_format == "channels_last" else 2
    rank = len(input_shape) - 2
    return tuple(
        n if n is None or not first <= i < first + rank else new_size(i - first, n) for i, n in enumerate(input_shape)
    )
