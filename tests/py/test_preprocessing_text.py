"""StringLookup, IntegerLookup and TextVectorization: kinds of input, models, files, errors."""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import rustdl
from rustdl import layers

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
from preprocessing_cases import NUMBERS, TEXTS, WORDS, text_model  # noqa: E402

DATA = {"words": np.array(WORDS), "texts": np.array(TEXTS[:2]), "numbers": np.array(NUMBERS)}


@pytest.mark.parametrize(
    "words",
    [
        [["a", "z"], ["b", "c"]],
        (("a", "z"), ("b", "c")),
        np.array([["a", "z"], ["b", "c"]]),
        np.array([["a", "z"], ["b", "c"]], dtype="S"),
        np.array([["a", "z"], ["b", "c"]], dtype=object),
        np.array([[b"a", b"z"], [b"b", b"c"]], dtype=object),
    ],
)
def test_strings_of_any_kind(words):
    assert layers.StringLookup(vocabulary=["a", "b", "c"])(words).tolist() == [[1, 0], [2, 3]]


def test_rows_of_different_lengths():
    rows = [["a"], ["b", "c", "b"], []]
    indices = layers.StringLookup(vocabulary=["a", "b", "c"])(rows)
    assert [row.tolist() for row in indices] == [[1], [2, 3, 2], []]
    counts = layers.StringLookup(vocabulary=["a", "b", "c"], output_mode="count")(rows)
    assert counts.tolist() == [[0, 1, 0, 0], [0, 0, 2, 1], [0, 0, 0, 0]]
    assert layers.IntegerLookup(vocabulary=[4, 5], output_mode="multi_hot")([[4], [4, 5]]).tolist() == [
        [0, 1, 0],
        [0, 1, 1],
    ]


def test_bytes_that_are_no_utf8_survive():
    raw = np.array([b"\xff\xfe", b"a"], dtype=object)
    layer = layers.StringLookup()
    layer.adapt(raw)
    assert sorted(layer(raw).tolist()) == [1, 2]


def test_what_is_not_text_is_refused():
    with pytest.raises(TypeError, match="expected strings"):
        layers.StringLookup(vocabulary=["a"])([1, 2])
    with pytest.raises(TypeError, match="expected integers"):
        layers.IntegerLookup(vocabulary=[1])(["a"])


def test_inverse_gives_the_words_back():
    forth = layers.StringLookup(vocabulary=["a", "b"], mask_token="")
    back = layers.StringLookup(vocabulary=["a", "b"], mask_token="", invert=True)
    assert back(forth([["a", "", "b", "x"]])).tolist() == [["a", "", "b", "[UNK]"]]


def test_unknown_words_without_an_index_are_an_error():
    with pytest.raises(ValueError, match=r"found OOV values \['x'\]"):
        layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(["x", "a"])


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count", "tf_idf"])
@pytest.mark.parametrize("mask", [None, 7])
@pytest.mark.parametrize("oov", [1, 3])
def test_integer_lookup_compiled_equals_eager(mode, mask, oov):
    weights = {"idf_weights": [1.0, 2.0, 3.0]} if mode == "tf_idf" else {}
    layer = layers.IntegerLookup(
        vocabulary=[30, -5, 2**40], output_mode=mode, mask_token=mask, num_oov_indices=oov, **weights
    )
    x = np.array([[30, -5, 7], [2**40, 1, -8]])
    np.testing.assert_array_equal(rustdl.jit(layer)(x), layer(x))


def test_integer_lookup_trains_in_a_model():
    inputs = rustdl.Input((3,), dtype="int64")
    hidden = layers.IntegerLookup(vocabulary=[3, 9], output_mode="multi_hot")(inputs)
    model = rustdl.Model(inputs, layers.Dense(1)(hidden))
    model.compile("sgd", "mse")
    history = model.fit(np.array([[3, 9, 1], [9, 9, 9]] * 8), np.array([[0.0], [1.0]] * 8), epochs=5, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_integer_lookup_that_reads_values_cannot_be_compiled():
    with pytest.raises(ValueError, match="cannot be part of a compiled function"):
        rustdl.jit(layers.IntegerLookup(vocabulary=[3], num_oov_indices=0))(np.array([3]))


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
def test_specs_are_what_comes_out(mode):
    layer = layers.StringLookup(vocabulary=["a", "b"], output_mode=mode)
    for shape in ((3,), (3, 1), (3, 2)):
        out, spec = layer(np.full(shape, "a")), layer(rustdl.KerasTensor(shape, dtype="string"))
        if mode in ("multi_hot", "count") or shape != (3,):
            assert (out.shape, out.dtype) == (spec.shape, spec.dtype)
    if mode == "int":
        layer = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=4)
        assert layer(["a b"]).shape == layer(rustdl.KerasTensor((1,), dtype="string")).shape


