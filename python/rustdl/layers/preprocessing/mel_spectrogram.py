"""Audio as a spectrogram on the mel scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl.layers.preprocessing.data_layer import DataLayer

# The mel scale of the Hidden Markov Model Toolkit: mel(f) = 1127 log(1 + f / 700).
_BREAK_HERTZ = 700.0
_HIGH_Q = 1127.0


class MelSpectrogram(DataLayer):
    """The power of a signal over time in bands that are even on the mel scale, `[mel bins, frames]`.

    Frames of the short-time Fourier transform, centred and the signal reflected at its ends, give magnitudes; these to
    the power `mag_exp` are summed in triangular bands (O'Shaughnessy, 1987) and, with `power_to_db`, given in decibels:
    `10 log10(max(x, min_power)) - 10 log10(max(|ref_power|, min_power))`, at most `top_db` below the largest value.

    Args:
        fft_length: points of the Fourier transform.
        sequence_stride: samples between frames.
        sequence_length: samples in a frame, at most `fft_length`, which is the default.
        window: `"hann"`, `"hamming"`, an array of `sequence_length` values, or `None`.
        sampling_rate: samples a second.
        num_mel_bins: number of bands.
        min_freq: where the bands begin, in hertz.
        max_freq: where they end; half the sampling rate by default.
        power_to_db: whether the result is in decibels.
        top_db: range of the decibels.
        mag_exp: power of the magnitudes: 1 for energy, 2 for power.
        min_power: least power for the logarithm.
        ref_power: what 0 decibels are.
        **kwargs: arguments of `Layer`.

    Inputs are `[samples]` or `[batch, samples]`; outputs `[mel bins, frames]` or `[batch, mel bins, frames]`.

    Raises:
        ValueError: `sequence_length` greater than `fft_length`.

    Example:
        >>> import numpy as np
        >>> import rustdl
        >>> layer = rustdl.layers.MelSpectrogram(fft_length=512, sequence_stride=128, num_mel_bins=40)
        >>> layer(np.zeros((2, 16000), dtype="float32")).shape
        (2, 40, 126)
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fft_length = fft_length
        self.sequence_stride = sequence_stride
        self.sequence_length = sequence_length or fft_length
        if self.fft_length < self.sequence_length:
            raise ValueError(
                "`fft_length` must be greater than or equal to `sequence_length`. Received: "
                f"`sequence_length`={self.sequence_length}, `fft_length`={self.fft_length}."
            )
        self.window = window
        self.sampling_rate = sampling_rate
        self.num_mel_bins = num_mel_bins
        self.min_freq = min_freq
        self.max_freq = max_freq or int(sampling_rate / 2)
        self.power_to_db = power_to_db
        self.top_db = top_db
        self.mag_exp = mag_exp
        self.min_power = min_power
        self.ref_power = ref_power
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        # The Fourier transform is in single or double precision.
        dtype = self.compute_dtype if self.compute_dtype in ("float32", "float64") else "float32"
        inputs = backend.convert_to_tensor(inputs, dtype=dtype)
        real, imag = ops.stft(
            inputs, self.sequence_length, self.sequence_stride, self.fft_length, window=self.window, center=True
        )
        magnitude = ops.sqrt(ops.square(real) + ops.square(imag))
        bands = self.linear_to_mel_weight_matrix(
            self.num_mel_bins, self.fft_length // 2 + 1, self.sampling_rate, self.min_freq, self.max_freq, dtype
        )
        mel = ops.matmul(ops.power(magnitude, self.mag_exp), bands)
        if self.power_to_db:
            mel = self._decibels(mel)
        return ops.cast(ops.swapaxes(mel, -1, -2), self.compute_dtype)

    def _decibels(self, power: Any) -> Any:
        reference = 10.0 * float(np.log10(max(abs(self.ref_power), self.min_power)))
        found = 10.0 * ops.log10(ops.maximum(power, self.min_power)) - reference
        return ops.maximum(found, ops.max(found) - self.top_db)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: float = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: str = "float32",
    ) -> Any:
        """The bands: a matrix that sums frequencies into mel bins by triangles of height 1.

        Args:
            num_mel_bins: number of bands.
            num_spectrogram_bins: number of frequencies, from 0 to half the sampling rate.
            sampling_rate: samples a second.
            lower_edge_hertz: where the lowest band begins.
            upper_edge_hertz: where the highest band ends.
            dtype: dtype of the matrix.

        Returns:
            `[num_spectrogram_bins, num_mel_bins]`; the frequency 0 is in no band.
        """

        def mel(hertz: Any) -> Any:
            return _HIGH_Q * np.log1p(hertz / _BREAK_HERTZ)

        frequencies = mel(np.linspace(0.0, sampling_rate / 2, num_spectrogram_bins))[1:, None]
        # Each band begins and ends in the middle of its neighbours.
        edges = np.linspace(mel(lower_edge_hertz), mel(upper_edge_hertz), num_mel_bins + 2)
        lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
        rising, falling = (frequencies - lower) / (center - lower), (upper - frequencies) / (upper - center)
        triangles = np.maximum(0.0, np.minimum(rising, falling))
        return backend.convert_to_tensor(np.pad(triangles, ((1, 0), (0, 0))), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "fft_length": self.fft_length,
            "sequence_stride": self.sequence_stride,
            "sequence_length": self.sequence_length,
            "window": self.window,
            "sampling_rate": self.sampling_rate,
            "num_mel_bins": self.num_mel_bins,
            "min_freq": self.min_freq,
            "max_freq": self.max_freq,
            "power_to_db": self.power_to_db,
            "top_db": self.top_db,
            "mag_exp": self.mag_exp,
            "min_power": self.min_power,
            "ref_power": self.ref_power,
        }
