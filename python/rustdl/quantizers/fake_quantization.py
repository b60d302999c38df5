"""Quantization simulated in floats, with gradients: for training that takes it into account."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.backend.dtypes import result_type
from rustdl.ops._symbolic import symbolic


def _fake_quant(
    inputs: Any,
    min_vals: Any,
    max_vals: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    axis: int | None = None,
) -> Any:
    """Numbers rounded to `2^num_bits` evenly spaced values (Jacob et al. 2018).

    The range `[min_vals, max_vals]` is moved so that 0 is one of the values. The gradient by `inputs` is 1 inside the
    range; those by its ends are the sums of the gradients of the elements clipped there.

    Args:
        inputs: Float tensor.
        min_vals: The low end: a scalar, or a vector with one for each channel.
        max_vals: The high end.
        num_bits: Bits.
        narrow_range: Whether there is one value less, so that they are symmetric around 0.
        axis: The axis of the channels; `None` for one range.

    Returns:
        Tensor of the shape and dtype of `inputs`.
    """
    inputs = ops.convert_to_tensor(inputs)
    low, high = ops.convert_to_tensor(min_vals), ops.convert_to_tensor(max_vals)
    axis = None if axis is None else axis % inputs.ndim
    others = [a for a in range(inputs.ndim) if a != axis]
    shape = [inputs.shape[a] if a == axis else 1 for a in range(inputs.ndim)]

    def along(x: Any) -> Any:
        return ops.reshape(x, shape if axis is not None and x.size > 1 else [])

    def rounded(x: Any, low: Any, high: Any) -> Any:
        compute_dtype = result_type(low.dtype, "float32")
        least, largest = 1 if narrow_range else 0, 2 ** int(num_bits) - 1
        a, b = (along(ops.cast(end, compute_dtype)) for end in (low, high))
        scale, inverse = (b - a) / (largest - least), (largest - least) / (b - a)
        zero = ops.round(ops.clip(least - a / scale, least, largest))
        start, end = (least - zero) * scale, (largest - zero) * scale
        steps = ops.clip(ops.cast(x, compute_dtype), start, end) - start
        # Halves round up, and 0 stays exactly 0.
        origin = ops.floor(-start * inverse + 0.5)
        y = ops.cast(ops.floor(steps * inverse - origin + 0.5) * scale, x.dtype)

        def gradient(*args: Any, upstream: Any = None) -> Any:
            g = args[0] if upstream is None else upstream

            def total(mask: Any, like: Any) -> Any:
                axes = others if axis is not None and like.size > 1 else None
                return ops.reshape(ops.sum(ops.where(mask, g, 0.0), axis=axes), like.shape)

            inside = ops.logical_and(ops.greater_equal(x, start), ops.less_equal(x, end))
            below, above = ops.less_equal(x, start), ops.greater_equal(x, end)
            return ops.where(inside, g, 0.0), total(below, low), total(above, high)

        return y, gradient

    return ops.custom_gradient(rounded)(inputs, low, high)


fake_quant_with_min_max_vars: Any = symbolic(_fake_quant, "fake_quant_with_min_max_vars")
