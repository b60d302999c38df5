"""Values and gradients against PyTorch's (tests/golden/make_torch.py)."""

from pathlib import Path

import numpy as np
import pytest

import rustdl
from rustdl import ops

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "torch.npz")
LABELS = np.array([0, 1, 2, 3, 1])


def conv(**arguments):
    return lambda x, kernel: ops.conv(x, kernel, padding="valid", **arguments)


CASES = {
    "plain": conv(),
    "strided": conv(strides=2),
    "dilated": conv(dilation_rate=2),
    "grouped": conv(),
    "gelu": lambda x: ops.gelu(x, approximate=False),
    "layer_norm": lambda x, gamma, beta: ops.layer_normalization(x, gamma, beta, axis=-1, epsilon=1e-3),
    "cross_entropy": lambda x: ops.sparse_categorical_crossentropy(LABELS, x, from_logits=True),
}


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_those_of_pytorch(case):
    function = CASES[case]
    inputs = [GOLDEN[f"{case}/x{i}"] for i in range(3) if f"{case}/x{i}" in GOLDEN]
    wanted = GOLDEN[f"{case}/y"]
    np.testing.assert_allclose(function(*inputs).numpy(), wanted, rtol=1e-5, atol=1e-5)
    weight = np.linspace(-1, 1, wanted.size, dtype="float32").reshape(wanted.shape)
    gradients = rustdl.grad(lambda *x: ops.sum(function(*x) * weight), argnums=tuple(range(len(inputs))))(*inputs)
    for i, gradient in enumerate(gradients):
        np.testing.assert_allclose(gradient.numpy(), GOLDEN[f"{case}/g{i}"], rtol=1e-4, atol=2e-5)
