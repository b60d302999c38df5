"""Maximum over windows of volumes, to a wanted output size."""

from __future__ import annotations

from rustdl.layers.pooling.base_adaptive_pooling import BaseAdaptivePooling


class AdaptiveMaxPooling3D(BaseAdaptivePooling):
    """The largest element of each window, channel by channel, with as many windows as the output has elements.

    Along an axis of n elements, window i of m reaches from floor(i n / m) up to, but without, ceil((i + 1) n / m).

    Args:
        output_size: int or 3 ints: sizes of the spatial axes of the output.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`.

    Raises:
        TypeError: `output_size` is neither an int nor a tuple.
        ValueError: `output_size` of another length.

    Example:
        >>> import rustdl
        >>> rustdl.layers.AdaptiveMaxPooling3D(5)(rustdl.ops.ones((1, 8, 9, 7, 3))).shape
        (1, 5, 5, 5, 3)
    """

    pool_dimensions = 3
    pool_mode = "max"
