"""MobileNet v2: inverted residuals with linear bottlenecks (Sandler et al., 2018)."""

from __future__ import annotations

from typing import Any

from rustdl import backend, layers
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
from rustdl.applications.mobilenet import default_size, sides, weights_size
from rustdl.models.functional import Functional

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

# Filters, stride and number of blocks of each group.
_GROUPS = ((16, 1, 1), (24, 2, 2), (32, 2, 3), (64, 2, 4), (96, 1, 3), (160, 2, 3), (320, 1, 1))
_SIZES = (96, 128, 160, 192, 224)
_ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
_EXPANSION = 6


def batch_norm(x: Any, name: str) -> Any:
    """The batch normalization of versions 2 and 3."""
    return layers.BatchNormalization(axis=channel_axis(), epsilon=1e-3, momentum=0.999, name=name)(x)


def check_input_tensor(input_tensor: Any, input_shape: Any) -> None:
    """Refuses an input tensor that is no `KerasTensor`, or whose width is not that of `input_shape`."""
    if input_tensor is None:
        return
    if not backend.is_keras_tensor(input_tensor):
        raise ValueError(
            f"input_tensor is not a Keras tensor; Received `input_tensor={input_tensor}` of type {type(input_tensor)}"
        )
    if input_shape is not None and sides(input_tensor.shape[1:])[1] != sides(input_shape)[1]:
        raise ValueError(
            "The width of `input_tensor` must equal that of `input_shape`; Received "
            f"`input_tensor.shape={input_tensor.shape}`, `input_shape={input_shape}`"
        )


def _inverted_residual(x: Any, filters: int, stride: int, number: int) -> Any:
    """Expands the channels, convolves each, projects back; adds to the input where the shapes agree."""
    inputs, channels = x, x.shape[channel_axis()]
    prefix = f"block_{number}_" if number else "expanded_conv_"
    if number:
        x = layers.Conv2D(_EXPANSION * channels, 1, padding="same", use_bias=False, name=f"{prefix}expand")(x)
        x = layers.ReLU(6.0, name=f"{prefix}expand_relu")(batch_norm(x, f"{prefix}expand_BN"))
    if stride == 2:
        x = layers.ZeroPadding2D(correct_pad(x, 3), name=f"{prefix}pad")(x)
    padding = "same" if stride == 1 else "valid"
    x = layers.DepthwiseConv2D(3, strides=stride, use_bias=False, padding=padding, name=f"{prefix}depthwise")(x)
    x = layers.ReLU(6.0, name=f"{prefix}depthwise_relu")(batch_norm(x, f"{prefix}depthwise_BN"))
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"{prefix}project")(x)
    x = batch_norm(x, f"{prefix}project_BN")
    if stride == 1 and channels == filters:
        return layers.Add(name=f"{prefix}add")([inputs, x])
    return x


def _mobilenet_v2(options: Options, alpha: float) -> Functional:
    check_input_tensor(options.input_tensor, options.input_shape)
    known = (224, 224)
    if options.input_shape is not None:
        known = sides(options.input_shape)
    elif options.input_tensor is not None:
        known = spatial_sizes(options.input_tensor)
    shape = options.image_shape(default_size(*known, _SIZES))
    rows = sides(shape)[0]
    if options.weights == "imagenet":
        if alpha not in _ALPHAS:
            raise ValueError(
                "If imagenet weights are being loaded, alpha must be one of `0.35`, `0.50`, `0.75`, `1.0`, `1.3` or "
                f"`1.4` only; Received `alpha={alpha}`"
            )
        rows = weights_size(shape, _SIZES)
    image = options.image(shape)
    stem = make_divisible(32 * alpha)
    x = layers.Conv2D(stem, 3, strides=2, padding="same", use_bias=False, name="Conv1")(image)
    x = layers.ReLU(6.0, name="Conv1_relu")(batch_norm(x, "bn_Conv1"))
    number = 0
    for filters, stride, count in _GROUPS:
        for i in range(count):
            x = _inverted_residual(x, make_divisible(int(filters * alpha)), stride if i == 0 else 1, number)
            number += 1
    # A narrower network keeps the width of its last layer.
    x = layers.Conv2D(make_divisible(1280 * max(alpha, 1.0)), 1, use_bias=False, name="Conv_1")(x)
    x = layers.ReLU(6.0, name="out_relu")(batch_norm(x, "Conv_1_bn"))
    file = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{rows}"
    files = Pretrained(f"{BASE}mobilenet_v2/", f"{file}.h5", f"{file}_no_top.h5")
    name = options.name or f"mobilenetv2_{alpha:0.2f}_{rows}"
    return options.model(image, options.top(x, avg_pool=None, named=False), files, name)


MobileNetV2 = application(
    __name__,
    "MobileNetV2",
    "Sandler et al., 2018, arXiv 1801.04381",
    arguments(
        "input_shape alpha include_top weights input_tensor pooling classes classifier_activation name", alpha=1.0
    ),
    _mobilenet_v2,
)
preprocess_input = preprocessor(__name__, "tf")
