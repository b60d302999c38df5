"""Recurrent layers, cells, convolutional recurrence and the wrappers of sequences."""

# ruff: noqa: E501  (tables read best as they are)
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras_parity.case import Case, In, Make, grid, layer

B, T, F, N = 3, 5, 4, 3
SEQUENCE = (B, T, F)
ALL_STEPS = np.ones((B, T), bool)
RIGHT = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]], bool)
LEFT = RIGHT[:, ::-1].copy()
HOLES = np.array([[0, 1, 0, 1, 1], [1, 1, 0, 0, 1], [0, 0, 0, 0, 0]], bool)
MASKS: tuple[dict[str, Any], ...] = ({}, {"mask": RIGHT}, {"mask": HOLES})
BOTH = {"return_sequences": True, "return_state": True}
BEFORE = "steps masked before the first seen one give the initial state, unrolled or not; unrolled, Keras gives zeros"
IMAGES = "masks of steps hold for whole images; Keras on JAX broadcasts them along other axes, which rarely fits"
NO_STEP = {"differs": "the mean of no step at all is 0; Keras gives NaN", "where": ("y0",)}
ACTIVITY = "`SimpleRNN` penalizes its outputs, as documented; Keras does not pass its `activity_regularizer` on"
KINDS = {"SimpleRNN": 1, "LSTM": 2, "GRU": 1}


def states(kind: str, units: int = N) -> list[In]:
    """Initial states to differentiate by."""
    return [In((B, units), seed=20 + i, scale=0.8) for i in range(KINDS[kind])]


def recurrent() -> Iterator[Case]:
    """Direction, unrolling, masks and what is returned in all combinations; everything else on top of both outputs."""
    for kind in KINDS:
        after = [True, False] if kind == "GRU" else [None]
        for args in grid(
            return_sequences=[False, True],
            return_state=[True],
            go_backwards=[False, True],
            unroll=[False, True],
            reset_after=after,
        ):
            plain = {k: v for k, v in args.items() if v}
            if args["reset_after"] is False:
                plain["reset_after"] = False
            for call in MASKS:
                yield layer(kind, {"units": N, **plain}, SEQUENCE, call)
        for args in grid(return_sequences=[False, True], go_backwards=[False, True]):
            yield layer(kind, {"units": N, **{k: v for k, v in args.items() if v}}, SEQUENCE)
        for call in ({"mask": LEFT}, {"mask": ALL_STEPS}, {"training": True}):
            yield layer(kind, {"units": N, **BOTH}, SEQUENCE, call)
        for extra in ({}, {"go_backwards": True}, {"unroll": True}):
            for call in MASKS:
                before = {"differs": BEFORE, "where": ("y0", "gradient by input 1")}
                meant = before if "unroll" in extra and call.get("mask") is HOLES else {}
                args = {"units": N, **BOTH, **extra}
                yield layer(kind, args, SEQUENCE, {"initial_state": states(kind), **call}, **meant)
        for activation in ("relu", "linear", "softsign", "elu"):
            yield layer(kind, {"units": N, **BOTH, "activation": activation}, SEQUENCE, {"mask": RIGHT})
        if kind != "SimpleRNN":
            for activation in ("hard_sigmoid", "tanh", "linear"):
                args = {"units": N, **BOTH, "recurrent_activation": activation}
                yield layer(kind, args, SEQUENCE, {"mask": HOLES})
        for reset in after:
            extra = {} if reset is None else {"reset_after": reset}
            yield layer(kind, {"units": N, **BOTH, "use_bias": False, **extra}, SEQUENCE, {"mask": HOLES})
            yield layer(kind, {"units": N, **BOTH, "use_bias": False, "go_backwards": True, **extra}, SEQUENCE)
        if kind == "LSTM":
            yield layer(kind, {"units": N, **BOTH, "unit_forget_bias": False}, SEQUENCE)
        for what in ("kernel", "recurrent", "bias"):
            args = {"units": N, f"{what}_regularizer": "l2", f"{what}_constraint": "non_neg"}
            yield layer(kind, args, SEQUENCE)
        args = {"units": N, "activity_regularizer": "l2", "return_sequences": True}
        yield layer(kind, args, SEQUENCE, differs=ACTIVITY if kind == "SimpleRNN" else "")
        for shape in ((B, 1, F), (1, T, F), (2, 17, 1), (9, 3, 8)):
            yield layer(kind, {"units": 5, **BOTH}, shape)
        for extra in ({}, {"return_sequences": True}, {"go_backwards": True}, {"unroll": True}):
            for call in ({}, {"mask": RIGHT}):
                yield layer(
                    kind, {"units": N, "stateful": True, **extra}, SEQUENCE, call, batch=False, carried=3, steps=False
                )
        yield layer(kind, {"units": N, "dropout": 0.0, "recurrent_dropout": 0.0}, SEQUENCE, {"training": True})
        for argument in ("dropout", "recurrent_dropout"):
            yield layer(kind, {"units": N, argument: 0.4}, SEQUENCE, {"training": False})
        for call in MASKS:
            yield layer(kind, {"units": N, **BOTH, "zero_output_for_mask": True}, SEQUENCE, call)
        yield layer(kind, {"units": 0}, SEQUENCE, refused=True)
        yield layer(kind, {"units": N}, (B, F), refused=True)


