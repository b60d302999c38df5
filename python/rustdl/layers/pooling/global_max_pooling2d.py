"""Maximum over all of images."""

from __future__ import annotations

from typing import Any

from rustdl.layers.pooling.base_global_pooling import BaseGlobalMaxPooling


class GlobalMaxPooling2D(BaseGlobalMaxPooling):
    """The largest element over all spatial positions, channel by channel.

    Args:
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        keepdims: whether the spatial axes stay, with size 1.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.GlobalMaxPooling2D()(rustdl.ops.ones((1, 8, 8, 3))).shape
        (1, 3)
    """

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(pool_dimensions=2, data_format=data_format, keepdims=keepdims, **kwargs)
