"""ResNet, version 2: normalization before each convolution, nothing after the addition (He et al., 2016)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import layers
from rustdl.applications._application import Options, application, arguments
from rustdl.applications.imagenet_utils import decode_predictions, preprocessor
from rustdl.applications.resnet import normalize, resnet
from rustdl.models.functional import Functional

__all__ = ["ResNet50V2", "ResNet101V2", "ResNet152V2", "decode_predictions", "preprocess_input"]


def _preactivated(x: Any, filters: int, stride: int, project: bool, name: str) -> Any:
    """Computes y = shortcut + conv1x1(conv3x3(conv1x1(x))), normalized before each; the stride is the middle one's."""
    active = normalize(x, f"{name}_preact")
    if project:
        shortcut = layers.Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(active)
    else:
        shortcut = layers.MaxPooling2D(1, strides=stride)(x) if stride > 1 else x
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_1_conv")(active)
    x = layers.ZeroPadding2D(1, name=f"{name}_2_pad")(normalize(x, f"{name}_1"))
    x = layers.Conv2D(filters, 3, strides=stride, use_bias=False, name=f"{name}_2_conv")(x)
    x = layers.Conv2D(4 * filters, 1, name=f"{name}_3_conv")(normalize(x, f"{name}_2"))
    return layers.Add(name=f"{name}_out")([shortcut, x])


def _resnet_v2(options: Options, repeats: tuple[int, ...], **files: Any) -> Functional:
    def stacks(x: Any) -> Any:
        for number, count in enumerate(repeats):
            for i in range(count):
                # The last block of a stack halves the image, but for the last stack.
                stride = 2 if i == count - 1 and number < len(repeats) - 1 else 1
                x = _preactivated(x, 64 * 2**number, stride, project=i == 0, name=f"conv{number + 2}_block{i + 1}")
        return x

    return resnet(options, stacks, preactivation=True, **files)


def _variant(depth: int, repeats: tuple[int, ...], hashes: tuple[str, str]) -> Callable[..., Functional]:
    name = f"resnet{depth}v2"
    return application(
        __name__,
        f"ResNet{depth}V2",
        "He et al., 2016, arXiv 1603.05027",
        arguments(name=name),
        _resnet_v2,
        repeats=repeats,
        variant=name,
        hashes=hashes,
    )


ResNet50V2 = _variant(50, (3, 4, 6, 3), ("3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917"))
ResNet101V2 = _variant(101, (3, 4, 23, 3), ("6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5"))
ResNet152V2 = _variant(152, (3, 8, 36, 3), ("a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33"))
preprocess_input = preprocessor(__name__, "tf")
