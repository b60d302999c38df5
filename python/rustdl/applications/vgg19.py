"""VGG with 19 layers (Simonyan and Zisserman, 2014)."""

from __future__ import annotations

from rustdl.applications._application import application, arguments
from rustdl.applications.imagenet_utils import decode_predictions, preprocessor
from rustdl.applications.vgg16 import PAPER, vgg

__all__ = ["VGG19", "decode_predictions", "preprocess_input"]

VGG19 = application(
    __name__,
    "VGG19",
    PAPER,
    arguments(name="vgg19"),
    vgg,
    repeats=(2, 2, 4, 4, 4),
    folder="vgg19",
    hashes=("cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6"),
)
preprocess_input = preprocessor(__name__, "caffe")
