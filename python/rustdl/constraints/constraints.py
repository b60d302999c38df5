"""Projections that the optimizer applies to a weight after each update."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops


class Constraint:
    """A callable that maps a weight to its projection. Subclasses override `__call__`.

    Example:
        >>> import rustdl
        >>> class NonNegative(rustdl.constraints.Constraint):
        ...     def __call__(self, w):
        ...         return rustdl.ops.maximum(w, 0.0)
    """

    def __call__(self, w: Any) -> Any:
        """The projection of the weight `w`."""
        return w

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as a JSON-able dict."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        """Makes a constraint from the dict that `get_config` returned."""
        return cls(**config)


def _norms(w: Any, axis: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


class MaxNorm(Constraint):
    """Scales vectors down so that their L2 norm is at most `max_value`.

    Args:
        max_value: the largest norm.
        axis: axis or axes over which norms are taken; 0 for the inputs of a `Dense` kernel, `[0, 1, 2]` for a
            `Conv2D` kernel.
    """

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        w = backend.convert_to_tensor(w)
        norms = _norms(w, self.axis)
        desired = ops.clip(norms, 0, self.max_value)
        return w * (desired / (backend.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Sets negative weights to zero."""

    def __call__(self, w: Any) -> Any:
        return ops.maximum(backend.convert_to_tensor(w), 0)


class UnitNorm(Constraint):
    """Scales vectors to L2 norm 1.

    Args:
        axis: axis or axes over which norms are taken.
    """

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        w = backend.convert_to_tensor(w)
        return w / (backend.epsilon() + _norms(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Moves the L2 norm of vectors into `[min_value, max_value]`.

    The new norm is `rate * clip(norm, min_value, max_value) + (1 - rate) * norm`.

    Args:
        min_value: the smallest norm.
        max_value: the largest norm.
        rate: 1 enforces the bounds at every step, less moves towards them.
        axis: axis or axes over which norms are taken.
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0) -> None:
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        w = backend.convert_to_tensor(w)
        norms = _norms(w, self.axis)
        desired = self.rate * ops.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (backend.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }
