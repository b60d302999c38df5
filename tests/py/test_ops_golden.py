"""Functions of `ops` against Keras' values and gradients (tests/golden/make_ops.py)."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import rustdl
from rustdl import ops, tree

GOLDEN_DIR = Path(__file__).parents[1] / "golden"
GOLDEN = np.load(GOLDEN_DIR / "ops.npz")
_spec = importlib.util.spec_from_file_location("ops_cases", GOLDEN_DIR / "ops_cases.py")
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)


def check_values(name, results):
    for i, y in enumerate(tree.flatten(results)):
        want = GOLDEN[f"{name}/y{i}"]
        assert tuple(y.shape) == want.shape
        assert np.asarray(y).dtype == want.dtype
        np.testing.assert_allclose(np.asarray(y), want, rtol=2e-5, atol=1e-5 * max(1, np.abs(want).max()))


@pytest.mark.parametrize("name", cases.CASES)
def test_values_and_gradients(name):
    function, inputs = cases.CASES[name]
    check_values(name, function(ops, *inputs))

    def weighted(*x):
        results = tree.flatten(function(ops, *x))
        return sum(ops.sum(y * np.linspace(-1, 1, y.size, dtype="float32").reshape(y.shape)) for y in results)

    gradients = rustdl.grad(weighted, argnums=tuple(range(len(inputs))))(*inputs)
    for i, gradient in enumerate(gradients):
        want = GOLDEN[f"{name}/g{i}"]
        np.testing.assert_allclose(gradient.numpy(), want, rtol=1e-4, atol=2e-5 * max(1, np.abs(want).max()))


@pytest.mark.parametrize("name", cases.FLAT)
def test_values(name):
    function, inputs = cases.FLAT[name]
    check_values(name, function(ops, *inputs))
