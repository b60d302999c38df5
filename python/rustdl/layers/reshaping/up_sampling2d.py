"""Images enlarged by whole factors."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer
from rustdl.layers.reshaping._spatial import resized
from rustdl.utils.argument_validation import standardize_tuple

_INTERPOLATIONS = ("bicubic", "bilinear", "lanczos3", "lanczos5", "nearest")


class UpSampling2D(Layer):
    """Enlarges images by whole factors.

    Args:
        size: int or (height factor, width factor).
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        interpolation: `"nearest"` (repeats pixels), `"bilinear"`, `"bicubic"`, `"lanczos3"`, `"lanczos5"`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: unknown interpolation, or factors of the wrong form.
    """

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = backend.standardize_data_format(data_format)
        self.size = standardize_tuple(size, 2, "size")
        self.interpolation = interpolation.lower()
        if self.interpolation not in _INTERPOLATIONS:
            raise ValueError(
                f"`interpolation` argument should be one of {_INTERPOLATIONS}. Received: interpolation={interpolation}"
            )
        self.input_spec = InputSpec(ndim=4)
        self._build_at_init()

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return resized(input_shape, self.data_format, lambda i, n: n * self.size[i])

    def call(self, inputs: Any) -> Any:
        first = 1 if self.data_format == "channels_last" else 2
        if self.interpolation == "nearest":
            for i, factor in enumerate(self.size):
                inputs = ops.repeat(inputs, factor, axis=first + i)
            return inputs
        size = tuple(inputs.shape[first + i] * factor for i, factor in enumerate(self.size))
        return ops.image.resize(inputs, size, interpolation=self.interpolation, data_format=self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "data_format": self.data_format,
            "interpolation": self.interpolation,
        }
