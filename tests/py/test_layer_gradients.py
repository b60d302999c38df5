"""Gradients of every layer, by its inputs and its weights, against finite differences: to second order, in float64."""

from __future__ import annotations

import numpy as np
import pytest

import rustdl
from rustdl import layers, tree
from rustdl.backend.dtypes import is_float_dtype

RNG = np.random.default_rng(0)
V, S, I, C = (2, 4), (2, 5, 3), (2, 5, 4, 2), (1, 3, 3, 4, 2)  # rows, sequences, images, volumes
TRAIN = {"training": True}
IDS = np.array([[1, 3, 0], [2, 2, 4]], "int32")
KEYS = np.array([[1, 1, 1, 0, 1], [1, 1, 0, 1, 1]], bool)
STEPS = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 1, 1]], bool)
UNIT = {"value_range": (0, 1), "seed": 3}

# Class, its arguments (wrapped layers as functions), inputs (shapes, or arrays held fixed; a list is one argument),
# arguments of the call.
CASES = [
    ("Dense", {"units": 3, "activation": "gelu"}, [V], {}),
    ("Dense", {"units": 3, "lora_rank": 2}, [V], {}),
    ("EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 3), "bias_axes": "d"}, [S], {}),
    ("Embedding", {"input_dim": 5, "output_dim": 3}, [IDS], {}),
    ("ReversibleEmbedding", {"input_dim": 5, "output_dim": 3, "tie_weights": False}, [(2, 3)], {"reverse": True}),
    ("Identity", {}, [V], {}),
    ("Masking", {}, [S], {}),
    ("Lambda", {"function": lambda x: x * x * x}, [V], {}),
    ("Activation", {"activation": "tanh"}, [V], {}),
    ("ReLU", {"max_value": 1.5, "negative_slope": 0.1, "threshold": 0.2}, [V], {}),
    ("LeakyReLU", {}, [V], {}),
    ("ELU", {"alpha": 0.7}, [V], {}),
    ("PReLU", {"shared_axes": [1, 2]}, [I], {}),
    ("Softmax", {"axis": (1, 2)}, [I], {}),
    ("Conv1D", {"filters": 2, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, [S], {}),
    ("Conv2D", {"filters": 3, "kernel_size": (3, 2), "strides": (2, 1), "padding": "same"}, [I], {}),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "groups": 2, "activation": "relu"}, [I], {}),
    ("Conv3D", {"filters": 2, "kernel_size": 2, "padding": "same"}, [C], {}),
    ("DepthwiseConv1D", {"kernel_size": 2, "depth_multiplier": 2}, [S], {}),
    ("DepthwiseConv2D", {"kernel_size": 3, "padding": "same"}, [I], {}),
    ("SeparableConv1D", {"filters": 2, "kernel_size": 2}, [S], {}),
    ("SeparableConv2D", {"filters": 2, "kernel_size": 2, "depth_multiplier": 2}, [I], {}),
    ("Conv1DTranspose", {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same"}, [S], {}),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 2, "strides": 2}, [I], {}),
    ("Conv3DTranspose", {"filters": 2, "kernel_size": 2}, [(1, 2, 2, 3, 2)], {}),
    *(
        (f"{kind}Pooling{rank}D", {"pool_size": 2, "strides": 1, "padding": "same"}, [shape], {})
        for kind in ("Max", "Average")
        for rank, shape in ((1, S), (2, I), (3, C))
    ),
    *(
        (f"Global{kind}Pooling{rank}D", {}, [shape], {})
        for kind in ("Max", "Average")
        for rank, shape in ((1, S), (2, I), (3, C))
    ),
    *(
        (f"Adaptive{kind}Pooling{rank}D", {"output_size": 2}, [shape], {})
        for kind in ("Max", "Average")
        for rank, shape in ((1, S), (2, I), (3, C))
    ),
    ("BatchNormalization", {}, [I], TRAIN),
    ("BatchNormalization", {}, [S], {**TRAIN, "mask": STEPS}),
    ("BatchNormalization", {"axis": 1}, [I], {}),
    ("LayerNormalization", {"axis": [1, 2]}, [I], {}),
    ("GroupNormalization", {"groups": 2}, [I], {}),
    ("RMSNormalization", {}, [S], {}),
    ("UnitNormalization", {}, [S], {}),
    ("SpectralNormalization", {"layer": lambda: layers.Dense(3, dtype="float64")}, [V], {}),
    *((name, {"rate": 0.4, "seed": 1}, [S], TRAIN) for name in ("Dropout", "AlphaDropout", "GaussianDropout")),
    ("GaussianNoise", {"stddev": 0.4, "seed": 1}, [S], TRAIN),
    *((f"SpatialDropout{rank}D", {"rate": 0.4, "seed": 1}, [shape], TRAIN) for rank, shape in ((1, S), (2, I), (3, C))),
    ("ActivityRegularization", {"l2": 0.1}, [V], {}),
    *((name, {}, [[S, S]], {}) for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")),
    ("Concatenate", {"axis": 1}, [[S, (2, 2, 3)]], {}),
    ("Dot", {"axes": (2, 1), "normalize": True}, [[S, (2, 3, 4)]], {}),
    ("Flatten", {}, [I], {}),
    ("Reshape", {"target_shape": (10, -1)}, [I], {}),
    ("Permute", {"dims": (3, 1, 2)}, [I], {}),
    ("RepeatVector", {"n": 2}, [V], {}),
    *((f"Cropping{rank}D", {"cropping": 1}, [shape], {}) for rank, shape in ((1, S), (2, I), (3, C))),
    *((f"ZeroPadding{rank}D", {"padding": 1}, [shape], {}) for rank, shape in ((1, S), (2, I), (3, C))),
    *((f"UpSampling{rank}D", {"size": 2}, [shape], {}) for rank, shape in ((1, S), (2, I), (3, C))),
    ("UpSampling2D", {"size": 2, "interpolation": "bilinear"}, [I], {}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 2}, [S, S], {"use_causal_mask": True}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 2}, [(2, 4, 3), S], {"value_mask": KEYS}),
    ("GroupQueryAttention", {"head_dim": 2, "num_query_heads": 4, "num_key_value_heads": 2}, [S, S], {}),
    ("Attention", {"use_scale": True, "score_mode": "concat"}, [[S, S]], {}),
    ("AdditiveAttention", {}, [[S, S]], {"mask": [STEPS, KEYS]}),
    ("RotaryEmbedding", {}, [(1, 4, 2, 4)], {}),
    ("SinePositionEncoding", {}, [S], {}),
    *((name, {"units": 2, "return_sequences": True}, [S], {"mask": STEPS}) for name in ("SimpleRNN", "LSTM", "GRU")),
    ("GRU", {"units": 2, "reset_after": False, "return_state": True, "go_backwards": True}, [S], {}),
    *((f"{kind}Cell", {"units": 2}, [V, [(2, 2)]], {}) for kind in ("SimpleRNN", "GRU", "LayerNormSimpleRNN")),
    *((f"{kind}Cell", {"units": 2}, [V, [(2, 2), (2, 2)]], {}) for kind in ("LSTM", "LayerNormLSTM")),
    ("LayerNormGRUCell", {"units": 2}, [V, [(2, 2)]], {}),
    *((f"BatchNorm{kind}Cell", {"units": 2}, [V, [(2, 2)]], TRAIN) for kind in ("SimpleRNN", "GRU")),
    ("BatchNormLSTMCell", {"units": 2}, [V, [(2, 2), (2, 2)]], TRAIN),
    ("RNN", {"cell": lambda: layers.LayerNormLSTMCell(2, dtype="float64")}, [S], {}),
    (
        "StackedRNNCells",
        {"cells": lambda: [layers.SimpleRNNCell(2, dtype="float64") for _ in range(2)]},
        [V, [[(2, 2)], [(2, 2)]]],
        {},
    ),
    ("Bidirectional", {"layer": lambda: layers.GRU(2, dtype="float64")}, [S], {}),
    ("TimeDistributed", {"layer": lambda: layers.Dense(2, dtype="float64")}, [S], {}),
    ("ConvLSTM1D", {"filters": 2, "kernel_size": 2}, [(1, 2, 4, 2)], {}),
    ("ConvLSTM2D", {"filters": 1, "kernel_size": 2, "padding": "same"}, [(1, 2, 3, 3, 1)], {}),
    ("ConvLSTM3D", {"filters": 1, "kernel_size": 2}, [(1, 2, 2, 3, 2, 1)], {}),
    ("Rescaling", {"scale": 2.0, "offset": [1.0, 2.0, 3.0]}, [S], {}),
    ("Normalization", {"mean": 0.3, "variance": 2.0}, [S], {}),
    ("Resizing", {"height": 3, "width": 6, "interpolation": "bicubic"}, [I], {}),
    ("CenterCrop", {"height": 3, "width": 2}, [I], {}),
    ("STFTSpectrogram", {"mode": "real", "frame_length": 8, "frame_step": 4}, [(1, 20, 1)], {}),
    (
        "MelSpectrogram",
        {"fft_length": 16, "sequence_stride": 8, "num_mel_bins": 3, "sampling_rate": 64, "min_freq": 2},
        [(1, 32)],
        {},
    ),
    ("RandomCrop", {"height": 3, "width": 2, "seed": 3}, [I], TRAIN),
    ("RandomFlip", {"seed": 3}, [I], TRAIN),
    ("RandomRotation", {"factor": 0.2, "seed": 3}, [I], TRAIN),
    ("RandomTranslation", {"height_factor": 0.3, "width_factor": 0.2, "seed": 3}, [I], TRAIN),
    ("RandomZoom", {"height_factor": 0.3, "seed": 3}, [I], TRAIN),
    ("RandomShear", {"x_factor": 0.3, "y_factor": 0.2, "seed": 3}, [I], TRAIN),
    ("RandomPerspective", {"factor": 1.0, "scale": 0.4, "seed": 3}, [I], TRAIN),
    ("RandomElasticTransform", {"factor": 1.0, "scale": 1.0, "seed": 3}, [(1, 6, 6, 1)], TRAIN),
    ("RandomBrightness", {"factor": 0.2, **UNIT}, [(2, 3, 4, 3)], TRAIN),
    ("RandomContrast", {"factor": 0.5, **UNIT}, [(2, 3, 4, 3)], TRAIN),
    ("RandomSaturation", {"factor": 0.4, **UNIT}, [(2, 3, 4, 3)], TRAIN),
    ("RandomHue", {"factor": 0.4, **UNIT}, [(2, 3, 4, 3)], TRAIN),
    ("RandomColorDegeneration", {"factor": 0.6, **UNIT}, [(2, 3, 4, 3)], TRAIN),
    ("RandomColorJitter", {"brightness_factor": 0.2, "hue_factor": 0.2, **UNIT}, [(2, 3, 4, 3)], TRAIN),
    ("RandomSharpness", {"factor": 0.9, **UNIT}, [(2, 4, 4, 3)], TRAIN),
    ("RandomGaussianBlur", {"sigma": 0.7, **UNIT}, [(2, 4, 4, 3)], TRAIN),
    ("RandomErasing", {**UNIT}, [(2, 4, 4, 3)], TRAIN),
    ("RandomInvert", {"factor": 1.0, **UNIT}, [(2, 3, 4, 3)], TRAIN),
    ("RandomGrayscale", {"factor": 0.6, "seed": 3}, [(2, 3, 4, 3)], TRAIN),
    ("AutoContrast", {"value_range": (0, 1)}, [(2, 3, 4, 3)], TRAIN),
    ("Solarization", {"value_range": (0, 1), "threshold_factor": 0.4, "seed": 3}, [(2, 3, 4, 3)], TRAIN),
    ("Pipeline", {"layers": lambda: [layers.Rescaling(2.0, dtype="float64")]}, [V], {}),
]
# Layers whose result is a step function of their input, or of no numbers, and classes that are no layers by themselves.
WITHOUT = {
    "AugMix", "CategoryEncoding", "ContrastLimitedAdaptiveHistogramEqualization", "CutMix", "Discretization",
    "Equalization", "FlaxLayer", "HashedCrossing", "Hashing", "InputLayer", "IntegerLookup", "JaxLayer", "Layer",
    "MaxNumBoundingBoxes", "MixUp", "RandAugment", "RandomPosterization", "StringLookup", "TFSMLayer",
    "TextVectorization", "TorchModuleWrapper", "Wrapper",
}  # fmt: skip


def _drawn(spec):
    """Float64 numbers of a shape; pictures between 0 and 1."""
    if isinstance(spec, list):
        return [_drawn(part) for part in spec]
    if isinstance(spec, np.ndarray):
        return rustdl.convert(spec)
    if spec[-1] == 3 and len(spec) == 4:
        return rustdl.convert(RNG.uniform(0.1, 0.9, size=spec))
    return rustdl.convert(RNG.normal(size=spec))


def _made(name, arguments):
    arguments = {k: v() if k in ("layer", "cell", "cells", "layers") else v for k, v in arguments.items()}
    if name == "Pipeline":  # no layer with a dtype
        return layers.Pipeline(**arguments)
    return getattr(layers, name)(**arguments, dtype="float64")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_gradients_to_second_order(case):
    name, arguments, shapes, call = case
    rustdl.utils.set_random_seed(0)
    layer, inputs = _made(name, arguments), [_drawn(shape) for shape in shapes]
    layer(*inputs, **call)
    for w in layer.trainable_variables:
        w.assign(RNG.normal(size=w.shape) * 0.5)
    fixed = [rustdl.convert(np.array(v)) for v in layer.non_trainable_variables]
    weights = [rustdl.convert(np.array(v)) for v in layer.trainable_variables]
    assert all(w.dtype == "float64" for w in weights)

    def f(weights, inputs):
        outputs, _ = layer.stateless_call(weights, fixed, *inputs, **call)
        return [y for y in tree.flatten(outputs) if is_float_dtype(y.dtype)]

    assert all(y.dtype == "float64" for y in f(weights, inputs))
    rustdl.check_grads(f, (weights, inputs), order=2)


def test_every_layer_is_checked():
    classes = {
        value.__name__
        for name in layers.__all__
        if isinstance(value := getattr(layers, name), type) and issubclass(value, layers.Layer)
    }
    checked = {type_.__name__ for type_ in (getattr(layers, case[0]) for case in CASES)}
    assert checked.isdisjoint(WITHOUT)
    assert classes - checked - WITHOUT == set()
