"""Initializers without randomness: constants, the identity matrix, and the Fourier kernels of an STFT."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl.initializers.initializer import Initializer
from rustdl.saving import serialization_lib


class Constant(Initializer):
    """Fills a weight with `value`.

    Args:
        value: number, or an array that broadcasts to the weight's shape.

    Example:
        >>> import rustdl
        >>> rustdl.initializers.Constant(3.0)((2,)).tolist()
        [3.0, 3.0]
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        dtype = backend.standardize_dtype(dtype)
        return ops.cast(self.value, dtype) * ops.ones(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"value": serialization_lib.serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constant:
        return cls(serialization_lib.deserialize_keras_object(config.get("value", 0.0)))


class Zeros(Initializer):
    """Fills a weight with 0."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.zeros(shape, dtype=backend.standardize_dtype(dtype))


class Ones(Initializer):
    """Fills a weight with 1."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.ones(shape, dtype=backend.standardize_dtype(dtype))


class Identity(Initializer):
    """`gain` times the identity matrix (ones on the main diagonal); for 2-D weights.

    Args:
        gain: the factor, default 1.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        if len(shape) != 2:
            raise ValueError(
                f"Identity matrix initializer can only be used for 2D matrices. Received: shape={shape} of rank "
                f"{len(shape)}."
            )
        return self.gain * ops.eye(*shape, dtype=backend.standardize_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class STFT(Initializer):
    """Kernel of shape `(frame_length, 1, fft_length // 2 + 1)` for one part of a short-time Fourier transform.

    Element `[t, 0, k]` is `window[t] * cos(2 pi t k / fft_length)` (real part) or `-window[t] * sin(...)` (imaginary).

    Args:
        side: `"real"` or `"imag"`.
        window: name known to `scipy.signal.get_window`, an array of `frame_length` values, or None.
        scaling: `"density"` (divide by the window's L2 norm), `"spectrum"` (by its sum), or None.
        periodic: whether a named window is periodic instead of symmetric.
    """

    def __init__(
        self,
        side: str = "real",
        window: Any = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        if side not in ("real", "imag"):
            raise ValueError(f"side should be 'real' or 'imag', not {side}")
        if isinstance(window, str):
            _named_window(window, 1, periodic)
        if scaling is not None and scaling not in ("density", "spectrum"):
            raise ValueError(f"Scaling is invalid: expected None, 'density' or 'spectrum', received scaling={scaling}")
        self.side = side
        self.window = window
        self.scaling = scaling
        self.periodic = periodic

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        dtype = backend.standardize_dtype(dtype)
        frame_length, _, bins = shape
        time = np.arange(frame_length, dtype="float64").reshape(-1, 1, 1)
        freq = np.arange(bins, dtype="float64").reshape(1, 1, -1) / ((bins - 1) * 2)
        angle = -2.0 * np.pi * time * freq
        kernel = np.cos(angle) if self.side == "real" else np.sin(angle)
        if self.window is not None:
            win = self.window
            if isinstance(win, str):
                win = _named_window(win, frame_length, self.periodic)
            win = np.asarray(win, dtype="float64")
            if win.ndim != 1 or win.shape[0] != frame_length:
                raise ValueError(f"The shape of `window` must be [frame_length]. Received: window shape={win.shape}")
            scale = 1.0
            if self.scaling == "density":
                scale = float(np.sqrt(np.sum(np.square(win))))
            elif self.scaling == "spectrum":
                scale = float(np.sum(np.abs(win)))
            kernel = kernel * win.reshape(-1, 1, 1) / scale
        return ops.cast(ops.convert_to_tensor(kernel.astype("float32")), dtype)

    def get_config(self) -> dict[str, Any]:
        return {"side": self.side, "window": self.window, "periodic": self.periodic, "scaling": self.scaling}


def _named_window(name: str, length: int, periodic: bool) -> np.ndarray[Any, Any]:
    """Values of a window function; the common cosine windows need no scipy."""
    cosine = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46), "blackman": (0.42, 0.5, 0.08)}
    if name in cosine:
        if length <= 1:
            return np.ones(length)
        span = length if periodic else length - 1
        phase = 2.0 * np.pi * np.arange(length) / span
        terms = [(-1) ** k * a * np.cos(k * phase) for k, a in enumerate(cosine[name])]
        return np.asarray(sum(terms))
    try:
        from scipy import signal
    except ImportError as error:
        raise ImportError(f"The window {name!r} needs scipy; use 'hann', 'hamming', 'blackman' or an array.") from error
    return np.asarray(signal.get_window(name, length, periodic))
