"""Penalties on weights and activities that layers add to the loss."""

from __future__ import annotations

import math
from typing import Any

from rustdl import ops


class Regularizer:
    """A callable that maps a tensor to a scalar penalty. Subclasses implement `__call__` and `get_config`.

    Example:
        >>> import rustdl
        >>> class MeanAbs(rustdl.regularizers.Regularizer):
        ...     def __call__(self, x):
        ...         return rustdl.ops.mean(rustdl.ops.abs(x))
    """

    def __call__(self, x: Any) -> Any:
        """The penalty of `x`."""
        return 0.0

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        """Makes a regularizer from the dict that `get_config` returned."""
        return cls(**config)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as a JSON-able dict."""
        raise NotImplementedError(f"{self} does not implement get_config()")


class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x^2)`.

    Args:
        l1: factor of the absolute values.
        l2: factor of the squares.
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = validate_float_arg(0.0 if l1 is None else l1, name="l1")
        self.l2 = validate_float_arg(0.0 if l2 is None else l2, name="l2")

    def __call__(self, x: Any) -> Any:
        penalty = ops.convert_to_tensor(0.0, dtype=x.dtype)
        if self.l1 != 0.0:
            penalty = penalty + self.l1 * ops.sum(ops.absolute(x))
        if self.l2 != 0.0:
            penalty = penalty + self.l2 * ops.sum(ops.square(x))
        return penalty

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """`l1 * sum(|x|)`.

    Args:
        l1: the factor, default 0.01.
    """

    def __init__(self, l1: float | None = 0.01) -> None:
        self.l1 = validate_float_arg(0.01 if l1 is None else l1, name="l1")

    def __call__(self, x: Any) -> Any:
        return self.l1 * ops.sum(ops.absolute(x))

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(Regularizer):
    """`l2 * sum(x^2)`.

    Args:
        l2: the factor, default 0.01.
    """

    def __init__(self, l2: float | None = 0.01) -> None:
        self.l2 = validate_float_arg(0.01 if l2 is None else l2, name="l2")

    def __call__(self, x: Any) -> Any:
        return self.l2 * ops.sum(ops.square(x))

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """Pushes the rows or columns of a matrix to be orthogonal: `factor` times their mean absolute cosine.

    Args:
        factor: weight of the penalty.
        mode: `"rows"` or `"columns"`.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = validate_float_arg(factor, name="factor")
        if mode not in ("rows", "columns"):
            raise ValueError(
                f'Invalid value for argument `mode`. Expected one of {{"rows", "columns"}}. Received: mode={mode}'
            )
        self.mode = mode

    def __call__(self, inputs: Any) -> Any:
        if len(inputs.shape) != 2:
            raise ValueError(f"Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape={inputs.shape}")
        axis = 1 if self.mode == "rows" else 0
        square = ops.sum(ops.square(inputs), axis=axis, keepdims=True)
        unit = inputs * ops.rsqrt(ops.maximum(square, 1e-14))
        cosines = ops.matmul(unit, ops.transpose(unit)) if axis else ops.matmul(ops.transpose(unit), unit)
        size = inputs.shape[1 - axis]
        off_diagonal = cosines * (1.0 - ops.eye(size, dtype=inputs.dtype))
        pairs = size * (size - 1.0) / 2.0
        return self.factor * 0.5 * ops.sum(ops.absolute(off_diagonal)) / pairs

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


def validate_float_arg(value: Any, name: str) -> float:
    """`value` as a float, or ValueError unless it is finite and not negative."""
    fine = isinstance(value, float | int) and math.isfinite(value) and value >= 0
    if not fine:
        raise ValueError(f"Invalid value for argument {name}: expected a non-negative float. Received: {name}={value}")
    return float(value)
