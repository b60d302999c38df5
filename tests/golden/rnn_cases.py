"""The recurrent layers that `make_rnn.py` runs in Keras and `test_rnn.py` runs here."""

from __future__ import annotations

from typing import Any

import numpy as np

B, T, F, N = 3, 5, 4, 3
SEQUENCE = (B, T, F)
RIGHT = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]], bool)
HOLES = np.array([[0, 1, 0, 1, 1], [1, 1, 0, 0, 1], [0, 0, 0, 0, 0]], bool)
ALL = {"return_sequences": True, "return_state": True}


def stacked(layers: Any, **arguments: Any) -> Any:
    """Three cells of different kinds."""
    cells = [layers.LSTMCell(N), layers.GRUCell(N + 1), layers.SimpleRNNCell(N)]
    return layers.RNN(cells, **arguments)


def bidirectional(layers: Any, kind: str = "LSTM", merge_mode: Any = "concat", **arguments: Any) -> Any:
    """A wrapped layer."""
    return layers.Bidirectional(getattr(layers, kind)(N, **arguments), merge_mode=merge_mode)


def two_kinds(layers: Any) -> Any:
    """Different layers forwards and backwards."""
    forward = layers.LSTM(N, return_sequences=True)
    backward = layers.GRU(N, return_sequences=True, go_backwards=True)
    return layers.Bidirectional(forward, merge_mode="sum", backward_layer=backward)


def time_distributed(layers: Any, kind: str, **arguments: Any) -> Any:
    """A layer on every step."""
    return layers.TimeDistributed(getattr(layers, kind)(**arguments))


def plain(layers: Any, kind: str, **arguments: Any) -> Any:
    """A layer of N units."""
    return getattr(layers, kind)(N, **arguments)


def convolutional(layers: Any, rank: int, **arguments: Any) -> Any:
    """A ConvLSTM layer."""
    return getattr(layers, f"ConvLSTM{rank}D")(3, 2, **arguments)


# Function that makes the layer, its arguments, shape of the input, call arguments. "state" among these stands for that
# number of initial states.
CASES: list[tuple[Any, dict[str, Any], Any, dict[str, Any]]] = []
for kind in ("SimpleRNN", "LSTM", "GRU"):
    count = 2 if kind == "LSTM" else 1
    for arguments in ({}, {"return_sequences": True}, {**ALL, "go_backwards": True}, {**ALL, "unroll": True}):
        for call in ({}, {"mask": RIGHT}, {"mask": HOLES}, {"state": count}):
            CASES.append((plain, {"kind": kind, **arguments}, SEQUENCE, call))
    CASES += [
        (plain, {"kind": kind, **ALL, "use_bias": False}, SEQUENCE, {"mask": HOLES, "state": count}),
        (plain, {"kind": kind, **ALL, "activation": "relu"}, SEQUENCE, {"state": count}),
        (plain, {"kind": kind, **ALL, "activation": "softsign", "go_backwards": True}, SEQUENCE, {"mask": HOLES}),
        (plain, {"kind": kind, **ALL, "zero_output_for_mask": True}, SEQUENCE, {"mask": RIGHT}),
        (plain, {"kind": kind, **ALL}, (B, 1, F), {}),
        (plain, {"kind": kind, **ALL}, (1, T, F), {}),
        (plain, {"kind": kind, "kernel_regularizer": "l2", "recurrent_constraint": "unit_norm"}, SEQUENCE, {}),
    ]
CASES += [
    (plain, {"kind": "LSTM", **ALL, "recurrent_activation": "hard_sigmoid"}, SEQUENCE, {"mask": RIGHT}),
    (plain, {"kind": "LSTM", "unit_forget_bias": False}, SEQUENCE, {}),
    *(
        (plain, {"kind": "GRU", **ALL, "reset_after": False, **extra}, SEQUENCE, call)
        for extra in ({}, {"go_backwards": True}, {"use_bias": False}, {"unroll": True}, {"activation": "elu"})
        for call in ({}, {"mask": HOLES}, {"state": 1})
    ),
    *((stacked, arguments, SEQUENCE, {}) for arguments in ({}, ALL, {**ALL, "go_backwards": True})),
    *(
        (bidirectional, {"merge_mode": mode, **arguments}, SEQUENCE, call)
        for mode in ("concat", "sum", "mul", "ave", None)
        for arguments in ({}, ALL)
        for call in ({}, {"mask": RIGHT})
    ),
    (bidirectional, {"kind": "GRU", **ALL}, SEQUENCE, {"state": 2}),
    (bidirectional, {"kind": "LSTM", **ALL}, SEQUENCE, {"state": 4}),
    (two_kinds, {}, SEQUENCE, {}),
    (time_distributed, {"kind": "Dense", "units": 3}, SEQUENCE, {}),
    *(
        (convolutional, {"rank": rank, **extra, **ALL}, shape, call)
        for rank, shape in ((1, (2, 3, 6, 2)), (2, (2, 3, 5, 6, 2)), (3, (1, 2, 4, 5, 4, 2)))
        for extra, call in (
            ({}, {}),
            ({"padding": "same", "go_backwards": True}, {}),
            ({"strides": 2, "padding": "same"}, {}),
            ({"dilation_rate": 2, "activation": "relu", "use_bias": False}, {}),
        )
    ),
]


def values(shape: Any, seed: int) -> np.ndarray:
    """Smooth numbers of both signs."""
    return np.sin(np.arange(int(np.prod(shape))) * 0.73 + seed).reshape(shape).astype("float32")


def make(layers: Any, case: int) -> Any:
    """The layer of a case, of either library."""
    function, arguments, _, _ = CASES[case]
    return function(layers, **arguments)


def call_arguments(case: int) -> dict[str, Any]:
    """Mask and initial states."""
    _, _, shape, call = CASES[case]
    call = dict(call)
    count = call.pop("state", None)
    if count:
        call["initial_state"] = [values((shape[0], N), 30 + i) for i in range(count)]
    return call


def set_weights(layer: Any) -> None:
    """Weights that follow a formula."""
    layer.set_weights([values(w.shape, 10 + i) * 0.6 for i, w in enumerate(layer.weights)])


def listed(outputs: Any) -> list[Any]:
    """Outputs and states without nesting; the loss is the sum of their squares."""
    if isinstance(outputs, (list, tuple)):
        return [y for part in outputs for y in listed(part)]
    return [outputs]


# Cases that also train for ten steps: every fourth is enough to see each kind of layer.
TRAINED = range(0, len(CASES), 4)
STEPS = 10
RATE = 0.02
