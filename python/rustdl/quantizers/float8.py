"""8-bit floats, kept as wider floats with the values that an 8-bit float can have: scales and rounding.

rustdl has no tensors of 8 bits a float; what training in `float8` needs is the rounding, which is exact here.
"""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.backend.dtypes import standardize_dtype

# Explicit bits of the mantissa, the exponent of the smallest normal number, and the largest number.
_FORMATS = {"float8_e4m3fn": (3, -6, 448.0), "float8_e5m2": (2, -14, 57344.0)}


def float8_max(dtype: Any) -> float:
    """The largest finite number of an 8-bit float type."""
    return _format(dtype)[2]


def _format(dtype: Any) -> tuple[int, int, float]:
    name = standardize_dtype(dtype)
    if name not in _FORMATS:
        raise ValueError(f"float8: `quantized_dtype` must be one of {sorted(_FORMATS)}. Received: {dtype}")
    return _FORMATS[name]


def compute_float8_scale(amax: Any, scale: Any, dtype_max: float, margin: int = 0) -> Any:
    """The next scale from the largest magnitude seen: `amax 2^margin / dtype_max` (Micikevicius et al. 2022).

    Args:
        amax: The largest magnitude.
        scale: The scale so far, which stays where `amax` is 0 or not finite.
        dtype_max: The largest number of the 8-bit float.
        margin: Powers of two left free above `amax`.
    """
    amax, scale = ops.convert_to_tensor(amax), ops.convert_to_tensor(scale)
    usable = ops.logical_and(ops.greater(amax, 0.0), ops.isfinite(amax))
    return ops.where(usable, amax * (2.0**margin) / dtype_max, scale)


def compute_float8_amax_history(x: Any, amax_history: Any) -> Any:
    """The history of largest magnitudes moved by one place, with that of `x` in the first.

    Args:
        x: The tensor seen last.
        amax_history: Vector of the magnitudes seen before.
    """
    amax_history = ops.convert_to_tensor(amax_history)
    latest = ops.cast(ops.max(ops.abs(x)), amax_history.dtype)
    return ops.concatenate([ops.reshape(latest, (1,)), ops.roll(amax_history, -1)[1:]])


def quantize_and_dequantize(inputs: Any, scale: Any, quantized_dtype: Any, compute_dtype: Any) -> Any:
    """Numbers rounded to those that an 8-bit float times `scale` can be; larger ones become the largest.

    The gradient is that of the clipping: the rounding counts as the identity.

    Args:
        inputs: Float tensor.
        scale: The scale.
        quantized_dtype: `"float8_e4m3fn"` or `"float8_e5m2"`.
        compute_dtype: The dtype of the result.

    Example:
        >>> quantize_and_dequantize([1.06, 1000.0], 1.0, "float8_e4m3fn", "float32").tolist()
        [1.0, 448.0]
    """
    mantissa, least, largest = _format(quantized_dtype)
    scale = ops.cast(scale, compute_dtype)
    x = ops.clip(ops.cast(inputs, compute_dtype) / scale, -largest, largest)
    return _round(x, mantissa, least) * scale


def _round(x: Any, mantissa: int, least: int) -> Any:
    """Rounded to so many bits behind the leading one, ties to even; below 2^least to multiples of its last place."""

    def rounded(x: Any) -> Any:
        wide = ops.cast(x, "float32")
        magnitude = ops.maximum(ops.abs(wide), 2.0**least)
        # One unit in the last place; a logarithm that is off by a rounding errs only where both units give the same.
        unit = ops.ldexp(1.0, ops.cast(ops.floor(ops.log2(magnitude)), "int32") - mantissa)
        y = ops.cast(ops.round(wide / unit) * unit, x.dtype)

        def gradient(*args: Any, upstream: Any = None) -> Any:
            return args[0] if upstream is None else upstream

        return y, gradient

    return ops.custom_gradient(rounded)(x)
