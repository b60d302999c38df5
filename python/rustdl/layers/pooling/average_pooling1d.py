"""Mean over windows of one axis, such as time."""

from __future__ import annotations

from typing import Any

from rustdl.layers.pooling.base_pooling import BasePooling


class AveragePooling1D(BasePooling):
    """The mean of each window, channel by channel.

    Args:
        pool_size: int.
        strides: int; None for the window sizes.
        padding: `"valid"` or `"same"`; padding never counts.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        name: name of the layer.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.AveragePooling1D(2)(rustdl.ops.ones((1, 8, 3))).shape
        (1, 4, 3)
    """

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            pool_size,
            strides,
            pool_dimensions=1,
            pool_mode="average",
            padding=padding,
            data_format=data_format,
            name=name,
            **kwargs,
        )
