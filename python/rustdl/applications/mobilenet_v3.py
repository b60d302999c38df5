"""MobileNet v3: inverted residuals with squeeze-and-excitation and hard swish (Howard et al., 2019)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from rustdl import layers
from rustdl.applications._application import (
    BASE,
    Options,
    Pretrained,
    application,
    arguments,
    channel_axis,
    correct_pad,
    make_divisible,
    spatial_sizes,
)
from rustdl.applications.imagenet_utils import decode_predictions, preprocessor
from rustdl.applications.mobilenet import sides, weights_size
from rustdl.applications.mobilenet_v2 import batch_norm, check_input_tensor
from rustdl.models.functional import Functional

__all__ = ["MobileNetV3Large", "MobileNetV3Small", "decode_predictions", "preprocess_input"]


class _Block(NamedTuple):
    """One inverted residual; `wide` and what is `excited` or `swished` fall away in the minimalistic form."""

    expansion: float
    filters: int
    stride: int
    wide: bool
    excited: bool
    swished: bool


_SMALL = (
    _Block(1, 16, 2, False, True, False),
    _Block(72.0 / 16, 24, 2, False, False, False),
    _Block(88.0 / 24, 24, 1, False, False, False),
    _Block(4, 40, 2, True, True, True),
    *[_Block(6, 40, 1, True, True, True)] * 2,
    *[_Block(3, 48, 1, True, True, True)] * 2,
    _Block(6, 96, 2, True, True, True),
    *[_Block(6, 96, 1, True, True, True)] * 2,
)
_LARGE = (
    _Block(1, 16, 1, False, False, False),
    _Block(4, 24, 2, False, False, False),
    _Block(3, 24, 1, False, False, False),
    _Block(3, 40, 2, True, True, False),
    *[_Block(3, 40, 1, True, True, False)] * 2,
    _Block(6, 80, 2, False, False, True),
    _Block(2.5, 80, 1, False, False, True),
    *[_Block(2.3, 80, 1, False, False, True)] * 2,
    *[_Block(6, 112, 1, False, True, True)] * 2,
    _Block(6, 160, 2, True, True, True),
    *[_Block(6, 160, 1, True, True, True)] * 2,
)
_HASHES = {
    "large_224_0.75_float": ("765b44a33ad4005b3ac83185abf1d0eb", "40af19a13ebea4e2ee0c676887f69a2e"),
    "large_224_1.0_float": ("59e551e166be033d707958cf9e29a6a7", "07fb09a5933dd0c8eaafa16978110389"),
    "large_minimalistic_224_1.0_float": ("675e7b876c45c57e9e63e6d90a36599c", "ec5221f64a2f6d1ef965a614bdae7973"),
    "small_224_0.75_float": ("cb65d4e5be93758266aa0a7f2c6708b7", "ebdb5cc8e0b497cd13a7c275d475c819"),
    "small_224_1.0_float": ("8768d4c2e7dee89b9d02b2d03d65d862", "d3e8ec802a04aa4fc771ee12a9a9b836"),
    "small_minimalistic_224_1.0_float": ("99cd97fb2fcdad2bf028eb838de69e37", "cde8136e733e811080d9fcd8a252f7e4"),
}


def _relu(x: Any) -> Any:
    return layers.ReLU()(x)


def _hard_swish(x: Any) -> Any:
    return layers.Activation("hard_swish")(x)


def _excited(x: Any, filters: int, prefix: str) -> Any:
    """Squeeze-and-excitation: each channel times a hard sigmoid of a small network of all channels' means."""
    name = f"{prefix}squeeze_excite"
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_avg_pool")(x)
    gate = layers.Conv2D(make_divisible(filters * 0.25), 1, padding="same", name=f"{name}_conv")(gate)
    gate = layers.ReLU(name=f"{name}_relu")(gate)
    gate = layers.Conv2D(filters, 1, padding="same", name=f"{name}_conv_1")(gate)
    gate = layers.ReLU(6.0)(gate + 3.0) * (1.0 / 6.0)
    return layers.Multiply(name=f"{name}_mul")([x, gate])


