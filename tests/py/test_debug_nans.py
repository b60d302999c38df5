"""Twenty planted NaN, forward and backward: `debug_nans` names the first op, the path of its layer and the batch."""

from __future__ import annotations

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops

ROWS, BATCH = 12, 4
BAD = 9  # the row, in batch 2
NAN, INF = float("nan"), float("inf")


def _x():
    """Rows of small numbers; what is wrong stands in row `BAD`."""
    x = np.random.default_rng(0).uniform(0.5, 1.5, size=(ROWS, 4)).astype("float32")
    x[BAD] = 0.0
    return x


class Planted(layers.Layer):
    """A layer that computes `fn`."""

    def __init__(self, fn, **kwargs):
        super().__init__(**kwargs)
        self.fn = fn

    def call(self, x):
        return self.fn(x)


def _trained(fn=None, layer=None, weights=None, loss="mse", optimizer="sgd", before=(), nested=False, x=None):
    """Fits a model with a planted layer `net/bad` (or `net/block/bad`)."""
    rustdl.utils.set_random_seed(0)
    rustdl.utils.clear_session()
    bad = Planted(fn, name="bad") if layer is None else layer()
    middle = rustdl.Sequential([bad], name="block") if nested else bad
    model = rustdl.Sequential(
        [rustdl.Input((4,)), *[make() for make in before], middle, layers.Flatten(), layers.Dense(1, name="head")],
        name="net",
    )
    if weights is not None:
        bad.set_weights(weights([np.array(w) for w in bad.get_weights()]))
    model.compile(optimizer, loss)
    x = _x() if x is None else x
    y = np.ones((ROWS, 1), "float32")
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)


def _poisoned(ws):
    ws[0].flat[0] = NAN
    return ws


def _with_nan():
    x = _x()
    x[BAD, 1] = NAN
    return x


def _in_scan(x):
    return ops.transpose(ops.scan(lambda c, r: (c, ops.log(r - 0.1)), x[0, 0] * 0.0, ops.transpose(x))[1])


def _in_cond(x):
    return ops.cond(ops.min(x) < 0.1, lambda: ops.log(x - 0.1), lambda: x)


@rustdl.custom_gradient
def _own_gradient(x):
    return x * 2.0, lambda upstream: upstream * (x / x)


def _weights_below():
    """A trainable layer that gives its inputs, so that the planted layer has a gradient."""
    return layers.Dense(4, use_bias=False, kernel_initializer="identity")


def _steps(n=2):
    return layers.Reshape((n, 4 // n))


# What is planted, the op that must be named, the layer's path, and the batch.
CASES = {
    "log of a negative number": (lambda: _trained(lambda x: ops.log(x - 0.1)), "log", "net/bad", 2),
    "root of a negative number": (lambda: _trained(lambda x: ops.sqrt(x - 0.1)), "sqrt", "net/bad", 2),
    "0 / 0": (lambda: _trained(lambda x: x / x), "divide", "net/bad", 2),
    "inf - inf": (lambda: _trained(lambda x: (1.0 / x) - (1.0 / x)), "subtract", "net/bad", 2),
    "0 * inf": (lambda: _trained(lambda x: x * (1.0 / x)), "multiply", "net/bad", 2),
    "power of a negative number": (lambda: _trained(lambda x: ops.power(x - 0.1, 0.5)), "power", "net/bad", 2),
    "arccos beyond 1": (lambda: _trained(lambda x: ops.arccos(ops.where(x == 0, 2.0, 0.5))), "arccos", "net/bad", 2),
    "mean of nothing": (lambda: _trained(lambda x: x + ops.mean(x[:0])), None, "net/bad", 0),
    "in a nested model": (
        lambda: _trained(lambda x: ops.log(x - 0.1), nested=True), "log", "net/block/bad", 2,
    ),
    "in a scan": (lambda: _trained(_in_scan), "log", "net/bad", 2),
    "in a branch": (lambda: _trained(_in_cond), "log", "net/bad", 2),
    "NaN in the data": (lambda: _trained(lambda x: x * 2.0, x=_with_nan()), "multiply", "net/bad", 2),
    "weights of a dense layer": (
        lambda: _trained(layer=lambda: layers.Dense(3, name="bad"), weights=_poisoned), "matmul", "net/bad", 0,
    ),
    "weights of a convolution": (
        lambda: _trained(layer=lambda: layers.Conv1D(2, 1, name="bad"), weights=_poisoned, before=[_steps]),
        "conv", "net/bad", 0,
    ),
    "weights of a recurrent layer": (
        lambda: _trained(layer=lambda: layers.LSTM(2, name="bad"), weights=_poisoned, before=[_steps]),
        None, "net/bad", 0,
    ),
    "the gradient of a root at 0": (
        lambda: _trained(lambda x: ops.sqrt(ops.square(x)), before=[_weights_below]),
        "gradient of square", "net/bad (gradient)", 2,
    ),
    "the gradient of a norm at 0": (
        lambda: _trained(lambda x: x + ops.sqrt(ops.sum(x * x, axis=1, keepdims=True)), before=[_weights_below]),
        "gradient of multiply", "net/bad (gradient)", 2,
    ),
    "a gradient of one's own": (
        lambda: _trained(_own_gradient, before=[_weights_below]), "divide", "net/bad (gradient)", 2,
    ),
    "the loss": (
        lambda: _trained(lambda x: x, loss=lambda y, p: ops.mean(ops.log(p * 0.0 - y), axis=-1)), "log", "", 0,
    ),
    "the optimizer's step": (
        lambda: _trained(lambda x: x * 0.0, optimizer=rustdl.optimizers.SGD(INF)), "multiply", "", 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_first_nan_is_named(name):
    run, op, layer, batch = CASES[name]
    with rustdl.config.debug_nans(), pytest.raises(FloatingPointError) as caught:
        run()
    message = str(caught.value)
    assert op is None or f"{op}: made " in message, message
    assert f"in layer {layer}:" in message if layer else "in layer" not in message, message
    assert f"batch {batch} of this epoch" in message


def test_twenty_cases():
    assert len(CASES) == 20
    _trained(lambda x: ops.log(x + 1.0))
