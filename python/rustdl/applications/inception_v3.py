"""Inception v3: branches of factorized convolutions (Szegedy et al., 2015)."""

from __future__ import annotations

from typing import Any

from rustdl import layers
from rustdl.applications._application import Options, application, arguments, channel_axis, kernels_files
from rustdl.applications._inception import STEM, branch, mixed
from rustdl.applications.imagenet_utils import decode_predictions, preprocessor
from rustdl.models.functional import Functional

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]


def _module_35(pooled: int) -> tuple[str, ...]:
    return ("1x1:64", "1x1:48 5x5:64", "1x1:64 3x3:96 3x3:96", f"avg 1x1:{pooled}")


def _module_17(inner: int) -> tuple[str, ...]:
    return (
        "1x1:192",
        f"1x1:{inner} 1x7:{inner} 7x1:192",
        f"1x1:{inner} 7x1:{inner} 1x7:{inner} 7x1:{inner} 1x7:192",
        "avg 1x1:192",
    )


# The modules by the size of their maps for the default images: 35, 17 and 8.
_MODULES = (
    _module_35(32),
    _module_35(64),
    _module_35(64),
    ("3x3:384/2", "1x1:64 3x3:96 3x3:96/2", "max"),
    _module_17(128),
    _module_17(160),
    _module_17(160),
    _module_17(192),
    ("1x1:192 3x3:320/2", "1x1:192 1x7:192 7x1:192 3x3:192/2", "max"),
)


def _module_8(x: Any, number: int) -> Any:
    """The last modules, two of whose branches end in a row and a column convolution side by side."""

    def forked(steps: str, name: str | None) -> Any:
        inner = branch(x, steps)
        return layers.Concatenate(axis=channel_axis(), name=name)([branch(inner, "1x3:384"), branch(inner, "3x1:384")])

    parts = [branch(x, "1x1:320"), forked("1x1:384", f"mixed9_{number}"), forked("1x1:448 3x3:384", None)]
    parts.append(branch(x, "avg 1x1:192"))
    return layers.Concatenate(axis=channel_axis(), name=f"mixed{9 + number}")(parts)


def _inception_v3(options: Options) -> Functional:
    image = options.image(options.image_shape(299, min_size=75))
    x = branch(image, STEM)
    for number, branches in enumerate(_MODULES):
        x = mixed(x, branches, f"mixed{number}")
    for number in range(2):
        x = _module_8(x, number)
    hashes = ("9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63")
    return options.model(image, options.top(x, named=False), kernels_files("inception_v3", "inception_v3", hashes))


InceptionV3 = application(
    __name__, "InceptionV3", "Szegedy et al., 2015, arXiv 1512.00567", arguments(name="inception_v3"), _inception_v3
)
preprocess_input = preprocessor(__name__, "tf")
