"""Audio as a spectrogram, by a convolution whose kernels begin as sines and cosines and can be trained."""

from __future__ import annotations

import math
import warnings
from typing import Any

from rustdl import backend, initializers, ops
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer

_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


class STFTSpectrogram(Layer):
    """The short-time Fourier transform of a signal, computed by convolutions with trainable kernels.

    Args:
        mode: `"log"`, `"magnitude"`, `"psd"` (power spectral density), `"real"`, `"imag"`, `"angle"`, or `"stft"` (real
            and imaginary parts, one after the other).
        frame_length: samples in a frame.
        frame_step: samples between frames; half of `frame_length` by default.
        fft_length: points of the Fourier transform; by default the power of two that holds a frame.
        window: name of a window, an array of `frame_length` values, or `None`.
        periodic: whether the window is periodic and not symmetric.
        scaling: `"density"`, `"spectrum"` or `None`.
        padding: `"valid"` or `"same"`.
        expand_dims: whether channels and frequencies have an axis each.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        **kwargs: arguments of `Layer`.

    Inputs are `[batch, samples, channels]` (or channels first). Outputs are `[batch, frames, channels * frequencies]`,
    with `expand_dims` `[batch, frames, frequencies, channels]` (or with the channels first).

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import numpy as np
        >>> import rustdl
        >>> layer = rustdl.layers.STFTSpectrogram(frame_length=64)
        >>> layer(np.zeros((1, 256, 1), dtype="float32")).shape
        (1, 7, 33)
    """

    real_kernel: Any
    imag_kernel: Any

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        if frame_step is not None and not 1 <= frame_step <= frame_length:
            raise ValueError(
                "`frame_step` should be a positive integer not greater than `frame_length`. "
                f"Received frame_step={frame_step}, frame_length={frame_length}"
            )
        if fft_length is not None and fft_length < frame_length:
            raise ValueError(
                "`fft_length` should be not less than `frame_length`. "
                f"Received fft_length={fft_length}, frame_length={frame_length}"
            )
        if fft_length is not None and (fft_length & -fft_length) != fft_length:
            warnings.warn(
                f"`fft_length` is recommended to be a power of two. Received fft_length={fft_length}", stacklevel=2
            )
        if mode not in _MODES:
            raise ValueError(f"Output mode is invalid, it must be one of {', '.join(_MODES)}. Received: mode={mode}")
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(
                f"Scaling is invalid, it must be `None`, 'density' or 'spectrum'. Received scaling={scaling}"
            )
        if padding not in ("valid", "same"):
            raise ValueError(f"Padding is invalid, it should be 'valid', 'same'. Received: padding={padding}")
        # Raises for an unknown window.
        initializers.STFT("real", window, scaling, periodic)((frame_length, 1, frame_length // 2 + 1))
        super().__init__(**kwargs)
        self.mode = mode
        self.frame_length = frame_length
        self.frame_step = frame_step
        self.fft_length = fft_length
        self.window = window
        self.periodic = periodic
        self.scaling = scaling
        self.padding = padding
        self.expand_dims = expand_dims
        self.data_format = data_format or backend.image_data_format()
        if self.data_format not in ("channels_first", "channels_last"):
            raise ValueError(
                "The `data_format` argument must be one of {'channels_first', 'channels_last'}. "
                f"Received: data_format={data_format}"
            )
        self._step = frame_step or frame_length // 2
        self._points = fft_length or 2 ** math.ceil(math.log2(frame_length))
        self.input_spec = InputSpec(ndim=3)

    def build(self, input_shape: Any) -> None:
        shape = (self.frame_length, 1, self._points // 2 + 1)
        for part, without in (("real", "imag"), ("imag", "real")):
            if self.mode != without:
                initializer = initializers.STFT(part, self.window, self.scaling, self.periodic)
                setattr(
                    self, f"{part}_kernel", self.add_weight(name=f"{part}_kernel", shape=shape, initializer=initializer)
                )

    def call(self, inputs: Any) -> Any:
        if inputs.dtype not in ("float16", "float32", "float64", "bfloat16"):
            raise TypeError(
                f"Invalid input type. Expected `float16`, `float32` or `float64`. Received: input type={inputs.dtype}"
            )
        signal = inputs if self.data_format == "channels_first" else ops.transpose(inputs, (0, 2, 1))
        real = self._transformed(signal, self.real_kernel) if self.mode != "imag" else None
        imag = self._transformed(signal, self.imag_kernel) if self.mode != "real" else None
        if imag is None or real is None:
            return self._arranged(real if imag is None else imag)
        if self.mode == "angle":
            return self._arranged(ops.arctan2(imag, real))
        if self.mode == "stft":
            return self._arranged(ops.concatenate([real, imag], axis=3))
        power = ops.square(real) + ops.square(imag)
        if self.mode == "psd":
            # All frequencies but the first and the last stand for their negatives too.
            return self._arranged(power + ops.pad(power[..., 1:-1], [[0, 0], [0, 0], [0, 0], [1, 1]]))
        magnitude = ops.sqrt(ops.maximum(power, backend.epsilon()))
        if self.mode == "log":
            magnitude = ops.log(ops.maximum(magnitude, backend.epsilon()))
        return self._arranged(magnitude)

    def _transformed(self, signal: Any, kernel: Any) -> Any:
        """`[batch, channels, samples]` as `[batch, channels, frames, frequencies]`, each channel by itself."""
        channels, samples = signal.shape[1:]
        flat = ops.reshape(signal, (-1, samples, 1))
        kernel = ops.cast(kernel, signal.dtype)
        found = ops.conv(flat, kernel, strides=self._step, padding=self.padding, data_format="channels_last")
        return ops.reshape(found, (-1, channels, *found.shape[1:]))

    def _arranged(self, x: Any) -> Any:
        """`[batch, channels, frames, frequencies]` in the axes of the outputs."""
        last = self.data_format == "channels_last"
        if self.expand_dims:
            return ops.transpose(x, (0, 2, 3, 1)) if last else x
        channels, frames, frequencies = x.shape[1:]
        if last:
            return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, frames, channels * frequencies))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2)), (-1, channels * frequencies, frames))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "mode": self.mode,
            "frame_length": self.frame_length,
            "frame_step": self.frame_step,
            "fft_length": self.fft_length,
            "window": self.window,
            "periodic": self.periodic,
            "scaling": self.scaling,
            "padding": self.padding,
            "data_format": self.data_format,
            "expand_dims": self.expand_dims,
        }
