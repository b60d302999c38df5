"""Random initializers: plain distributions, the variance-scaling family, and orthogonal matrices.

With an int seed the same values come at every call; without one a seed is drawn once, from the global generator that
`rustdl.utils.set_random_seed` sets; with a `SeedGenerator` each call draws the next seed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rustdl import ops, random
from rustdl.initializers.initializer import Initializer
from rustdl.random.seed_generator import make_default_seed
from rustdl.saving import serialization_lib

# Standard deviation of a unit normal truncated to [-2, 2].
_TRUNCATED_STDDEV = 0.87962566103423978


class RandomInitializer(Initializer):
    """Base of the random initializers: holds the seed.

    Args:
        seed: int, `SeedGenerator`, its config, or None (a seed is drawn now).
    """

    def __init__(self, seed: Any = None) -> None:
        self._init_seed = seed
        if seed is None:
            seed = make_default_seed()
        elif isinstance(seed, dict):
            seed = serialization_lib.deserialize_keras_object(seed)
        elif not isinstance(seed, int | random.SeedGenerator):
            raise ValueError(
                "`seed` argument should be an instance of `keras.random.SeedGenerator()` or an integer. "
                f"Received: seed={seed}"
            )
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        return {"seed": serialization_lib.serialize_keras_object(self._init_seed)}


class RandomNormal(RandomInitializer):
    """Normal values N(mean, stddev^2).

    Args:
        mean: mean of the distribution.
        stddev: standard deviation.
        seed: int, `SeedGenerator` or None.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed=seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return random.normal(shape, mean=self.mean, stddev=self.stddev, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomInitializer):
    """Normal values N(mean, stddev^2), those beyond two standard deviations drawn again.

    Args:
        mean: mean of the distribution before truncation.
        stddev: standard deviation before truncation.
        seed: int, `SeedGenerator` or None.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed=seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return random.truncated_normal(shape, mean=self.mean, stddev=self.stddev, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class RandomUniform(RandomInitializer):
    """Uniform values in [minval, maxval).

    Args:
        minval: lower bound, included.
        maxval: upper bound, excluded.
        seed: int, `SeedGenerator` or None.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        self.minval = minval
        self.maxval = maxval
        super().__init__(seed=seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return random.uniform(shape, minval=self.minval, maxval=self.maxval, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


class VarianceScaling(RandomInitializer):
    """Values whose variance is `scale / n`, n from the weight's fans, so that signals keep their size through layers.

    Args:
        scale: positive factor of the variance.
        mode: n: `"fan_in"`, `"fan_out"` or `"fan_avg"` (their mean).
        distribution: `"truncated_normal"` (or `"normal"`), `"untruncated_normal"`, `"uniform"`.
        seed: int, `SeedGenerator` or None.
        input_axes: axes of the weight that count as inputs; default by `compute_fans`.
        output_axes: axes that count as outputs; used together with `input_axes`.

    Raises:
        ValueError: scale <= 0, unknown mode or distribution.

    Example:
        >>> import rustdl
        >>> rustdl.initializers.VarianceScaling(seed=1)((3, 2)).shape
        (3, 2)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        if scale <= 0.0:
            raise ValueError(f"Argument `scale` must be positive float. Received: scale={scale}")
        modes = ("fan_in", "fan_out", "fan_avg")
        if mode not in modes:
            raise ValueError(f"Invalid `mode` argument: {mode}. Please use one of {modes}")
        distribution = distribution.lower()
        if distribution == "normal":
            distribution = "truncated_normal"
        known = ("uniform", "truncated_normal", "untruncated_normal")
        if distribution not in known:
            raise ValueError(f"Invalid `distribution` argument: {distribution}. Please use one of {known}")
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes
        super().__init__(seed=seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "truncated_normal":
            stddev = math.sqrt(variance) / _TRUNCATED_STDDEV
            return random.truncated_normal(shape, mean=0.0, stddev=stddev, dtype=dtype, seed=self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, mean=0.0, stddev=math.sqrt(variance), dtype=dtype, seed=self.seed)
        limit = math.sqrt(3.0 * variance)
        return random.uniform(shape, minval=-limit, maxval=limit, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _FixedScaling(VarianceScaling):
    """A variance scaling with scale, mode and distribution fixed by the class."""

    _fixed: tuple[float, str, str] = (1.0, "fan_in", "truncated_normal")

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
        scale, mode, distribution = self._fixed
        super().__init__(scale, mode, distribution, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        return {
            "seed": serialization_lib.serialize_keras_object(self._init_seed),
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class GlorotUniform(_FixedScaling):
    """Uniform in [-limit, limit], `limit = sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio, 2010)."""

    _fixed = (1.0, "fan_avg", "uniform")


class GlorotNormal(_FixedScaling):
    """Truncated normal with variance `2 / (fan_in + fan_out)` (Glorot and Bengio, 2010)."""

    _fixed = (1.0, "fan_avg", "truncated_normal")


class LecunNormal(_FixedScaling):
    """Truncated normal with variance `1 / fan_in` (Klambauer et al., 2017)."""

    _fixed = (1.0, "fan_in", "truncated_normal")


class LecunUniform(_FixedScaling):
    """Uniform in [-limit, limit], `limit = sqrt(3 / fan_in)` (Klambauer et al., 2017)."""

    _fixed = (1.0, "fan_in", "uniform")


class HeNormal(_FixedScaling):
    """Truncated normal with variance `2 / fan_in` (He et al., 2015)."""

    _fixed = (2.0, "fan_in", "truncated_normal")


class HeUniform(_FixedScaling):
    """Uniform in [-limit, limit], `limit = sqrt(6 / fan_in)` (He et al., 2015)."""

    _fixed = (2.0, "fan_in", "uniform")


class Orthogonal(RandomInitializer):
    """A random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al., 2014), times `gain`.

    A weight with more than two axes is seen as a matrix whose rows are all axes but the last.

    Args:
        gain: the factor.
        seed: int, `SeedGenerator` or None.
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        self.gain = gain
        super().__init__(seed=seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        if len(shape) < 2:
            raise ValueError(
                f"The tensor to initialize must be at least two-dimensional. Received: shape={shape} of rank "
                f"{len(shape)}."
            )
        rows, cols = math.prod(shape[:-1]), shape[-1]
        normal = random.normal((max(rows, cols), min(rows, cols)), dtype="float32", seed=self.seed)
        q, r = np.linalg.qr(np.asarray(ops.convert_to_numpy(normal), dtype="float64"))
        # The signs of R's diagonal make the distribution uniform over orthogonal matrices (Mezzadri, 2007).
        q = q * np.sign(np.diag(r))
        if rows < cols:
            q = q.T
        value = np.ascontiguousarray((self.gain * q).reshape(shape), dtype="float32")
        return ops.cast(ops.convert_to_tensor(value), dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}


def compute_fans(shape: Any, input_axes: Any = None, output_axes: Any = None) -> tuple[int, int]:
    """Inputs and outputs of one unit of a weight.

    Args:
        shape: the weight's shape: `(in, out)`, or `(*window, in, out)` for convolutions.
        input_axes: axes whose product is fan_in; both or none of the two.
        output_axes: axes whose product is fan_out.
    """
    shape = tuple(shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[a] for a in input_axes), math.prod(shape[a] for a in output_axes)
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return int(shape[0]), int(shape[0])
    window = math.prod(shape[:-2])
    return int(shape[-2] * window), int(shape[-1] * window)
