"""Pooling, padding, cropping, upsampling, reshaping and merging."""

# ruff: noqa: E501  (tables read best as they are)
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras_parity.case import Case, grid, layer

SPATIAL = {1: (9,), 2: (6, 7), 3: (4, 6, 5)}
FORMATS = ["channels_last", "channels_first"]


def shape(rank: int, data_format: str, channels: int = 3) -> tuple[int, ...]:
    """Of two examples."""
    space = SPATIAL[rank]
    return (2, *space, channels) if data_format == "channels_last" else (2, channels, *space)


def pooling(rank: int) -> Iterator[Case]:
    """Windows, strides, paddings and formats."""
    sizes: list[Any] = [1, 2, 3] + ([(2, 3)] if rank == 2 else [(2, 1, 2)] if rank == 3 else [])
    for kind in ("Max", "Average"):
        for args in grid(pool_size=sizes, strides=[None, 1, 2], padding=["valid", "same"], data_format=FORMATS):
            if rank < 3 or args["strides"] != 1:
                yield layer(f"{kind}Pooling{rank}D", args, shape(rank, args["data_format"]))
        for args in grid(keepdims=[False, True], data_format=FORMATS):
            yield layer(f"Global{kind}Pooling{rank}D", args, shape(rank, args["data_format"]))
        outputs: list[Any] = [1, 2, 3] + ([(2, 3)] if rank == 2 else [(1, 2, 3)] if rank == 3 else [])
        for args in grid(output_size=outputs, data_format=FORMATS):
            yield layer(f"Adaptive{kind}Pooling{rank}D", args, shape(rank, args["data_format"]))
        yield layer(f"{kind}Pooling{rank}D", {"pool_size": 0}, shape(rank, FORMATS[0]), refused=True)
        yield layer(f"{kind}Pooling{rank}D", {"pool_size": 2, "strides": 0}, shape(rank, FORMATS[0]), refused=True)
        yield layer(f"{kind}Pooling{rank}D", {"pool_size": 2, "padding": "full"}, shape(rank, FORMATS[0]), refused=True)


def spatial(rank: int) -> Iterator[Case]:
    """Cropping, zero padding and upsampling."""
    pairs = {1: [(1, 2), (0, 3)], 2: [(1, 2), ((1, 0), (2, 1))], 3: [(1, 0, 2), ((1, 0), (2, 1), (0, 1))]}[rank]
    for amount in (1, 0, *pairs):
        formats = [{"data_format": f} for f in FORMATS]
        for extra in formats if rank > 1 else [{}]:
            inputs = shape(rank, extra.get("data_format", FORMATS[0]))
            yield layer(f"Cropping{rank}D", {"cropping": amount, **extra}, inputs)
        for extra in formats:
            yield layer(f"ZeroPadding{rank}D", {"padding": amount, **extra}, shape(rank, extra["data_format"]))
    sizes: list[Any] = [1, 2, 3] + ([(2, 3)] if rank == 2 else [(1, 2, 3)] if rank == 3 else [])
    for size in sizes:
        for extra in formats if rank > 1 else [{}]:
            yield layer(
                f"UpSampling{rank}D", {"size": size, **extra}, shape(rank, extra.get("data_format", FORMATS[0]))
            )
    yield layer(f"Cropping{rank}D", {"cropping": 5}, shape(rank, FORMATS[0]), refused=True)


