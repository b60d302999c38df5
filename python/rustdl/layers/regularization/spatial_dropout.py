"""Dropout of whole feature maps."""

from __future__ import annotations

from typing import Any

from rustdl import backend, random
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.regularization.dropout import Dropout


class BaseSpatialDropout(Dropout):
    """Dropout with one decision for each channel of each example.

    Args:
        rate: fraction, in [0, 1].
        seed: int, or None for one drawn from the global generator.
        name: name of the layer.
        dtype: dtype or policy.
    """

    def __init__(self, rate: float, seed: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype)

    def _mask_shape(self, inputs: Any) -> tuple[int, ...]:
        raise NotImplementedError

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, noise_shape=self._mask_shape(inputs), seed=self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        return {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype}


class SpatialDropout1D(BaseSpatialDropout):
    """Drops whole channels of `(batch, steps, channels)` (Tompson et al., 2014).

    Args:
        rate: fraction, in [0, 1].
        seed: int, or None for one drawn from the global generator.
        name: name of the layer.
        dtype: dtype or policy.
    """

    def __init__(self, rate: float, seed: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.input_spec = InputSpec(ndim=3)

    def _mask_shape(self, inputs: Any) -> tuple[int, ...]:
        return (inputs.shape[0], 1, inputs.shape[2])


class _ImageDropout(BaseSpatialDropout):
    """Shared by the 2-D and 3-D forms, which have a data format."""

    _rank = 2

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.data_format = backend.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self._rank + 2)

    def _mask_shape(self, inputs: Any) -> tuple[int, ...]:
        shape, ones = inputs.shape, (1,) * self._rank
        if self.data_format == "channels_last":
            return (shape[0], *ones, shape[-1])
        return (shape[0], shape[1], *ones)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class SpatialDropout2D(_ImageDropout):
    """Drops whole channels of images (Tompson et al., 2014).

    Args:
        rate: fraction, in [0, 1].
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        seed: int, or None for one drawn from the global generator.
        name: name of the layer.
        dtype: dtype or policy.
    """

    _rank = 2


class SpatialDropout3D(_ImageDropout):
    """Drops whole channels of volumes (Tompson et al., 2014).

    Args:
        rate: fraction, in [0, 1].
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        seed: int, or None for one drawn from the global generator.
        name: name of the layer.
        dtype: dtype or policy.
    """

    _rank = 3
