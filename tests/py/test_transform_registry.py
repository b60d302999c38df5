"""Transformations over the registry: for ops of one or two tensors, `vmap` is a loop, `jvp` the transpose of `vjp`.

The samples of every op are gone through in Rust (`tests/it/transform.rs`).
"""

import inspect

import numpy as np
import pytest

import rustdl
from rustdl import _rustdl, ops

RNG = np.random.default_rng(0)
# Square, positive and below 1, so that nearly every function is defined; symmetric part dominant for factorizations.
SQUARE = (RNG.uniform(0.1, 0.9, size=(4, 3, 3)) + 2 * np.eye(3)).astype("float64") / 4

# Factors are found up to signs or order, or the op needs another kind of input.
SKIP = {"eig", "random_bits", "svd", "qr", "eigh", "lu_factor", "one_hot", "multi_hot", "ctc_loss", "ctc_decode"}


def _tensor_ops():
    found = []
    for name, _, _, arguments, result in _rustdl.registry():
        tensors = [a for a in arguments if a[1] == "Tensor" and not a[2]]
        needed = [a for a in arguments if not a[2]]
        if name in SKIP or result != "Tensor" or name.startswith("random"):
            continue
        if len(needed) == len(tensors) and len(tensors) in (1, 2) and hasattr(_rustdl.ops, name):
            found.append((name, len(tensors)))
    return found


def _inputs(name, count):
    parts = [SQUARE, SQUARE[::-1].copy()][:count]
    try:
        getattr(_rustdl.ops, name)(*[rustdl.convert(p[0]) for p in parts])
    except (TypeError, ValueError, NotImplementedError):
        return None
    return parts


def test_the_registry_is_found():
    assert len(_tensor_ops()) > 100
    assert not inspect.isclass(ops.exp)


@pytest.mark.parametrize("case", _tensor_ops(), ids=lambda c: c[0])
def test_vmap_equals_a_loop(case):
    name, count = case
    parts = _inputs(name, count)
    if parts is None:
        return
    fn = getattr(_rustdl.ops, name)
    expected = np.stack([np.asarray(fn(*[rustdl.convert(p[i]) for p in parts])) for i in range(4)])
    np.testing.assert_allclose(np.asarray(rustdl.vmap(fn)(*parts)), expected, rtol=1e-9, atol=1e-11)
    if count == 2:
        shared = np.stack([np.asarray(fn(rustdl.convert(parts[0][i]), rustdl.convert(parts[1][0]))) for i in range(4)])
        found = rustdl.vmap(fn, in_axes=(0, None))(parts[0], parts[1][0])
        np.testing.assert_allclose(np.asarray(found), shared, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("case", _tensor_ops(), ids=lambda c: c[0])
def test_jvp_is_the_transpose_of_vjp(case):
    name, count = case
    parts = _inputs(name, count)
    if parts is None:
        return
    fn = getattr(_rustdl.ops, name)
    xs = tuple(rustdl.convert(p[0]) for p in parts)
    value = fn(*xs)
    if value.dtype != "float64":
        return
    ts = tuple(RNG.normal(size=tuple(x.shape)) for x in xs)
    u = RNG.normal(size=tuple(value.shape))
    try:
        grads = rustdl.vjp(fn, *xs)[1](u)
        slope = rustdl.jvp(fn, xs, ts)[1]
    except NotImplementedError:
        return
    left = float(np.vdot(u, np.asarray(slope)))
    right = sum(float(np.vdot(np.asarray(g), t)) for g, t in zip(grads, ts, strict=True))
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-10)
