"""What the global pooling layers share."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer


class BaseGlobalPooling(Layer):
    """Maximum or mean over all spatial axes.

    Args:
        pool_dimensions: number of spatial axes.
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: whether the spatial axes stay, with size 1.
        **kwargs: arguments of `Layer`.
    """

    def __init__(
        self, pool_dimensions: int, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = backend.standardize_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=pool_dimensions + 2)
        self._build_at_init()

    @property
    def _spatial_axes(self) -> tuple[int, ...]:
        spec: Any = self.input_spec
        rank = spec.ndim - 2
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + rank))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        axes = self._spatial_axes
        if self.keepdims:
            return tuple(1 if i in axes else n for i, n in enumerate(input_shape))
        return tuple(n for i, n in enumerate(input_shape) if i not in axes)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}


class BaseGlobalMaxPooling(BaseGlobalPooling):
    """Maximum over all spatial axes."""

    def call(self, inputs: Any) -> Any:
        return ops.max(inputs, axis=self._spatial_axes, keepdims=self.keepdims)


class BaseGlobalAveragePooling(BaseGlobalPooling):
    """Mean over all spatial axes."""

    def call(self, inputs: Any) -> Any:
        return ops.mean(inputs, axis=self._spatial_axes, keepdims=self.keepdims)
