"""Quantizers that find their scale from the largest magnitude, for each channel or group of inputs."""

from __future__ import annotations

import math
from typing import Any

from rustdl import ops
from rustdl.backend.config import epsilon as default_epsilon


class Quantizer:
    """Base class of quantizers: callables from a tensor to a quantized one.

    Args:
        output_dtype: The dtype of the result.
    """

    def __init__(self, output_dtype: str = "int8") -> None:
        self.output_dtype = output_dtype

    def __call__(self, x: Any) -> Any:
        """The quantized tensor; `x` itself here."""
        return x

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor.

        Raises:
            NotImplementedError: In this class.
        """
        raise NotImplementedError(f"{self} does not implement get_config()")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A quantizer from `get_config`'s result."""
        return cls(**config)


def abs_max_quantize(
    inputs: Any,
    axis: Any,
    value_range: tuple[int, int] = (-127, 127),
    dtype: str = "int8",
    epsilon: float | None = None,
    to_numpy: bool = False,
) -> tuple[Any, Any]:
    """Symmetric quantization: `q = clip(round(x s))` with `s = value_range[1] / (max |x| + epsilon)`.

    Args:
        inputs: Float tensor `x`.
        axis: Axis or axes over which a scale is shared.
        value_range: The least and the largest quantized value.
        dtype: The dtype of the quantized tensor.
        epsilon: Against division by zero, `backend.epsilon()` by default.
        to_numpy: Keras computes on the host if it is true; here that is the same, and the argument makes no difference.

    Returns:
        Pair of the quantized tensor and the scale `s`, its axes kept with size 1; `x` is about `q / s`.

    Example:
        >>> q, scale = abs_max_quantize([[1.0, -2.0]], axis=-1)
        >>> q.tolist(), round(float(scale[0, 0]), 2)
        ([[63, -127]], 63.5)
    """
    del to_numpy
    inputs = ops.convert_to_tensor(inputs)
    low, high = value_range
    small = default_epsilon() if epsilon is None else epsilon
    scale = ops.divide(high, ops.max(ops.abs(inputs), axis=axis, keepdims=True) + small)
    scale = ops.cast(scale, inputs.dtype)
    quantized = ops.clip(ops.round(inputs * scale), low, high)
    return ops.cast(quantized, dtype), scale


def abs_max_quantize_grouped_with_zero_point(
    inputs: Any,
    block_size: int,
    value_range: tuple[int, int] = (-8, 7),
    dtype: str = "int8",
    epsilon: float | None = None,
    to_numpy: bool = False,
) -> tuple[Any, Any, Any]:
    """Asymmetric quantization of a matrix, where `block_size` rows of a column share a scale and a zero point.

    `q = clip(round(x / s) + z)` with `s = (max - min + epsilon) / (value_range[1] - value_range[0])` and
    `z = clip(round(-min / s) + value_range[0])`.

    Args:
        inputs: Float matrix `(inputs, outputs)`; its rows are filled with zeros to whole groups.
        block_size: Rows of a group.
        value_range: The least and the largest quantized value.
        dtype: The dtype of the quantized tensor.
        epsilon: Against division by zero, `backend.epsilon()` by default.
        to_numpy: Makes no difference, as for `abs_max_quantize`.

    Returns:
        Quantized matrix, scales and zero points (`int8`), both of shape `(groups, outputs)`. `x` is about `(q - z) s`.
    """
    del to_numpy
    inputs = ops.convert_to_tensor(inputs)
    if inputs.ndim != 2 or block_size < 1:
        raise ValueError(
            "abs_max_quantize_grouped_with_zero_point: needs a matrix and a positive block_size. "
            f"Received: inputs.shape={tuple(inputs.shape)}, block_size={block_size}"
        )
    rows, columns = inputs.shape
    groups = math.ceil(rows / block_size)
    low, high = value_range
    padded = ops.pad(inputs, [[0, groups * block_size - rows], [0, 0]])
    blocks = ops.reshape(padded, (groups, block_size, columns))
    scale, zero = grouped_scale(blocks, value_range, default_epsilon() if epsilon is None else epsilon)
    quantized = ops.round(blocks / ops.expand_dims(scale, 1)) + ops.expand_dims(zero, 1)
    quantized = ops.reshape(ops.clip(quantized, low, high), (groups * block_size, columns))[:rows]
    return ops.cast(quantized, dtype), scale, ops.cast(zero, "int8")


def grouped_scale(blocks: Any, value_range: tuple[int, int], epsilon: float) -> tuple[Any, Any]:
    """Scales and zero points (both floats) of blocks `(groups, block, outputs)`."""
    low, high = value_range
    least, largest = ops.min(blocks, axis=1), ops.max(blocks, axis=1)
    # A constant group would have the scale 0.
    constant = ops.equal(least, largest)
    least, largest = ops.where(constant, least - 1, least), ops.where(constant, largest + 1, largest)
    scale = (largest - least + epsilon) / (high - low)
    return scale, ops.clip(ops.round(-least / scale) + low, low, high)


class AbsMaxQuantizer(Quantizer):
    """Symmetric quantization by the largest magnitude; see `abs_max_quantize`.

    Args:
        axis: Axis or axes over which a scale is shared, unless the call says so; the last one by default.
        value_range: The least and the largest quantized value.
        epsilon: Against division by zero.
        output_dtype: The dtype of the quantized tensor.

    Raises:
        ValueError: `value_range` does not fit into `int8`.
    """

    def __init__(
        self,
        axis: Any = None,
        value_range: tuple[int, int] = (-127, 127),
        epsilon: float | None = None,
        output_dtype: str = "int8",
    ) -> None:
        super().__init__(output_dtype)
        self.axis = None if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.value_range = tuple(value_range)
        self.epsilon = default_epsilon() if epsilon is None else epsilon
        if output_dtype == "int8" and (value_range[0] < -128 or value_range[1] > 127):
            raise ValueError(
                "Quantizer with output_dtype='int8' requires value_range to be within the interval [-128, 127]. "
                f"Received: value_range={value_range}"
            )

    def __call__(self, x: Any, axis: Any = None, to_numpy: bool = False) -> tuple[Any, Any]:
        """The quantized tensor and its scale.

        Args:
            x: Float tensor.
            axis: Axis or axes over which a scale is shared; by default the constructor's.
            to_numpy: Makes no difference, as for `abs_max_quantize`.
        """
        if axis is None:
            axis = -1 if self.axis is None else self.axis
        low, high = self.value_range
        return abs_max_quantize(x, axis, (low, high), self.output_dtype, self.epsilon, to_numpy)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        config = {"value_range": self.value_range, "epsilon": self.epsilon, "output_dtype": self.output_dtype}
        return config if self.axis is None else {**config, "axis": self.axis}
