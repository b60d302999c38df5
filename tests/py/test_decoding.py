"""Positions, the key-value cache and the fused last layer: against formulas, and against the plain way."""

from __future__ import annotations

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops, text
from rustdl.backend.autodiff import grad, value_and_grad


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_rotary_against_complex_numbers(rng):
    x = rng.normal(size=(2, 5, 3, 8)).astype("float32")
    z = x[..., :4] + 1j * x[..., 4:]
    angles = (3 + np.arange(5))[:, None] * 100.0 ** (-np.arange(4) / 4)
    z = z * np.exp(1j * angles)[None, :, None, :]
    wanted = np.concatenate([z.real, z.imag], axis=-1)
    np.testing.assert_allclose(ops.rotary_embedding(x, 3, max_wavelength=100.0), wanted, rtol=1e-5, atol=1e-5)
    each = np.array([[3, 4, 5, 6, 7], [0, 1, 2, 3, 4]])
    got = np.asarray(ops.rotary_embedding(x, positions=each, max_wavelength=100.0))
    np.testing.assert_allclose(got[0], wanted[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(got[1], ops.rotary_embedding(x, max_wavelength=100.0)[1], rtol=1e-5, atol=1e-5)


def test_rotary_products_depend_on_distance(rng):
    q, k = (rng.normal(size=(1, 1, 1, 16)).astype("float32") for _ in range(2))

    def product(i, j):
        return float(np.sum(np.asarray(ops.rotary_embedding(q, i)) * np.asarray(ops.rotary_embedding(k, j))))

    assert product(7, 3) == pytest.approx(product(104, 100), abs=1e-4)
    assert abs(product(7, 3) - product(7, 4)) > 1e-3


def test_rotary_layer(rng):
    x = rng.normal(size=(2, 3, 4, 6)).astype("float32")
    layer = layers.RotaryEmbedding(max_wavelength=50, scaling_factor=2.0)
    positions = np.arange(4, 7) / 2
    wanted = ops.rotary_embedding(x, positions=positions, max_wavelength=50)
    np.testing.assert_allclose(layer(x, start_index=4), wanted, rtol=1e-5, atol=1e-6)
    assert layers.deserialize(layers.serialize(layer)).get_config() == layer.get_config()
    assert layers.RotaryEmbedding()(rustdl.Input((None, 2, 8))).shape == (None, None, 2, 8)
    with pytest.raises(ValueError, match="even number"):
        ops.rotary_embedding(x[..., :5])


@pytest.mark.parametrize("size", [6, 7])
def test_sine_positions(size):
    got = np.asarray(ops.sine_positions(np.zeros((2, 4, size), "float32"), 2))
    i = np.arange(size)
    angles = (2 + np.arange(4))[:, None] * 10000.0 ** (-2 * (i // 2) / size)
    np.testing.assert_allclose(got, np.where(i % 2, np.cos(angles), np.sin(angles)), atol=1e-6)
    layer = layers.SinePositionEncoding()
    assert layer(np.zeros((2, 4, size), "float32")).shape == (2, 4, size)
    assert layers.deserialize(layers.serialize(layer)).get_config() == layer.get_config()


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.MultiHeadAttention(3, 4, value_dim=2),
        lambda: layers.MultiHeadAttention(2, 4, sliding_window=3, use_gate=True),
        lambda: layers.GroupQueryAttention(4, 6, 2),
    ],
    ids=["plain", "window and gate", "grouped"],
)
def test_decode_equals_all_at_once(make, rotary, rng):
    x = rng.normal(size=(2, 9, 8)).astype("float32")
    layer = make()
    layer(x, x)

    if rotary:
        # All at once is one step with the whole sequence.
        wanted, _ = layer.decode(x, layer.make_cache(2, 9), 0, rotary=True)
    else:
        wanted = layer(x, x, use_causal_mask=True)
    cache = layer.make_cache(2, 12)
    y, cache = layer.decode(x[:, :3], cache, 0, rotary=rotary)
    found = [np.asarray(y)]
    step = rustdl.jit(lambda x, cache, i: layer.decode(x, cache, i, rotary=rotary))
    for i in range(3, 9):
        y, cache = step(x[:, i : i + 1], cache, np.int32(i))
        found.append(np.asarray(y))
    np.testing.assert_allclose(np.concatenate(found, axis=1), wanted, rtol=1e-4, atol=1e-5)


def test_a_compiled_step_writes_the_cache_in_place(rng):
    layer = layers.MultiHeadAttention(2, 16)
    x = rng.normal(size=(1, 1, 8)).astype("float32")
    layer(x, x)
    cache = layer.make_cache(1, 4096)
    step = rustdl.jit(lambda x, i: layer.decode(x, cache, i)[0])
    step(x, np.int32(5))
    assert np.flatnonzero(np.any(np.asarray(cache.key) != 0, axis=(0, 2, 3))).tolist() == [5]
    found = rustdl.profile(step, x, np.int32(6), repeats=1)
    assert [row.ops for row in found.rows if row.shape == (1, 4096, 2, 16)] == ["scatter_update"] * 2
    assert found.arena_bytes < cache.key.numpy().nbytes / 4


def test_an_exchange_of_rows_does_not_read_what_it_wrote():
    """Two variables get rows of each other: neither may be overwritten before it was read."""
    a, b = (rustdl.Variable(np.full((3, 2), value, "float32")) for value in (1, 2))

    @rustdl.jit
    def exchange(i):
        start = ops.stack([i, ops.zeros((), dtype="int32")])
        new = ops.slice_update(a, start, b[:1]), ops.slice_update(b, start, a[:1])
        a.assign(new[0])
        b.assign(new[1])

    exchange(np.int32(0))
    assert a.numpy().tolist() == [[2, 2], [1, 1], [1, 1]]
    assert b.numpy().tolist() == [[1, 1], [2, 2], [2, 2]]


def test_decode_refuses(rng):
    layer = layers.MultiHeadAttention(2, 4)
    x = np.ones((1, 2, 8), "float32")
    with pytest.raises(ValueError, match="not built"):
        layer.decode(x, layer.make_cache(1, 4), 0)
    layer(x, x)
    with pytest.raises(ValueError, match="do not fit a cache of 4"):
        layer.decode(x, layer.make_cache(1, 4), 3)
    with pytest.raises(ValueError, match="expected a cache of shapes"):
        layer.decode(x, layer.make_cache(2, 4), 0)


def test_generate_with_a_cache(rng):
    """The same tokens with the cache as by running the whole window again."""
    embed, attention, head = layers.Embedding(11, 8), layers.MultiHeadAttention(2, 4), layers.Dense(11)

    def whole(tokens):
        x = embed(tokens)
        return head(x + attention(x, x, use_causal_mask=True))

    def step(tokens, state):
        cache, position = state
        x = embed(tokens)
        y, cache = attention.decode(x, cache, position[0])
        return head(x + y), (cache, position + tokens.shape[1])

    prompt = [3, 1, 4]
    whole(np.array([prompt]))
    wanted = text.generate(whole, prompt, 8, temperature=0.0)
    state = (attention.make_cache(1, 11), ops.zeros((1,), dtype="int32"))
    got = text.generate(rustdl.jit(step), prompt, 8, temperature=0.0, state=state)
    assert got.tolist() == wanted.tolist()


def plain_loss(x, kernel, labels, bias=None):
    logits = ops.matmul(x, kernel)
    logits = logits if bias is None else logits + bias
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


@pytest.mark.parametrize("chunk", [1, 5, 8, 100])
@pytest.mark.parametrize("with_bias", [False, True])
def test_linear_cross_entropy(chunk, with_bias, rng):
    x = ops.convert_to_tensor(rng.normal(size=(2, 3, 4)).astype("float32"))
    kernel = ops.convert_to_tensor(rng.normal(size=(4, 13)).astype("float32"))
    bias = [ops.convert_to_tensor(rng.normal(size=13).astype("float32"))] if with_bias else []
    labels = rng.integers(0, 13, (2, 3))
    weights = rng.uniform(size=(2, 3)).astype("float32")

    def fused(x, kernel, *bias):
        return ops.sum(ops.linear_cross_entropy(x, kernel, labels, *bias, chunk_size=chunk) * weights)

    def plain(x, kernel, *bias):
        return ops.sum(plain_loss(x, kernel, labels, *bias) * weights)

    places = tuple(range(2 + with_bias))
    for f in (fused, rustdl.jit(fused)):
        np.testing.assert_allclose(f(x, kernel, *bias), plain(x, kernel, *bias), rtol=1e-5)
    wanted = value_and_grad(plain, argnums=places)(x, kernel, *bias)[1]
    for f in (value_and_grad(fused, argnums=places), rustdl.jit(value_and_grad(fused, argnums=places))):
        for got, want in zip(f(x, kernel, *bias)[1], wanted, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


def test_linear_cross_entropy_second_order(rng):
    x = ops.convert_to_tensor(rng.normal(size=(3, 4)))
    kernel = ops.convert_to_tensor(rng.normal(size=(4, 7)))
    labels = np.array([1, 6, 3])

    def slope_of(loss):
        def squared_gradient(x):
            g = grad(lambda x: ops.sum(loss(x)))(x)
            return ops.sum(g * g)

        return np.asarray(grad(squared_gradient)(x))

    wanted = slope_of(lambda x: plain_loss(x, kernel, labels))
    got = slope_of(lambda x: ops.linear_cross_entropy(x, kernel, labels, chunk_size=3))
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-9)


def test_linear_cross_entropy_leaves_out(rng):
    """Labels outside of the vocabulary have no loss and no gradient."""
    x = ops.convert_to_tensor(rng.normal(size=(4, 3)).astype("float32"))
    kernel = ops.convert_to_tensor(rng.normal(size=(3, 6)).astype("float32"))
    labels = np.array([2, -1, 6, 5])
    loss, dx = value_and_grad(lambda x: ops.sum(ops.linear_cross_entropy(x, kernel, labels, chunk_size=4)))(x)
    kept = np.array([0, 3])
    one = ops.linear_cross_entropy(np.asarray(x)[kept], kernel, labels[kept])
    np.testing.assert_allclose(loss, np.asarray(one).sum(), rtol=1e-5)
    assert not np.asarray(dx)[1:3].any()
    assert np.asarray(dx)[kept].all()
    with pytest.raises(ValueError, match="linear_cross_entropy: expected"):
        ops.linear_cross_entropy(x, kernel, labels[:3])
