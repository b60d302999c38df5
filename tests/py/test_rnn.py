"""Recurrent layers: against Keras (goldens), against one sequence at a time, states, shapes, files and mistakes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops
from rustdl.layers.rnn.recurrence import rnn

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
from rnn_cases import (  # noqa: E402
    CASES,
    RATE,
    STEPS,
    TRAINED,
    call_arguments,
    listed,
    make,
    set_weights,
    values,
)

ALL = pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: f"{CASES[i][0].__name__}-{i}")
KINDS = [layers.SimpleRNN, layers.LSTM, layers.GRU]
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "rnn.npz") as data:
        return dict(data)


def ready(case):
    layer, x = make(layers, case), ops.convert_to_tensor(values(CASES[case][2], 0))
    layer(x)
    set_weights(layer)
    return layer, x, call_arguments(case)


def gradients(layer, call):
    """A compiled function of x: its gradient and those by the weights."""

    def loss(x):
        return sum(ops.sum(ops.square(y)) for y in listed(layer(x, **call)))

    by_weights = rustdl.value_and_grad(loss, variables=layer.trainable_variables)
    return rustdl.jit(lambda x: (rustdl.grad(loss)(x), by_weights(x)[1]))


def normalized(x, gain, epsilon=1e-3, axis=-1):
    mean, variance = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * gain


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@ALL
def test_equals_keras(case, golden):
    layer, x, call = ready(case)
    for j, y in enumerate(listed(layer(x, **call))):
        np.testing.assert_allclose(y, golden[f"{case}/y{j}"], rtol=1e-5, atol=2e-6)
    run = gradients(layer, call)
    dx, dw = run(x)
    # Gradients are sums over batch and time, in another order than XLA's.
    np.testing.assert_allclose(dx, golden[f"{case}/dx"], rtol=1e-4, atol=2e-5)
    for j, g in enumerate(dw):
        np.testing.assert_allclose(g, golden[f"{case}/dw{j}"], rtol=1e-4, atol=5e-5, err_msg=str(j))
    if case in TRAINED:
        for _ in range(STEPS):
            for w, g in zip(layer.trainable_variables, run(x)[1], strict=True):
                w.assign(w.numpy() - np.float32(RATE) * g.numpy())
        for j, w in enumerate(layer.trainable_variables):
            np.testing.assert_allclose(w.numpy(), golden[f"{case}/t{j}"], rtol=1e-3, atol=1e-4, err_msg=w.path)


@ALL
def test_shapes_and_config(case):
    layer, x, _ = ready(case)
    wanted = [(None, *y.shape[1:]) for y in listed(layer(x))]
    again = layers.deserialize(layers.serialize(layer))
    assert layers.serialize(again)["config"] == layers.serialize(layer)["config"]
    steps = layer.return_sequences if hasattr(layer, "return_sequences") else True
    length = None if not getattr(layer, "unroll", False) else x.shape[1]
    found = listed(again(rustdl.Input(batch_shape=(None, length, *x.shape[2:]))))
    outputs = 2 if getattr(layer, "merge_mode", 1) is None else 1
    for i, (y, shape) in enumerate(zip(found, wanted, strict=True)):
        assert y.shape == ((None, length, *shape[2:]) if steps and i < outputs else shape)
    shapes = rustdl.tree.flatten(rustdl.tree.map_shape_structure(tuple, layer.compute_output_shape(x.shape)))
    assert shapes == rustdl.tree.flatten([tuple(y.shape) for y in listed(layer(x))])
    assert [(w.name, w.shape) for w in again.weights] == [(w.name, w.shape) for w in layer.weights]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "arguments", [{}, {"activation": "softsign"}, {"unroll": True}], ids=["fused", "loop", "unroll"]
)
def test_masks_equal_sequences_without_padding(kind, arguments):
    layer = kind(4, return_sequences=True, return_state=True, **arguments)
    x = RNG.normal(size=(4, 6, 3)).astype("float32")
    keep = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1], [1, 0, 1, 0, 0, 1]], bool)
    outputs, *states = layer(x, mask=keep)
    for row in range(4):
        alone, *last = layer(x[row : row + 1, keep[row]])
        np.testing.assert_allclose(np.asarray(outputs)[row, keep[row]], alone[0], rtol=1e-5, atol=1e-6)
        for a, b in zip(states, last, strict=True):
            np.testing.assert_allclose(a[row], b[0], rtol=1e-5, atol=1e-6)


FUSED = {
    "lstm": lambda **k: layers.LSTM(17, **k),
    "gru": lambda **k: layers.GRU(17, bias_initializer="random_normal", **k),
    "gru before": lambda **k: layers.GRU(17, bias_initializer="random_normal", reset_after=False, **k),
    "simple": lambda **k: layers.SimpleRNN(17, activation="relu", **k),
}


@pytest.mark.parametrize("make", FUSED.values(), ids=FUSED)
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("masked", ["no mask", "states", "zeros"])
@pytest.mark.parametrize("sequences", [True, False], ids=["sequences", "last"])
def test_fused_equals_the_loop(make, backwards, masked, sequences):
    """The operation over all steps against steps of the cell written out: results and all gradients."""
    arguments = {"go_backwards": backwards, "return_sequences": sequences, "zero_output_for_mask": masked == "zeros"}
    fused, loop = (make(**arguments, return_state=True, unroll=unroll) for unroll in (False, True))
    x = RNG.normal(size=(5, 6, 3)).astype("float32")
    fused(x), loop(x)
    loop.set_weights(fused.get_weights())
    state = [RNG.normal(size=(5, 17)).astype("float32") for _ in fused.get_initial_state(5)]
    mask = None if masked == "no mask" else np.arange(30).reshape(5, 6) % 4 != 1

    def run(layer):
        def loss(x, state):
            outputs = layer(x, initial_state=state, mask=mask)
            return sum(ops.sum(ops.sin(y * (i + 1))) for i, y in enumerate(outputs)), outputs

        by_weights = rustdl.value_and_grad(lambda *a: loss(*a)[0], variables=layer.trainable_variables)
        return rustdl.value_and_grad(loss, argnums=(0, 1), has_aux=True)(x, state), by_weights(x, state)

    for a, b in zip(*(rustdl.tree.flatten(run(layer)) for layer in (fused, loop)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
@pytest.mark.parametrize("dtype", ["bool", "int32", "float32"])
def test_all_masked_rows_keep_the_state(kind, dtype):
    layer = kind(3, return_sequences=True, return_state=True)
    x = np.full((2, 4, 2), np.inf, "float32")  # what is masked is never seen
    x[0] = 1.0
    mask = np.array([[1] * 4, [0] * 4]).astype(dtype)
    count = 2 if kind is layers.LSTM else 1
    start = [RNG.normal(size=(2, 3)).astype("float32") for _ in range(count)]
    outputs, *states = layer(x, initial_state=start, mask=mask)
    assert np.isfinite(np.asarray(outputs)).all()
    np.testing.assert_array_equal(outputs[1], np.broadcast_to(start[0][1], (4, 3)))
    for a, b in zip(states, start, strict=True):
        np.testing.assert_array_equal(a[1], b[1])


def test_conv_lstm_masks():
    layer = layers.ConvLSTM2D(2, 3, return_state=True)
    x = RNG.normal(size=(2, 4, 5, 5, 1)).astype("float32")
    keep = np.array([[1, 1, 0, 0], [0, 1, 0, 1]], bool)
    found = layer(x, mask=keep)
    for row in range(2):
        for a, b in zip(found, layer(x[row : row + 1, keep[row]]), strict=True):
            np.testing.assert_allclose(a[row], b[0], rtol=1e-5, atol=1e-6)


def test_conv_lstm_channels_first():
    a = layers.ConvLSTM2D(3, 2, return_sequences=True, data_format="channels_first")
    b = layers.ConvLSTM2D(3, 2, return_sequences=True)
    x = RNG.normal(size=(2, 3, 2, 5, 4)).astype("float32")
    moved = x.transpose(0, 1, 3, 4, 2)
    b(moved)
    a(x)
    a.set_weights(b.get_weights())
    np.testing.assert_allclose(np.asarray(a(x)).transpose(0, 1, 3, 4, 2), b(moved), rtol=1e-5, atol=1e-6)


def test_embedding_masks_travel_to_the_end():
    tokens = np.array([[1, 2, 3, 0, 0], [4, 0, 0, 0, 0]])
    embed = layers.Embedding(5, 4, mask_zero=True)
    model = rustdl.Sequential([embed, layers.GRU(3, return_sequences=True), layers.LSTM(2)])
    found = model(tokens)
    short = rustdl.Sequential([embed, *model.layers[1:]])
    np.testing.assert_allclose(found[0], short(tokens[:1, :3])[0], rtol=1e-5)
    np.testing.assert_allclose(found[1], short(tokens[1:, :1])[0], rtol=1e-5)
    # Beside an initial state too.
    sequence = embed(tokens)
    gru = layers.GRU(3)
    start = RNG.normal(size=(2, 3)).astype("float32")
    mask = embed.compute_mask(ops.convert_to_tensor(tokens))
    explicit = gru(ops.convert_to_tensor(np.asarray(sequence)), initial_state=start, mask=mask)
    np.testing.assert_array_equal(gru(sequence, initial_state=start), explicit)


@pytest.mark.parametrize("kind", KINDS)
def test_stateful_equals_one_long_sequence(kind):
    x = RNG.normal(size=(2, 9, 3)).astype("float32")
    layer = kind(4, stateful=True, return_sequences=True)
    parts = [np.asarray(layer(x[:, i : i + 3])) for i in (0, 3, 6)]
    whole = kind(4, return_sequences=True)
    whole.build(x.shape)
    whole.set_weights(layer.get_weights())
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole(x), rtol=1e-5, atol=1e-6)
    layer.reset_state()
    np.testing.assert_array_equal(layer(x[:, :3]), parts[0])
    layer.reset_state([v.numpy() * 0 + 1 for v in layer.states])
    ones = [np.ones((2, 4), "float32")] * len(layer.states)
    np.testing.assert_allclose(layer(x[:, :3]), whole(x[:, :3], initial_state=ones), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="batch size"):
        layer(x[:1])


def test_stateful_in_fit():
    model = rustdl.Sequential([rustdl.Input(batch_shape=(2, 3, 1)), layers.LSTM(3, stateful=True), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = RNG.normal(size=(8, 3, 1)).astype("float32"), np.zeros((8, 1), "float32")
    model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    assert any(np.abs(v.numpy()).max() > 0 for v in model.layers[0].states)
    model.reset_states() if hasattr(model, "reset_states") else model.layers[0].reset_states()
    assert all(np.abs(v.numpy()).max() == 0 for v in model.layers[0].states)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_masks_are_fixed_over_time(kind):
    x = np.ones((1, 8, 64), "float32")
    layer = kind(5, dropout=0.5, return_sequences=True, seed=1)
    cell = layer.cell
    layer(x)
    # With an identity in place of the recurrence, equal inputs give equal outputs at each step only if the mask stays.
    cell.recurrent_kernel.assign(cell.recurrent_kernel.numpy() * 0)
    seen = []
    original = type(cell).get_dropout_mask
    cell.get_dropout_mask = lambda step: seen.append(original(cell, step)) or seen[-1]
    layer(x, training=True)
    assert all(mask is seen[0] for mask in seen)
    kept = np.asarray(seen[0])
    assert set(np.unique(kept)) == {0.0, 2.0}
    del cell.get_dropout_mask
    y = np.asarray(kind(5, recurrent_dropout=0.5, dropout=0.5, return_sequences=True, seed=1)(x, training=True))
    assert np.isfinite(y).all()
    assert np.array_equal(layer(x), layer(x))
    assert not np.array_equal(layer(x, training=True), layer(x, training=True))


def mask_of(shape, count):
    masks = [(RNG.random(shape) > 0.4).astype("float32") / 0.6 for _ in range(count)]
    return masks if count > 1 else masks[0]


def dropped_lstm(x, h, c, w, u, b, x_masks, h_masks):
    kernels, recurrent, biases = np.split(w, 4, -1), np.split(u, 4, -1), np.split(b, 4)
    parts = zip(kernels, recurrent, biases, x_masks, h_masks, strict=True)
    i, f, g, o = ((x * m) @ k + (h * n) @ r + a for k, r, a, m, n in parts)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def dropped_gru(x, h, reset_after, w, u, b, x_masks, h_masks):
    biases = np.split(b[0] if reset_after else b, 3)
    xz, xr, xh = ((x * m) @ k + a for k, a, m in zip(np.split(w, 3, -1), biases, x_masks, strict=True))
    (uz, ur, uh), (bz, br, bh) = np.split(u, 3, -1), np.split(b[1] if reset_after else b * 0, 3)
    z, r = sigmoid(xz + (h * h_masks[0]) @ uz + bz), sigmoid(xr + (h * h_masks[1]) @ ur + br)
    inner = r * ((h * h_masks[2]) @ uh + bh) if reset_after else (r * h * h_masks[2]) @ uh
    return z * h + (1 - z) * np.tanh(xh + inner)


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU", "GRU before"])
def test_dropout_with_given_masks(kind):
    count = {"SimpleRNN": 1, "LSTM": 4}.get(kind, 3)
    arguments = {"reset_after": kind == "GRU"} if kind.startswith("GRU") else {}
    layer = getattr(layers, kind.split()[0])(3, dropout=0.4, recurrent_dropout=0.4, **arguments)
    cell = layer.cell
    x = RNG.normal(size=(2, 4, 5)).astype("float32")
    layer(x)
    layer.set_weights([RNG.normal(size=w.shape).astype("float32") for w in layer.weights])
    w, u, b = (v.numpy().astype("float64") for v in layer.weights)
    x_masks, h_masks = mask_of((2, 5), count), mask_of((2, 3), count)
    h = c = np.zeros((2, 3))
    for t in range(4):
        if kind == "SimpleRNN":
            h = np.tanh((x[:, t] * x_masks) @ w + (h * h_masks) @ u + b)
        elif kind == "LSTM":
            h, c = dropped_lstm(x[:, t], h, c, w, u, b, x_masks, h_masks)
        else:
            h = dropped_gru(x[:, t], h, kind == "GRU", w, u, b, x_masks, h_masks)
    object.__setattr__(cell, "_dropout_mask", x_masks)
    object.__setattr__(cell, "_recurrent_dropout_mask", h_masks)
    np.testing.assert_allclose(layer(x, training=True), h, rtol=1e-4, atol=1e-5)
    assert cell._dropout_mask is None  # forgotten after the call


def test_dropout_in_a_compiled_step_varies_between_steps():
    layer = layers.LSTM(4, dropout=0.4, recurrent_dropout=0.3)
    x = ops.ones((2, 5, 3))
    layer(x)
    run = rustdl.jit(lambda x: layer(x, training=True))
    assert not np.array_equal(run(x), run(x))
    np.testing.assert_array_equal(layer(x), layer(x))


class Minimal(layers.Layer):
    """A user's cell, not registered, whose output is not a state."""

    def __init__(self, units, state_size, **kwargs):
        super().__init__(**kwargs)
        self.units, self.state_size = units, state_size
        self.output_size = 2 * units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")

    def call(self, inputs, states):
        h = ops.tanh(ops.matmul(inputs, self.kernel) + ops.matmul(rustdl.tree.flatten(states)[0], ops.eye(self.units)))
        new = rustdl.tree.map_structure(lambda s: s + 1, list(states))
        new[0] = h if not isinstance(states[0], (list, tuple)) else [h, *new[0][1:]]
        return ops.concatenate([h, -h], axis=-1), new


