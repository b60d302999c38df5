"""Every plain function of the API against Keras' values and gradients (tests/golden/make_functions.py)."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import rustdl
from rustdl import ops, tree

GOLDEN_DIR = Path(__file__).parents[1] / "golden"
GOLDEN = np.load(GOLDEN_DIR / "functions.npz")
_spec = importlib.util.spec_from_file_location("function_cases", GOLDEN_DIR / "function_cases.py")
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)


def check_values(name, results):
    results = tree.flatten(results)
    assert f"{name}/y{len(results)}" not in GOLDEN, "fewer results than Keras has"
    for i, y in enumerate(results):
        want = GOLDEN[f"{name}/y{i}"]
        y = np.asarray(y)
        assert y.shape == want.shape
        assert y.dtype == want.dtype
        scale = np.abs(want[np.isfinite(want)]).max(initial=1.0)
        np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize("name", cases.SMOOTH)
def test_values_and_gradients(name):
    function, inputs = cases.SMOOTH[name]
    check_values(name, function(rustdl, *inputs))

    def weighted(*x):
        results = tree.flatten(function(rustdl, *x))
        return sum(ops.sum(y * np.linspace(-1, 1, y.size, dtype="float32").reshape(y.shape)) for y in results)

    gradients = rustdl.grad(weighted, argnums=tuple(range(len(inputs))))(*inputs)
    for i, gradient in enumerate(gradients):
        want = GOLDEN[f"{name}/g{i}"]
        scale = max(1.0, np.abs(want).max())
        gradient = np.zeros_like(want) if gradient is None else gradient.numpy()
        np.testing.assert_allclose(gradient, want, rtol=1e-4, atol=2e-5 * scale)


@pytest.mark.parametrize("name", cases.FLAT)
def test_values(name):
    function, inputs = cases.FLAT[name]
    check_values(name, function(rustdl, *inputs))
