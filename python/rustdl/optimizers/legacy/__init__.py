"""Keras 2's legacy optimizers: names that only say what to use instead."""

from __future__ import annotations

from typing import Any


class _Legacy:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ImportError(
            f"`keras.optimizers.legacy` is not supported. Use `rustdl.optimizers.{type(self).__name__}` instead."
        )


class Optimizer(_Legacy):
    """Raises ImportError."""


class Adagrad(_Legacy):
    """Raises ImportError."""


class Adam(_Legacy):
    """Raises ImportError."""


class Ftrl(_Legacy):
    """Raises ImportError."""


class RMSprop(_Legacy):
    """Raises ImportError."""


class SGD(_Legacy):
    """Raises ImportError."""
