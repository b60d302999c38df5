"""DenseNet: every layer reads all before it (Huang et al., 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import layers
from rustdl.applications._application import Options, application, arguments, channel_axis, kernels_files
from rustdl.applications.imagenet_utils import decode_predictions, preprocessor
from rustdl.applications.resnet import EPSILON, normalize
from rustdl.models.functional import Functional

__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]

_GROWTH = 32


def _dense_layer(x: Any, name: str) -> Any:
    """The input, with `_GROWTH` more channels computed from it."""
    new = normalize(x, f"{name}_0")
    new = layers.Conv2D(4 * _GROWTH, 1, use_bias=False, name=f"{name}_1_conv")(new)
    new = normalize(new, f"{name}_1")
    new = layers.Conv2D(_GROWTH, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(new)
    return layers.Concatenate(axis=channel_axis(), name=f"{name}_concat")([x, new])


def _transition(x: Any, name: str) -> Any:
    """Half the channels, half the height and width."""
    x = normalize(x, name)
    x = layers.Conv2D(x.shape[channel_axis()] // 2, 1, use_bias=False, name=f"{name}_conv")(x)
    return layers.AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)


def _densenet(options: Options, repeats: tuple[int, ...], variant: str, hashes: tuple[str, str]) -> Functional:
    if channel_axis() == 1:
        raise ValueError(
            "DenseNet does not support the `channels_first` image data format: "
            "`rustdl.config.set_image_data_format('channels_last')` switches."
        )
    image = options.image(options.image_shape(224))
    x = layers.ZeroPadding2D(3)(image)
    x = layers.Conv2D(64, 7, strides=2, use_bias=False, name="conv1_conv")(x)
    x = layers.ZeroPadding2D(1)(normalize(x, "conv1"))
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    for block, count in enumerate(repeats, 2):
        if block > 2:
            x = _transition(x, f"pool{block - 1}")
        for i in range(count):
            x = _dense_layer(x, f"conv{block}_block{i + 1}")
    x = layers.BatchNormalization(axis=channel_axis(), epsilon=EPSILON, name="bn")(x)
    x = layers.Activation("relu", name="relu")(x)
    return options.model(image, options.top(x), kernels_files("densenet", variant, hashes))


def _variant(depth: int, repeats: tuple[int, ...], hashes: tuple[str, str]) -> Callable[..., Functional]:
    name = f"densenet{depth}"
    return application(
        __name__,
        f"DenseNet{depth}",
        "Huang et al., 2017, arXiv 1608.06993",
        arguments(name=name),
        _densenet,
        repeats=repeats,
        variant=name,
        hashes=hashes,
    )


DenseNet121 = _variant(121, (6, 12, 24, 16), ("9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738"))
DenseNet169 = _variant(169, (6, 12, 32, 32), ("d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b"))
DenseNet201 = _variant(201, (6, 12, 48, 32), ("1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1"))
preprocess_input = preprocessor(__name__, "torch")
