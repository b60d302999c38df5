"""Makes `conv.rs`: results of Keras' convolutions and poolings (JAX backend) for small inputs.

Run as `KERAS_BACKEND=jax python tests/golden/make_conv.py`. Inputs follow a formula that the Rust
test repeats (small integers, so convolutions are exact in float32); only results are stored.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import keras
import numpy as np


def array(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Small integers that look random: element i is (i * i * 7 + i * 13 + seed) % 11 - 5."""
    i = np.arange(int(np.prod(shape)), dtype=np.int64)
    return ((i * i * 7 + i * 13 + seed) % 11 - 5).astype(np.float32).reshape(shape)


def numbers(values: np.ndarray) -> str:
    """The elements as Rust literals."""
    return ", ".join(repr(float(v)) for v in np.asarray(values, np.float32).ravel())


def entry(op: str, shapes: list[tuple[int, ...]], options: dict[str, object], y: np.ndarray) -> str:
    """One `Golden` literal."""
    given = {
        "strides": [1],
        "dilation": [1],
        "pool": [1],
        "padding": "valid",
        "output_padding": [],
        **options,
    }
    y = np.asarray(y)
    inputs = ", ".join("&" + str(list(s)) for s in shapes)
    return (
        f'    Golden {{ op: "{op}", inputs: &[{inputs}], strides: &{given["strides"]}, '
        f'dilation: &{given["dilation"]}, pool: &{given["pool"]}, padding: "{given["padding"]}", '
        f"output_padding: &{given['output_padding']}, shape: &{list(y.shape)}, y: &[{numbers(y)}] }},"
    )


def convolutions() -> list[str]:
    """`conv`, `depthwise_conv` and `separable_conv`."""
    out = []
    cases = [((2, 7, 2), (3, 2, 3)), ((1, 5, 6, 2), (3, 2, 2, 3)), ((1, 4, 3, 4, 2), (2, 3, 2, 2, 2))]
    for (x, k), padding in itertools.product(cases, ["valid", "same"]):
        for strides, dilation in [(1, 1), (2, 1), (1, 2)]:
            if padding == "valid" and dilation == 2 and len(x) == 5:
                continue
            options = {"strides": [strides], "dilation": [dilation], "padding": padding}
            y = keras.ops.conv(array(x, 1), array(k, 2), strides, padding, None, dilation)
            out.append(entry("conv", [x, k], options, y))
            if len(x) < 5:
                d = (*k[:-2], x[-1], 2)
                y = keras.ops.depthwise_conv(array(x, 1), array(d, 2), strides, padding, None, dilation)
                out.append(entry("depthwise_conv", [x, d], options, y))
    x, k = (1, 5, 4, 6), (3, 3, 3, 4)
    y = keras.ops.conv(array(x, 1), array(k, 2), 1, "same")
    out.append(entry("conv", [x, k], {"padding": "same"}, y))  # two groups
    x, d, p = (1, 5, 5, 3), (3, 3, 3, 2), (1, 1, 6, 4)
    y = keras.ops.separable_conv(array(x, 1), array(d, 2), array(p, 3), 2, "same")
    out.append(entry("separable_conv", [x, d, p], {"strides": [2], "padding": "same"}, y))
    return out


def transposed() -> list[str]:
    """`conv_transpose`."""
    out = []
    cases = [((1, 4, 2), (3, 3, 2)), ((1, 3, 4, 2), (2, 3, 3, 2)), ((2, 2, 3, 2, 2), (2, 2, 3, 3, 2))]
    for (x, k), padding in itertools.product(cases, ["valid", "same"]):
        for strides, dilation, extra in [(1, 1, None), (2, 1, None), (3, 1, None), (2, 1, 1), (2, 1, 0), (1, 2, None)]:
            if strides > 1 and len(x) == 5:
                continue  # XLA's simplifier aborts the process on these (JAX 0.10.2)
            y = keras.ops.conv_transpose(array(x, 1), array(k, 2), strides, padding, extra, None, dilation)
            options = {
                "strides": [strides],
                "dilation": [dilation],
                "padding": padding,
                "output_padding": [] if extra is None else [extra],
            }
            out.append(entry("conv_transpose", [x, k], options, y))
    return out


def pools() -> list[str]:
    """`max_pool` and `average_pool`."""
    out = []
    for x, padding, (pool, strides) in itertools.product(
        [(2, 7, 3), (1, 5, 6, 2), (1, 4, 3, 5, 2)], ["valid", "same"], [(2, 2), (3, 2), (2, 1), (3, 3)]
    ):
        options = {"pool": [pool], "strides": [strides], "padding": padding}
        for name in ["max_pool", "average_pool"]:
            y = getattr(keras.ops, name)(array(x, 1), pool, strides, padding)
            out.append(entry(name, [x], options, y))
    return out


if __name__ == "__main__":
    head = f"// Made by make_conv.py with Keras {keras.__version__} ({keras.backend.backend()}). Do not edit.\n"
    body = "\n".join(convolutions() + transposed() + pools())
    Path(__file__).with_name("conv.rs").write_text(f"{head}&[\n{body}\n]\n")