def test_functions_as_steps():
    layer = layers.TextVectorization(
        standardize=lambda x: np.char.replace(x, "-", "|"), split=lambda x: [t.split("|") for t in x]
    )
    layer.adapt(["a-b", "b"])
    assert layer.get_vocabulary() == ["", "[UNK]", "b", "a"]
    assert layer(["b-a-q", "a"]).tolist() == [[2, 3, 1], [3, 0, 0]]


def test_adapting_to_batches():
    batches = [["a b", "a"], ["c a b"]]
    layer, limited = layers.TextVectorization(), layers.TextVectorization()
    layer.adapt(iter(batches))
    limited.adapt(iter(batches), steps=1)
    assert layer.get_vocabulary(include_special_tokens=False) == ["a", "b", "c"]
    assert limited.get_vocabulary(include_special_tokens=False) == ["a", "b"]


def test_vocabulary_files(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("wind\nfire\n")
    layer = layers.StringLookup(vocabulary=str(path))
    assert layer.get_vocabulary() == ["[UNK]", "wind", "fire"]
    assert layer.get_config()["vocabulary"] is None
    with pytest.raises(ValueError, match="does not exist"):
        layers.StringLookup(vocabulary=str(tmp_path / "none.txt"))
    with pytest.raises(ValueError, match="from file"):
        layers.StringLookup(vocabulary=str(path), output_mode="tf_idf", idf_weights=[1.0, 2.0])


def test_refused_vocabularies():
    with pytest.raises(ValueError, match="repeated term"):
        layers.StringLookup(vocabulary=["a", "a"])
    with pytest.raises(ValueError, match="reserved mask token"):
        layers.StringLookup(vocabulary=["a", ""], mask_token="")
    with pytest.raises(ValueError, match="larger than the maximum"):
        layers.StringLookup(vocabulary=["a", "b"], max_tokens=2)
    with pytest.raises(ValueError, match="empty vocabulary"):
        layers.IntegerLookup(vocabulary=[])
    with pytest.raises(ValueError, match="idf_weights"):
        layers.StringLookup(vocabulary=["a"], output_mode="tf_idf")
    with pytest.raises(ValueError, match="Cannot adapt layer"):
        layers.StringLookup(vocabulary=["a"]).adapt(["b"])
    with pytest.raises(RuntimeError, match="vocabulary"):
        layers.StringLookup(output_mode="count")(["a"])


def test_a_file_of_keras_loads_and_computes_the_same():
    ours = text_model(rustdl)(DATA)
    theirs = rustdl.saving.load_model(GOLDEN / "keras_text.keras")(DATA)
    for name, value in ours.items():
        np.testing.assert_allclose(theirs[name], value, rtol=1e-6, err_msg=name)


def test_saving_keeps_vocabularies_with_line_breaks(tmp_path):
    inputs = rustdl.Input((), dtype="string")
    layer = layers.TextVectorization(standardize=None, split="character")
    layer.adapt(["a\nb\r\x85c "])
    model = rustdl.Model(inputs, layer(inputs))
    model.save(tmp_path / "m.keras")
    again = rustdl.saving.load_model(tmp_path / "m.keras")
    assert again.layers[-1].get_vocabulary() == layer.get_vocabulary()


def _changed(source, target, change):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            name, data = change(info.filename, old.read(info))
            if name is not None:
                new.writestr(name, data)


def test_hostile_files(tmp_path):
    good, bad = GOLDEN / "keras_text.keras", tmp_path / "bad.keras"
    secret = tmp_path / "secret.txt"
    secret.write_text("password\n")

    def point_outside(name, data):
        if name == "config.json":
            config = json.loads(data)
            for entry in config["config"]["layers"]:
                if entry["class_name"] == "StringLookup":
                    entry["config"]["vocabulary"] = str(secret)
            data = json.dumps(config)
        return name, data

    _changed(good, bad, point_outside)
    with pytest.raises(TypeError, match="outside of the model archive"):
        rustdl.saving.load_model(bad)
    _changed(good, bad, lambda name, data: (name.replace("assets/layers", "assets/../../layers"), data))
    with pytest.raises(ValueError, match="escapes"):
        rustdl.saving.load_model(bad)
    _changed(good, bad, lambda name, data: (None if "vocabulary" in name else name, data))
    with pytest.raises(ValueError, match="no vocabulary"):
        rustdl.saving.load_model(bad)