def merging() -> Iterator[Case]:
    """Equal shapes, broadcast shapes, more than two inputs."""
    families: list[list[tuple[int, ...]]] = [
        [(2, 3), (2, 3)], [(2, 3, 4)] * 3, [(2, 3, 4), (2, 1, 4)], [(2, 3, 4), (2, 4)], [(2, 1, 4), (2, 3, 1)],
        [(2, 4), (2, 3, 4), (2, 5, 3, 4)],
    ]  # fmt: skip
    for name in ("Add", "Multiply", "Average", "Maximum", "Minimum"):
        for family in families:
            yield layer(name, {}, family)
        yield layer(name, {}, [(2, 3), (2, 4)], refused=True)
        yield layer(name, {}, [(1, 3), (4, 3)], refused=True)
    for family in (f for f in families if len(f) == 2):
        yield layer("Subtract", {}, family)
    yield layer("Subtract", {}, families[1], refused=True)
    for axis in (-1, 1, 2, -2):
        other = [2, 3, 4]
        other[axis] = 5
        yield layer("Concatenate", {"axis": axis}, [(2, 3, 4), tuple(other)])
        yield layer("Concatenate", {"axis": axis}, [(2, 3, 4), tuple(other), (2, 3, 4)])
    yield layer("Concatenate", {"axis": 0}, [(2, 3), (4, 3)], batch=False)
    yield layer("Concatenate", {"axis": 1}, [(2, 3, 4), (2, 3, 5)], refused=True)
    for axes, first, second in (
        (1, (3, 4), (3, 4)), (-1, (3, 4), (3, 4)), (1, (2, 3, 4), (2, 3, 5)), (2, (2, 3, 4), (2, 5, 4)),
        ((2, 1), (2, 3, 4), (2, 4, 5)), ((1, 2), (2, 4, 3), (2, 5, 4)), ((1, 1), (3, 4), (3, 4, 2)), ((2, 1), (2, 3, 4), (2, 4)),
        ([-1, -2], (2, 3, 4), (2, 4, 5)), ((3, 1), (2, 3, 2, 4), (2, 4, 5)), (-2, (2, 3, 4), (2, 3, 5)),
    ):  # fmt: skip
        for normalize in (False, True):
            yield layer("Dot", {"axes": axes, "normalize": normalize}, [first, second])
    yield layer("Dot", {"axes": 1}, [(2, 3, 4), (2, 5, 4)], refused=True)


RESHAPING = [
    *(layer("Flatten", args, s) for args in grid(data_format=[None, *FORMATS]) for s in ((2,), (2, 3), (2, 3, 4), (2, 3, 2, 4))),
    *(layer("Reshape", {"target_shape": t}, (2, 3, 4)) for t in ((12,), (4, 3), (-1,), (2, -1), (-1, 2, 3), (3, 4, 1), (1, 12))),
    layer("Reshape", {"target_shape": ()}, (3, 1)),
    layer("Reshape", {"target_shape": (5, 2)}, (2, 3, 4), refused=True),
    *(layer("Permute", {"dims": d}, (2, 3, 4, 5)) for d in ((1, 2, 3), (3, 1, 2), (2, 1, 3), (3, 2, 1))),
    layer("Permute", {"dims": (2, 1)}, (2, 3, 4)),
    layer("Permute", {"dims": (0, 1)}, (2, 3, 4), refused=True),
    *(layer("RepeatVector", {"n": n}, (2, 3)) for n in (1, 4)),
    *(
        layer("UpSampling2D", {"size": size, "interpolation": how, "data_format": f}, shape(2, f))
        for size in (2, (2, 3))
        for how in ("bilinear", "bicubic", "lanczos3", "lanczos5")
        for f in FORMATS
    ),
    *(layer("GlobalAveragePooling1D", args, shape(1, args["data_format"]), {"mask": np.arange(18).reshape(2, 9) % 4 > 0}) for args in grid(keepdims=[False, True], data_format=FORMATS)),
]  # fmt: skip

CASES = [
    *(case for rank in (1, 2, 3) for case in (*pooling(rank), *spatial(rank))),
    *merging(),
    *RESHAPING,
]

WITHOUT = {
    **{f"layers.{kind}Pool{rank}D": f"the same class as `{full}Pooling{rank}D`" for kind, full in (("Max", "Max"), ("Avg", "Average"), ("GlobalMax", "GlobalMax"), ("GlobalAvg", "GlobalAverage")) for rank in (1, 2, 3)},
    **{f"layers.{name}": f"a function that calls the layer `{name.capitalize()}`; the suite has tests of it" for name in ("add", "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract")},
}  # fmt: skip
