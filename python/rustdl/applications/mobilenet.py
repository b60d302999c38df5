"""MobileNet: depthwise and pointwise convolutions in turn (Howard et al., 2017)."""

from __future__ import annotations

import warnings
from typing import Any

from rustdl import layers
from rustdl.applications._application import BASE, Options, Pretrained, application, arguments, channel_axis
from rustdl.applications.imagenet_utils import decode_predictions, preprocessor
from rustdl.models.functional import Functional

__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]

# Filters and stride of each depthwise separable block.
_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
_SIZES = (128, 160, 192, 224)
_ALPHA_TEXTS = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}


def default_size(rows: Any, cols: Any, sizes: tuple[int, ...]) -> int:
    """The size whose weights suit an image: its own where there are weights for it, else 224."""
    return int(rows) if rows == cols and rows in sizes else 224


def sides(shape: Any) -> tuple[Any, Any]:
    """Height and width of the shape of one image."""
    return (shape[1], shape[2]) if channel_axis() == 1 else (shape[0], shape[1])


def weights_size(shape: Any, sizes: tuple[int, ...]) -> Any:
    """The image size of the weights to load; warns where it is not that of the images."""
    rows, cols = sides(shape)
    if rows == cols and rows in sizes:
        return rows
    listed = f"not in {list(sizes)}" if len(sizes) > 1 else f"not {sizes[0]}"
    warnings.warn(
        f"`input_shape` is undefined or non-square, or `rows` is {listed}. Weights for input shape (224, 224) will be "
        "loaded as the default.",
        stacklevel=4,
    )
    return 224


def _normalized(x: Any, name: str) -> Any:
    """Batch normalization and ReLU6."""
    x = layers.BatchNormalization(axis=channel_axis(), name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def _separable(x: Any, filters: int, stride: int, depth_multiplier: int, number: int) -> Any:
    if stride == 2:
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{number}")(x)
    x = layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        depth_multiplier=depth_multiplier,
        use_bias=False,
        name=f"conv_dw_{number}",
    )(x)
    x = _normalized(x, f"conv_dw_{number}")
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"conv_pw_{number}")(x)
    return _normalized(x, f"conv_pw_{number}")


def _mobilenet(options: Options, alpha: float, depth_multiplier: int, dropout: float) -> Functional:
    size = 224 if options.input_shape is None else default_size(*sides(options.input_shape), _SIZES)
    shape = options.image_shape(size)
    rows = sides(shape)[0]
    if options.weights == "imagenet":
        if depth_multiplier != 1:
            raise ValueError(
                "If imagenet weights are being loaded, depth multiplier must be 1. "
                f"Received: depth_multiplier={depth_multiplier}"
            )
        if alpha not in _ALPHA_TEXTS:
            raise ValueError(
                "If imagenet weights are being loaded, alpha can be one of `0.25`, `0.50`, `0.75` or `1.0` only. "
                f"Received: alpha={alpha}"
            )
        rows = weights_size(shape, _SIZES)
    image = options.image(shape)
    x = layers.Conv2D(int(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="conv1")(image)
    x = _normalized(x, "conv1")
    for number, (filters, stride) in enumerate(_BLOCKS, 1):
        x = _separable(x, int(filters * alpha), stride, depth_multiplier, number)
    if options.include_top:
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = layers.Dropout(dropout, name="dropout")(x)
        x = layers.Conv2D(options.classes, 1, padding="same", name="conv_preds")(x)
        x = layers.Reshape((options.classes,), name="reshape_2")(x)
        x = layers.Activation(options.classifier_activation_checked(), name="predictions")(x)
    else:
        x = options.pool(x, named=False)
    stem = f"mobilenet_{_ALPHA_TEXTS.get(alpha)}_{rows}_tf"
    files = Pretrained(f"{BASE}mobilenet/", f"{stem}.h5", f"{stem}_no_top.h5")
    return options.model(image, x, files, options.name or f"mobilenet_{alpha:0.2f}_{rows}")


MobileNet = application(
    __name__,
    "MobileNet",
    "Howard et al., 2017, arXiv 1704.04861",
    arguments(
        "input_shape alpha depth_multiplier dropout include_top weights input_tensor pooling classes "
        "classifier_activation name",
        alpha=1.0,
        depth_multiplier=1,
        dropout=0.001,
    ),
    _mobilenet,
)
preprocess_input = preprocessor(__name__, "tf")
