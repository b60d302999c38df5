"""Convolutions: plain, depthwise, separable and transposed, in one to three dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keras_parity.case import Case, layer

SPATIAL = {1: (9,), 2: (6, 5), 3: (4, 5, 4)}
FORMATS = ("channels_last", "channels_first")
# Strides and dilations exclude each other.
STEPS: dict[int, list[dict[str, Any]]] = {
    1: [{}, {"strides": 2}, {"strides": 3}, {"dilation_rate": 2}, {"dilation_rate": 3}],
    2: [{}, {"strides": 2}, {"strides": (2, 1)}, {"dilation_rate": 2}, {"dilation_rate": (1, 2)}],
    3: [{}, {"strides": 2}, {"strides": (1, 2, 1)}, {"dilation_rate": (1, 2, 1)}],
}
KERNELS: dict[int, list[Any]] = {1: [1, 2, 3], 2: [1, (3, 2), 3], 3: [1, 2]}


def shape(rank: int, channels: int, data_format: str) -> tuple[int, ...]:
    """Of two examples (one in three dimensions)."""
    batch = 1 if rank == 3 else 2
    space = SPATIAL[rank]
    return (batch, *space, channels) if data_format == "channels_last" else (batch, channels, *space)


def plain(rank: int) -> Iterator[Case]:
    """All paddings with all strides, dilations, groups, formats; kernels, biases and activations take turns."""
    turn = 0
    for padding in ("valid", "same", *(["causal"] if rank == 1 else [])):
        for steps in STEPS[rank]:
            for groups in (1, 2):
                for data_format in FORMATS:
                    if padding == "causal" and data_format == "channels_first":
                        continue
                    turn += 1
                    args = {
                        "filters": 4,
                        "kernel_size": KERNELS[rank][-1] if rank < 3 else 2,
                        "padding": padding,
                        "groups": groups,
                        "data_format": data_format,
                        "use_bias": turn % 4 != 0,
                        "activation": [None, "tanh", "relu"][turn % 3],
                        **steps,
                    }
                    yield layer(f"Conv{rank}D", args, shape(rank, 4, data_format))
    for kernel in KERNELS[rank]:
        for padding in ("valid", "same"):
            yield layer(
                f"Conv{rank}D", {"filters": 3, "kernel_size": kernel, "padding": padding}, shape(rank, 2, FORMATS[0])
            )
    yield layer(f"Conv{rank}D", {"filters": 3, "kernel_size": 2, "kernel_regularizer": "l2", "bias_regularizer": "l1",
                                 "activity_regularizer": "l2"}, shape(rank, 2, FORMATS[0]))  # fmt: skip
    yield layer(
        f"Conv{rank}D", {"filters": 3, "kernel_size": 2, "kernel_constraint": "max_norm"}, shape(rank, 2, FORMATS[0])
    )
    yield layer(f"Conv{rank}D", {"filters": 3, "kernel_size": 2, "groups": 2}, shape(rank, 4, FORMATS[0]), refused=True)
    yield layer(f"Conv{rank}D", {"filters": 4, "kernel_size": 2, "groups": 2}, shape(rank, 3, FORMATS[0]), refused=True)
    yield layer(
        f"Conv{rank}D",
        {"filters": 4, "kernel_size": 2, "strides": 2, "dilation_rate": 2},
        shape(rank, 4, FORMATS[0]),
        refused=True,
    )
    yield layer(f"Conv{rank}D", {"filters": 4, "kernel_size": 0}, shape(rank, 4, FORMATS[0]), refused=True)
    yield layer(f"Conv{rank}D", {"filters": 0, "kernel_size": 2}, shape(rank, 4, FORMATS[0]), refused=True)
    yield layer(f"Conv{rank}D", {"filters": 2, "kernel_size": 11}, shape(rank, 4, FORMATS[0]), refused=True)


def depthwise(rank: int) -> Iterator[Case]:
    """Strides are equal along all axes there."""
    turn = 0
    for padding in ("valid", "same"):
        for steps in [s for s in STEPS[rank] if s.get("strides") != (2, 1)]:
            for multiplier in (1, 2):
                for data_format in FORMATS:
                    turn += 1
                    args = {
                        "kernel_size": KERNELS[rank][-1 - turn % 2],
                        "padding": padding,
                        "depth_multiplier": multiplier,
                        "data_format": data_format,
                        "use_bias": turn % 4 != 0,
                        "activation": [None, "tanh", "relu"][turn % 3],
                        **steps,
                    }
                    yield layer(f"DepthwiseConv{rank}D", args, shape(rank, 3, data_format))
                    args = {**args, "filters": 5, "activation": [None, "tanh", "gelu"][turn % 3]}
                    yield layer(f"SeparableConv{rank}D", args, shape(rank, 3, data_format))
    for name, extra in (("DepthwiseConv", {}), ("SeparableConv", {"filters": 3})):
        for multiplier in (0, -1):
            args = {"kernel_size": 2, "depth_multiplier": multiplier, **extra}
            yield layer(f"{name}{rank}D", args, shape(rank, 3, FORMATS[0]), refused=True)
    regularized = {"depthwise_regularizer": "l2", "bias_regularizer": "l1", "depthwise_constraint": "non_neg"}
    yield layer(f"DepthwiseConv{rank}D", {"kernel_size": 2, **regularized}, shape(rank, 3, FORMATS[0]))
    regularized = {**regularized, "pointwise_regularizer": "l1", "pointwise_constraint": "max_norm"}
    yield layer(f"SeparableConv{rank}D", {"filters": 3, "kernel_size": 2, **regularized}, shape(rank, 3, FORMATS[0]))


def transposed(rank: int) -> Iterator[Case]:
    """Output paddings are smaller than strides."""
    turn = 0
    steps: list[dict[str, Any]] = [{}, {"strides": 2}, {"strides": 3}]
    steps += [{"strides": 2, "output_padding": p} for p in (0, 1)] + [{"strides": 3, "output_padding": 2}]
    if rank == 2:
        steps += [{"strides": (2, 1)}, {"strides": (3, 2), "output_padding": (1, 0)}]
    if rank < 3:
        steps += [{"dilation_rate": 2}]
    for padding in ("valid", "same"):
        for step in steps:
            for kernel in [k for k in KERNELS[rank] if k != 1] + ([4] if rank < 3 else []):
                for data_format in FORMATS:
                    turn += 1
                    if rank > 1 and turn % 2 == 0 and kernel == 4:
                        continue
                    args = {
                        "filters": 3,
                        "kernel_size": kernel,
                        "padding": padding,
                        "data_format": data_format,
                        "use_bias": turn % 5 != 0,
                        "activation": [None, "tanh", "relu"][turn % 3],
                        **step,
                    }
                    yield layer(f"Conv{rank}DTranspose", args, shape(rank, 2, data_format))
    yield layer(f"Conv{rank}DTranspose", {"filters": 3, "kernel_size": 2, "kernel_regularizer": "l2",
                                          "kernel_constraint": "unit_norm"}, shape(rank, 2, FORMATS[0]))  # fmt: skip
    yield layer(f"Conv{rank}DTranspose", {"filters": 0, "kernel_size": 2}, shape(rank, 2, FORMATS[0]), refused=True)


CASES = [
    *(case for rank in (1, 2, 3) for case in plain(rank)),
    *(case for rank in (1, 2) for case in depthwise(rank)),
    *(case for rank in (1, 2, 3) for case in transposed(rank)),
]

WITHOUT = {
    f"layers.{name}": f"the same class as `{name.replace('olution', '')}`"
    for name in (
        *(f"Convolution{rank}D{suffix}" for rank in (1, 2, 3) for suffix in ("", "Transpose")),
        "SeparableConvolution1D",
        "SeparableConvolution2D",
    )
}
