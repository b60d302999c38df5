"""NASNet-A: cells found by search (Zoph et al., 2018).

A cell reads the outputs of the two cells before it: `x` of the last and `p` of the one before that, which is brought
to the shape of `x` first. Normal cells keep the size of the maps, reduction cells halve it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import layers
from rustdl.applications._application import (
    BASE,
    Options,
    Pretrained,
    application,
    arguments,
    channel_axis,
    correct_pad,
    spatial_sizes,
)
from rustdl.applications.imagenet_utils import decode_predictions, preprocessor
from rustdl.models.functional import Functional

__all__ = ["NASNetLarge", "NASNetMobile", "decode_predictions", "preprocess_input"]


def _batch_norm(x: Any, name: str) -> Any:
    return layers.BatchNormalization(axis=channel_axis(), momentum=0.9997, epsilon=1e-3, name=name)(x)


def _pointwise(x: Any, filters: int, name: str) -> Any:
    return layers.Conv2D(filters, 1, padding="same", use_bias=False, kernel_initializer="he_normal", name=name)(x)


def _relu(x: Any, name: str | None = None) -> Any:
    return layers.Activation("relu", name=name)(x)


def _separable(x: Any, filters: int, kernel: int, name: str, stride: int = 1) -> Any:
    """Two separable convolutions, with ReLU before and normalization after each; the first has the stride."""
    x = _relu(x)
    if stride == 2:
        x = layers.ZeroPadding2D(correct_pad(x, kernel), name=f"separable_conv_1_pad_{name}")(x)
    for i in (1, 2):
        if i == 2:
            x = _relu(x)
        strides, padding = (2, "valid") if i == 1 and stride == 2 else (1, "same")
        x = layers.SeparableConv2D(
            filters, kernel, strides=strides, padding=padding, use_bias=False, name=f"separable_conv_{i}_{name}"
        )(x)
        x = _batch_norm(x, f"separable_conv_{i}_bn_{name}")
    return x


def _every_second(x: Any, filters: int, number: int, name: str) -> Any:
    """Every second pixel in both directions, then a pointwise convolution."""
    x = layers.AveragePooling2D(1, strides=2, padding="valid", name=f"adjust_avg_pool_{number}_{name}")(x)
    return _pointwise(x, filters, f"adjust_conv_{number}_{name}")


def _adjusted(p: Any, x: Any, filters: int, name: str) -> Any:
    """`p` with the height and width of `x`, and as many channels as the cell has filters."""
    if p is None:
        return x
    if spatial_sizes(p)[1] != spatial_sizes(x)[1]:
        p = _relu(p, f"adjust_relu_1_{name}")
        even = _every_second(p, filters // 2, 1, name)
        shifted = layers.ZeroPadding2D(((0, 1), (0, 1)))(p)
        shifted = layers.Cropping2D(((1, 0), (1, 0)))(shifted)
        odd = _every_second(shifted, filters // 2, 2, name)
        return _batch_norm(layers.Concatenate(axis=channel_axis())([even, odd]), f"adjust_bn_{name}")
    if p.shape[channel_axis()] != filters:
        return _batch_norm(_pointwise(_relu(p), filters, f"adjust_conv_projection_{name}"), f"adjust_bn_{name}")
    return p


def _mean(x: Any, name: str, strides: int = 1) -> Any:
    padding = "same" if strides == 1 else "valid"
    return layers.AveragePooling2D(3, strides=strides, padding=padding, name=name)(x)


def _add(parts: list[Any], name: str | None) -> Any:
    return layers.Add(name=name)(parts)


def _normal_cell(x: Any, p: Any, filters: int, name: str) -> Any:
    p = _adjusted(p, x, filters, name)
    h = _batch_norm(_pointwise(_relu(x), filters, f"normal_conv_1_{name}"), f"normal_bn_1_{name}")

    def separable(x: Any, kernel: int, place: str) -> Any:
        return _separable(x, filters, kernel, f"normal_{place}_{name}")

    parts = [p]
    parts.append(_add([separable(h, 5, "left1"), separable(p, 3, "right1")], f"normal_add_1_{name}"))
    parts.append(_add([separable(p, 5, "left2"), separable(p, 3, "right2")], f"normal_add_2_{name}"))
    parts.append(_add([_mean(h, f"normal_left3_{name}"), p], f"normal_add_3_{name}"))
    means = [_mean(p, f"normal_{side}4_{name}") for side in ("left", "right")]
    parts.append(_add(means, f"normal_add_4_{name}"))
    parts.append(_add([separable(h, 3, "left5"), h], f"normal_add_5_{name}"))
    return layers.Concatenate(axis=channel_axis(), name=f"normal_concat_{name}")(parts)


def _reduction_cell(x: Any, p: Any, filters: int, name: str) -> Any:
    p = _adjusted(p, x, filters, name)
    h = _batch_norm(_pointwise(_relu(x), filters, f"reduction_conv_1_{name}"), f"reduction_bn_1_{name}")
    padded = layers.ZeroPadding2D(correct_pad(h, 3), name=f"reduction_pad_1_{name}")(h)

    def halved(x: Any, kernel: int, place: str) -> Any:
        return _separable(x, filters, kernel, f"reduction_{place}_{name}", stride=2)

    def maximum(place: str) -> Any:
        return layers.MaxPooling2D(3, strides=2, padding="valid", name=f"reduction_{place}_{name}")(padded)

    first = _add([halved(h, 5, "left1"), halved(p, 7, "right1")], f"reduction_add_1_{name}")
    second = _add([maximum("left2"), halved(p, 7, "right2")], f"reduction_add_2_{name}")
    mean = _mean(padded, f"reduction_left3_{name}", strides=2)
    third = _add([mean, halved(p, 5, "right3")], f"reduction_add3_{name}")
    fourth = _add([second, _mean(first, f"reduction_left4_{name}")], None)
    separable = _separable(first, filters, 3, f"reduction_left4_{name}")
    fifth = _add([separable, maximum("right5")], f"reduction_add4_{name}")
    concatenate = layers.Concatenate(axis=channel_axis(), name=f"reduction_concat_{name}")
    return concatenate([second, third, fourth, fifth])


def _nasnet(
    options: Options,
    filters: int,
    repeats: int,
    stem_filters: int,
    skip_reduction: bool,
    size: int,
    files: Pretrained,
) -> Functional:
    """The network.

    Args:
        options: The usual arguments.
        filters: Of the first normal cells; they double after each reduction.
        repeats: Normal cells between reductions.
        stem_filters: Of the first convolution.
        skip_reduction: Whether the cell after a reduction reads the cell before the reduction's input.
        size: Of the images.
        files: The weights.
    """
    if channel_axis() == 1:
        raise ValueError(
            "NASNet does not support the `channels_first` image data format: "
            "`rustdl.config.set_image_data_format('channels_last')` switches."
        )
    if options.weights == "imagenet" and options.input_shape is not None and None in options.input_shape:
        raise ValueError(
            "When specifying the input shape of a NASNet and loading `ImageNet` weights, the input_shape argument must "
            f"be static (no None entries). Got: `input_shape={options.input_shape}`."
        )
    image = options.image(options.image_shape(size))
    x = layers.Conv2D(stem_filters, 3, strides=2, use_bias=False, kernel_initializer="he_normal", name="stem_conv1")(
        image
    )
    x = _batch_norm(x, "stem_bn1")
    p = None
    for number, width in ((1, filters // 4), (2, filters // 2)):
        x, p = _reduction_cell(x, p, width, f"stem_{number}"), x
    for stage in range(3):
        width = filters * 2**stage
        if stage:
            reduced = _reduction_cell(x, p, width, f"reduce_{stage * repeats}")
            p = p if skip_reduction else x
            x = reduced
        for i in range(repeats):
            x, p = _normal_cell(x, p, width, str(stage * repeats + i + (1 if stage else 0))), x
    x = _relu(x)
    return options.model(image, options.top(x, avg_pool=None, named=False), files)


def _files(size: str, *hashes: str) -> Pretrained:
    names = f"nasnet_{size}.h5", f"nasnet_{size}_no_top.h5"
    remote = f"NASNet-{size}.h5", f"NASNet-{size}-no-top.h5"
    return Pretrained(f"{BASE}nasnet/", *names, (hashes[0], hashes[1]), remote)


def _mobile(options: Options, **variant: Any) -> Functional:
    if not options.include_top and options.input_shape is None:
        # Without a size the two paths of a cell could not be brought to one size.
        options = options.with_input_shape((224, 224, 3))
    return _nasnet(options, **variant)


def _variant(name: str, build: Callable[..., Functional], **variant: Any) -> Callable[..., Functional]:
    parameters = arguments(
        "input_shape include_top weights input_tensor pooling classes classifier_activation name",
        name=f"nasnet_{name.removeprefix('NASNet').lower()}",
    )
    return application(__name__, name, "Zoph et al., 2018, arXiv 1707.07012", parameters, build, **variant)


NASNetMobile = _variant(
    "NASNetMobile",
    _mobile,
    filters=44,
    repeats=4,
    stem_filters=32,
    skip_reduction=False,
    size=224,
    files=_files("mobile", "020fb642bf7360b370c678b08e0adf61", "1ed92395b5b598bdda52abe5c0dbfd63"),
)
NASNetLarge = _variant(
    "NASNetLarge",
    _nasnet,
    filters=168,
    repeats=6,
    stem_filters=96,
    skip_reduction=True,
    size=331,
    files=_files("large", "11577c9a518f0070763c2b964a382f17", "d81d89dc07e6e56530c4e77faddd61b5"),
)
preprocess_input = preprocessor(__name__, "tf")
