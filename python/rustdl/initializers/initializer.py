"""The base class of weight initializers."""

from __future__ import annotations

from typing import Any


class Initializer:
    """A callable `initializer(shape, dtype=None)` that returns the first value of a weight.

    Example:
        >>> import rustdl
        >>> class Sevens(rustdl.initializers.Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return rustdl.ops.full(shape, 7, dtype=dtype)
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Makes a tensor of `shape` and `dtype`; subclasses implement it."""
        raise NotImplementedError(f"{type(self).__name__} must implement `__call__(shape, dtype=None)`.")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as a JSON-able dict."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """Makes an initializer from the dict that `get_config` returned."""
        return cls(**config)

    def clone(self) -> Initializer:
        """A fresh initializer with the same configuration."""
        return type(self).from_config(self.get_config())
