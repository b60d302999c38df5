"""Fourier transforms with Keras' arguments: complex numbers are pairs (real, imaginary) of float tensors.

The transforms are functions of the engine; frames, windows and overlapping sums around them are made of others.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rustdl import backend
from rustdl._rustdl import ops as engine
from rustdl.backend.dtypes import is_float_dtype
from rustdl.ops._symbolic import symbolic

# With more overlapping frames than this, sums go through `segment_sum` instead of shifted copies.
_SHIFTS = 32


def _check_rank(x: Any, name: str, rank: int) -> None:
    if x.ndim < rank:
        raise ValueError(f"{name}: Input should have rank >= {rank}. Received: input.shape={tuple(x.shape)}")


def _parts(x: Any, name: str, rank: int = 1) -> tuple[Any, Any]:
    """Both parts of a complex tensor with at least `rank` axes."""
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"{name}: Input `x` should be a tuple of two tensors - real and imaginary. Received: x={x}")
    real, imag = backend.convert_to_tensor(x[0]), backend.convert_to_tensor(x[1])
    if tuple(real.shape) != tuple(imag.shape):
        raise ValueError(
            f"{name}: Input `x` should be a tuple of two tensors - real and imaginary. Both the real and imaginary "
            f"parts should have the same shape. Received: x[0].shape = {tuple(real.shape)}, "
            f"x[1].shape = {tuple(imag.shape)}"
        )
    _check_rank(real, name, rank)
    for part in (real, imag):
        if not is_float_dtype(part.dtype):
            raise ValueError(f"{name}: At least one tensor in input `x` is not of type float. Received: {part.dtype}")
    return real, imag


def _float(x: Any) -> Any:
    x = backend.convert_to_tensor(x)
    return x if is_float_dtype(x.dtype) else backend.cast(x, backend.floatx())


def _fft(x: Any) -> tuple[Any, Any]:
    """The discrete Fourier transform along the last axis: `y[k] = sum_j x[j] exp(-2 pi i j k / n)`.

    Args:
        x: Pair of float tensors of one shape, the real and imaginary parts.

    Returns:
        Pair of tensors of that shape, the real and imaginary parts.

    Raises:
        ValueError: Not a pair, not of one shape, not floats, or the last axis is empty.

    Example:
        >>> from rustdl import ops
        >>> real, imag = ops.fft((ops.array([1.0, 0.0, 0.0]), ops.zeros(3)))
        >>> real.tolist()
        [1.0, 1.0, 1.0]
    """
    return tuple(engine.fft(*_parts(x, "fft")))  # type: ignore[return-value]


def _fft2(x: Any) -> tuple[Any, Any]:
    """The discrete Fourier transform along the last two axes.

    Args:
        x: Pair of float tensors of one shape with at least two axes, the real and imaginary parts.

    Returns:
        Pair of tensors of that shape.
    """
    return tuple(engine.fft2(*_parts(x, "fft2", 2)))  # type: ignore[return-value]


def _ifft2(x: Any) -> tuple[Any, Any]:
    """The inverse of `fft2`: transforms with `+i` along the last two axes, divided by the number of elements.

    Args:
        x: Pair of float tensors of one shape with at least two axes, the real and imaginary parts.

    Returns:
        Pair of tensors of that shape.
    """
    return tuple(engine.ifft2(*_parts(x, "ifft2", 2)))  # type: ignore[return-value]


def _rfft(x: Any, fft_length: int | None = None) -> tuple[Any, Any]:
    """The first `n // 2 + 1` elements of the transform of `n` real numbers along the last axis.

    The other elements are the conjugates of these.

    Args:
        x: Real tensor.
        fft_length: `n`; the axis is cut or filled with zeros at its end. By default its size.

    Returns:
        Pair of tensors, the real and imaginary parts.

    Example:
        >>> from rustdl import ops
        >>> real, imag = ops.rfft(ops.array([1.0, 1.0, 1.0, 1.0]))
        >>> real.tolist(), imag.shape
        ([4.0, 0.0, 0.0], (3,))
    """
    x = _float(x)
    _check_rank(x, "rfft", 1)
    return tuple(engine.rfft(x, fft_length))  # type: ignore[return-value]


def _irfft(x: Any, fft_length: int | None = None) -> Any:
    """The inverse of `rfft`: `n` real numbers from the first `n // 2 + 1` elements of their transform.

    Args:
        x: Pair of float tensors of one shape, the real and imaginary parts of `m` elements along the last axis.
        fft_length: `n`, by default `2 * (m - 1)`.

    Example:
        >>> from rustdl import ops
        >>> ops.irfft(ops.rfft(ops.array([0.0, 1.0, 2.0, 4.0]))).tolist()
        [0.0, 1.0, 2.0, 4.0]
    """
    return engine.irfft(*_parts(x, "irfft"), fft_length)


def _frame_sizes(name: str, sequence_length: int, sequence_stride: int) -> None:
    for argument, value in (("sequence_length", sequence_length), ("sequence_stride", sequence_stride)):
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name}: `{argument}` must be a positive integer. Received: {argument}={value}")


def _extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Slices of the last axis: `y[..., f, i] = x[..., f * sequence_stride + i]`, as many as fit.

    Args:
        x: Tensor with at least one axis.
        sequence_length: Elements of a slice.
        sequence_stride: Distance from the start of one slice to the next.

    Returns:
        Tensor of shape `(..., frames, sequence_length)`.

    Example:
        >>> from rustdl import ops
        >>> ops.extract_sequences(ops.arange(6), 3, 2).tolist()
        [[0, 1, 2], [2, 3, 4]]
    """
    _frame_sizes("extract_sequences", sequence_length, sequence_stride)
    x = backend.convert_to_tensor(x)
    _check_rank(x, "extract_sequences", 1)
    count = (x.shape[-1] - sequence_length) // sequence_stride + 1 if x.shape[-1] >= sequence_length else 0
    if sequence_stride == sequence_length:
        whole = engine.slice(x, [0] * x.ndim, [*x.shape[:-1], count * sequence_length])
        return engine.reshape(whole, [*x.shape[:-1], count, sequence_length])
    starts = np.arange(count, dtype="int32")[:, None] * sequence_stride
    return engine.take(x, starts + np.arange(sequence_length, dtype="int32"), -1)


