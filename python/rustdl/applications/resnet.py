"""ResNet: blocks that add to their input (He et al., 2015), and the stem that the second version shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import layers
from rustdl.applications._application import Options, application, arguments, channel_axis, kernels_files
from rustdl.applications.imagenet_utils import decode_predictions, preprocessor
from rustdl.models.functional import Functional

__all__ = ["ResNet50", "ResNet101", "ResNet152", "decode_predictions", "preprocess_input"]

EPSILON = 1.001e-5


def normalize(x: Any, name: str) -> Any:
    """Batch normalization and ReLU."""
    x = layers.BatchNormalization(axis=channel_axis(), epsilon=EPSILON, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def resnet(
    options: Options,
    stacks: Callable[[Any], Any],
    preactivation: bool,
    variant: str,
    hashes: tuple[str, str],
) -> Functional:
    """Stem, stacks of residual blocks, classifier.

    Args:
        options: The usual arguments.
        stacks: Applies all residual blocks.
        preactivation: Whether blocks begin with normalization (version 2); then the stem has none, and the end has.
        variant: Name of the files with weights.
        hashes: Of these files.
    """
    image = options.image(options.image_shape(224))
    x = layers.ZeroPadding2D(3, name="conv1_pad")(image)
    x = layers.Conv2D(64, 7, strides=2, name="conv1_conv")(x)
    if not preactivation:
        x = normalize(x, "conv1")
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    x = stacks(x)
    if preactivation:
        x = normalize(x, "post")
    return options.model(image, options.top(x), kernels_files("resnet", variant, hashes))


def _bottleneck(x: Any, filters: int, stride: int, project: bool, name: str) -> Any:
    """relu(shortcut + conv1x1(conv3x3(conv1x1(x)))), each convolution normalized; the stride is the first's."""

    def convolve(x: Any, filters: int, kernel: int, number: int, stride: int = 1) -> Any:
        padding = "same" if kernel > 1 else "valid"
        return layers.Conv2D(filters, kernel, strides=stride, padding=padding, name=f"{name}_{number}_conv")(x)

    def batch_norm(x: Any, number: int) -> Any:
        return layers.BatchNormalization(axis=channel_axis(), epsilon=EPSILON, name=f"{name}_{number}_bn")(x)

    shortcut = batch_norm(convolve(x, 4 * filters, 1, 0, stride), 0) if project else x
    x = normalize(convolve(x, filters, 1, 1, stride), f"{name}_1")
    x = normalize(convolve(x, filters, 3, 2), f"{name}_2")
    x = batch_norm(convolve(x, 4 * filters, 1, 3), 3)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _resnet_v1(options: Options, repeats: tuple[int, ...], **files: Any) -> Functional:
    def stacks(x: Any) -> Any:
        for number, count in enumerate(repeats):
            for i in range(count):
                stride = 2 if number > 0 and i == 0 else 1
                x = _bottleneck(x, 64 * 2**number, stride, project=i == 0, name=f"conv{number + 2}_block{i + 1}")
        return x

    return resnet(options, stacks, preactivation=False, **files)


def _variant(depth: int, repeats: tuple[int, ...], hashes: tuple[str, str]) -> Callable[..., Functional]:
    name = f"resnet{depth}"
    paper = "He et al., 2015, arXiv 1512.03385"
    return application(
        __name__,
        f"ResNet{depth}",
        paper,
        arguments(name=name),
        _resnet_v1,
        repeats=repeats,
        variant=name,
        hashes=hashes,
    )


ResNet50 = _variant(50, (3, 4, 6, 3), ("2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"))
ResNet101 = _variant(101, (3, 4, 23, 3), ("f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"))
ResNet152 = _variant(152, (3, 8, 36, 3), ("100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"))
preprocess_input = preprocessor(__name__, "caffe")
