"""Makes torch.npz: values and gradients of a few functions as PyTorch computes them.

python tests/golden/make_torch.py        (needs torch)
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

CONVS = {"plain": (1, 1, 1), "strided": (2, 1, 1), "dilated": (1, 2, 1), "grouped": (1, 1, 2)}


def main() -> None:
    rng = np.random.default_rng(0)
    out: dict[str, np.ndarray] = {}

    def leaf(name: str, *shape: int) -> torch.Tensor:
        out[name] = rng.normal(size=shape).astype("float32")
        return torch.tensor(out[name], requires_grad=True)

    def record(case: str, y: torch.Tensor, *leaves: torch.Tensor) -> None:
        weight = torch.linspace(-1, 1, y.numel()).reshape(y.shape)
        grads = torch.autograd.grad((y * weight).sum(), leaves)
        out[f"{case}/y"] = y.detach().numpy()
        for i, g in enumerate(grads):
            out[f"{case}/g{i}"] = g.numpy()

    for case, (stride, dilation, groups) in CONVS.items():
        x, k = leaf(f"{case}/x0", 2, 9, 8, 4), leaf(f"{case}/x1", 3, 3, 4 // groups, 6)
        y = F.conv2d(x.permute(0, 3, 1, 2), k.permute(3, 2, 0, 1), stride=stride, dilation=dilation, groups=groups)
        record(case, y.permute(0, 2, 3, 1).contiguous(), x, k)
    x = leaf("gelu/x0", 5, 7)
    record("gelu", F.gelu(x), x)
    x, scale, shift = leaf("layer_norm/x0", 4, 6), leaf("layer_norm/x1", 6), leaf("layer_norm/x2", 6)
    record("layer_norm", F.layer_norm(x, (6,), scale, shift, eps=1e-3), x, scale, shift)
    x = leaf("cross_entropy/x0", 5, 4)
    record("cross_entropy", F.cross_entropy(x, torch.tensor([0, 1, 2, 3, 1]), reduction="none"), x)
    np.savez_compressed(Path(__file__).with_name("torch.npz"), **out)


if __name__ == "__main__":
    main()
