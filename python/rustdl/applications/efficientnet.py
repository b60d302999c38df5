"""EfficientNet: one network scaled in depth, width and resolution together (Tan and Le, 2019)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from rustdl import layers
from rustdl.applications import _mbconv as mb
from rustdl.applications._application import (
    Options,
    Pretrained,
    application,
    arguments,
    channel_axis,
    correct_pad,
    make_divisible,
)
from rustdl.applications.imagenet_utils import RGB_DEVIATION, decode_predictions, preprocessor
from rustdl.models.functional import Functional

__all__ = [*(f"EfficientNetB{i}" for i in range(8)), "decode_predictions", "preprocess_input"]  # noqa: PLE0604

_FOLDER = "https://storage.googleapis.com/keras-applications/"


class _Group(NamedTuple):
    """Blocks of one resolution; the first has the stride."""

    kernel: int
    repeats: int
    filters_in: int
    filters_out: int
    expansion: int
    stride: int


_GROUPS = (
    _Group(3, 1, 32, 16, 1, 1),
    _Group(3, 2, 16, 24, 6, 2),
    _Group(5, 2, 24, 40, 6, 2),
    _Group(3, 3, 40, 80, 6, 2),
    _Group(5, 3, 80, 112, 6, 1),
    _Group(5, 4, 112, 192, 6, 2),
    _Group(3, 1, 192, 320, 6, 1),
)


def _inverted_residual(x: Any, group: _Group, filters_out: int, stride: int, drop_rate: float, prefix: str) -> Any:
    inputs, filters_in = x, x.shape[channel_axis()]
    if group.expansion != 1:
        x = mb.convolution(x, filters_in * group.expansion, 1, f"{prefix}expand_conv")
        x = mb.normalize(x, f"{prefix}expand_", mb.MOMENTUM_V1)
    if stride == 2:
        x = layers.ZeroPadding2D(correct_pad(x, group.kernel), name=f"{prefix}dwconv_pad")(x)
    x = mb.depthwise(x, group.kernel, stride, "same" if stride == 1 else "valid", f"{prefix}dwconv")
    x = mb.normalize(x, prefix, mb.MOMENTUM_V1)
    x = mb.squeeze_excite(x, max(1, filters_in // 4), prefix)
    x = mb.convolution(x, filters_out, 1, f"{prefix}project_conv")
    x = mb.normalize(x, f"{prefix}project_", mb.MOMENTUM_V1, active=False)
    if stride == 1 and filters_in == filters_out:
        x = mb.add_residual(x, inputs, drop_rate, prefix)
    return x


def _efficientnet(
    options: Options, width: float, depth: float, size: int, dropout: float, variant: str, hashes: tuple[str, str]
) -> Functional:
    image = options.image(options.image_shape(size))
    x = layers.Rescaling(1.0 / 255.0)(image)
    x = layers.Normalization(axis=channel_axis())(x)
    if options.weights == "imagenet":
        # The weights' normalization divides by the variance instead of its root; this makes up for it.
        x = layers.Rescaling([1.0 / math.sqrt(deviation) for deviation in RGB_DEVIATION])(x)
    x = layers.ZeroPadding2D(correct_pad(x, 3), name="stem_conv_pad")(x)
    x = mb.convolution(x, make_divisible(32 * width), 3, "stem_conv", strides=2, padding="valid")
    x = mb.normalize(x, "stem_", mb.MOMENTUM_V1)
    repeats = [math.ceil(depth * group.repeats) for group in _GROUPS]
    number = 0
    for i, (group, count) in enumerate(zip(_GROUPS, repeats, strict=True)):
        for j in range(count):
            stride, drop_rate = group.stride if j == 0 else 1, 0.2 * number / sum(repeats)
            filters = make_divisible(group.filters_out * width)
            x = _inverted_residual(x, group, filters, stride, drop_rate, mb.block_prefix(i, j))
            number += 1
    x = mb.convolution(x, make_divisible(1280 * width), 1, "top_conv")
    x = mb.normalize(x, "top_", mb.MOMENTUM_V1)
    file = f"efficientnet{variant}"
    return options.model(
        image, mb.top(options, x, dropout), Pretrained(_FOLDER, f"{file}.h5", f"{file}_notop.h5", hashes)
    )


def _variant(
    number: int, width: float, depth: float, size: int, dropout: float, *hashes: str
) -> Callable[..., Functional]:
    return application(
        __name__,
        f"EfficientNetB{number}",
        "Tan and Le, 2019, arXiv 1905.11946",
        arguments(name=f"efficientnetb{number}"),
        _efficientnet,
        width=width,
        depth=depth,
        size=size,
        dropout=dropout,
        variant=f"b{number}",
        hashes=hashes,
    )


# Factors of width and depth, size of the images, dropout, hashes of the weights with and without classifier.
EfficientNetB0 = _variant(0, 1.0, 1.0, 224, 0.2, "902e53a9f72be733fc0bcb005b3ebbac", "50bc09e76180e00e4465e1a485ddc09d")
EfficientNetB1 = _variant(1, 1.0, 1.1, 240, 0.2, "1d254153d4ab51201f1646940f018540", "74c4e6b3e1f6a1eea24c589628592432")
EfficientNetB2 = _variant(2, 1.1, 1.2, 260, 0.3, "b15cce36ff4dcbd00b6dd88e7857a6ad", "111f8e2ac8aa800a7a99e3239f7bfb39")
EfficientNetB3 = _variant(3, 1.2, 1.4, 300, 0.3, "ffd1fdc53d0ce67064dc6a9c7960ede0", "af6d107764bb5b1abb91932881670226")
EfficientNetB4 = _variant(4, 1.4, 1.8, 380, 0.4, "18c95ad55216b8f92d7e70b3a046e2fc", "ebc24e6d6c33eaebbd558eafbeedf1ba")
EfficientNetB5 = _variant(5, 1.6, 2.2, 456, 0.4, "ace28f2a6363774853a83a0b21b9421a", "38879255a25d3c92d5e44e04ae6cec6f")
EfficientNetB6 = _variant(6, 1.8, 2.6, 528, 0.5, "165f6e37dce68623721b423839de8be5", "9ecce42647a20130c1f39a5d4cb75743")
EfficientNetB7 = _variant(7, 2.0, 3.1, 600, 0.5, "8c03f828fec3ef71311cd463b6759d99", "cbcfe4450ddf6f3ad90b1b398090fe4a")
preprocess_input = preprocessor(__name__, None)
