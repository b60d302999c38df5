"""Maximum over windows of images."""

from __future__ import annotations

from typing import Any

from rustdl.layers.pooling.base_pooling import BasePooling


class MaxPooling2D(BasePooling):
    """The largest element of each window, channel by channel.

    Args:
        pool_size: int or 2 ints.
        strides: int or 2 ints; None for the window sizes.
        padding: `"valid"` or `"same"`; padding never counts.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        name: name of the layer.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.MaxPooling2D(2)(rustdl.ops.ones((1, 8, 8, 3))).shape
        (1, 4, 4, 3)
    """

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            pool_size,
            strides,
            pool_dimensions=2,
            pool_mode="max",
            padding=padding,
            data_format=data_format,
            name=name,
            **kwargs,
        )
