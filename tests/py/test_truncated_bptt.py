"""Truncated backpropagation through time: `truncate_gradient` of `ops.scan` and of the recurrent layers.

The reference is truncated_reference.py, which knows no automatic differentiation, and PyTorch where it is installed.
"""

from __future__ import annotations

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops
from rustdl.backend.trace import trace
from truncated_reference import (
    STEP,
    conv_lstm_step,
    gru_step,
    leaky_step,
    loss_of,
    lstm_step,
    run,
    scan_step,
    simple_step,
    slopes,
    stacked_step,
    wanted_gradients,
    wanted_second_order,
)

RNG = np.random.default_rng(11)
STEPS, BATCH, FEATURES, UNITS = 7, 2, 3, 2
KINDS = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}
KEEP = np.array([[1, 1, 0, 0, 0, 1, 1], [0, 1, 1, 1, 1, 0, 0]], bool)  # a whole window of 2 is masked in each row


def random(*shape):
    return RNG.normal(size=shape) * 0.7


def layer_gradients(layer, x, states, mask=None, training=False):
    """The loss of a layer and its gradient by x, by the states and by the weights: eager, then compiled."""
    n = len(states)

    def loss(x, *states):
        outputs, *last = layer(x, initial_state=list(states), mask=mask, training=training)
        return sum_of(outputs, last)

    def both(x, *states):
        value, by_inputs = rustdl.value_and_grad(loss, argnums=tuple(range(n + 1)))(x, *states)
        return value, [*by_inputs, *rustdl.value_and_grad(loss, variables=layer.trainable_variables)(x, *states)[1]]

    arguments = [ops.convert_to_tensor(a) for a in (x, *states)]
    return [both(*arguments), rustdl.jit(both)(*arguments)]


def sum_of(outputs, states):
    """The reference's `loss_of` for tensors."""
    shape = tuple(outputs.shape)
    weights = np.cos(np.arange(np.prod(shape))).reshape(shape)
    return ops.sum(outputs * outputs * weights) + sum(ops.sum(s * s * (i + 1.0)) for i, s in enumerate(states))


def check(found, wanted):
    (value, gradients), (wanted_value, wanted_arrays) = found, wanted
    np.testing.assert_allclose(value, wanted_value, rtol=1e-10)
    for i, (g, w) in enumerate(zip(gradients, wanted_arrays, strict=True)):
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-11, err_msg=f"argument {i}")


def make(kind, window, **arguments):
    """A layer in float64 with its weights as arrays, inputs and initial states."""
    arguments = {"dtype": "float64", "return_sequences": True, "return_state": True, **arguments}
    layer = getattr(layers, kind)(UNITS, truncate_gradient=window, **arguments)
    layer.build((BATCH, STEPS, FEATURES))
    weights = [random(*v.shape) for v in layer.weights]
    layer.set_weights(weights)
    return layer, weights, random(BATCH, STEPS, FEATURES), [random(BATCH, UNITS) for _ in layer.state_size]


# --- scan ---


def scanned(window, reverse=False, unroll=1, on_step=None):
    """The recurrence of `scan_step` by `ops.scan`, with an integer carry beside; x is `(time, batch, features)`."""

    def loss(x, h, s, w, u):
        def body(carry, x):
            if on_step:
                on_step(x)
            h = ops.tanh(ops.matmul(x, w) + ops.matmul(carry["h"], u) + carry["s"])
            return {"h": h, "n": carry["n"] + 1, "s": 0.5 * carry["s"] + h}, h

        first = {"h": h, "n": 0, "s": s}
        last, outputs = ops.scan(body, first, x, reverse=reverse, unroll=unroll, truncate_gradient=window)
        outputs = ops.flip(outputs, axis=0) if reverse else outputs
        return sum_of(ops.transpose(outputs, (1, 0, 2)), [last["h"], last["s"]]), last["n"]

    return loss


@pytest.mark.parametrize("window", [1, 2, 3, 6, 7, 9, None])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unroll", [1, True])
def test_scan(window, reverse, unroll):
    x, states = random(BATCH, STEPS, FEATURES), [random(BATCH, UNITS), random(BATCH, UNITS)]
    weights = [random(FEATURES, UNITS), random(UNITS, UNITS)]
    wanted = wanted_gradients(scan_step, weights, x, states, window, backwards=reverse)
    wanted[1][0] = wanted[1][0].transpose(1, 0, 2)
    arguments = [ops.convert_to_tensor(a) for a in (x.transpose(1, 0, 2), *states, *weights)]
    run = rustdl.value_and_grad(scanned(window, reverse, unroll), argnums=(0, 1, 2, 3, 4), has_aux=True)
    for compute in (run, rustdl.jit(run)):
        (value, count), gradients = compute(*arguments)
        assert int(count) == STEPS
        assert count.dtype == "int32"
        check((value, gradients), wanted)


