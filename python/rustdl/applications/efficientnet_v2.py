"""EfficientNet v2: fused blocks in the early stages (Tan and Le, 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from rustdl import layers
from rustdl.applications import _mbconv as mb
from rustdl.applications._application import BASE, Options, Pretrained, application, arguments, channel_axis
from rustdl.applications.imagenet_utils import RGB_DEVIATION, RGB_MEAN, decode_predictions, preprocessor
from rustdl.models.functional import Functional

__all__ = [  # noqa: PLE0604
    *(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    "decode_predictions",
    "preprocess_input",
]


class _Group(NamedTuple):
    """Blocks of one resolution, all with kernels of 3 x 3; the first has the stride.

    Fused blocks expand with a full convolution; the others with a pointwise and a depthwise one, and they have
    squeeze-and-excitation.
    """

    repeats: int
    filters_in: int
    filters_out: int
    expansion: int
    stride: int
    fused: bool


_BASE_GROUPS = (
    _Group(1, 32, 16, 1, 1, True),
    _Group(2, 16, 32, 4, 2, True),
    _Group(2, 32, 48, 4, 2, True),
    _Group(3, 48, 96, 4, 2, False),
    _Group(5, 96, 112, 6, 1, False),
    _Group(8, 112, 192, 6, 2, False),
)
_SMALL_GROUPS = (
    _Group(2, 24, 24, 1, 1, True),
    _Group(4, 24, 48, 4, 2, True),
    _Group(4, 48, 64, 4, 2, True),
    _Group(6, 64, 128, 4, 2, False),
    _Group(9, 128, 160, 6, 1, False),
    _Group(15, 160, 256, 6, 2, False),
)
_MEDIUM_GROUPS = (
    _Group(3, 24, 24, 1, 1, True),
    _Group(5, 24, 48, 4, 2, True),
    _Group(5, 48, 80, 4, 2, True),
    _Group(7, 80, 160, 4, 2, False),
    _Group(14, 160, 176, 6, 1, False),
    _Group(18, 176, 304, 6, 2, False),
    _Group(5, 304, 512, 6, 1, False),
)
_LARGE_GROUPS = (
    _Group(4, 32, 32, 1, 1, True),
    _Group(7, 32, 64, 4, 2, True),
    _Group(7, 64, 96, 4, 2, True),
    _Group(10, 96, 192, 4, 2, False),
    _Group(19, 192, 224, 6, 1, False),
    _Group(25, 224, 384, 6, 2, False),
    _Group(7, 384, 640, 6, 1, False),
)
_DROP_RATE = 0.2


def _rounded(filters: int, width: float) -> int:
    """The multiple of 8 nearest to a scaled number of filters."""
    return max(8, int(filters * width + 4) // 8 * 8)


def _separate(x: Any, group: _Group, filters_out: int, stride: int, prefix: str) -> Any:
    """Pointwise expansion, depthwise convolution, squeeze-and-excitation, projection."""
    filters_in = x.shape[channel_axis()]
    x = mb.convolution(x, filters_in * group.expansion, 1, f"{prefix}expand_conv")
    x = mb.normalize(x, f"{prefix}expand_", mb.MOMENTUM_V2)
    x = mb.depthwise(x, 3, stride, "same", f"{prefix}dwconv2")
    x = mb.normalize(x, prefix, mb.MOMENTUM_V2)
    x = mb.squeeze_excite(x, max(1, filters_in // 4), prefix)
    x = mb.convolution(x, filters_out, 1, f"{prefix}project_conv")
    return mb.normalize(x, f"{prefix}project_", mb.MOMENTUM_V2, active=False)


def _fused(x: Any, group: _Group, filters_out: int, stride: int, prefix: str) -> Any:
    """Expansion by a full convolution, pointwise projection; without expansion one full convolution."""
    if group.expansion == 1:
        x = mb.convolution(x, filters_out, 3, f"{prefix}project_conv", strides=stride)
        return mb.normalize(x, f"{prefix}project_", mb.MOMENTUM_V2)
    expanded = x.shape[channel_axis()] * group.expansion
    x = mb.convolution(x, expanded, 3, f"{prefix}expand_conv", strides=stride)
    x = mb.normalize(x, f"{prefix}expand_", mb.MOMENTUM_V2)
    x = mb.convolution(x, filters_out, 1, f"{prefix}project_conv")
    return mb.normalize(x, f"{prefix}project_", mb.MOMENTUM_V2, active=False)


def _rescaled(x: Any, by_channel: bool) -> Any:
    """From 0 to 255 to what the network expects."""
    if by_channel and x.shape[channel_axis()] == 3:
        x = layers.Rescaling(1.0 / 255)(x)
        variance = [deviation**2 for deviation in RGB_DEVIATION]
        return layers.Normalization(mean=list(RGB_MEAN), variance=variance, axis=channel_axis())(x)
    return layers.Rescaling(1.0 / 128.0, offset=-1)(x)


def _efficientnet_v2(
    options: Options,
    include_preprocessing: bool,
    groups: tuple[_Group, ...],
    width: float,
    depth: float,
    size: int,
    variant: str,
    hashes: tuple[str, str],
) -> Functional:
    image = options.image(options.image_shape(size))
    x = _rescaled(image, variant.startswith("b")) if include_preprocessing else image
    x = mb.convolution(x, _rounded(groups[0].filters_in, width), 3, "stem_conv", strides=2)
    x = mb.normalize(x, "stem_", mb.MOMENTUM_V2)
    # Rates of stochastic depth grow with the blocks, by their number before the depth was scaled.
    blocks, number = sum(group.repeats for group in groups), 0
    for i, group in enumerate(groups):
        filters = _rounded(group.filters_out, width)
        for j in range(math.ceil(depth * group.repeats)):
            inputs, stride, prefix = x, group.stride if j == 0 else 1, mb.block_prefix(i, j)
            x = (_fused if group.fused else _separate)(x, group, filters, stride, prefix)
            if stride == 1 and inputs.shape[channel_axis()] == filters:
                x = mb.add_residual(x, inputs, _DROP_RATE * number / blocks, prefix)
            number += 1
    x = mb.convolution(x, _rounded(1280, width), 1, "top_conv")
    x = mb.normalize(x, "top_", mb.MOMENTUM_V2)
    file = f"efficientnetv2-{variant}"
    files = Pretrained(f"{BASE}efficientnet_v2/", f"{file}.h5", f"{file}_notop.h5", hashes)
    return options.model(image, mb.top(options, x, dropout_rate=0.2), files)


def _variant(
    size: str, groups: tuple[_Group, ...], width: float, depth: float, pixels: int, *hashes: str
) -> Callable[..., Functional]:
    parameters = arguments(
        "include_top weights input_tensor input_shape pooling classes classifier_activation include_preprocessing name",
        include_preprocessing=True,
        name=f"efficientnetv2-{size.lower()}",
    )
    return application(
        __name__,
        f"EfficientNetV2{size}",
        "Tan and Le, 2021, arXiv 2104.00298",
        parameters,
        _efficientnet_v2,
        groups=groups,
        width=width,
        depth=depth,
        size=pixels,
        variant=size.lower(),
        hashes=hashes,
    )


# Factors of width and depth, size of the images, hashes of the weights with and without classifier.
EfficientNetV2B0 = _variant(
    "B0", _BASE_GROUPS, 1.0, 1.0, 224, "21ecbf6da12460d5c40bb2f29ceb2188", "893217f2bb855e2983157299931e43ff"
)
EfficientNetV2B1 = _variant(
    "B1", _BASE_GROUPS, 1.0, 1.1, 240, "069f0534ff22adf035c89e2d9547a9dc", "0e80663031ca32d657f9caa404b6ec37"
)
EfficientNetV2B2 = _variant(
    "B2", _BASE_GROUPS, 1.1, 1.2, 260, "424e49f28180edbde1e94797771950a7", "1dfe2e7a5d45b6632553a8961ea609eb"
)
EfficientNetV2B3 = _variant(
    "B3", _BASE_GROUPS, 1.2, 1.4, 300, "1f1fc43bd98a6e4fd8fdfd551e02c7a0", "f6abf7b5849ac99a89b50dd3fd532856"
)
EfficientNetV2S = _variant(
    "S", _SMALL_GROUPS, 1.0, 1.0, 384, "e1d88a8495beba45748fedd0cecbe016", "af0682fb74e8c54910f2d4393339c070"
)
EfficientNetV2M = _variant(
    "M", _MEDIUM_GROUPS, 1.0, 1.0, 480, "a3bf6aa3276309f4fc6a34aa114c95cd", "1b8dc055df72dde80d614482840fe342"
)
EfficientNetV2L = _variant(
    "L", _LARGE_GROUPS, 1.0, 1.0, 480, "27e6d408b53c7ebc868fefa357689935", "b0b66b5c863aef5b46e8608fe1711615"
)
preprocess_input = preprocessor(__name__, None)