def cells() -> Iterator[Case]:
    """One step; RNN around cells; stacks of cells."""
    for kind, count in KINDS.items():
        for extra in (
            {},
            {"use_bias": False},
            {"activation": "relu"},
            *([{"reset_after": False}] if kind == "GRU" else []),
            *([{"unit_forget_bias": False}] if kind == "LSTM" else []),
            *([{"recurrent_activation": "hard_sigmoid"}] if count == 2 or kind == "GRU" else []),
        ):
            args = {"units": N, **extra}
            yield layer(f"{kind}Cell", args, (B, F), {"states": states(kind)})
            for outer in ({}, BOTH, {**BOTH, "go_backwards": True}, {**BOTH, "unroll": True}):
                cell = Make(f"layers.{kind}Cell", args)
                yield layer("RNN", {"cell": cell, **outer}, SEQUENCE, {"mask": RIGHT} if outer else {})
        yield layer(
            "RNN",
            {"cell": Make(f"layers.{kind}Cell", {"units": N}), "stateful": True},
            SEQUENCE,
            batch=False,
            carried=2,
            steps=False,
        )
    stack = [
        Make("layers.LSTMCell", {"units": N}),
        Make("layers.GRUCell", {"units": 4}),
        Make("layers.SimpleRNNCell", {"units": 2}),
    ]
    for cell in (stack, Make("layers.StackedRNNCells", {"cells": stack})):
        for outer in (
            {},
            BOTH,
            {**BOTH, "go_backwards": True},
            {**BOTH, "unroll": True},
            {"zero_output_for_mask": True, **BOTH},
        ):
            for call in MASKS:
                name = "RNN" if cell is stack else "StackedRNNCells"
                args = {"cell": cell, **outer}
                yield layer(name, args, SEQUENCE, call, **({"class": "layers.RNN"} if cell is not stack else {}))
    yield layer("StackedRNNCells", {"cells": [Make("layers.GRUCell", {"units": N}), Make("layers.GRUCell", {"units": N})]},
                (B, F), {"states": [In((B, N), 3), In((B, N), 4)]})  # fmt: skip


