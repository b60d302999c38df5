"""Output shapes of windows that slide: convolution, transposed convolution, pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def window_output_size(size: Any, window: int, stride: int, dilation: int, padding: str) -> Any:
    """Positions of a window along one axis: `floor((size - reach) / stride) + 1`; None for an unknown size."""
    if size is None:
        return None
    if padding == "valid":
        return (size - (dilation * (window - 1) + 1)) // stride + 1
    return -(-size // stride)


def window_output_shape(
    input_shape: Any,
    channels: Any,
    window: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str,
    dilation: Sequence[int] | None = None,
    what: str = "kernel_size",
    layer: str = "",
) -> tuple[Any, ...]:
    """Shape that a convolution or pooling gives.

    Args:
        input_shape: with batch and channel axes.
        channels: channels of the output; None: those of the input.
        window: window sizes.
        strides: steps of the window.
        padding: `"valid"`, `"same"` or `"causal"`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation: spacing of the window's elements, default 1.
        what: name of the window argument, for the error.
        layer: name of the layer, for the error.

    Raises:
        ValueError: wrong rank, or a window that does not fit.
    """
    input_shape = tuple(input_shape)
    where = f"layer '{layer}': " if layer else ""
    if len(input_shape) != len(window) + 2:
        raise ValueError(
            f"{where}Expected an input of rank {len(window) + 2} for {what}={tuple(window)}, "
            f"received input shape {input_shape}"
        )
    last = data_format == "channels_last"
    spatial = input_shape[1:-1] if last else input_shape[2:]
    steps = dilation or (1,) * len(window)
    out = tuple(
        window_output_size(n, k, s, d, padding) for n, k, s, d in zip(spatial, window, strides, steps, strict=True)
    )
    if any(n is not None and n <= 0 for n in out):
        raise ValueError(
            f"{where}Computed output size would be zero or negative. Received: inputs.shape={input_shape}, "
            f"{what}={tuple(window)}, strides={tuple(strides)}, padding={padding!r}, dilation_rate={tuple(steps)}. "
            "Use padding='same', a smaller window, or larger inputs."
        )
    if last:
        return (input_shape[0], *out, input_shape[-1] if channels is None else channels)
    return (input_shape[0], input_shape[1] if channels is None else channels, *out)


def transposed_output_size(size: Any, kernel: int, stride: int, padding: str, extra: int | None, dilation: int) -> Any:
    """Length of one axis of a transposed convolution's output; None for an unknown size.

    With `valid` the output just holds every scattered kernel; with `same` it is `size * stride`; an explicit output
    padding `extra` is added to the smallest length that the forward convolution maps back to `size`.
    """
    if size is None:
        return None
    reach = (kernel - 1) * dilation + 1
    if extra is None:
        return size * stride + max(reach - stride, 0) if padding == "valid" else size * stride
    trim = 0 if padding == "valid" else reach // 2
    return (size - 1) * stride + reach - 2 * trim + extra


def transposed_output_shape(
    input_shape: Any,
    filters: int,
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: str,
    output_padding: Sequence[int] | None,
    data_format: str,
    dilation: Sequence[int],
) -> tuple[Any, ...]:
    """Shape that a transposed convolution gives.

    Args:
        input_shape: with batch and channel axes.
        filters: channels of the output.
        kernel: kernel sizes.
        strides: steps.
        padding: `"valid"` or `"same"`.
        output_padding: extra length, or None.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation: spacing of the kernel's elements.
    """
    input_shape = tuple(input_shape)
    last = data_format == "channels_last"
    spatial = input_shape[1:-1] if last else input_shape[2:]
    extras: Sequence[int | None] = output_padding if output_padding is not None else (None,) * len(kernel)
    out = tuple(
        transposed_output_size(n, k, s, padding, e, d)
        for n, k, s, e, d in zip(spatial, kernel, strides, extras, dilation, strict=True)
    )
    return (input_shape[0], *out, filters) if last else (input_shape[0], filters, *out)
