"""Inception-ResNet v2: Inception modules that add to their input (Szegedy et al., 2016)."""

from __future__ import annotations

from typing import Any

from rustdl import layers
from rustdl.applications._application import Options, application, arguments, channel_axis, kernels_files
from rustdl.applications._inception import STEM, branch, convolution, mixed
from rustdl.applications.imagenet_utils import decode_predictions, preprocessor
from rustdl.layers.layer import Layer
from rustdl.models.functional import Functional

__all__ = ["CustomScaleLayer", "InceptionResNetV2", "decode_predictions", "preprocess_input"]

_REDUCTION_17 = ("3x3:384/2", "1x1:256 3x3:256 3x3:384/2", "max")
_REDUCTION_8 = ("1x1:256 3x3:384/2", "1x1:256 3x3:288/2", "1x1:256 3x3:288 3x3:320/2", "max")
_BLOCKS = {
    "block35": ("1x1:32", "1x1:32 3x3:32", "1x1:32 3x3:48 3x3:64"),
    "block17": ("1x1:192", "1x1:128 1x7:160 7x1:192"),
    "block8": ("1x1:192", "1x1:192 1x3:224 3x1:256"),
}


class CustomScaleLayer(Layer):
    """y = x + scale * r for inputs `[x, r]`.

    Args:
        scale: The factor of the residual.
        **kwargs: Name and dtype.
    """

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs: Any) -> Any:
        """The scaled sum."""
        x, residual = inputs
        return x + residual * self.scale

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "scale": self.scale}


def _residual(x: Any, kind: str, number: int, scale: float, active: bool = True) -> Any:
    """Computes y = x + scale * projection of the branches, and ReLU."""
    name = f"{kind}_{number}"
    parts = mixed(x, _BLOCKS[kind], f"{name}_mixed")
    parts = layers.Conv2D(x.shape[channel_axis()], 1, padding="same", name=f"{name}_conv")(parts)
    x = CustomScaleLayer(scale)([x, parts])
    return layers.Activation("relu", name=f"{name}_ac")(x) if active else x


def _inception_resnet_v2(options: Options) -> Functional:
    image = options.image(options.image_shape(299, min_size=75))
    x = branch(image, STEM)
    x = mixed(x, ("1x1:96", "1x1:48 5x5:64", "1x1:64 3x3:96 3x3:96", "avg 1x1:64"), "mixed_5b")
    for i in range(1, 11):
        x = _residual(x, "block35", i, 0.17)
    x = mixed(x, _REDUCTION_17, "mixed_6a")
    for i in range(1, 21):
        x = _residual(x, "block17", i, 0.1)
    x = mixed(x, _REDUCTION_8, "mixed_7a")
    for i in range(1, 10):
        x = _residual(x, "block8", i, 0.2)
    x = _residual(x, "block8", 10, 1.0, active=False)
    x = convolution(x, 1536, (1, 1), name="conv_7b")
    name = "inception_resnet_v2"
    files = kernels_files(name, name, ("e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4"))
    return options.model(image, options.top(x, named=False), files)


InceptionResNetV2 = application(
    __name__,
    "InceptionResNetV2",
    "Szegedy et al., 2016, arXiv 1602.07261",
    arguments(name="inception_resnet_v2"),
    _inception_resnet_v2,
)
preprocess_input = preprocessor(__name__, "tf")
