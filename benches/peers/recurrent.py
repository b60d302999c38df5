"""Recurrent layers, forward and backward, beside PyTorch: rounds take turns, minima are compared.

Run: `python benches/peers/recurrent.py [rounds]`.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import torch

from rustdl import _rustdl, ops
from rustdl.backend.autodiff import value_and_grad
from rustdl.backend.trace import trace

CASES = [
    ("LSTM", 32, 80, 128, 128),
    ("LSTM", 64, 50, 256, 512),
    ("GRU", 32, 100, 256, 256),
    ("GRU", 1, 100, 64, 64),
    ("RNN", 32, 100, 128, 128),
]


def _step(kind: str, x: Any, weights: list[Any]) -> Any:
    """The compiled gradient of the sum of squared outputs by inputs and weights."""

    def loss(x: Any, w: Any, r: Any, b: Any) -> Any:
        if kind == "LSTM":
            y = ops.lstm(x, w, r, b[0])[0]
        elif kind == "GRU":
            y = ops.gru(x, w, r, b)[0]
        else:
            y = ops.simple_rnn(x, w, r, b[0])[0]
        return ops.sum(ops.square(y))

    arguments = [ops.convert_to_tensor(a) for a in (x, *weights)]
    compiled = trace(value_and_grad(loss, argnums=(0, 1, 2, 3)), arguments)
    return lambda: compiled(*arguments)


def _torch_step(kind: str, x: np.ndarray, units: int) -> Any:
    layer = getattr(torch.nn, kind)(x.shape[2], units, batch_first=True)
    inputs = torch.tensor(x, requires_grad=True)

    def run() -> None:
        layer.zero_grad()
        inputs.grad = None
        layer(inputs)[0].square().sum().backward()

    return run


def main(rounds: int) -> None:
    """Prints a line a case."""
    torch.set_num_threads(_rustdl.num_threads())
    rng = np.random.default_rng(0)
    for kind, batch, steps, features, units in CASES:
        gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
        shapes = [(features, gates * units), (units, gates * units), (2, gates * units)]
        weights = [(rng.normal(size=s) / np.sqrt(s[0])).astype("float32") for s in shapes]
        x = rng.normal(size=(batch, steps, features)).astype("float32")
        runs = [_step(kind, x, weights), _torch_step(kind, x, units)]
        best = [float("inf")] * 2
        for _ in range(rounds):
            for i, run in enumerate(runs):
                begun = time.perf_counter()
                run()
                best[i] = min(best[i], time.perf_counter() - begun)
        flops = 6 * batch * steps * gates * units * (features + units)
        print(
            f"{kind:4} batch {batch:2}, {steps:3} steps, {features:3} -> {units:3}: rustdl {best[0] * 1e3:7.2f} ms "
            f"({flops / best[0] / 1e9:4.0f} GFLOP/s), PyTorch {best[1] * 1e3:7.2f} ms, {best[1] / best[0]:5.2f}x",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