def wrappers() -> Iterator[Case]:
    """Bidirectional and TimeDistributed."""
    for kind, count in KINDS.items():
        for mode in ("concat", "sum", "mul", "ave", None):
            for outer in ({}, {"return_sequences": True}, BOTH):
                for call in MASKS[:2] if kind != "LSTM" else MASKS:
                    wrapped = Make(f"layers.{kind}", {"units": N, **outer})
                    yield layer("Bidirectional", {"layer": wrapped, "merge_mode": mode}, SEQUENCE, call)
        wrapped = Make(f"layers.{kind}", {"units": N, **BOTH})
        initial = [In((B, N), seed=30 + i, scale=0.8) for i in range(2 * count)]
        yield layer("Bidirectional", {"layer": wrapped}, SEQUENCE, {"initial_state": initial})
        backward = Make(
            f"layers.{kind}", {"units": N, "go_backwards": True, "return_sequences": True, "activation": "relu"}
        )
        forward = Make("layers.GRU", {"units": N, "return_sequences": True})
        for mode in ("concat", "sum", None):
            yield layer("Bidirectional", {"layer": forward, "backward_layer": backward, "merge_mode": mode}, SEQUENCE)
        stateful = Make(f"layers.{kind}", {"units": N, "stateful": True})
        yield layer("Bidirectional", {"layer": stateful}, SEQUENCE, batch=False, carried=2, steps=False)
        backwards = Make(f"layers.{kind}", {"units": N, "go_backwards": True})
        yield layer("Bidirectional", {"layer": backwards}, SEQUENCE, refused=True)  # its copy goes the same way
    yield layer(
        "Bidirectional", {"layer": Make("layers.GRU", {"units": N}), "merge_mode": "max"}, SEQUENCE, refused=True
    )
    for inner, shape in (
        (Make("layers.Dense", {"units": N, "activation": "tanh"}), SEQUENCE),
        (Make("layers.Conv2D", {"filters": 2, "kernel_size": 2}), (2, 3, 4, 5, 2)),
        (Make("layers.Flatten"), (2, 3, 4, 5)),
        (Make("layers.MaxPooling1D"), (2, 3, 6, 2)),
        (Make("layers.LSTM", {"units": N}), (2, 3, 4, 2)),
        (Make("layers.LayerNormalization"), SEQUENCE),
        (Make("layers.EinsumDense", {"equation": "ab,bc->ac", "output_shape": 3}), SEQUENCE),
        (Make("layers.Reshape", {"target_shape": (2, 2)}), SEQUENCE),
    ):
        yield layer("TimeDistributed", {"layer": inner}, shape)
    yield layer("TimeDistributed", {"layer": Make("layers.Dense", {"units": N})}, SEQUENCE, {"mask": RIGHT})
    for training in (True, False):
        for inner in (Make("layers.BatchNormalization"), Make("layers.Dropout", {"rate": 0.0})):
            yield layer("TimeDistributed", {"layer": inner}, SEQUENCE, {"training": training})
    # Masks that travel with tensors.
    for after in (
        Make("layers.LSTM", {"units": N, "return_sequences": True}),
        Make("layers.GRU", {"units": N}),
        Make("layers.Bidirectional", {"layer": Make("layers.LSTM", {"units": N})}),
        Make("layers.GlobalAveragePooling1D"),
        Make("layers.Softmax", {"axis": 1}),
        Make("layers.TimeDistributed", {"layer": Make("layers.Dense", {"units": 2})}),
        Make("layers.RNN", {"cell": Make("layers.GRUCell", {"units": N})}),
    ):
        for first, inputs in (
            (
                Make("layers.Embedding", {"input_dim": 7, "output_dim": 3, "mask_zero": True}),
                np.array([[1, 4, 0, 0], [6, 2, 3, 0]]),
            ),
            (
                Make("layers.Masking", {"mask_value": 0.0}),
                np.where(HOLES[..., None], 0.7, 0.0).astype("float32").repeat(3, -1),
            ),
        ):
            name = after.path.removeprefix("layers.")
            if name == "Softmax":
                continue
            is_empty = name == "GlobalAveragePooling1D" and first.path == "layers.Masking"
            meant = NO_STEP if is_empty else {}
            yield layer(name, {"layers": [first, after]}, inputs, **{"class": "Sequential"}, **meant)


def convolutional() -> Iterator[Case]:
    """Convolutions as gates."""
    spaces = {1: (6,), 2: (5, 4), 3: (4, 3, 3)}
    for rank, space in spaces.items():
        last, first = (2, 3, *space, 2), (2, 3, 2, *space)
        grids: list[dict[str, Any]] = [
            {}, {"padding": "same"}, {"strides": 2}, {"strides": 2, "padding": "same"}, {"dilation_rate": 2},
            {"use_bias": False}, {"activation": "relu"}, {"recurrent_activation": "hard_sigmoid"},
            {"unit_forget_bias": False}, {"go_backwards": True}, {"kernel_regularizer": "l2", "bias_regularizer": "l1"},
            {"recurrent_constraint": "non_neg"},
        ]  # fmt: skip
        for args in grids:
            for outer in ({}, BOTH):
                for data_format in ("channels_last", "channels_first"):
                    if data_format == "channels_first" and (rank == 3 or bool(outer) == bool(args)):
                        continue
                    full = {"filters": 3, "kernel_size": 2, "data_format": data_format, **args, **outer}
                    yield layer(f"ConvLSTM{rank}D", full, last if data_format == "channels_last" else first)
        mask = np.array([[1, 1, 0], [1, 0, 0]], bool)
        args = {"filters": 3, "kernel_size": 2, **BOTH}
        yield layer(f"ConvLSTM{rank}D", args, last, {"mask": mask}, differs=IMAGES)
        state = [In((2, *space, 3), seed=5 + i) for i in range(2)]
        args = {"filters": 3, "kernel_size": 2, "padding": "same", **BOTH}
        yield layer(f"ConvLSTM{rank}D", args, last, {"initial_state": state})
        yield layer(
            f"ConvLSTM{rank}D",
            {"filters": 3, "kernel_size": 2, "stateful": True},
            last,
            batch=False,
            carried=2,
            steps=False,
        )


CASES = [*recurrent(), *cells(), *wrappers(), *convolutional()]
