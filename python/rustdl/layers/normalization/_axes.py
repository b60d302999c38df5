"""Checks of the axis argument of normalisation layers."""

from __future__ import annotations

from typing import Any


def check_axes(axis: Any, input_shape: Any) -> None:
    """Raises ValueError when an axis is out of bounds for the input's rank."""
    rank = len(input_shape)
    for a in (axis,) if isinstance(axis, int) else axis:
        if not -rank <= a < rank:
            raise ValueError(f"Axis {a} is out of bounds for input shape {tuple(input_shape)}. Received: axis={axis}")
