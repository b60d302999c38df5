"""Attention: layers and gradients against Keras, the op against plain loops, masks of each kind, edge cases."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops
from rustdl.backend.autodiff import value_and_grad

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
from attention_cases import CASES, arguments, cotangent, inputs, make, set_weights  # noqa: E402

ALL = pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: f"{CASES[i][0]}-{i}")


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "attention.npz") as data:
        return dict(data)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def ready(case):
    layer, x = make(layers, case), inputs(case)
    positional, named = arguments(case, x)
    layer(*positional, **named)
    set_weights(layer)
    return layer, x


def run(layer, case, x):
    positional, named = arguments(case, x)
    y = layer(*positional, **named)
    return y if isinstance(y, tuple) else (y,)


@ALL
def test_equals_keras(case, golden):
    layer, x = ready(case)

    def loss(x):
        y = run(layer, case, x)
        return ops.sum(y[0] * cotangent(y[0].shape)), y

    x = [ops.convert_to_tensor(a) for a in x]
    (_, y), dx = value_and_grad(loss, has_aux=True)(x)
    _, dw = value_and_grad(loss, has_aux=True, variables=layer.trainable_variables)(x)
    for name, values in (("y", y), ("dx", dx), ("dw", dw)):
        for i, value in enumerate(values):
            # Some dozens of terms in float32, in another order.
            np.testing.assert_allclose(
                np.asarray(value), golden[f"{case}/{name}{i}"], rtol=1e-4, atol=2e-5, err_msg=f"{name}{i}"
            )


@ALL
def test_shapes_are_inferred(case):
    layer, x = ready(case)
    wanted = [np.asarray(y).shape for y in run(layer, case, x)]
    # A mask that is an array fixes the batch size.
    batch = 2 if any("mask" in name and name != "use_causal_mask" for name in CASES[case][3]) else None
    symbols = [rustdl.Input(batch_shape=(batch, *a.shape[1:])) for a in x]
    got = [y.shape for y in run(make(layers, case), case, symbols)]
    assert got[0] == (batch, *wanted[0][1:])
    assert [shape[1:] for shape in got] == [shape[1:] for shape in wanted]


@ALL
def test_config_comes_back(case):
    layer = make(layers, case)
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
    again = layers.deserialize(layers.serialize(layer))
    assert type(again) is type(layer)
    assert again.get_config() == config


@ALL
def test_with_scores_or_without(case):
    """Two ways of computing: the op, which keeps no scores, and the products, which return them."""
    layer, x = ready(case)
    positional, named = arguments(case, x)
    named = {k: v for k, v in named.items() if k != "return_attention_scores"}
    with_scores, _ = layer(*positional, **named, return_attention_scores=True)
    np.testing.assert_allclose(layer(*positional, **named), with_scores, rtol=1e-5, atol=1e-5)


def reference(q, k, v, bias=0.0, mask=True, scale=None, causal=False, window=None, soft_cap=None):
    """Attention in plain loops over queries, in float64; rows without keys give 0."""
    (b, t, n, h), s, groups = q.shape, k.shape[1], q.shape[2] // k.shape[2]
    bias, mask = np.broadcast_to(bias, (b, n, t, s)), np.broadcast_to(mask, (b, n, t, s))
    y = np.zeros((b, t, n, v.shape[3]))
    for i, j, head in np.ndindex(b, t, n):
        position = np.arange(s)
        seen = mask[i, head, j].copy()
        if causal:
            seen &= position <= j
        if window is not None:
            seen &= abs(position - j) < window
        seen &= bias[i, head, j] > -np.inf
        keys = k[i, seen, head // groups].astype("float64")
        logits = keys @ q[i, j, head].astype("float64") * (h**-0.5 if scale is None else scale)
        if soft_cap is not None:
            logits = soft_cap * np.tanh(logits / soft_cap)
        logits = logits + bias[i, head, j, seen]
        if seen.any():
            e = np.exp(logits - logits.max())
            y[i, j, head] = e / e.sum() @ v[i, seen, head // groups]
    return y


@pytest.mark.parametrize("flash", [False, None], ids=["all", "tiled"])
@pytest.mark.parametrize(
    ("sizes", "settings"),
    [
        ((2, 5, 7, 3, 3, 4, 4), {}),
        ((2, 5, 7, 4, 2, 4, 5), {"causal": True}),
        ((1, 70, 130, 6, 1, 8, 8), {"causal": True, "scale": 0.5}),
        ((1, 1, 9, 2, 2, 4, 4), {"soft_cap": 1.5}),
        ((2, 140, 140, 2, 1, 16, 16), {"mask": True}),
        ((2, 9, 33, 2, 2, 16, 16), {"mask": True, "bias": True, "causal": True, "soft_cap": 2.0}),
    ],
)
def test_op_against_loops(flash, sizes, settings, rng):
    b, t, s, n, k, h, v = sizes
    q = rng.normal(size=(b, t, n, h)).astype("float32")
    keys = rng.normal(size=(b, s, k, h)).astype("float32")
    values = rng.normal(size=(b, s, k, v)).astype("float32")
    settings = dict(settings)
    if settings.get("mask"):
        settings["mask"] = rng.uniform(size=(b, 1, t, s)) < 0.5
        settings["mask"][:, :, 3] = False
    if settings.get("bias"):
        settings["bias"] = rng.normal(size=(n, t, s)).astype("float32")
        settings["bias"][0, 1] = -np.inf
    wanted = reference(q, keys, values, **settings)
    got = ops.dot_product_attention(
        q,
        keys,
        values,
        bias=settings.get("bias"),
        mask=settings.get("mask"),
        scale=settings.get("scale"),
        is_causal=settings.get("causal", False),
        flash_attention=flash,
        attn_logits_soft_cap=settings.get("soft_cap"),
    )
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("flash", [False, None], ids=["all", "tiled"])
def test_rows_without_keys(flash):
    """They give 0 and no gradient, and leave the others as they are."""
    x = ops.convert_to_tensor(np.random.default_rng(1).normal(size=(2, 4, 2, 3)).astype("float32"))
    mask = np.ones((2, 1, 4, 4), bool)
    mask[1, 0, 2] = False

    def f(q, k, v):
        y = ops.dot_product_attention(q, k, v, mask=mask, flash_attention=flash)
        return ops.sum(y * y), y

    (_, y), grads = value_and_grad(f, argnums=(0, 1, 2), has_aux=True)(x, x, x)
    y = np.asarray(y)
    assert not y[1, 2].any()
    assert y[1, 1].all()
    assert np.isfinite(y).all()
    assert not np.asarray(grads[0])[1, 2].any()
    assert all(np.isfinite(np.asarray(g)).all() for g in grads)


@pytest.mark.parametrize("sizes", [(0, 3, 3, 2, 4), (2, 0, 3, 2, 4), (2, 3, 0, 2, 4), (2, 1, 1, 2, 4)])
def test_empty_and_single(sizes):
    b, t, s, n, h = sizes
    y = ops.dot_product_attention(np.ones((b, t, n, h), "f4"), np.ones((b, s, n, h), "f4"), np.ones((b, s, n, h), "f4"))
    assert y.shape == (b, t, n, h)
    np.testing.assert_array_equal(y, np.full((b, t, n, h), float(s > 0), "f4"))


def test_bad_shapes_are_named():
    x = np.ones((2, 3, 4, 5), "f4")
    with pytest.raises(ValueError, match="4D"):
        ops.dot_product_attention(x[0], x, x)
    with pytest.raises(ValueError, match="multiple"):
        ops.dot_product_attention(x, x[:, :, :3], x[:, :, :3])
    with pytest.raises(ValueError, match=r"key \[2, 3, 4, 4\]"):
        ops.dot_product_attention(x, x[..., :4], x)
    with pytest.raises(ValueError):
        ops.dot_product_attention(x, x, x, mask=np.ones((2, 4, 3, 4), bool))
    with pytest.raises(ValueError, match="divisible"):
        layers.GroupQueryAttention(4, 4, 3)
    with pytest.raises(ValueError, match="must be equal"):
        layers.MultiHeadAttention(2, 4)(np.ones((1, 3, 4), "f4"), np.ones((1, 5, 4), "f4"), np.ones((1, 6, 4), "f4"))


@pytest.mark.parametrize("name", ["MultiHeadAttention", "GroupQueryAttention"])
def test_masks_travel(name, rng):
    """A padded batch gives, where it is no padding, what each sequence gives alone."""
    args = (2, 4) if name == "MultiHeadAttention" else (4, 4, 2)
    layer = getattr(layers, name)(*args)
    x = rng.normal(size=(2, 6, 8)).astype("float32") + 0.1
    x[0, 4:], x[1, 2:] = 0, 0
    masked = layers.Masking()(x)
    y = layer(masked, masked, use_causal_mask=True)
    pooled = layers.GlobalAveragePooling1D()(y)
    for i, length in ((0, 4), (1, 2)):
        alone = layer(x[i : i + 1, :length], x[i : i + 1, :length], use_causal_mask=True)
        np.testing.assert_allclose(np.asarray(y)[i, :length], np.asarray(alone)[0], rtol=1e-5, atol=1e-6)
        # The mask of the query is that of the output.
        np.testing.assert_allclose(np.asarray(pooled)[i], np.asarray(alone)[0].mean(0), rtol=1e-5, atol=1e-6)


def test_subclass_replaces_attention(rng):
    """A subclass with its own `_compute_attention` gets position and window in the mask."""
    seen = []

    class Own(layers.MultiHeadAttention):
        def _compute_attention(self, query, key, value, attention_mask=None, training=None, return_scores=False):
            seen.append(attention_mask)
            return super()._compute_attention(query, key, value, attention_mask, training, return_scores)

    x = rng.normal(size=(1, 5, 4)).astype("float32")
    own, plain = Own(2, 3, sliding_window=2), layers.MultiHeadAttention(2, 3, sliding_window=2)
    own(x, x), plain(x, x)
    plain.set_weights(own.get_weights())
    np.testing.assert_allclose(own(x, x, use_causal_mask=True), plain(x, x, use_causal_mask=True), atol=1e-6)
    assert np.asarray(seen[-1]).sum() == 9


@pytest.mark.parametrize("name", ["MultiHeadAttention", "GroupQueryAttention", "Attention"])
def test_dropout(name, rng):
    args = {"MultiHeadAttention": (2, 4), "GroupQueryAttention": (4, 4, 2), "Attention": ()}[name]
    x = rng.normal(size=(2, 30, 8)).astype("float32")

    def call(layer, **kwargs):
        return np.asarray(layer([x, x], **kwargs) if name == "Attention" else layer(x, x, **kwargs))

    layer, same = (getattr(layers, name)(*args, dropout=0.4, seed=1) for _ in range(2))
    still = call(layer)
    call(same)
    same.set_weights([w.numpy() for w in layer.trainable_weights])
    np.testing.assert_array_equal(call(layer, training=False), still)
    first, second = call(layer, training=True), call(layer, training=True)
    assert abs(first - still).max() > 1e-3
    assert abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(call(same, training=True), first)
    # Without bias: the mean over many draws is the output without dropout.
    mean = np.mean([call(layer, training=True) for _ in range(300)], axis=0)
    assert abs(mean - still).max() < 0.25 * abs(first - still).max() + 0.02


def test_flash_argument():
    x = np.ones((1, 3, 4), "f4")
    with pytest.raises(ValueError, match="Dropout is not supported"):
        layers.MultiHeadAttention(2, 2, dropout=0.1, flash_attention=True)
    with pytest.raises(ValueError, match="Returning attention scores"):
        layers.MultiHeadAttention(2, 2, flash_attention=True)(x, x, return_attention_scores=True)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "float16", "float64"])
def test_dtypes(dtype, rng):
    x = rng.normal(size=(2, 5, 8))
    one, other = layers.MultiHeadAttention(2, 4, dtype=dtype), layers.MultiHeadAttention(2, 4)
    y = one(x, x, use_causal_mask=True)
    other(x, x)
    other.set_weights(one.get_weights())
    assert y.dtype == one.compute_dtype
    tolerance = {"mixed_bfloat16": 3e-2, "float16": 4e-3, "float64": 1e-5}[dtype]
    np.testing.assert_allclose(
        np.asarray(ops.cast(y, "float64")), np.asarray(other(x, x, use_causal_mask=True)), atol=tolerance
    )


@pytest.mark.parametrize("tie", [True, False])
def test_reversible_embedding(tie, rng):
    layer = layers.ReversibleEmbedding(7, 3, tie_weights=tie, logit_soft_cap=2.0, mask_zero=True)
    x = layer(np.array([[1, 0, 5]]))
    kernel = layer.embeddings.numpy().T if tie else layer.reverse_embeddings.numpy()
    logits = np.asarray(x) @ kernel
    np.testing.assert_allclose(layer(x, reverse=True), 2 * np.tanh(logits / 2), rtol=1e-5, atol=1e-6)
    assert layer(rustdl.Input((4, 3)), reverse=True).shape == (None, 4, 7)
    again = layers.deserialize(layers.serialize(layer))
    assert again.get_config() == layer.get_config()


def test_trains_compiled(rng):
    """A small causal model through `fit`, whose step is traced."""
    i = rustdl.Input((8, 6))
    y = layers.MultiHeadAttention(2, 3, dropout=0.1)(i, i, use_causal_mask=True)
    y = layers.GroupQueryAttention(3, 2, 1)(y, y, use_causal_mask=True)
    model = rustdl.Model(i, layers.Dense(6)(y))
    model.compile(rustdl.optimizers.Adam(0.01), "mse")
    x = rng.normal(size=(32, 8, 6)).astype("float32")
    history = model.fit(x, np.roll(x, 1, axis=1), epochs=40, verbose=0).history["loss"]
    # So far that neither dropout nor the first weights, which are not seeded, decide it.
    assert history[-1] < 0.95 * history[0]
    assert np.isfinite(history).all()
