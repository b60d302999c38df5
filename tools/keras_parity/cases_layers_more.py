"""What the grids of the single families leave out: initializers, rarer arguments, and given random draws."""

# ruff: noqa: E501  (tables read best as they are)
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras_parity.case import Case, In, Make, Name, layer
from keras_parity.cases_layers_core import LORA
from keras_parity.cases_layers_preprocessing import with_reason
from keras_parity.cases_layers_rnn import ACTIVITY

S, I = (2, 5, 4), (2, 5, 6, 4)
SHAPES = {1: (2, 6, 4), 2: I, 3: (1, 4, 3, 4, 4)}
INDICES = np.array([[1, 4, 0, 2], [6, 6, 3, 0]], "int32")

# --- initializers: what a new layer computes before anyone sets its weights ---

FIXED = ("zeros", "ones", Make("initializers.Constant", {"value": 0.3}))
WEIGHTS: list[tuple[str, dict[str, Any], Any, tuple[str, ...]]] = [
    ("Dense", {"units": 3}, S, ("kernel", "bias")),
    ("EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 3), "bias_axes": "d"}, S, ("kernel", "bias")),
    ("Embedding", {"input_dim": 7, "output_dim": 3}, INDICES, ("embeddings",)),
    ("ReversibleEmbedding", {"input_dim": 7, "output_dim": 3}, INDICES, ("embeddings",)),
    ("PReLU", {}, S, ("alpha",)),
    *((f"Conv{n}D", {"filters": 3, "kernel_size": 2}, SHAPES[n], ("kernel", "bias")) for n in (1, 2, 3)),
    *((f"Conv{n}DTranspose", {"filters": 3, "kernel_size": 2}, SHAPES[n], ("kernel", "bias")) for n in (1, 2, 3)),
    *((f"DepthwiseConv{n}D", {"kernel_size": 2}, SHAPES[n], ("depthwise", "bias")) for n in (1, 2)),
    *((f"SeparableConv{n}D", {"filters": 3, "kernel_size": 2}, SHAPES[n], ("depthwise", "pointwise", "bias")) for n in (1, 2)),
    *((f"ConvLSTM{n}D", {"filters": 2, "kernel_size": 2}, (SHAPES[n][0], 2, *SHAPES[n][1:]), ("kernel", "recurrent", "bias")) for n in (1, 2, 3)),
    *((name, {"units": 3}, S, ("kernel", "recurrent", "bias")) for name in ("SimpleRNN", "LSTM", "GRU")),
    ("BatchNormalization", {}, S, ("beta", "gamma", "moving_mean", "moving_variance")),
    ("LayerNormalization", {}, S, ("beta", "gamma")),
    ("GroupNormalization", {"groups": 2}, S, ("beta", "gamma")),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, S, ("kernel", "bias")),
    ("GroupQueryAttention", {"num_query_heads": 2, "num_key_value_heads": 1, "head_dim": 3}, S, ("kernel", "bias")),
]  # fmt: skip


def initial() -> Iterator[Case]:
    """All weights get the same initializer in turn; the last takes the default of those whose default draws nothing."""
    for name, args, inputs, weights in WEIGHTS:
        call = {"value": In(S, 1)} if name.endswith("Attention") else {}
        for fixed in FIXED:
            chosen = {f"{weight}_initializer": fixed for weight in weights}
            yield layer(name, {**args, **chosen}, inputs, call, initial=True, steps=False)
        drawn = {"kernel", "recurrent", "embeddings", "depthwise", "pointwise"}
        chosen = {f"{weight}_initializer": FIXED[-1] for weight in weights if weight in drawn}
        if len(chosen) < len(weights):
            yield layer(name, {**args, **chosen}, inputs, call, initial=True, steps=False)
    for name, mode in (("LSTM", {"unit_forget_bias": False}), ("GRU", {"reset_after": False})):
        chosen = {f"{weight}_initializer": FIXED[-1] for weight in ("kernel", "recurrent")}
        yield layer(name, {"units": 3, **mode, **chosen}, S, initial=True, steps=False)
    identity = Make("initializers.Identity", {"gain": 0.5})
    yield layer("Dense", {"units": 4, "kernel_initializer": identity}, (3, 4), initial=True, steps=False)
    yield layer("RMSNormalization", {}, S, initial=True, steps=False)


# --- regularizers and constraints of every weight ---

PENALTIES: list[tuple[str, dict[str, Any], Any, tuple[str, ...]]] = [
    *(row for row in WEIGHTS if row[0] not in {"BatchNormalization", "Dense", "PReLU", "MultiHeadAttention", "GroupQueryAttention"}),
    ("BatchNormalization", {}, S, ("beta", "gamma")),
]  # fmt: skip