def _inverted_residual(x: Any, block: _Block, filters: int, number: int, minimalistic: bool) -> Any:
    activation = _hard_swish if block.swished and not minimalistic else _relu
    kernel = 5 if block.wide and not minimalistic else 3
    inputs, channels = x, x.shape[channel_axis()]
    expanded = make_divisible(channels * block.expansion)
    prefix = f"expanded_conv_{number}_" if number else "expanded_conv_"
    if number:
        x = layers.Conv2D(expanded, 1, padding="same", use_bias=False, name=f"{prefix}expand")(x)
        x = activation(batch_norm(x, f"{prefix}expand_bn"))
    if block.stride == 2:
        x = layers.ZeroPadding2D(correct_pad(x, kernel), name=f"{prefix}depthwise_pad")(x)
    padding = "same" if block.stride == 1 else "valid"
    x = layers.DepthwiseConv2D(
        kernel, strides=block.stride, padding=padding, use_bias=False, name=f"{prefix}depthwise"
    )(x)
    x = activation(batch_norm(x, f"{prefix}depthwise_bn"))
    if block.excited and not minimalistic:
        x = _excited(x, expanded, prefix)
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"{prefix}project")(x)
    x = batch_norm(x, f"{prefix}project_bn")
    if block.stride == 1 and channels == filters:
        x = layers.Add(name=f"{prefix}add")([inputs, x])
    return x


def _image_shape(options: Options) -> tuple[Any, ...]:
    """Any size from 32 up, with and without the classifier: it is a convolution."""
    check_input_tensor(options.input_tensor, options.input_shape)
    if options.input_shape is not None:
        shape = tuple(options.input_shape)
    else:
        height, width = (None, None) if options.input_tensor is None else spatial_sizes(options.input_tensor)
        shape = (3, height, width) if channel_axis() == 1 else (height, width, 3)
    rows, cols = sides(shape)
    if rows and cols and (rows < 32 or cols < 32):
        raise ValueError(f"Input size must be at least 32x32; Received `input_shape={shape}`")
    return shape


def _classifier(options: Options, x: Any, filters: int, activation: Callable[[Any], Any], dropout_rate: float) -> Any:
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = activation(layers.Conv2D(filters, 1, padding="same", name="conv_2")(x))
    if dropout_rate > 0:
        x = layers.Dropout(dropout_rate)(x)
    x = layers.Conv2D(options.classes, 1, padding="same", name="logits")(x)
    x = layers.Flatten()(x)
    return layers.Activation(options.classifier_activation_checked(), name="predictions")(x)


def _mobilenet_v3(
    options: Options,
    alpha: float,
    minimalistic: bool,
    dropout_rate: float,
    include_preprocessing: bool,
    blocks: tuple[_Block, ...],
    last_filters: int,
    size: str,
) -> Functional:
    shape = _image_shape(options)
    if options.weights == "imagenet":
        if alpha not in ((1.0,) if minimalistic else (0.75, 1.0)):
            raise ValueError(
                "If imagenet weights are being loaded, alpha can be one of `0.75`, `1.0` for non minimalistic or "
                f"`1.0` for minimalistic only. Received: alpha={alpha}, minimalistic={minimalistic}"
            )
        weights_size(shape, (224,))
    activation = _relu if minimalistic else _hard_swish
    image = options.image(shape)
    x = layers.Rescaling(1.0 / 127.5, offset=-1.0)(image) if include_preprocessing else image
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="conv")(x)
    x = activation(batch_norm(x, "conv_bn"))
    for number, block in enumerate(blocks):
        x = _inverted_residual(x, block, make_divisible(block.filters * alpha), number, minimalistic)
    last = make_divisible(x.shape[channel_axis()] * 6)
    x = layers.Conv2D(last, 1, padding="same", use_bias=False, name="conv_1")(x)
    x = activation(batch_norm(x, "conv_1_bn"))
    if options.include_top:
        filters = make_divisible(last_filters * alpha) if alpha > 1.0 else last_filters
        x = _classifier(options, x, filters, activation, dropout_rate)
    else:
        x = options.pool(x, named=True)
    variant = f"{size}{'_minimalistic' if minimalistic else ''}_224_{alpha}_float"
    file = f"weights_mobilenet_v3_{variant}"
    files = Pretrained(f"{BASE}mobilenet_v3/", f"{file}.h5", f"{file}_no_top_v2.h5", _HASHES.get(variant, (None, None)))
    return options.model(image, x, files)


def _variant(name: str, **variant: Any) -> Callable[..., Functional]:
    parameters = arguments(
        "input_shape alpha minimalistic include_top weights input_tensor classes pooling dropout_rate "
        "classifier_activation include_preprocessing name",
        alpha=1.0,
        minimalistic=False,
        dropout_rate=0.2,
        include_preprocessing=True,
        name=name,
    )
    return application(__name__, name, "Howard et al., 2019, arXiv 1905.02244", parameters, _mobilenet_v3, **variant)


MobileNetV3Small = _variant("MobileNetV3Small", blocks=_SMALL, last_filters=1024, size="small")
MobileNetV3Large = _variant("MobileNetV3Large", blocks=_LARGE, last_filters=1280, size="large")
preprocess_input = preprocessor(__name__, None)
