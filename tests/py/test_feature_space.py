"""FeatureSpace: kinds of features, crosses, data, models and files."""

import numpy as np
import pytest

import rustdl
from rustdl import layers
from rustdl.utils import FeatureSpace

RAW = {
    "f": [0.0, 0.5, 1.0, 2.0],
    "n": [1.0, 2.0, 3.0, 5.0],
    "d": [0.0, 0.1, 0.2, 0.3],
    "s": ["a", "b", "a", "c"],
    "sh": ["x", "y", "z", "x"],
    "i": [3, 3, 4, 5],
    "ih": [7, 8, 9, 7],
}


def make(output_mode="concat"):
    space = FeatureSpace(
        features={
            "f": "float",
            "n": "float_normalized",
            "d": FeatureSpace.float_discretized(num_bins=3),
            "s": "string_categorical",
            "sh": "string_hashed",
            "i": FeatureSpace.integer_categorical(max_tokens=3),
            "ih": FeatureSpace.integer_hashed(5),
        },
        crosses=[("s", "i"), FeatureSpace.cross(("sh", "ih"), crossing_dim=6)],
        output_mode=output_mode,
    )
    space.adapt(RAW)
    return space


# Positions of the ones in what Keras 3.15.1 gives, and its normalized feature.
KERAS_ONES = [
    [0, 4, 9, 12, 17, 56, 81],
    [1, 4, 8, 14, 32, 67, 81],
    [2, 3, 6, 12, 40, 64, 79],
    [2, 5, 9, 13, 17, 74, 81],
]
KERAS_NORMALIZED = [-1.183216, -0.507093, 0.169031, 1.521278]


def test_equal_to_keras():
    out = np.asarray(make()(RAW))
    assert out.shape == (4, 87)
    np.testing.assert_allclose(out[:, 3], RAW["f"])
    np.testing.assert_allclose(out[:, 12], KERAS_NORMALIZED, rtol=1e-5)
    rest = np.delete(out, [3, 12], axis=1)
    assert [np.flatnonzero(row).tolist() for row in rest] == KERAS_ONES


def test_dict_of_features_single_and_batched():
    space = make("dict")
    one, all_ = space({k: v[0] for k, v in RAW.items()}), space(RAW)
    assert set(one) == {*RAW, "s_X_i", "sh_X_ih"}
    for name, value in one.items():
        np.testing.assert_allclose(value, all_[name][0], rtol=1e-6)


@pytest.mark.parametrize("kind", ["batches", "labelled", "generator", "samples"])
def test_learning_from_any_iterable(kind):
    batches = [{k: np.array(v[i : i + 2]) for k, v in RAW.items()} for i in (0, 2)]
    if kind == "labelled":
        batches = [(b, np.zeros(2)) for b in batches]
    if kind == "samples":
        batches = [{k: v[i] for k, v in RAW.items()} for i in range(4)]
    space = FeatureSpace({"n": "float_normalized", "s": "string_categorical", "i": "integer_categorical"})
    space.adapt(iter(batches) if kind == "generator" else batches)
    assert space.preprocessors["s"].get_vocabulary() == ["[UNK]", "a", "c", "b"]
    np.testing.assert_allclose(space.preprocessors["n"].mean, [[2.75]])


def test_in_front_of_a_model():
    space = FeatureSpace({"n": "float_normalized", "ih": "integer_hashed", "i": "integer_categorical"})
    space.adapt(RAW)
    model = rustdl.Model(space.get_inputs(), layers.Dense(1)(space.get_encoded_features()))
    model.compile("sgd", "mse")
    data = {k: np.array(RAW[k])[:, None] for k in ("n", "ih", "i")}
    model.fit(data, np.zeros((4, 1)), verbose=0)
    np.testing.assert_allclose(model.predict(data, verbose=0), model(data), rtol=1e-5)
    text = make()
    model = rustdl.Model(text.get_inputs(), layers.Dense(1)(text.get_encoded_features()))
    assert model({k: np.array(v)[:, None] for k, v in RAW.items()}).shape == (4, 1)


def test_a_layer_of_ones_own():
    layer = layers.TextVectorization(output_mode="tf_idf")
    space = FeatureSpace({"t": FeatureSpace.feature("string", layer, "float")})
    data = {"t": ["first text", "second text"]}
    space.adapt(data)
    np.testing.assert_allclose(space(data), layer(data["t"]))


def test_saving(tmp_path):
    space = make()
    space.save(tmp_path / "space.keras")
    again = rustdl.saving.load_model(tmp_path / "space.keras")
    np.testing.assert_array_equal(again(RAW), space(RAW))


def test_refusals():
    with pytest.raises(ValueError, match="cannot be None or empty"):
        FeatureSpace({})
    with pytest.raises(ValueError, match="Invalid feature type"):
        FeatureSpace({"a": "floats"})
    with pytest.raises(ValueError, match="should be present"):
        FeatureSpace({"a": "float"}, crosses=[("a", "b")])
    with pytest.raises(ValueError, match="You need to call"):
        FeatureSpace({"a": "float_normalized"})({"a": 1.0})
    with pytest.raises(ValueError, match="has not been encoded"):
        FeatureSpace({"a": FeatureSpace.integer_hashed(3, output_mode="int")})({"a": 1})
    with pytest.raises(ValueError, match="only be called with a dict"):
        FeatureSpace({"a": "float"})([1.0])
    with pytest.raises(ValueError, match=r"lack the features \['b'\]"):
        FeatureSpace({"a": "float", "b": "float"})({"a": 1.0})