def penalties() -> Iterator[Case]:
    """Each layer once with a penalty, once with a constraint on everything it learns."""
    for name, args, inputs, weights in PENALTIES:
        regularizers = {f"{weight}_regularizer": ("l2", "l1")[i % 2] for i, weight in enumerate(weights)}
        constraints = {f"{weight}_constraint": ("non_neg", "max_norm")[i % 2] for i, weight in enumerate(weights)}
        if name.endswith("Normalization"):  # vectors have one axis
            constraints = dict.fromkeys(constraints, "non_neg")
        elif "bias_constraint" in constraints:
            constraints["bias_constraint"] = "non_neg"
        call = {"training": True} if name == "BatchNormalization" else {}
        yield layer(name, {**args, **regularizers}, inputs, call)
        yield layer(name, {**args, **constraints}, inputs, call)
        if "bias" in weights and name != "GRU":
            differs = ACTIVITY if name == "SimpleRNN" else ""
            yield layer(name, {**args, "activity_regularizer": "l2"}, inputs, differs=differs)
    states = {"SimpleRNN": 1, "LSTM": 2, "GRU": 1}
    for kind, count in states.items():
        state = [In((2, 3), seed=20 + i, scale=0.8) for i in range(count)]
        for what, value in (("regularizer", "l2"), ("constraint", "non_neg")):
            args = {"units": 3, **{f"{weight}_{what}": value for weight in ("kernel", "recurrent", "bias")}}
            yield layer(f"{kind}Cell", args, (2, 4), {"states": state})
        for argument in ("dropout", "recurrent_dropout"):
            yield layer(f"{kind}Cell", {"units": 3, argument: 0.4}, (2, 4), {"states": state, "training": False})


# --- rarer arguments ---

KEYS = np.array([[1, 1, 0, 0, 1], [1, 1, 1, 0, 1]], bool)
BLIND = "rows of attention that see no key give 0 with zero gradient, not the mean of all values"
IGNORED = "an explicit `query_mask` is honoured, as documented; Keras overwrites it with the mask attached to the query"


def attention() -> Iterator[Case]:
    """Masks of queries, plain kernels, training without dropout."""
    heads: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, IGNORED),
        ("GroupQueryAttention", {"num_query_heads": 2, "num_key_value_heads": 1, "head_dim": 3}, BLIND),
    )
    for name, args, reason in heads:
        yield layer(name, args, S, {"value": In(S, 1), "query_mask": KEYS}, differs=reason)
        yield layer(name, {**args, "flash_attention": False}, S, {"value": In(S, 1), "value_mask": KEYS})
    for name in ("Attention", "AdditiveAttention"):
        for training in (True, False):
            yield layer(name, {"dropout": 0.0}, [S, In(S, 1)], {"training": training})


def recurrent() -> Iterator[Case]:
    """Training flags without dropout, states given to `RNN`, fused kernels forbidden."""
    cell = Make("layers.LSTMCell", {"units": 3})
    state = [In((2, 3), seed=20 + i, scale=0.8) for i in range(2)]
    yield layer("RNN", {"cell": cell, "return_state": True}, S, {"initial_state": state})
    for training in (True, False):
        yield layer("RNN", {"cell": cell}, S, {"training": training})
        yield layer("Bidirectional", {"layer": Make("layers.LSTM", {"units": 3})}, S, {"training": training})
        for rank, shape in SHAPES.items():
            rates = {"dropout": 0.0 if training else 0.3, "recurrent_dropout": 0.0 if training else 0.3}
            args = {"filters": 2, "kernel_size": 2, **rates}
            yield layer(f"ConvLSTM{rank}D", args, (shape[0], 2, *shape[1:]), {"training": training})
    for kind in ("LSTM", "GRU"):
        for fused in (False, "auto"):
            yield layer(kind, {"units": 3, "use_cudnn": fused, "return_sequences": True}, S)
    pair = [Make("layers.GRUCell", {"units": 3}), Make("layers.LSTMCell", {"units": 2})]
    states = [In((2, 3), seed=3), [In((2, 2), seed=4), In((2, 2), seed=5)]]
    for training in (True, False):
        yield layer("StackedRNNCells", {"cells": pair}, (2, 4), {"states": states, "training": training})


FORETOLD = "the foretold dtype is `reverse_dtype`, which comes out; Keras foretells the layer's compute dtype"


