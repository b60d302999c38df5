"""Layers that encode numbers, categories and text, and spectrograms."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from keras_parity.case import Case, Noise, grid, layer

TEXTS = ["The cat SAT, on the mat!", "a  dog\tand\na cat", "", "Éclair über; 日本 x-y", "the the the"]
WORDS = np.array([["a", "b", "", "q"], ["c", "zzz", "a", "a"]])
NUMBERS = np.array([[5, 7, 0, -3], [9, 11, 5, 5]])
MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
DATA = np.random.default_rng(0).normal(2, 3, (12, 4)).astype("float32")


def numeric() -> Iterator[Case]:
    """Rescaling and normalisation are differentiable."""
    for args in grid(scale=[0.5, 2, -1.0 / 255], offset=[0.0, 1.5, -1]):
        yield layer("Rescaling", args, (2, 3, 4))
    yield layer("Rescaling", {"scale": [1.0, 2.0, 3.0], "offset": [0.0, 1.0, 2.0]}, (2, 4, 3))
    yield layer("Rescaling", {"scale": 0.5}, np.arange(12, dtype="uint8").reshape(3, 4))
    for axis, invert in itertools.product((None, -1, 0, (0, 1), (1, 2)), (False, True)):
        data = DATA if axis != (1, 2) else DATA.reshape(4, 3, 4)
        yield layer("Normalization", {"axis": axis, "invert": invert}, data, adapt=data, eager=True)
        yield layer("Normalization", {"axis": axis, "mean": 2.0, "variance": 4.0, "invert": invert}, data, eager=True)
    for invert in (False, True):
        args = {"mean": [1.0, 2.0, 0.5], "variance": [1.0, 4.0, 0.3], "invert": invert}
        yield layer("Normalization", args, (2, 4, 3))
        yield layer("Normalization", {"axis": None, "mean": 1.0, "variance": 0.5, "invert": invert}, (2, 4, 3))
    for mode, shape in itertools.product(("int", "one_hot", "multi_hot", "count"), ((4,), (4, 1), (2, 3), (2, 2, 3))):
        values = DATA.ravel()[: int(np.prod(shape))].reshape(shape)
        yield layer("Discretization", {"bin_boundaries": [-1.0, 0.0, 2.5], "output_mode": mode}, values, eager=True)
        if mode == "int":
            yield layer("Discretization", {"num_bins": 4}, values, adapt=DATA, eager=True)
    for bins, epsilon in itertools.product((2, 5), (0.01, 0.1)):
        yield layer("Discretization", {"num_bins": bins, "epsilon": epsilon}, DATA, adapt=DATA, eager=True)
    for dtype in ("int32", "int64"):
        yield layer("Discretization", {"bin_boundaries": [0.0, 3.0]}, np.arange(-2, 6).astype(dtype), eager=True)
    for mode, shape in itertools.product(("one_hot", "multi_hot", "count"), ((4,), (4, 1), (2, 3), (2, 2, 3))):
        values = (np.arange(int(np.prod(shape))) % 5).reshape(shape)
        yield layer("CategoryEncoding", {"num_tokens": 5, "output_mode": mode}, values, eager=True)
        if mode == "count":
            weights = np.linspace(0.5, 2, values.size).reshape(shape).astype("float32")
            call = {"count_weights": weights}
            yield layer("CategoryEncoding", {"num_tokens": 5, "output_mode": mode}, values, call, eager=True)
    yield layer("CategoryEncoding", {"num_tokens": 3}, np.array([5]), eager=True)
    yield layer("CategoryEncoding", {"num_tokens": 3, "output_mode": "int"}, np.array([1]), eager=True, refused=True)


def hashing() -> Iterator[Case]:
    """Farm hashes and salted ones."""
    strings = np.array([["a"], ["bb"], ["a longer string"], ["x" * 20], ["y" * 40], ["z" * 100], ["é日本"]])
    for salt, mask, mode in itertools.product((None, 7, (133, 137)), (None, "bb"), MODES[:4]):
        args = {"num_bins": 5, "mask_value": mask, "salt": salt, "output_mode": mode}
        yield layer("Hashing", args, strings, eager=True)
    for dtype, salt in itertools.product(("int32", "int64"), (None, 3)):
        yield layer("Hashing", {"num_bins": 1000, "salt": salt}, np.array([[3, -8, 123456]], dtype), eager=True)
    first, second, third = np.array(["a", "b", "c"]), np.array([1, 2, -3]), np.array(["x", "y", "zz"])
    for bins, mode in ((3, "int"), (3, "one_hot"), (10**6, "int")):
        args = {"num_bins": bins, "output_mode": mode}
        yield layer("HashedCrossing", args, [first, second, third], eager=True)
        yield layer("HashedCrossing", args, [first[:, None], second[:, None]], eager=True)
    yield layer("Hashing", {"num_bins": 0}, strings, eager=True, refused=True)


def lookup() -> Iterator[Case]:
    """Tables of words and numbers, given and learnt."""
    for mode, oov, masked in itertools.product(MODES, (0, 1, 3), (False, True)):
        args: dict[str, Any] = {"output_mode": mode, "num_oov_indices": oov}
        weights = {"idf_weights": [0.5, 1.5, 2.5]} if mode == "tf_idf" else {}
        words = WORDS if oov else np.array([["a", "b"], ["c", "a"]])
        numbers = NUMBERS if oov else np.array([[5, 7], [9, 5]])
        text = {"mask_token": "" if masked else None, **args}
        integer = {"mask_token": 0 if masked else None, **args}
        yield layer("StringLookup", {"vocabulary": ["a", "b", "c"], **text, **weights}, words, eager=True)
        yield layer("IntegerLookup", {"vocabulary": [5, 7, 9], **integer, **weights}, numbers, eager=True)
        if oov:
            yield layer("StringLookup", text, WORDS, adapt=WORDS, eager=True)
            yield layer("IntegerLookup", {"max_tokens": 6, **integer}, NUMBERS, adapt=NUMBERS, eager=True)
            if mode not in {"int", "one_hot"}:
                padded = {"max_tokens": 9, "pad_to_max_tokens": True, **text}
                yield layer("StringLookup", padded, WORDS, adapt=WORDS, eager=True)
    yield layer("StringLookup", {"vocabulary": ["a", "b"], "invert": True}, np.array([[0, 1], [2, 1]]), eager=True)
    yield layer("IntegerLookup", {"vocabulary": [5, 7, 9], "invert": True}, np.array([[0, 1], [2, 3]]), eager=True)
    yield layer("StringLookup", {"vocabulary": ["a", "a"]}, WORDS, eager=True, refused=True)
    yield layer("StringLookup", {"vocabulary": ["a"], "num_oov_indices": 0}, WORDS, eager=True, refused=True)
    for method, salt in (("farmhash", None), ("farmhash", 9)):
        args = {"vocabulary": [5, 7], "num_oov_indices": 4, "oov_method": method, "salt": salt}
        yield layer("IntegerLookup", args, NUMBERS, eager=True)
    yield layer("StringLookup", {"vocabulary": ["a"], "num_oov_indices": 4, "salt": 9}, WORDS, eager=True)


def text() -> Iterator[Case]:
    """Standardising, splitting, n-grams."""
    standards = ("lower_and_strip_punctuation", "lower", "strip_punctuation", None)
    for standardize, split, ngrams in itertools.product(standards, ("whitespace", "character"), (None, 2, (1, 3))):
        for mode in ("int", "multi_hot", "count", "tf_idf"):
            if mode == "int" or standardize == standards[0]:
                args = {"standardize": standardize, "split": split, "ngrams": ngrams, "output_mode": mode}
                yield layer("TextVectorization", args, np.array(TEXTS), adapt=TEXTS, eager=True)
    for length, ngrams in itertools.product((None, 2, 9), (None, 2)):
        args = {"output_sequence_length": length, "ngrams": ngrams, "max_tokens": 6}
        yield layer("TextVectorization", args, np.array(TEXTS), adapt=TEXTS, eager=True)
        yield layer("TextVectorization", args, np.array(TEXTS)[:, None], adapt=TEXTS, eager=True)
        args = {"split": None, "output_sequence_length": length, "vocabulary": ["a", "b"], "ngrams": ngrams}
        yield layer("TextVectorization", args, WORDS, eager=True)


def spectrograms() -> Iterator[Case]:
    """Differentiable; decibels of small powers magnify the rounding of the transform."""
    for mode in ("log", "magnitude", "psd", "real", "imag", "angle", "stft"):
        for args in (
            {"frame_length": 16, "frame_step": 8, "fft_length": 16},
            {"frame_length": 12, "frame_step": 5, "fft_length": 16, "window": "hamming", "padding": "same"},
            {"frame_length": 16, "frame_step": 8, "fft_length": 32, "scaling": "spectrum", "periodic": True},
            {"frame_length": 16, "frame_step": 8, "fft_length": 16, "window": None, "scaling": None},
            {"frame_length": 16, "frame_step": 8, "fft_length": 16, "expand_dims": True},
        ):
            yield layer("STFTSpectrogram", {"mode": mode, **args}, Noise((2, 40, 1)))
    for data_format in ("channels_last", "channels_first"):
        shape = (2, 40, 3) if data_format == "channels_last" else (2, 3, 40)
        args = {"mode": "magnitude", "frame_length": 16, "frame_step": 8, "fft_length": 16, "data_format": data_format}
        yield layer("STFTSpectrogram", args, Noise(shape))
        yield layer("STFTSpectrogram", {**args, "expand_dims": True}, Noise(shape))
    base = {"fft_length": 32, "sequence_stride": 8, "sampling_rate": 200, "num_mel_bins": 6, "min_freq": 5.0}
    for args in (
        {}, {"power_to_db": False}, {"window": "hamming"}, {"sequence_length": 20}, {"mag_exp": 1.0}, {"top_db": 20.0},
        {"min_power": 1e-3}, {"ref_power": 2.0}, {"max_freq": 80.0}, {"window": None}, {"num_mel_bins": 3},
    ):  # fmt: skip
        for shape in ((2, 64), (64,)):
            yield layer("MelSpectrogram", {**base, **args}, Noise(shape), batch=shape != (64,))


LONG = "integers are int64, as documented; JAX without 64 bits makes them int32"
STRINGS = "words come out as an array of strings; Keras on JAX, which has no such arrays, raises an error"
FLOATS = "lookup layers give one-hot, multi-hot and count vectors in `floatx`, as documented; Keras gives int32"


def with_reason(case: Case) -> Case:
    """Lookups and hashes whose results have another dtype on purpose."""
    mode = case.args.get("output_mode", "int")
    if case.name.endswith(("Hashing", "HashedCrossing")) and mode == "int" and not case.refused:
        return replace(case, differs=LONG, where=(".dtype",))
    if "invert" in case.args and not case.name.endswith("Normalization"):
        is_text = case.name == "layers.StringLookup"
        return replace(case, differs=STRINGS) if is_text else replace(case, differs=LONG, where=(".dtype",))
    if case.name.endswith(("Lookup", "TextVectorization")) and not case.refused:
        if mode == "int":
            return replace(case, differs=LONG, where=(".dtype",))
        if mode != "tf_idf":
            return replace(case, differs=FLOATS, where=(".dtype",))
    return case


CASES = [with_reason(case) for case in (*numeric(), *hashing(), *lookup(), *text(), *spectrograms())]