def test_the_gradient_ends_where_a_window_begins():
    x = ops.ones(7, dtype="float64")

    def last(x, reverse):
        return ops.scan(lambda c, x: (c + x, None), 0.0, x, reverse=reverse, truncate_gradient=3)[0]

    assert rustdl.grad(lambda x: last(x, False))(x).tolist() == [0, 0, 0, 0, 0, 0, 1]
    assert rustdl.grad(lambda x: last(x, True))(x).tolist() == [1, 0, 0, 0, 0, 0, 0]


def test_a_body_that_needs_values_is_truncated_too():
    x, states = random(BATCH, STEPS, FEATURES), [random(BATCH, UNITS), random(BATCH, UNITS)]
    weights, seen = [random(FEATURES, UNITS), random(UNITS, UNITS)], []
    arguments = [ops.convert_to_tensor(a) for a in (x.transpose(1, 0, 2), *states, *weights)]
    loss = scanned(3, on_step=lambda x: seen.append(float(x[0, 0])))
    _, gradients = rustdl.value_and_grad(loss, argnums=(0, 1, 2, 3, 4), has_aux=True)(*arguments)
    assert seen == x[0, :, 0].tolist()
    wanted = wanted_gradients(scan_step, weights, x, states, 3)[1]
    for g, w in zip(gradients, [wanted[0].transpose(1, 0, 2), *wanted[1:]], strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("unroll", [1, True])
@pytest.mark.parametrize("watched", [False, True])
def test_variables_that_a_step_assigns_are_cut_too(unroll, watched):
    total, x = rustdl.Variable(0.0, dtype="float64"), np.array([1.0, 2.0, 3.0, 4.0])

    def last(w):
        total.assign(w)

        def body(c, x):
            total.assign(total.value * w + x)
            return c + total.value, None

        return ops.scan(body, ops.zeros((), "float64"), x, unroll=unroll, truncate_gradient=3)[0]

    w, values = 0.5, [0.5]
    for value in x:
        values.append(values[-1] * w + value)
    variables = [total] if watched else []

    def slope(w):  # beside variables that are watched, assignments are kept by the scope of the gradient
        return rustdl.grad(lambda w: rustdl.value_and_grad(last, variables=variables)(w)[0] if watched else last(w))(w)

    np.testing.assert_allclose(rustdl.jit(slope)(ops.convert_to_tensor(w, dtype="float64")), values[3], rtol=1e-12)
    assert total.numpy() == values[-1]


def test_a_long_window_is_the_plain_scan():
    arguments = [ops.convert_to_tensor(random(*s)) for s in ((5, 2, 3), (2, 2), (2, 2), (3, 2), (2, 2))]
    plans = []
    for window in (None, 5, 8):
        run = rustdl.value_and_grad(scanned(window), argnums=(0, 1, 2, 3, 4), has_aux=True)
        plans.append((trace(run, tuple(arguments)).plan.step_names(), rustdl.jit(run)(*arguments)[1]))
    for names, gradients in plans[1:]:
        assert names == plans[0][0]
        for g, w in zip(gradients, plans[0][1], strict=True):
            np.testing.assert_array_equal(g, w)


def test_a_truncated_scan_is_one_step_and_its_weight_gradient_one_product():
    x, w, h = (ops.convert_to_tensor(random(*s).astype("float32")) for s in ((20, 8, 16), (16, 16), (8, 16)))

    def loss(w):
        step = lambda c, s: (ops.tanh(ops.matmul(c, w) + s), None)  # noqa: E731
        return ops.sum(ops.scan(step, h, x, truncate_gradient=5)[0])

    names = trace(rustdl.grad(loss), (w,)).plan.step_names()
    assert (names.count("scan"), names.count("matmul")) == (2, 1), names


@pytest.mark.parametrize("unroll", [1, True])
def test_the_gradient_of_the_gradient_of_scan(unroll):
    x, states = random(BATCH, 5, FEATURES), [random(BATCH, UNITS), random(BATCH, UNITS)]
    weights = [random(FEATURES, UNITS), random(UNITS, UNITS)]
    fixed = [ops.convert_to_tensor(a) for a in (x.transpose(1, 0, 2), *states)]

    def slope(*weights):
        gradients = rustdl.grad(lambda *w: scanned(2, unroll=unroll)(*fixed, *w)[0], argnums=(0, 1))(*weights)
        return sum(ops.sum(ops.square(g)) for g in gradients)

    second = rustdl.grad(slope, argnums=(0, 1))
    wanted = wanted_second_order(scan_step, weights, x, states, 2)
    for compute in (second, rustdl.jit(second)):
        for g, w in zip(compute(*map(ops.convert_to_tensor, weights)), wanted, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-6, atol=1e-7)


def test_symbolic_scan():
    def build(inputs, window):
        step = lambda c, x: ((h := ops.tanh(c + x)), h)  # noqa: E731
        return ops.scan(step, ops.zeros((), "float32"), inputs, truncate_gradient=window)[1]

    inputs = rustdl.Input(batch_shape=(5,))
    model = rustdl.Model(inputs, build(inputs, 2))
    x = ops.convert_to_tensor(random(5).astype("float32"))
    np.testing.assert_array_equal(model(x), build(x, 2))
    for window in (2, None):
        slope = rustdl.grad(lambda x, window=window: ops.sum(build(x, window)))(x)
        same = np.array_equal(rustdl.grad(lambda x: ops.sum(model(x)))(x), slope)
        assert same == (window == 2)


# --- layers ---

HOW: dict[str, dict[str, bool]] = {
    "default": {},
    "loop": {"use_cudnn": False},
    "unrolled": {"unroll": True},
    "backwards": {"go_backwards": True},
    "backwards loop": {"go_backwards": True, "use_cudnn": False},
    "backwards unrolled": {"go_backwards": True, "unroll": True},
}


# SimpleRNN has no `use_cudnn`: with one of the usual activations it is the kernel, or unrolled.
LAYERS = pytest.mark.parametrize(
    ("kind", "how"), [(k, h) for k in KINDS for h in HOW if not (k == "SimpleRNN" and "use_cudnn" in HOW[h])]
)


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("window", [1, 2, 3])
@LAYERS
def test_layers(kind, how, window, masked):
    arguments = HOW[how]
    layer, weights, x, states = make(kind, window, **arguments)
    reference = {"keep": KEEP if masked else None, "backwards": "go_backwards" in arguments}
    wanted = wanted_gradients(STEP[kind], weights, x, states, window, **reference)
    for found in layer_gradients(layer, x, states, mask=reference["keep"]):
        check(found, wanted)


@LAYERS
def test_a_long_window_is_the_plain_layer(kind, how):
    arguments = HOW[how]
    plain, weights, x, _ = make(kind, None, return_state=False, **arguments)
    x, found = ops.convert_to_tensor(x), []
    for window in (None, STEPS, STEPS + 3):
        layer = plain if window is None else make(kind, window, return_state=False, **arguments)[0]
        layer.set_weights(weights)
        run = rustdl.value_and_grad(
            lambda x, layer=layer: ops.sum(ops.square(layer(x))), variables=layer.trainable_variables
        )
        found.append((trace(run, (x,)).plan.step_names(), rustdl.jit(run)(x)[1]))
    for names, gradients in found[1:]:
        assert names == found[0][0]
        for g, w in zip(gradients, found[0][1], strict=True):
            np.testing.assert_array_equal(g, w)


@pytest.mark.parametrize("kind", KINDS)
def test_values_do_not_change(kind):
    layer, weights, x, states = make(kind, 2)
    plain = make(kind, None)[0]
    plain.set_weights(weights)
    for got, wanted in zip(layer(x, initial_state=states), plain(x, initial_state=states), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-13)


def test_one_kernel_a_window():
    layer, _, x, _ = make("LSTM", 3, use_cudnn=True, return_state=False)
    names = trace(layer, (ops.convert_to_tensor(x),)).plan.step_names()
    assert (names.count("recurrence"), names.count("scan")) == (3, 0), names


@pytest.mark.parametrize("how", ["default", "loop", "unrolled"])
@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU"])
def test_the_gradient_of_the_gradient_of_layers(kind, how):
    arguments = {} if kind == "SimpleRNN" and how == "loop" else HOW[how]
    layer, weights, x, states = make(kind, 2, **arguments)
    x = x[:, :3]

    def slope():
        def loss():
            outputs, *last = layer(x, initial_state=states)
            return sum_of(outputs, last)

        gradients = rustdl.value_and_grad(loss, variables=layer.trainable_variables)()[1]
        return sum(ops.sum(ops.square(g)) for g in gradients)

    second = rustdl.value_and_grad(slope, variables=layer.trainable_variables)
    wanted = wanted_second_order(STEP[kind], weights, x, states, 2)
    for compute in (second, rustdl.jit(second)):
        for g, w in zip(compute()[1], wanted, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-6, atol=1e-7)


class Leaky(layers.Layer):
    """A user's cell: h = a h + (1 - a) tanh(x W), and the output is not the state."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.state_size), name="kernel")
        self.rate = self.add_weight((self.state_size,), name="rate")

    def call(self, inputs, states):
        a = ops.sigmoid(self.rate)
        h = a * states[0] + (1 - a) * ops.tanh(ops.matmul(inputs, self.kernel))
        return h * h, [h]


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kind", ["custom", "stacked"])
def test_rnn_over_cells(kind, window, backwards):
    cells = Leaky(UNITS, dtype="float64")
    if kind == "stacked":
        cells = [layers.LSTMCell(UNITS, dtype="float64"), layers.GRUCell(UNITS, dtype="float64")]
        cells = layers.StackedRNNCells(cells, dtype="float64")
    layer = layers.RNN(
        cells,
        return_sequences=True,
        return_state=True,
        go_backwards=backwards,
        truncate_gradient=window,
        dtype="float64",
    )
    layer.build((BATCH, STEPS, FEATURES))
    weights = [random(*v.shape) for v in layer.weights]
    layer.set_weights(weights)
    x, states = random(BATCH, STEPS, FEATURES), [random(BATCH, UNITS) for _ in range(1 if kind == "custom" else 3)]
    step = leaky_step if kind == "custom" else stacked_step
    wanted = wanted_gradients(step, weights, x, states, window, backwards=backwards)
    if kind == "custom":
        for found in layer_gradients(layer, x, states):
            check(found, wanted)
        return

    def loss(x):  # the states are nested: [[h, c], h]
        outputs, (h, c), last = layer(x, initial_state=[[states[0], states[1]], states[2]])
        return sum_of(outputs, [h, c, last])

    value, gradients = rustdl.value_and_grad(loss, variables=layer.trainable_variables)(x)
    check((value, gradients), (wanted[0], wanted[1][4:]))


@pytest.mark.parametrize("backwards", [False, True])
def test_conv_lstm(backwards):
    layer = layers.ConvLSTM2D(
        2,
        (2, 3),
        return_sequences=True,
        return_state=True,
        go_backwards=backwards,
        truncate_gradient=2,
        dtype="float64",
    )
    layer.build((1, 5, 3, 4, 1))
    weights = [random(*v.shape) for v in layer.weights]
    layer.set_weights(weights)
    x, states = random(1, 5, 3, 4, 1), [random(1, 2, 2, 2), random(1, 2, 2, 2)]
    wanted = wanted_gradients(conv_lstm_step, weights, x, states, 2, backwards=backwards)
    for found in layer_gradients(layer, x, states):
        check(found, wanted)


@pytest.mark.parametrize("rank", [1, 3])
def test_other_conv_lstms_end_where_a_window_begins(rank):
    layer = getattr(layers, f"ConvLSTM{rank}D")(2, 2, truncate_gradient=2)
    x = ops.convert_to_tensor(random(1, 5, *(3,) * rank, 1).astype("float32"))
    slope = rustdl.grad(lambda x: ops.sum(layer(x)))(x)
    moved = np.abs(slope).reshape(5, -1).max(axis=1) > 0
    assert moved.tolist() == [False, False, False, False, True]


@pytest.mark.parametrize("recurrent", [0.0, 0.3])
def test_dropout_masks_are_the_same_in_all_windows(recurrent, monkeypatch):
    """Without `recurrent_dropout` by the kernel, else by the loop."""
    layer, weights, x, states = make("SimpleRNN", 3, dropout=0.4, recurrent_dropout=recurrent)
    masks = {0.4: np.array([[2.0, 0, 1], [0, 1, 3]]), 0.3: np.array([[2.0, 0], [1.5, 1]])}
    monkeypatch.setattr(
        type(layer.cell), "_create_dropout_mask", lambda _, like, rate: ops.cast(masks[rate], like.dtype)
    )

    def step(weights, x, states):
        h = states[0] * masks[0.3] if recurrent else states[0]
        return simple_step(weights, x * masks[0.4], [h])

    wanted = wanted_gradients(step, weights, x, states, 3)
    for found in layer_gradients(layer, x, states, training=True):
        check(found, wanted)


@pytest.mark.parametrize("how", ["default", "loop"])
def test_stateful(how):
    layer, weights, x, _ = make("GRU", 3, stateful=True, return_state=False, **HOW[how])
    before = run(gru_step, weights, x, [np.zeros((BATCH, UNITS))], 3)[1]
    after = run(gru_step, weights, x, before, 3)

    def loss():
        return sum_of(layer(x), [])

    layer(x)
    _, gradients = rustdl.value_and_grad(loss, variables=layer.trainable_variables)()
    np.testing.assert_allclose(layer.states[0], after[1][0], rtol=1e-12)

    def wanted(weights):
        return loss_of(run(gru_step, weights, x, before, 3, starts=after[2])[0], [])

    for g, w in zip(gradients, slopes(wanted, weights), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-11)


def test_both_directions():
    """Each direction counts windows from where it begins."""
    layer, _, x, _ = make("LSTM", 3, return_state=False)
    both = layers.Bidirectional(layer, merge_mode=None, dtype="float64")
    both(x)
    assert both.forward_layer.truncate_gradient == both.backward_layer.truncate_gradient == 3
    forward, backward = (both.forward_layer.get_weights(), both.backward_layer.get_weights())
    start = [np.zeros((BATCH, UNITS))] * 2

    def loss(x):
        y, z = both(x)
        return sum_of(y, []) + sum_of(ops.flip(z, axis=1), [])

    wanted = np.zeros(x.shape)
    for weights, backwards in ((forward, False), (backward, True)):
        starts = run(lstm_step, weights, x, start, 3, backwards=backwards)[2]
        wanted += slopes(
            lambda a, w=weights, b=backwards, s=starts: loss_of(
                run(lstm_step, w, a[0], start, 3, starts=s, backwards=b)[0], []
            ),
            [x],
        )[0]
    np.testing.assert_allclose(rustdl.grad(loss)(ops.convert_to_tensor(x)), wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("how", ["default", "loop"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_fit_takes_the_steps_of_the_truncated_gradient(kind, how):
    layer, weights, x, _ = make(kind, 3, return_sequences=False, return_state=False, **HOW[how])
    model = rustdl.Sequential([rustdl.Input((None, FEATURES), dtype="float64"), layer])
    model.compile(rustdl.optimizers.SGD(0.1), "mse")
    target = random(BATCH, UNITS)
    history = model.fit(x, target, batch_size=BATCH, epochs=3, verbose=0).history["loss"]
    states, losses = [np.zeros((BATCH, UNITS))] * len(layer.state_size), []
    for _ in range(3):
        outputs, _, starts = run(STEP[kind], weights, x, states, 3)
        losses.append(np.square(outputs[:, -1] - target).mean())

        def loss(weights, starts=starts):
            return np.square(run(STEP[kind], weights, x, states, 3, starts=starts)[0][:, -1] - target).mean()

        weights = [w - 0.1 * g for w, g in zip(weights, slopes(loss, weights), strict=True)]
    np.testing.assert_allclose(history, losses, rtol=1e-5)
    assert losses[2] < losses[0]
    for got, w in zip(layer.get_weights(), weights, strict=True):
        np.testing.assert_allclose(got, w, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_dtype_policies(kind, policy):
    layer, _, x, _ = make(kind, 2, dtype=policy)
    x = ops.convert_to_tensor(x.astype("float32"))
    outputs, *states = layer(x)
    assert {outputs.dtype, *(s.dtype for s in states)} == {layer.compute_dtype}
    slope = rustdl.grad(lambda x: ops.sum(ops.cast(layer(x)[1], "float32")))(x)
    moved = np.abs(slope).max(axis=(0, 2)) > 0
    assert moved.tolist() == [False] * 6 + [True]


@pytest.mark.parametrize("kind", KINDS)
def test_equals_pytorch_with_detached_states(kind):
    torch = pytest.importorskip("torch")
    layer, (w, u, b), x, states = make(kind, 3)
    order = np.arange(KINDS[kind])
    if kind == "GRU":
        order = np.array([1, 0, 2])  # PyTorch's gates are r, z, n

    def moved(a):
        return np.concatenate([np.split(a, len(order), axis=-1)[i] for i in order], axis=-1)

    module = getattr(torch.nn, kind.replace("Simple", ""))(FEATURES, UNITS, batch_first=True).double()
    biases = b if kind == "GRU" else (b, np.zeros_like(b))
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    for name, a in zip(names, (moved(w).T, moved(u).T, *map(moved, biases)), strict=True):
        getattr(module, name).data = torch.tensor(np.ascontiguousarray(a))
    inputs = torch.tensor(x, requires_grad=True)
    begin = [torch.tensor(s, requires_grad=True) for s in states]
    carried, outputs = [s[None] for s in begin], []
    for t in range(0, STEPS, 3):
        if t:
            carried = [s.detach() for s in carried]
        output, last = module(inputs[:, t : t + 3], tuple(carried) if kind == "LSTM" else carried[0])
        carried = list(last) if kind == "LSTM" else [last]
        outputs.append(output)
    outputs = torch.cat(outputs, dim=1)
    value = (outputs * outputs * torch.tensor(np.cos(np.arange(outputs.numel())).reshape(outputs.shape))).sum()
    value = value + sum((s * s * (i + 1)).sum() for i, s in enumerate(carried))
    value.backward()
    by_weights = [moved(getattr(module, name).grad.numpy().T) for name in names]  # r and z change places back
    by_bias = np.stack(by_weights[2:]) if kind == "GRU" else by_weights[2]
    wanted = [inputs.grad, *(s.grad for s in begin), *by_weights[:2], by_bias]
    for found in layer_gradients(layer, x, states):
        check(found, (value.item(), [np.asarray(g) for g in wanted]))


# --- configuration and mistakes ---


@pytest.mark.parametrize(
    "build",
    [
        lambda **k: layers.RNN(layers.GRUCell(2), **k),
        lambda **k: layers.SimpleRNN(2, **k),
        lambda **k: layers.LSTM(2, **k),
        lambda **k: layers.GRU(2, **k),
        lambda **k: layers.ConvLSTM1D(2, 2, **k),
        lambda **k: layers.ConvLSTM2D(2, 2, **k),
        lambda **k: layers.ConvLSTM3D(2, 2, **k),
    ],
)
def test_configuration(build):
    assert build().truncate_gradient is None
    assert "truncate_gradient" not in build().get_config()  # Keras would not know it
    layer = build(truncate_gradient=np.int64(4))
    assert type(layer.get_config()["truncate_gradient"]) is int
    assert type(layer).from_config(layer.get_config()).truncate_gradient == 4
    both = layers.deserialize(layers.serialize(layers.Bidirectional(layer)))
    assert both.forward_layer.truncate_gradient == both.backward_layer.truncate_gradient == 4


def test_saved_models_keep_it(tmp_path):
    model = rustdl.Sequential([rustdl.Input((None, 3)), layers.LSTM(2, truncate_gradient=2), layers.Dense(1)])
    model.save(tmp_path / "m.keras")
    copy, x = rustdl.models.load_model(tmp_path / "m.keras"), random(2, 5, 3).astype("float32")
    assert copy.layers[0].truncate_gradient == 2
    np.testing.assert_array_equal(copy(x), model(x))


@pytest.mark.parametrize(
    ("given", "error"), [(0, ValueError), (-2, ValueError), (True, TypeError), (2.0, TypeError), ("2", TypeError)]
)
@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("scan", lambda k: ops.scan(lambda c, x: (c + x, c), 0.0, np.ones(3), truncate_gradient=k)),
        ("RNN", lambda k: layers.RNN(layers.GRUCell(2), truncate_gradient=k)),
        ("LSTM", lambda k: layers.LSTM(2, truncate_gradient=k)),
        ("ConvLSTM1D", lambda k: layers.ConvLSTM1D(2, 2, truncate_gradient=k)),
    ],
)
def test_mistakes_are_named(name, run, given, error):
    with pytest.raises(error, match=rf"^{name}: `truncate_gradient` must be an integer >= 1.*{given!r}"):
        run(given)