def core() -> Iterator[Case]:
    """Low-rank adaptation, calls with `training`, shapes of noise, dilated transposed convolutions."""
    einsum = {"equation": "abc,cd->abd", "output_shape": (None, 6), "bias_axes": "d"}
    yield layer("EinsumDense", {**einsum, "lora_rank": 2, "lora_alpha": 5}, S)
    yield layer("Embedding", {"input_dim": 7, "output_dim": 3, "lora_rank": 2, "lora_alpha": 5}, INDICES, differs=LORA)
    yield layer("Dense", {"units": 3}, S, {"training": True})
    yield layer("EinsumDense", einsum, S, {"training": True})
    table = np.linspace(-1, 1, 21).reshape(7, 3).astype("float32")
    yield layer("Embedding", {"input_dim": 7, "output_dim": 3, "weights": [table]}, INDICES, initial=True)
    for name, dtype in (("float32", None), ("float16", "float16"), ("bfloat16", "bfloat16")):
        tolerance = {"float32": 1e-5, "float16": 2.0**-9, "bfloat16": 2.0**-6}[name]
        args = {"input_dim": 7, "output_dim": 3, "reverse_dtype": dtype}
        meant = {"differs": FORETOLD, "where": ("spec",)} if dtype else {}
        yield layer(
            "ReversibleEmbedding", args, (2, 4, 3), {"reverse": True}, tolerance=tolerance, steps=False, **meant
        )
    for name in ("Dropout", "AlphaDropout"):
        for rate, training in ((0.0, True), (0.4, False)):
            yield layer(name, {"rate": rate, "noise_shape": (2, 1, 4)}, S, {"training": training})
    for rank in (2, 3):
        for f in ("channels_last", "channels_first"):
            args = {"rate": 0.0, "data_format": f}
            yield layer(f"SpatialDropout{rank}D", args, SHAPES[rank], {"training": True})
    for dilation in (2, (1, 2, 1)):
        args = {"filters": 2, "kernel_size": 2, "dilation_rate": dilation}
        for padding in ("valid", "same"):
            yield layer("Conv3DTranspose", {**args, "padding": padding}, SHAPES[3])
    for training in (True, False):
        args = {"synchronized": False, "beta_constraint": "non_neg"}
        yield layer("BatchNormalization", args, S, {"training": training})
    yield layer("Lambda", {"function": Name("ops.tanh"), "mask": np.ones((2, 5), bool)}, S)


def preprocessing() -> Iterator[Case]:
    """Tokens for the unknown, dtypes of vocabularies, padding, sparse outputs."""
    words = np.array([["a", "b", "", "q"], ["c", "zzz", "a", "a"]])
    numbers = np.array([[5, 7, 0, -3], [9, 11, 5, 5]])
    yield layer(
        "StringLookup",
        {"vocabulary": ["a", "b"], "oov_token": "<no>", "invert": True},
        np.array([[0, 1], [2, 1]]),
        eager=True,
    )
    yield layer(
        "IntegerLookup", {"vocabulary": [5, 7], "oov_token": -7, "invert": True}, np.array([[0, 1], [2, 1]]), eager=True
    )
    yield layer("IntegerLookup", {"vocabulary": [5, 7], "vocabulary_dtype": "int64"}, numbers, eager=True)
    yield layer("IntegerLookup", {"vocabulary": [5, 7], "vocabulary_dtype": "int32"}, numbers, eager=True, refused=True)
    yield layer("StringLookup", {"vocabulary": ["a", "é"], "encoding": "latin-1"}, words, eager=True)
    for mode in ("multi_hot", "count"):
        args = {"output_mode": mode, "max_tokens": 9, "pad_to_max_tokens": True}
        yield layer("IntegerLookup", args, numbers, adapt=numbers, eager=True)
        yield layer("TextVectorization", {**args, "output_mode": mode}, words.ravel(), adapt=words.ravel(), eager=True)
    idf = {"output_mode": "tf_idf", "vocabulary": ["a", "b"], "idf_weights": [0.5, 1.5]}
    yield layer("TextVectorization", idf, words.ravel(), eager=True)
    yield layer("TextVectorization", {"vocabulary": ["a"], "encoding": "latin-1"}, words.ravel(), eager=True)
    for training in (True, False):
        for mode in ("constant", "reflect"):
            args = {"height": 4, "width": 9, "pad_to_aspect_ratio": True, "fill_mode": mode}
            yield layer("Resizing", args, In((2, 5, 6, 3)), {"training": training}, refused=mode == "reflect")


# --- random layers, given what they draw ---


def pictures(data_format: str, high: float) -> In:
    """Two images."""
    shape = (2, 7, 8, 3) if data_format == "channels_last" else (2, 3, 7, 8)
    return In(shape, scale=high / 2, shift=high / 2)


