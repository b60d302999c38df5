"""Sequences at their edges: no rows, one step, no steps, masks that hide all, operands that do not fit."""

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops

RECURRENT = {
    "lstm": lambda **k: layers.LSTM(4, **k),
    "gru": lambda **k: layers.GRU(4, **k),
    "gru before": lambda **k: layers.GRU(4, reset_after=False, **k),
    "simple": lambda **k: layers.SimpleRNN(4, **k),
    "unrolled": lambda **k: layers.LSTM(4, unroll=True, **k),
    "both": lambda **k: layers.Bidirectional(layers.GRU(2, **k)),
    "stack": lambda **k: layers.RNN([layers.GRUCell(3), layers.LSTMCell(4)], **k),
    "normalized": lambda **k: layers.RNN(layers.LayerNormLSTMCell(4), **k),
}
HEADS = {
    "multi-head": lambda: layers.MultiHeadAttention(2, 4),
    "grouped": lambda: layers.GroupQueryAttention(4, 4, 2),
}
LISTS = {"dot": lambda: layers.Attention(use_scale=True), "additive": layers.AdditiveAttention}


def values(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def gradients(layer, *args, **kwargs):
    layer(*args, **kwargs)  # builds it
    loss = rustdl.value_and_grad(
        lambda: ops.sum(ops.square(layer(*args, **kwargs))), variables=layer.trainable_variables
    )
    return [np.asarray(g) for g in loss()[1]]


def is_finite(arrays):
    return all(np.isfinite(a).all() for a in arrays)


@pytest.mark.parametrize("make", RECURRENT.values(), ids=RECURRENT)
@pytest.mark.parametrize(("batch", "steps"), [(0, 3), (1, 1), (3, 1), (0, 1)])
def test_few_rows_and_steps(make, batch, steps):
    x = values(batch, steps, 3)
    layer = make(return_sequences=True)
    y = layer(x)
    assert y.shape == (batch, steps, 4)
    assert is_finite([np.asarray(y), *gradients(layer, x)])
    hidden = layer(x, mask=np.zeros((batch, steps), bool))
    np.testing.assert_array_equal(hidden, np.zeros((batch, steps, 4)))
    last = make()(x)
    assert last.shape == (batch, 4)


@pytest.mark.parametrize("make", RECURRENT.values(), ids=RECURRENT)
def test_no_steps_are_refused(make):
    with pytest.raises(ValueError, match=r"0 time steps.*\(2, 0, 3\)"):
        make()(values(2, 0, 3))


@pytest.mark.parametrize("make", RECURRENT.values(), ids=RECURRENT)
def test_what_is_masked_does_not_matter(make):
    """Ragged rows, one of them empty: NaN in the padding changes neither outputs nor gradients."""
    x = values(4, 5, 3)
    lengths = np.array([5, 3, 1, 0])
    mask = np.arange(5) < lengths[:, np.newaxis]
    spoiled = np.where(mask[:, :, np.newaxis], x, np.float32(np.nan))
    layer = make()
    wanted = np.asarray(layer(x, mask=mask))
    np.testing.assert_array_equal(layer(spoiled, mask=mask), wanted)
    np.testing.assert_array_equal(wanted[3], 0.0)
    assert is_finite(gradients(layer, x, mask=mask))
    for row, length in enumerate(lengths[:3]):
        alone = layer(x[row : row + 1, :length])
        np.testing.assert_allclose(wanted[row], np.asarray(alone)[0], atol=1e-6)


@pytest.mark.parametrize("name", ["lstm", "gru", "gru before", "simple", "stack"])
@pytest.mark.parametrize("shape", [(2, 5), (3, 4)])
def test_states_of_a_wrong_shape_are_refused(name, shape):
    layer = RECURRENT[name]()
    count = len(layer.get_initial_state(2))
    with pytest.raises(ValueError, match=r"`initial_state` must be .*Received"):
        layer(values(2, 3, 3), initial_state=[values(*shape)] * count)


@pytest.mark.parametrize("name", ["lstm", "gru before", "stack"])
def test_a_mask_of_a_wrong_length_is_refused(name):
    with pytest.raises(ValueError, match=r"mask.*\(2, 3"):
        RECURRENT[name]()(values(2, 3, 3), mask=np.ones((2, 4), bool))


def test_conv_lstm_edges():
    layer = layers.ConvLSTM2D(2, 3, padding="same")
    assert layer(values(0, 2, 5, 5, 1)).shape == (0, 5, 5, 2)
    assert is_finite(gradients(layer, values(2, 1, 5, 5, 1), mask=np.array([[True], [False]])))
    with pytest.raises(ValueError, match="0 time steps"):
        layer(values(2, 0, 5, 5, 1))
    with pytest.raises(ValueError, match=r"`initial_state` must be .*\(2, 5, 5, 2\)"):
        layer(values(2, 1, 5, 5, 1), initial_state=[values(2, 4)] * 2)


@pytest.mark.parametrize("sizes", [(2, 0, 3), (2, 3, 0), (0, 3, 3), (1, 1, 1)])
@pytest.mark.parametrize("name", [*HEADS, *LISTS])
def test_attention_without_rows_queries_or_keys(name, sizes):
    batch, queries, keys = sizes
    x, others = values(batch, queries, 8), values(batch, keys, 8)
    layer = (HEADS | LISTS)[name]()
    y = np.asarray(layer(x, others) if name in HEADS else layer([x, others]))
    assert y.shape == (batch, queries, 8)
    assert is_finite([y])
    if keys == 0:
        # Nothing is seen: what is left is the bias of the last projection, 0 at the start.
        np.testing.assert_array_equal(y, 0.0)


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("name", HEADS)
def test_rows_that_see_nothing(name, scores):
    """The second row is padding throughout: finite, the same gradients as without that row."""
    layer = HEADS[name]()
    x = values(2, 3, 8)
    mask = np.array([[True, True, False], [False, False, False]])
    arguments = {"query_mask": mask, "value_mask": mask}
    y = layer(x, x, **arguments, return_attention_scores=scores)
    assert is_finite(np.asarray(part) for part in (y if scores else [y]))
    if not scores:
        pairs = zip(gradients(layer, x, x, **arguments), gradients(layer, x[:1, :2], x[:1, :2]), strict=True)
        for hidden, alone in pairs:
            np.testing.assert_allclose(hidden, alone, rtol=1e-4, atol=1e-5)
        y = np.asarray(layer(x, x, **arguments))
        np.testing.assert_array_equal(y[1], 0.0)
        alone = layer(x[:1, :2], x[:1, :2])
        np.testing.assert_allclose(y[:1, :2], np.asarray(alone), atol=1e-6)


@pytest.mark.parametrize("name", LISTS)
def test_lists_that_see_nothing(name):
    layer = LISTS[name]()
    x = values(2, 3, 8)
    mask = np.array([[True, True, False], [False, False, False]])
    assert is_finite([np.asarray(layer([x, x], mask=[mask, mask])), *gradients(layer, [x, x], mask=[mask, mask])])


@pytest.mark.parametrize("name", HEADS)
def test_attention_refuses_what_does_not_fit(name):
    layer, x = HEADS[name](), values(2, 3, 8)
    with pytest.raises(ValueError, match=r"mask.*does not broadcast to the scores"):
        layer(x, x, attention_mask=np.ones((2, 3, 4), bool))
    with pytest.raises(ValueError, match=r"received query \[2.*key \[3"):
        layer(x, values(3, 3, 8))