@pytest.mark.parametrize("size", [3, [3], [3, 2], (3, [2, 5])], ids=str)
def test_custom_cells(size):
    layer = layers.RNN(Minimal(3, size), return_sequences=True, return_state=True)
    x = RNG.normal(size=(2, 4, 3)).astype("float32")
    keep = np.array([[0, 1, 1, 0], [1, 0, 1, 1]], bool)
    outputs, *states = layer(x, mask=keep)
    assert rustdl.tree.map_structure(lambda s: s.shape[1], states) == ([size] if isinstance(size, int) else list(size))
    kernel = layer.cell.kernel.numpy()
    for row in range(2):
        h, last = np.zeros(3, "float32"), np.zeros(6, "float32")
        for t in range(4):
            if keep[row, t]:
                h = np.tanh(x[row, t] @ kernel + h)
                last = np.concatenate([h, -h])
            np.testing.assert_allclose(outputs[row, t], last, rtol=1e-5, atol=1e-6)
    wrapped = layers.Bidirectional(layers.RNN(Minimal(3, size)))
    assert wrapped(x).shape == (2, 12)


def test_copies_of_layers_with_custom_cells():
    # The class is not registered, but this process has serialized an object of it.
    model = rustdl.Sequential([rustdl.Input((None, 3)), layers.RNN(Minimal(3, 3))])
    copy = rustdl.models.clone_model(model)
    copy.set_weights(model.get_weights())
    x = RNG.normal(size=(2, 4, 3)).astype("float32")
    np.testing.assert_array_equal(copy(x), model(x))
    config = layers.serialize(layers.RNN(Minimal(3, 3)))
    config["config"]["cell"]["class_name"] = "Popen"
    config["config"]["cell"]["module"] = "subprocess"
    with pytest.raises(TypeError, match="Could not locate class 'Popen'"):
        layers.deserialize(config)


