"""VGG: stacks of 3 x 3 convolutions (Simonyan and Zisserman, 2014). The architecture, and its 16 layer form."""

from __future__ import annotations

from rustdl import layers
from rustdl.applications._application import Options, application, arguments, kernels_files
from rustdl.applications.imagenet_utils import decode_predictions, preprocessor
from rustdl.models.functional import Functional

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]

PAPER = "Simonyan and Zisserman, 2014, arXiv 1409.1556"
_FILTERS = (64, 128, 256, 512, 512)


def vgg(options: Options, repeats: tuple[int, ...], folder: str, hashes: tuple[str, str]) -> Functional:
    """A VGG network.

    Args:
        options: The usual arguments.
        repeats: Convolutions in each of the five blocks.
        folder: Name of the variant in the address of its weights.
        hashes: Of the files with the weights.
    """
    image = options.image(options.image_shape(224))
    x = image
    for block, (filters, count) in enumerate(zip(_FILTERS, repeats, strict=True), 1):
        for i in range(1, count + 1):
            x = layers.Conv2D(filters, 3, activation="relu", padding="same", name=f"block{block}_conv{i}")(x)
        x = layers.MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    if options.include_top:
        x = layers.Flatten(name="flatten")(x)
        for name in ("fc1", "fc2"):
            x = layers.Dense(4096, activation="relu", name=name)(x)
        x = options.dense(x)
    else:
        x = options.pool(x, named=False)
    return options.model(image, x, kernels_files(folder, folder, hashes))


VGG16 = application(
    __name__,
    "VGG16",
    PAPER,
    arguments(name="vgg16"),
    vgg,
    repeats=(2, 2, 3, 3, 3),
    folder="vgg16",
    hashes=("64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc"),
)
preprocess_input = preprocessor(__name__, "caffe")
