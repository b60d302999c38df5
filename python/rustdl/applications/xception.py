"""Xception: separable convolutions with residual connections (Chollet, 2017)."""

from __future__ import annotations

from typing import Any

from rustdl import layers
from rustdl.applications._application import Options, application, arguments, channel_axis, kernels_files
from rustdl.applications.imagenet_utils import decode_predictions, preprocessor
from rustdl.models.functional import Functional

__all__ = ["Xception", "decode_predictions", "preprocess_input"]


def _batch_norm(x: Any, name: str | None = None) -> Any:
    return layers.BatchNormalization(axis=channel_axis(), name=name)(x)


def _relu(x: Any, name: str) -> Any:
    return layers.Activation("relu", name=name)(x)


def _separable(x: Any, filters: int, name: str) -> Any:
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return _batch_norm(x, f"{name}_bn")


def _halving(x: Any, block: int, filters: tuple[int, int]) -> Any:
    """Two separable convolutions and a maximum with stride 2, beside a 1 x 1 convolution with stride 2."""
    residual = layers.Conv2D(filters[1], 1, strides=2, padding="same", use_bias=False)(x)
    residual = _batch_norm(residual)
    for i in (1, 2):
        if (block, i) != (2, 1):  # the stem's ReLU came just before
            x = _relu(x, f"block{block}_sepconv{i}_act")
        x = _separable(x, filters[i - 1], f"block{block}_sepconv{i}")
    x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"block{block}_pool")(x)
    return layers.Add()([x, residual])


def _middle(x: Any, block: int) -> Any:
    """Three separable convolutions that add to their input."""
    residual = x
    for i in (1, 2, 3):
        x = _separable(_relu(x, f"block{block}_sepconv{i}_act"), 728, f"block{block}_sepconv{i}")
    return layers.Add()([x, residual])


def _xception(options: Options) -> Functional:
    image = options.image(options.image_shape(299, min_size=71))
    x = image
    for i, filters, strides in ((1, 32, 2), (2, 64, 1)):
        x = layers.Conv2D(filters, 3, strides=strides, use_bias=False, name=f"block1_conv{i}")(x)
        x = _relu(_batch_norm(x, f"block1_conv{i}_bn"), f"block1_conv{i}_act")
    for block, filters_out in ((2, 128), (3, 256), (4, 728)):
        x = _halving(x, block, (filters_out, filters_out))
    for block in range(5, 13):
        x = _middle(x, block)
    x = _halving(x, 13, (728, 1024))
    for i, filters in ((1, 1536), (2, 2048)):
        x = _relu(_separable(x, filters, f"block14_sepconv{i}"), f"block14_sepconv{i}_act")
    hashes = ("0a58e3b7378bc2990ea3b43d5981f1f6", "b0042744bf5b25fce3cb969f33bebb97")
    return options.model(image, options.top(x, named=False), kernels_files("xception", "xception", hashes))


Xception = application(__name__, "Xception", "Chollet, 2017, arXiv 1610.02357", arguments(name="xception"), _xception)
preprocess_input = preprocessor(__name__, "tf")