def test_a_cell_that_is_no_layer():
    class Sum:
        state_size = 2

        def call(self, inputs, states):
            return inputs + states[0], [inputs + states[0]]

    x = RNG.normal(size=(2, 4, 2)).astype("float32")
    np.testing.assert_allclose(layers.RNN(Sum())(x), x.sum(1), rtol=1e-5)


def test_layer_normalized_lstm():
    cell = layers.LayerNormLSTMCell(3)
    layer = layers.RNN(cell, return_sequences=True)
    x = RNG.normal(size=(2, 5, 4)).astype("float32")
    layer(x)
    layer.set_weights([RNG.normal(size=w.shape).astype("float32") for w in layer.weights])
    w, u, b = (v.numpy().astype("float64") for v in (cell.kernel, cell.recurrent_kernel, cell.bias))
    gx, gh = cell.input_norm.gamma.numpy(), cell.recurrent_norm.gamma.numpy()
    h, c = np.zeros((2, 3)), np.zeros((2, 3))
    for t in range(5):
        i, f, g, o = np.split(normalized(x[:, t] @ w, gx) + normalized(h @ u, gh) + b, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(normalized(c, cell.state_norm.gamma.numpy()) + cell.state_norm.beta.numpy())
        np.testing.assert_allclose(layer(x)[:, t], h, rtol=1e-4, atol=1e-5)


def test_layer_normalized_gru_and_simple():
    x = RNG.normal(size=(2, 5, 4)).astype("float32")
    for kind in (layers.LayerNormGRUCell, layers.LayerNormSimpleRNNCell):
        cell = kind(3)
        layer = layers.RNN(cell)
        layer(x)
        layer.set_weights([RNG.normal(size=w.shape).astype("float32") for w in layer.weights])
        w, u, b = (v.numpy().astype("float64") for v in (cell.kernel, cell.recurrent_kernel, cell.bias))
        h = np.zeros((2, 3))
        for t in range(5):
            xw, hu = (
                normalized(x[:, t] @ w, cell.input_norm.gamma.numpy()),
                normalized(h @ u, cell.recurrent_norm.gamma.numpy()),
            )
            if kind is layers.LayerNormSimpleRNNCell:
                h = np.tanh(xw + hu + b)
                continue
            (xz, xr, xh), (hz, hr, hh) = np.split(xw + b[0], 3, axis=-1), np.split(hu + b[1], 3, axis=-1)
            z, r = sigmoid(xz + hz), sigmoid(xr + hr)
            h = z * h + (1 - z) * np.tanh(xh + r * hh)
        np.testing.assert_allclose(layer(x), h, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_batch_normalized_cells(kind):
    cell = getattr(layers, f"BatchNorm{kind}Cell")(3)
    layer = layers.RNN(cell, return_sequences=True)
    x = RNG.normal(size=(4, 5, 2)).astype("float32")
    layer(x)
    plain = getattr(layers, kind)(3, return_sequences=True)
    plain.build((4, 5, 12 if kind == "LSTM" else 9 if kind == "GRU" else 3))
    # The plain layer over inputs that are normalised already, with an identity for a kernel.
    size = plain.cell.kernel.shape[0]
    plain.set_weights([np.eye(size, dtype="float32"), cell.recurrent_kernel.numpy(), cell.bias.numpy()])
    projected = x @ cell.kernel.numpy()
    wanted = plain(normalized(projected, 1.0, axis=(0, 1)).astype("float32"))
    np.testing.assert_allclose(layer(x, training=True), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(cell.input_norm.moving_mean.numpy(), 0.01 * projected.mean((0, 1)), rtol=1e-4, atol=1e-6)
    model = rustdl.Sequential([layer, layers.Dense(1)])
    model.compile("adam", "mse")
    assert np.isfinite(model.fit(x, np.ones((4, 5, 1)), epochs=2, verbose=0).history["loss"]).all()
    again = layers.deserialize(layers.serialize(layer))
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x), layer(x))


def test_initial_states_of_an_encoder():
    tokens = rustdl.Input((None, 3))
    _, h, c = layers.LSTM(4, return_state=True)(tokens)
    target = rustdl.Input((None, 2))
    decoded = layers.LSTM(4, return_sequences=True)(target, initial_state=[h, c])
    model = rustdl.Model([tokens, target], layers.TimeDistributed(layers.Dense(5))(decoded))
    assert model.output_shape == (None, None, 5)
    assert model([np.ones((2, 7, 3)), np.ones((2, 3, 2))]).shape == (2, 3, 5)
    again = rustdl.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    a = [np.ones((2, 7, 3), "float32"), np.ones((2, 3, 2), "float32")]
    np.testing.assert_array_equal(again(a), model(a))


def test_time_distributed_is_the_layer_on_each_step():
    x = RNG.normal(size=(2, 3, 6, 6, 2)).astype("float32")
    for inner in (layers.Conv2D(3, 3), layers.Dense(4), layers.BatchNormalization(), layers.GlobalAveragePooling2D()):
        layer = layers.TimeDistributed(inner)
        found = np.asarray(layer(x))
        for t in range(3):
            np.testing.assert_allclose(found[:, t], inner(x[:, t]), rtol=1e-5, atol=1e-6)
    # Statistics are those of one step, as if the layer were called for each.
    layer = layers.TimeDistributed(layers.BatchNormalization())
    y = np.asarray(layer(x, training=True))
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-5)
    recurrent = layers.TimeDistributed(layers.LSTM(3))
    keep = RNG.random((2, 3, 6)) > 0.4
    found = recurrent(x[..., 0], mask=keep)
    np.testing.assert_allclose(found[:, 1], recurrent.layer(x[:, 1, ..., 0], mask=keep[:, 1]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_dtype_policies(kind, policy):
    layer = kind(4, return_sequences=True, return_state=True, dtype=policy)
    x = RNG.normal(size=(2, 5, 3)).astype("float32")
    mask = np.array([[1, 1, 1, 0, 0], [1] * 5], bool)
    dtype = "bfloat16" if policy == "mixed_bfloat16" else "float64"
    found = layer(x, mask=mask)
    assert {y.dtype for y in found} == {dtype}
    plain = kind(4, return_sequences=True, return_state=True)
    plain.build(x.shape)
    plain.set_weights([np.asarray(w, "float32") for w in layer.get_weights()])
    np.testing.assert_allclose(
        np.asarray(ops.cast(found[0], "float32")), plain(x, mask=mask)[0], atol=0.03 if dtype == "bfloat16" else 1e-5
    )


def test_integer_inputs():
    x = RNG.integers(-2, 3, (2, 5, 3))
    for layer in (layers.LSTM(4), layers.GRU(4, activation="elu"), layers.Bidirectional(layers.SimpleRNN(4))):
        np.testing.assert_array_equal(layer(x), layer(x.astype("float32")))


def test_saved_models_load(tmp_path):
    x = RNG.normal(size=(2, 5, 3)).astype("float32")
    model = rustdl.Sequential(
        [
            rustdl.Input((None, 3)),
            layers.Bidirectional(layers.GRU(4, return_sequences=True, dropout=0.1)),
            layers.RNN([layers.LSTMCell(3), layers.LSTMCell(2)], return_sequences=True),
            layers.TimeDistributed(layers.Dense(2)),
            layers.SimpleRNN(2),
        ]
    )
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(rustdl.models.load_model(tmp_path / "m.keras")(x), model(x))


def test_loop_function():
    x = np.arange(24, dtype="float32").reshape(2, 4, 3)

    def step(x, states):
        return x + states[0], [x + states[0]]

    for unroll in (False, True):
        for backwards in (False, True):
            last, outputs, states = rnn(step, x, [ops.zeros((2, 3))], go_backwards=backwards, unroll=unroll)
            wanted = np.cumsum(x[:, ::-1] if backwards else x, axis=1)
            np.testing.assert_array_equal(outputs, wanted)
            np.testing.assert_array_equal(last, wanted[:, -1])
            np.testing.assert_array_equal(states[0], wanted[:, -1])
    last, outputs, _ = rnn(step, x.transpose(1, 0, 2), [ops.zeros((2, 3))], time_major=True, return_all_outputs=False)
    assert outputs.shape == (1, 2, 3)
    with_constant = rnn(lambda x, s: (x * s[1], [x * s[1]]), x, [ops.zeros((2, 3))], constants=[ops.full((2, 3), 2.0)])
    np.testing.assert_array_equal(with_constant.outputs, 2 * x)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda x: layers.LSTM(0), "units"),
        (lambda x: layers.LSTM(2.5), "units"),
        (lambda x: layers.GRU(4, use_cudnn="yes"), "use_cudnn"),
        (layers.GRU(4, use_cudnn=True, activation="elu"), "cannot run as one fused operation"),
        (lambda x: layers.LSTM(4)(x[:, 0]), "ndim=3"),
        (lambda x: layers.LSTM(4)(x[:, :0]), "0 time steps"),
        (lambda x: layers.LSTM(4)(x, initial_state=np.zeros((2, 4))), "2 tensor"),
        (lambda x: layers.LSTM(4)(x, initial_state=[np.zeros((2, 4)), np.zeros((2, 5))]), r"\(2, 5\)"),
        (lambda x: layers.GRU(4)(x, initial_state=np.zeros((3, 4))), r"\(3, 4\)"),
        (lambda x: layers.GRU(4)(x, mask=np.ones((2, 6), bool)), "mask"),
        (lambda x: layers.GRU(4, unroll=True)(rustdl.Input((None, 3))), "Cannot unroll"),
        (lambda x: layers.GRU(4, stateful=True)(rustdl.Input((5, 3))), "batch size must be static"),
        (lambda x: layers.GRU(4, dropout="a lot"), "dropout"),
        (lambda x: layers.RNN(3), "call"),
        (lambda x: layers.RNN(layers.Dense(3)), "state_size"),
        (lambda x: layers.StackedRNNCells([layers.Dense(3)]), "state_size"),
        (lambda x: layers.Bidirectional(layers.GRU(3), merge_mode="max"), "merge mode"),
        (lambda x: layers.Bidirectional(layers.GRU(3), backward_layer=layers.GRU(3)), "go_backwards"),
        (lambda x: layers.Bidirectional(layers.GRU(3))(x, initial_state=[np.zeros((2, 3))]), "even number"),
        (lambda x: layers.TimeDistributed(layers.Dense(3))(x[:, 0]), "at least 3 dimensions"),
        (lambda x: layers.TimeDistributed(layers.Dense(3))(x, mask=np.ones((2, 4), bool)), "mask"),
        (lambda x: layers.ConvLSTM1D(3, 2, strides=2, dilation_rate=2), "dilation_rate"),
        (lambda x: layers.ConvLSTM2D(3, 2)(rustdl.Input((5, None, 8, 3))), "static"),
        (layers.RNN(Minimal(3, 4)), "states|shape"),
    ],
)
def test_mistakes_are_named(run, message):
    with pytest.raises(ValueError, match=message):
        run(RNG.normal(size=(2, 5, 3)).astype("float32"))
