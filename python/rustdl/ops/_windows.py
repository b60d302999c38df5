"""Window functions of a number of points, as numpy's: symmetric, 1 in the middle."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend
from rustdl.backend.keras_tensor import KerasTensor


def _points(name: str, x: Any) -> int | None:
    """The number of points; `None` where it is symbolic."""
    if isinstance(x, KerasTensor):
        return None
    try:
        return int(x)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: `x` must be one integer, the number of points. Received: x={x}") from None


def _window(name: str, x: Any, make: Any) -> Any:
    n = _points(name, x)
    if n is None:
        return KerasTensor((None,), dtype=backend.floatx())
    return backend.convert_to_tensor(make(n), dtype=backend.floatx())


def bartlett(x: Any) -> Any:
    """The triangular window: `w[k] = 1 - |2 k / (n - 1) - 1|`.

    Args:
        x: The number of points `n`.

    Example:
        >>> from rustdl import ops
        >>> ops.bartlett(5).tolist()
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    return _window("bartlett", x, np.bartlett)


def blackman(x: Any) -> Any:
    """The Blackman window: `w[k] = 0.42 - 0.5 cos(2 pi k / (n - 1)) + 0.08 cos(4 pi k / (n - 1))`.

    Args:
        x: The number of points `n`.
    """
    return _window("blackman", x, np.blackman)


def hamming(x: Any) -> Any:
    """The Hamming window: `w[k] = 0.54 - 0.46 cos(2 pi k / (n - 1))`.

    Args:
        x: The number of points `n`.
    """
    return _window("hamming", x, np.hamming)


def hanning(x: Any) -> Any:
    """The Hann window: `w[k] = 0.5 - 0.5 cos(2 pi k / (n - 1))`.

    Args:
        x: The number of points `n`.
    """
    return _window("hanning", x, np.hanning)


def kaiser(x: Any, beta: Any) -> Any:
    """The Kaiser window: `w[k] = I0(beta sqrt(1 - (2 k / (n - 1) - 1)^2)) / I0(beta)`.

    Args:
        x: The number of points `n`.
        beta: The shape; 0 is a rectangle, large values are narrow.
    """
    return _window("kaiser", x, lambda n: np.kaiser(n, float(beta)))
