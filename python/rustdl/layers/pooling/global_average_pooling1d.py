"""Mean over all of one axis, such as time."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.pooling.base_global_pooling import BaseGlobalAveragePooling


class GlobalAveragePooling1D(BaseGlobalAveragePooling):
    """The mean over all steps, channel by channel; masked steps do not count; zeros where all are masked.

    Args:
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        keepdims: whether the step axis stays, with size 1.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.GlobalAveragePooling1D()(rustdl.ops.ones((1, 8, 3))).shape
        (1, 3)
    """

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(pool_dimensions=1, data_format=data_format, keepdims=keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return super().call(inputs)
        steps_axis = self._spatial_axes[0]
        weights = ops.expand_dims(ops.cast(mask, inputs.dtype), 2 if steps_axis == 1 else 1)
        total = ops.sum(inputs * weights, axis=steps_axis, keepdims=self.keepdims)
        # A row without any step gives zeros, not 0 / 0.
        return total / ops.maximum(ops.sum(weights, axis=steps_axis, keepdims=self.keepdims), 1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None
