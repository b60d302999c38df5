"""Causal attention, forward and backward, beside PyTorch's: 8 heads of 64, minima of interleaved runs.

Run as `python benches/peers/attention.py [batch]`.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from turns import in_turns

import rustdl
from rustdl import ops
from rustdl.backend.trace import trace

HEADS, SIZE = 8, 64


def ours(t: int, b: int, backward: bool):
    """A function that runs the step compiled."""
    rng = np.random.default_rng(0)
    x = [rustdl.ops.convert_to_tensor(rng.normal(size=(b, t, HEADS, SIZE)).astype("float32")) for _ in range(4)]

    def forward(q, k, v, g):
        return ops.dot_product_attention(q, k, v, is_causal=True)

    def step(q, k, v, g):
        leaves = [rustdl._rustdl.leaf(a) for a in (q, k, v)]
        y = ops.dot_product_attention(*leaves, is_causal=True)
        return rustdl._rustdl.backward([y], leaves, [g])

    run = trace(step if backward else forward, x)
    return lambda: run(*x)


def theirs(t: int, b: int, backward: bool):
    """The same in PyTorch, whose layout is batch, head, position, feature."""
    rng = np.random.default_rng(0)
    x = [torch.tensor(rng.normal(size=(b, HEADS, t, SIZE)).astype("float32")) for _ in range(4)]
    q, k, v = (a.requires_grad_(backward) for a in x[:3])

    def step():
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        if backward:
            torch.autograd.grad(y, (q, k, v), x[3])

    return step


def main() -> None:
    """Prints a table."""
    b = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    print(f"batch {b}; ms: rustdl, PyTorch {torch.__version__}, ratio")
    for t in (64, 128, 256, 512, 1024, 2048):
        line = f"T = {t:5}"
        for backward in (False, True):
            runs = [ours(t, b, backward), theirs(t, b, backward)]
            mine, other = in_turns(runs, seconds=1.0)
            line += f"   {'both' if backward else 'forward'} {mine:8.3f} {other:8.3f} {other / mine:5.2f}x"
        print(line, flush=True)


if __name__ == "__main__":
    main()
