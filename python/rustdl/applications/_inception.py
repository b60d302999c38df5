"""Convolutions with batch normalization, and branches of them, written as short texts: the parts of Inception nets.

A branch is a chain of steps: `3x3:64` is a convolution with that kernel and that many filters, normalized and with
ReLU; `v` after it stands for valid padding, `/2` for valid padding and stride 2; `max` is a 3 x 3 maximum with stride
2, `avg` a 3 x 3 mean with stride 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rustdl import layers
from rustdl.applications._application import channel_axis

STEM = "3x3:32/2 3x3:32v 3x3:64 max 1x1:80v 3x3:192v max"

_CONVOLUTION = re.compile(r"(\d+)x(\d+):(\d+)(v|/2)?")


def convolution(
    x: Any, filters: int, kernel: tuple[int, int], strides: int = 1, padding: str = "same", name: str | None = None
) -> Any:
    """Convolution without bias, batch normalization without scale, ReLU."""
    x = layers.Conv2D(filters, kernel, strides=strides, padding=padding, use_bias=False, name=name)(x)
    x = layers.BatchNormalization(axis=channel_axis(), scale=False, name=name and f"{name}_bn")(x)
    return layers.Activation("relu", name=name and f"{name}_ac")(x)


def branch(x: Any, steps: str) -> Any:
    """Applies the steps of one branch."""
    for step in steps.split():
        if step == "max":
            x = layers.MaxPooling2D(3, strides=2)(x)
        elif step == "avg":
            x = layers.AveragePooling2D(3, strides=1, padding="same")(x)
        else:
            found = _CONVOLUTION.fullmatch(step)
            if found is None:
                raise ValueError(f"not a step of a branch: {step!r}")
            height, width, filters = (int(found[i]) for i in (1, 2, 3))
            strides, padding = (2 if found[4] == "/2" else 1), ("valid" if found[4] else "same")
            x = convolution(x, filters, (height, width), strides, padding)
    return x


def mixed(x: Any, branches: Sequence[str], name: str) -> Any:
    """The channels of all branches side by side."""
    return layers.Concatenate(axis=channel_axis(), name=name)([branch(x, steps) for steps in branches])
