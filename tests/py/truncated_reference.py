"""Truncated backpropagation through time in numpy, float64: the reference of test_truncated_bptt.py.

Derivatives are complex steps (Squire & Trapp, 1998): that of f by x is the imaginary part of f(x + ih) / h, exact to
rounding. The states with which windows begin are given as numbers, those of a run before, so that nothing flows through
them. A step is `output, states = step(weights, x, states)`.
"""

from __future__ import annotations

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def simple_step(weights, x, states):
    w, u, b = weights
    h = np.tanh(x @ w + states[0] @ u + b)
    return h, [h]


def lstm_step(weights, x, states):
    w, u, b = weights
    h, c = states
    i, f, g, o = np.split(x @ w + h @ u + b, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, [h, c]


def gru_step(weights, x, states):
    w, u, b = weights
    (h,) = states
    (xz, xr, xg), (hz, hr, hg) = np.split(x @ w + b[0], 3, axis=-1), np.split(h @ u + b[1], 3, axis=-1)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    h = z * h + (1 - z) * np.tanh(xg + r * hg)
    return h, [h]


STEP = {"SimpleRNN": simple_step, "LSTM": lstm_step, "GRU": gru_step}


def run(step, weights, x, states, window, starts=None, keep=None, backwards=False):
    """The outputs in the order of computation, the last states, and the states with which windows begin.

    With `starts` each window but the first begins with those, whatever came before.
    """
    outputs, found = [], []
    for t, time in enumerate(reversed(range(x.shape[1])) if backwards else range(x.shape[1])):
        if window and t and t % window == 0:
            found.append(states)
            states = states if starts is None else starts[len(found) - 1]
        output, after = step(weights, x[:, time], states)
        if keep is not None:
            rows = keep[:, time].reshape(-1, *(1,) * (output.ndim - 1))
            after = [np.where(rows, new, old) for new, old in zip(after, states, strict=True)]
            output = after[0]
        outputs.append(output)
        states = after
    return np.stack(outputs, axis=1), states, found


def slopes(f, arguments):
    """The gradient of f by each array in a list."""
    found = []
    for i, argument in enumerate(arguments):
        gradient = np.zeros(argument.shape)
        for index in np.ndindex(argument.shape):
            moved = argument.astype(complex)
            moved[index] += 1e-30j
            gradient[index] = f([*arguments[:i], moved, *arguments[i + 1 :]]).imag / 1e-30
        found.append(gradient)
    return found


def loss_of(outputs, states):
    """All outputs and states count, each with another weight."""
    shape = tuple(outputs.shape)
    weights = np.cos(np.arange(np.prod(shape))).reshape(shape)
    return (outputs * outputs * weights).sum() + sum((s * s * (i + 1)).sum() for i, s in enumerate(states))


def wanted_gradients(step, weights, x, states, window, **how):
    """The loss, and its truncated gradient by x, by the states and by the weights."""
    outputs, last, starts = run(step, weights, x, states, window, **how)
    n = len(states)

    def loss(arguments):
        x, states, weights = arguments[0], arguments[1 : n + 1], arguments[n + 1 :]
        return loss_of(*run(step, weights, x, states, window, starts=starts, **how)[:2])

    return loss_of(outputs, last), slopes(loss, [x, *states, *weights])


def squared_gradient(step, weights, x, states, window, starts):
    """The squared norm of the truncated gradient by the weights, windows beginning with fixed states."""

    def loss(weights):
        return loss_of(*run(step, weights, x, states, window, starts=starts)[:2])

    return sum(np.square(g).sum() for g in slopes(loss, weights))


def wanted_second_order(step, weights, x, states, window):
    """Central differences of `squared_gradient`; the states that windows begin with are those of `weights`."""
    starts, found = run(step, weights, x, states, window)[2], []
    for i, w in enumerate(weights):
        found.append(np.zeros(w.shape))
        for index in np.ndindex(w.shape):
            sides = []
            for e in (1e-5, -1e-5):
                moved = w.copy()
                moved[index] += e
                sides.append(
                    squared_gradient(step, [*weights[:i], moved, *weights[i + 1 :]], x, states, window, starts)
                )
            found[-1][index] = (sides[0] - sides[1]) / 2e-5
    return found


def convolve(x, kernel, same):
    rows, columns = kernel.shape[:2]
    if same:
        before = [(n - 1) // 2 for n in (rows, columns)]
        pads = [(b, n - 1 - b) for b, n in zip(before, (rows, columns), strict=True)]
        x = np.pad(x, [(0, 0), *pads, (0, 0)])
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    return sum(x[:, i : i + height, j : j + width] @ kernel[i, j] for i, j in np.ndindex(rows, columns))


def conv_lstm_step(weights, x, states):
    kernel, recurrent, bias = weights
    h, c = states
    i, f, g, o = np.split(convolve(x, kernel, False) + bias + convolve(h, recurrent, True), 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, [h, c]


def scan_step(weights, x, states):
    h, s = states
    h = np.tanh(x @ weights[0] + h @ weights[1] + s)
    return h, [h, 0.5 * s + h]


def leaky_step(weights, x, states):
    a = sigmoid(weights[1])
    h = a * states[0] + (1 - a) * np.tanh(x @ weights[0])
    return h * h, [h]


def stacked_step(weights, x, states):
    output, first = lstm_step(weights[:3], x, states[:2])
    output, second = gru_step(weights[3:], output, states[2:])
    return output, [*first, *second]