def per_image(*numbers: float) -> np.ndarray:
    """One number for each image."""
    return np.array(numbers, "float32").reshape(2, 1, 1, 1)


FORMATS, HIGHS = ("channels_last", "channels_first"), (255, 1)
CHOSEN = np.array([True, False])
ORDER = np.array([1, 0], "int32")


def draws(f: str, high: float) -> list[tuple[str, dict[str, Any], Any]]:
    """Layers, arguments, and what `get_random_transformation` could have given."""
    box = np.zeros((2, 7, 8, 3), bool)
    box[0, 2:5, 1:6], box[1, 0:2, 3:8] = True, True
    box = box if f == "channels_last" else box.transpose(0, 3, 1, 2)
    shape = (2, 7, 8, 3) if f == "channels_last" else (2, 3, 7, 8)
    ranged = {"value_range": (0, high)}
    return [
        ("RandomBrightness", {"factor": 0.5, **ranged}, {"rgb_delta": per_image(0.2, -0.4) * high}),
        ("RandomContrast", {"factor": 0.5, **ranged}, {"contrast_factor": per_image(0.6, 1.4)}),
        ("RandomColorDegeneration", {"factor": 0.5, **ranged}, {"factor": per_image(0.3, 0.8)}),
        ("RandomSharpness", {"factor": 0.5, **ranged}, {"factor": np.array([0.3, 0.9], "float32")}),
        ("RandomSaturation", {"factor": 0.5, **ranged}, {"factor": np.array([0.4, 1.7], "float32")}),
        ("RandomHue", {"factor": 0.5, **ranged}, {"factor": np.array([0.2, -0.35], "float32")}),
        ("RandomPosterization", {"factor": 5, **ranged}, {"shift_factor": np.array([3, 6], "uint8")}),
        ("RandomInvert", {"factor": 1.0, **ranged}, {"apply_inversion": CHOSEN}),
        ("Solarization", {"addition_factor": 0.5, "threshold_factor": 0.5, **ranged},
         {"additions": per_image(20.0, 60.0), "thresholds": per_image(128.0, 40.0)}),
        ("RandomGaussianBlur", {"kernel_size": (3, 5), "sigma": 0.9, **ranged},
         {"should_apply_blur": CHOSEN, "blur_factor": np.array([0.7, 1.2], "float32")}),
        ("RandomGrayscale", {"factor": 0.5}, CHOSEN.reshape(2, 1, 1, 1)),
        ("RandomErasing", {"fill_value": 0.5, **ranged},
         {"apply_erasing": CHOSEN, "batch_masks": box, "fill_value": np.full(shape, 0.5 * high, "float32")}),
        ("MixUp", {}, {"mix_weight": np.array([0.3, 0.9], "float32"), "permutation_order": ORDER}),
        ("CutMix", {}, {"permutation_order": ORDER, "batch_masks": box, "mix_weight": per_image(0.6, 0.8)}),
        *(("RandomFlip", {"mode": mode}, {"flips": CHOSEN.reshape(2, 1, 1, 1), "input_shape": shape})
          for mode in ("horizontal", "vertical", "horizontal_and_vertical")),
        *(("RandomZoom", {"height_factor": 0.3, "width_factor": 0.3, "fill_mode": mode},
           {"height_zoom": np.array([[0.8], [1.3]], "float32"), "width_zoom": np.array([[1.1], [0.7]], "float32"), "input_shape": shape})
          for mode in ("reflect", "constant")),
        *(("RandomTranslation", {"height_factor": 0.3, "width_factor": 0.3, "fill_mode": mode},
           {"translations": np.array([[1.5, -2.0], [-0.5, 3.0]], "float32"), "input_shape": shape})
          for mode in ("reflect", "constant")),
        *(("RandomShear", {"x_factor": 0.3, "y_factor": 0.3, "fill_mode": mode},
           {"shear_factor": np.array([[0.2, -0.1], [-0.3, 0.25]], "float32"), "input_shape": shape})
          for mode in ("reflect", "constant")),
    ]  # fmt: skip


def drawn() -> Iterator[Case]:
    """The same draws in both libraries: `transform_images` and the gradient-free result."""
    for f in FORMATS:
        for high in HIGHS:
            for name, args, transformation in draws(f, high):
                if high == 1 and "value_range" not in args:
                    continue
                yield layer(name, {**args, "data_format": f}, pictures(f, high), eager=True, drawn=transformation)


CASES = [*initial(), *penalties(), *attention(), *recurrent(), *core(), *map(with_reason, preprocessing()), *drawn()]