def _overlap_add(frames: Any, stride: int) -> Any:
    """The sum of frames that start `stride` elements apart: shape `(..., f, n)` to `(..., (f - 1) * stride + n)`."""
    *batch, count, length = frames.shape
    pieces = -(-length // stride)
    total = (count - 1) * stride + length
    if pieces > _SHIFTS:
        where = np.arange(count, dtype="int32")[:, None] * stride + np.arange(length, dtype="int32")
        lines = engine.reshape(frames, [math.prod(batch), count * length])
        sums = engine.segment_sum(engine.transpose(lines, [1, 0]), where.reshape(-1), total)
        return engine.reshape(engine.transpose(sums, [1, 0]), [*batch, total])
    # A frame is cut into pieces of one stride: sum p is made of the pieces k of the frames p - k.
    keep = [0, 0] * len(batch)
    frames = engine.pad_zeros(frames, [*keep, 0, 0, 0, pieces * stride - length])
    cut = engine.reshape(frames, [*batch, count, pieces, stride])
    result: Any = None
    for k in range(pieces):
        piece = engine.slice(cut, [0] * len(batch) + [0, k, 0], [*batch, count, 1, stride])
        piece = engine.reshape(piece, [*batch, count, stride])
        piece = engine.pad_zeros(piece, [*keep, k, pieces - 1 - k, 0, 0])
        result = piece if result is None else result + piece
    flat = engine.reshape(result, [*batch, (count + pieces - 1) * stride])
    return engine.slice(flat, [0] * flat.ndim, [*batch, total])


def _window(window: Any, length: int, fft_length: int, dtype: str) -> Any:
    """The window in the middle of `fft_length` elements; ones without a window."""
    if window is None:
        return engine.ones([fft_length], dtype=dtype)
    if isinstance(window, str):
        # Periodic windows: the next period would begin at `length`.
        a = {"hann": 0.5, "hamming": 0.54}.get(window)
        if a is None:
            raise ValueError(
                f'If a string is passed to `window`, it must be one of `"hann"`, `"hamming"`. Received: window={window}'
            )
        n = max(length, 1)
        values = a - (1 - a) * np.cos(2 * np.pi * np.arange(n) / n) if n > 1 else np.ones(1)
        win = backend.convert_to_tensor(values, dtype=dtype)
    else:
        win = backend.convert_to_tensor(window, dtype=dtype)
    if tuple(win.shape) != (length,):
        raise ValueError(
            f"The shape of `window` must be equal to [sequence_length]. Received: window shape={tuple(win.shape)}, "
            f"sequence_length={length}"
        )
    left = (fft_length - length) // 2
    return engine.pad_zeros(win, [left, fft_length - length - left])


def _check_frames(name: str, sequence_length: int, sequence_stride: int, fft_length: int) -> None:
    _frame_sizes(name, sequence_length, sequence_stride)
    if fft_length < sequence_length:
        raise ValueError(
            f"{name}: `fft_length` must equal or larger than `sequence_length`. "
            f"Received: sequence_length={sequence_length}, fft_length={fft_length}"
        )


def _stft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> tuple[Any, Any]:
    """The short-time Fourier transform: `rfft` of windowed, overlapping frames of the last axis.

    Args:
        x: Tensor of `float32` or `float64`.
        sequence_length: Elements of the window.
        sequence_stride: Distance from one frame to the next.
        fft_length: Elements of a frame; the window lies in its middle.
        window: `"hann"`, `"hamming"` (periodic), a tensor of `sequence_length` elements, or `None` for none.
        center: Whether the axis is reflected at both ends by `fft_length // 2`, so that frame `f` is centred at element
            `f * sequence_stride`.

    Returns:
        Pair of tensors of shape `(..., frames, fft_length // 2 + 1)`, the real and imaginary parts.

    Example:
        >>> from rustdl import ops
        >>> real, imag = ops.stft(ops.ones((2, 16)), 8, 4, 8)
        >>> real.shape
        (2, 5, 5)
    """
    x = backend.convert_to_tensor(x)
    if x.dtype not in ("float32", "float64"):
        raise TypeError(f"Invalid input type. Expected `float32` or `float64`. Received: input type={x.dtype}")
    _check_frames("stft", sequence_length, sequence_stride, fft_length)
    win = _window(window, sequence_length, fft_length, x.dtype)
    if center:
        half = fft_length // 2
        x = engine.pad(x, [0, 0] * (x.ndim - 1) + [half, half], "reflect", None)
    frames = _extract_sequences(x, fft_length, sequence_stride)
    return tuple(engine.rfft(frames * win))  # type: ignore[return-value]


def _istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """The inverse of `stft`: the signal whose frames are nearest to those given (Griffin and Lim, 1984).

    `y[t] = sum_f w[t - f s] frame_f[t - f s] / sum_f w[t - f s]^2` with `frame_f` from `irfft`. Without a window the
    frames are summed with the weight `fft_length / (sequence_stride * frames at t)`.

    Args:
        x: Pair of tensors of shape `(..., frames, fft_length // 2 + 1)`, the real and imaginary parts.
        sequence_length: Elements of the window.
        sequence_stride: Distance from one frame to the next.
        fft_length: Elements of a frame.
        length: Elements of the result; by default all that the frames cover.
        window: As in `stft`.
        center: Whether `stft` was called so: `fft_length // 2` elements at both ends are then cut off.

    Returns:
        Tensor of shape `(..., length)`.
    """
    real, imag = _parts(x, "istft", 2)
    _check_frames("istft", sequence_length, sequence_stride, fft_length)
    win = _window(window, sequence_length, fft_length, real.dtype)
    count = real.shape[-2]
    if count == 0:
        raise ValueError(f"istft: `x` has no frames. Received shape: {tuple(real.shape)}")
    frames = engine.irfft(real, imag, fft_length)
    weight = _overlap_add(engine.broadcast_to(engine.square(win), [count, fft_length]), sequence_stride)
    weight = engine.where_(engine.greater(weight, 1e-10), weight, 1.0)
    y = _overlap_add(frames * win, sequence_stride) / weight
    if window is None:
        y = y * (fft_length / sequence_stride)
    total = (count - 1) * sequence_stride + fft_length
    start = fft_length // 2 if center else 0
    end = total - (fft_length // 2 if center else 0) if length is None else start + length
    end = min(max(end, start), total)
    return engine.slice(y, [0] * (y.ndim - 1) + [start], [*y.shape[:-1], end - start])


fft: Any = symbolic(_fft, "fft")
fft2: Any = symbolic(_fft2, "fft2")
ifft2: Any = symbolic(_ifft2, "ifft2")
rfft: Any = symbolic(_rfft, "rfft")
irfft: Any = symbolic(_irfft, "irfft")
stft: Any = symbolic(_stft, "stft")
istft: Any = symbolic(_istft, "istft")
extract_sequences: Any = symbolic(_extract_sequences, "extract_sequences")
