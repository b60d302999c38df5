"""Models that take text: arrays of strings through `fit`, `evaluate`, `predict` and their kin."""

from __future__ import annotations

import numpy as np
import pytest

import rustdl
from rustdl import layers

DOCS = np.array(["the cat sat", "a dog ran", "the dog sat", "a cat ran", "birds fly"] * 4)
Y = np.tile([0.0, 1.0, 0.0, 1.0, 0.5], 4).astype("float32")[:, None]


def vectorizer():
    layer = layers.TextVectorization(max_tokens=20, output_sequence_length=4)
    layer.adapt(DOCS)
    return layer


def rest():
    rustdl.utils.set_random_seed(0)
    return [layers.Embedding(20, 4), layers.GlobalAveragePooling1D(), layers.Dense(1)]


def sequential():
    return rustdl.Sequential([rustdl.Input((), dtype="string"), vectorizer(), *rest()])


def functional():
    x = inputs = rustdl.Input((1,), dtype="string")
    for layer in (vectorizer(), *rest()):
        x = layer(x)
    return rustdl.Model(inputs, x)


def subclassed():
    class Reader(rustdl.Model):
        def __init__(self):
            super().__init__()
            self.parts = [vectorizer(), *rest()]

        def call(self, x):
            for part in self.parts:
                x = part(x)
            return x

    return Reader()


def numeric():
    """The same model over what the text layer gives: the reference."""
    return rustdl.Sequential([rustdl.Input((4,), dtype="int64"), *rest()])


@pytest.mark.parametrize("kind", ["U", "O"])
@pytest.mark.parametrize("make", [sequential, functional, subclassed])
def test_text_trains_as_its_numbers_do(make, kind):
    model, reference = make(), numeric()
    docs, numbers = DOCS.astype(kind), np.asarray(vectorizer()(DOCS))
    for m in (model, reference):
        m.compile("adam", "mse", metrics=["mae"])
    arguments = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0, "validation_split": 0.2}
    ours, theirs = model.fit(docs, Y, **arguments).history, reference.fit(numbers, Y, **arguments).history
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5)
    np.testing.assert_allclose(model.evaluate(docs, Y, verbose=0), reference.evaluate(numbers, Y, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(model.predict(docs, verbose=0), reference.predict(numbers, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(docs[:3]), reference.predict_on_batch(numbers[:3]), rtol=1e-5)
    np.testing.assert_allclose(model.train_on_batch(docs, Y), reference.train_on_batch(numbers, Y), rtol=1e-5)
    np.testing.assert_allclose(model(docs), reference(numbers), rtol=1e-5)


def test_shuffled_text_generators_and_mixed_inputs():
    text, number = rustdl.Input((1,), dtype="string", name="text"), rustdl.Input((2,), name="number")
    looked_up = layers.StringLookup(vocabulary=["a", "b", "c"], output_mode="one_hot")(text)
    model = rustdl.Model({"text": text, "number": number}, layers.Dense(1)(layers.Concatenate()([looked_up, number])))
    model.compile("sgd", "mse")
    letters, numbers = np.array(["a", "b", "z", "c"] * 4)[:, None], np.ones((16, 2), "float32")
    x, y = {"text": letters, "number": numbers}, np.linspace(0, 1, 16)[:, None]
    losses = model.fit(x, y, epochs=30, batch_size=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.fit((({"text": letters[:4], "number": numbers[:4]}, y[:4]) for _ in range(3)), verbose=0)
    assert model.predict(x, verbose=0).shape == (16, 1)


@pytest.mark.parametrize("kind", ["U", "O"])
def test_a_model_without_text_layers_says_so(kind):
    model = rustdl.Sequential([rustdl.Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    docs = DOCS.astype(kind)
    for call in (
        lambda: model.fit(docs, Y, verbose=0),
        lambda: model.evaluate(docs, Y, verbose=0),
        lambda: model.predict(docs, verbose=0),
        lambda: model.predict_on_batch(docs),
        lambda: model.train_on_batch(docs, Y),
        lambda: model.fit(((docs, Y) for _ in range(2)), verbose=0),
    ):
        with pytest.raises(ValueError, match=r"expected numbers.*TextVectorization"):
            call()
    with pytest.raises(ValueError, match="`y` has dtype"):
        model.fit(np.ones((20, 1)), docs, verbose=0)
    with pytest.raises(ValueError, match="`y` has dtype"):
        model.fit(((np.ones((20, 1)), docs) for _ in range(2)), verbose=0)
