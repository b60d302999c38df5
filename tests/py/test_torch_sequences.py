"""Recurrent and attention layers against PyTorch's: outputs, gradients, ten steps (make_torch_sequences.py)."""

from pathlib import Path

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "torch_sequences.npz")
CASES = sorted({name.partition("/")[0] for name in GOLDEN})
UNITS, HEADS = 4, 2
MASK = np.arange(5) < np.array([5, 3, 1])[:, np.newaxis]


def part(case, group):
    """The arrays of a group, such as the weights, by PyTorch's names."""
    start = f"{case}/{group}/"
    return {name.removeprefix(start): GOLDEN[name] for name in GOLDEN if name.startswith(start)}


def swapped(a):
    """Gates r, z, n along the first axis as z, r, n."""
    r, z, n = np.split(a, 3)
    return np.concatenate([z, r, n])


def recurrent_weights(arrays, kind, suffix):
    """One layer of PyTorch as kernel, recurrent kernel and bias; its two biases act as their sum but in a GRU."""
    w, u, b, c = (arrays[f"{name}_{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    if kind == "gru":
        w, u, b, c = (swapped(a) for a in (w, u, b, c))
        return [w.T, u.T, np.stack([b, c])]
    return [w.T, u.T, b + c]


def attention_weights(arrays):
    """The projections of PyTorch, `(3 dim, dim)` and `(dim, dim)`, as those of `MultiHeadAttention`."""
    found = []
    for kernel, bias in zip(np.split(arrays["in_proj_weight"], 3), np.split(arrays["in_proj_bias"], 3), strict=True):
        found += [kernel.T.reshape(-1, HEADS, kernel.shape[0] // HEADS), bias.reshape(HEADS, -1)]
    kernel = arrays["out_proj.weight"].T
    return [*found, kernel.reshape(HEADS, -1, kernel.shape[1]), arrays["out_proj.bias"]]


def converted(case, arrays):
    """PyTorch's arrays in the order and layout of our layer's weights."""
    kind = case.partition("_")[0]
    if kind == "attention":
        return attention_weights(arrays)
    suffixes = {"lstm_both": ("l0", "l0_reverse"), "gru_stacked": ("l0", "l1")}.get(case, ("l0",))
    return [a for suffix in suffixes for a in recurrent_weights(arrays, kind, suffix)]


def build(case):
    """Our model of a case: a layer, and how it is called."""
    kind, _, variant = case.partition("_")
    if kind == "attention":
        layer = layers.MultiHeadAttention(HEADS, 4)
        mask = MASK if variant == "padded" else None
        return layer, lambda x: layer(x, x, value_mask=mask, use_causal_mask=variant == "causal")
    make = {"lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.SimpleRNN}[kind]
    arguments = {"activation": "relu"} if variant == "relu" else {}
    one = make(UNITS, return_sequences=True, zero_output_for_mask=variant == "packed", **arguments)
    if variant == "both":
        layer = layers.Bidirectional(one)
    elif variant == "stacked":
        layer = rustdl.Sequential([one, make(UNITS, return_sequences=True)])
    else:
        layer = one
    return layer, (lambda x: layer(x, mask=MASK)) if variant == "packed" else layer


@pytest.mark.parametrize("case", CASES)
def test_equals_pytorch(case):
    x, target = GOLDEN[f"{case}/x"], GOLDEN[f"{case}/target"]
    layer, run = build(case)
    run(x)
    layer.set_weights(converted(case, part(case, "weights")))
    np.testing.assert_allclose(run(x), GOLDEN[f"{case}/y"], rtol=1e-5, atol=2e-6)

    def loss(x):
        return ops.mean(ops.square(run(x) - target))

    by_x = rustdl.grad(loss)(x)
    np.testing.assert_allclose(by_x, GOLDEN[f"{case}/gradients/x"], rtol=1e-4, atol=1e-6)
    step = rustdl.value_and_grad(lambda: loss(x), variables=layer.trainable_variables)
    wanted = part(case, "gradients")
    if not case.startswith(("gru", "attention")):
        # Each of PyTorch's two biases has the gradient of their sum.
        wanted = {name: a / 2 if name.startswith("bias") else a for name, a in wanted.items()}
    for got, g in zip(step()[1], converted(case, wanted), strict=True):
        np.testing.assert_allclose(got, g, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_ten_steps_equal_pytorch(case):
    x, target = GOLDEN[f"{case}/x"], GOLDEN[f"{case}/target"]
    layer, run = build(case)
    run(x)
    layer.set_weights(converted(case, part(case, "weights")))
    optimizer = rustdl.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(layer.trainable_variables)
    # PyTorch's two biases learn both, and so their sum learns twice as fast.
    twice = not case.startswith(("gru", "attention"))

    @rustdl.jit
    def step():
        value, grads = rustdl.value_and_grad(
            lambda: ops.mean(ops.square(run(x) - target)), variables=layer.trainable_variables
        )()
        paths = [v.path for v in layer.trainable_variables]
        grads = [2 * g if twice and "bias" in path else g for g, path in zip(grads, paths, strict=True)]
        optimizer.apply(grads, layer.trainable_variables)
        return value

    losses = [float(step()) for _ in range(10)]
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(losses, GOLDEN[f"{case}/losses"], rtol=1e-4)
