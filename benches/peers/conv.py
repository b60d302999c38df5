"""Times the convolution layers of `benches/conv.rs` in rustdl and PyTorch, interleaved.

Usage: `python benches/peers/conv.py [--threads 2] [--seconds 0.5] [--only mnist]`. PyTorch runs in both
memory formats. Each figure is the minimum in milliseconds over rounds in which the candidates take turns,
and the last column is the faster PyTorch over rustdl.
"""

from __future__ import annotations

import argparse
from typing import Any

from turns import Step, in_turns

# Name, images, size, channels, filters, kernel, stride, padding, groups: as in benches/conv.rs.
LAYERS = [
    ("mnist_1", 128, 28, 1, 32, 3, 1, 0, 1),
    ("mnist_2", 128, 13, 32, 64, 3, 1, 0, 1),
    ("resnet_stem", 8, 224, 3, 64, 7, 2, 3, 1),
    ("resnet_2_reduce", 8, 56, 256, 64, 1, 1, 0, 1),
    ("resnet_2_3x3", 8, 56, 64, 64, 3, 1, 1, 1),
    ("resnet_2_expand", 8, 56, 64, 256, 1, 1, 0, 1),
    ("resnet_3_stride", 8, 56, 128, 128, 3, 2, 1, 1),
    ("resnet_3_3x3", 8, 28, 128, 128, 3, 1, 1, 1),
    ("resnet_4_shortcut", 8, 28, 512, 1024, 1, 2, 0, 1),
    ("resnet_4_3x3", 8, 14, 256, 256, 3, 1, 1, 1),
    ("resnet_5_3x3", 8, 7, 512, 512, 3, 1, 1, 1),
    ("resnet_5_reduce", 8, 7, 2048, 512, 1, 1, 0, 1),
    ("mobilenet_dw_stride", 8, 112, 96, 96, 3, 2, 1, 96),
    ("mobilenet_dw_56", 8, 56, 144, 144, 3, 1, 1, 144),
    ("mobilenet_dw_14", 8, 14, 576, 576, 3, 1, 1, 576),
    ("mobilenet_expand", 8, 56, 24, 144, 1, 1, 0, 1),
    ("vgg_1_1", 2, 224, 3, 64, 3, 1, 1, 1),
    ("vgg_1_2", 2, 224, 64, 64, 3, 1, 1, 1),
    ("vgg_3", 2, 56, 256, 256, 3, 1, 1, 1),
    ("vgg_5", 2, 14, 512, 512, 3, 1, 1, 1),
]


def torch_steps(layer: tuple[Any, ...], channels_last: bool) -> tuple[Step, Step]:
    """Forward, and forward with both gradients, in PyTorch."""
    import torch

    _, n, size, c, k, kernel, stride, pad, groups = layer
    form = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(n, c, size, size).contiguous(memory_format=form).requires_grad_()
    w = torch.randn(k, c // groups, kernel, kernel).contiguous(memory_format=form).requires_grad_()
    seed = torch.ones_like(torch.conv2d(x, w, None, stride, pad, 1, groups))

    def forward() -> Any:
        with torch.no_grad():
            return torch.conv2d(x, w, None, stride, pad, 1, groups)

    def train() -> Any:
        return torch.autograd.grad(torch.conv2d(x, w, None, stride, pad, 1, groups), [x, w], seed)

    return forward, train


def rustdl_steps(layer: tuple[Any, ...]) -> tuple[Step, Step]:
    """Forward, and forward with both gradients, in rustdl."""
    import numpy as np

    import rustdl
    from rustdl.backend.trace import trace

    _, n, size, c, k, kernel, stride, pad, groups = layer
    rng = np.random.default_rng(0)
    x = rustdl.Tensor(rng.standard_normal((n, size, size, c)).astype("float32"))
    w = rustdl.Tensor(rng.standard_normal((kernel, kernel, c // groups, k)).astype("float32"))
    raw = rustdl._rustdl.ops

    def forward() -> Any:
        return raw.conv(x, w, stride, pad)

    seed = rustdl.ops.ones(forward().shape)

    def both(x: Any, w: Any, seed: Any) -> Any:
        leaves = [rustdl._rustdl.leaf(a) for a in (x, w)]
        y = raw.conv(*leaves, stride, pad)
        return y, rustdl._rustdl.backward([y], leaves, [seed])

    run = trace(both, [x, w, seed])
    return forward, lambda: run(x, w, seed)


def main() -> None:
    """Prints one line for each layer and kind of step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    import torch

    import rustdl

    torch.set_num_threads(args.threads)
    rustdl.set_num_threads(args.threads)
    print(f"{'layer':20} {'step':8} {'rustdl':>9} {'torch':>9} {'torch nhwc':>10} {'ratio':>6}")
    for layer in LAYERS:
        if args.only not in layer[0]:
            continue
        ours, first, last = rustdl_steps(layer), torch_steps(layer, False), torch_steps(layer, True)
        for i, step in enumerate(["forward", "train"]):
            t = in_turns([ours[i], first[i], last[i]], args.seconds)
            print(f"{layer[0]:20} {step:8} {t[0]:9.3f} {t[1]:9.3f} {t[2]:10.3f} {min(t[1:]) / t[0]:6.2f}", flush=True)


if __name__ == "__main__":
    main()
