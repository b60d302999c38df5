"""Losses over structures of outputs: values, weights, names, and mistakes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops, tree

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3)).astype("float32")
Y = RNG.normal(size=(4, 8, 1)).astype("float32")


class Pair(NamedTuple):
    y1: object
    y2: object


def model(structure):
    """A model whose outputs are given by names in a structure."""
    rustdl.utils.set_random_seed(0)
    inputs = rustdl.Input((3,))
    return rustdl.Model(inputs, tree.map_structure(lambda name: layers.Dense(1, name=name)(inputs), structure))


def apart(y_true, y_pred):
    """The sum of the mean absolute differences of all that it sees, which must have one structure."""
    tree.assert_same_structure(y_true, y_pred)
    pairs = zip(tree.flatten(y_true), tree.flatten(y_pred), strict=True)
    return sum(ops.mean(ops.abs(t - p), axis=-1) for t, p in pairs)


def absolute(y_true, y_pred):
    return np.abs(y_true - y_pred).mean()


CASES = {
    "list": (["y1", "y2"], (apart, [apart, "mse"]), ["y1_y2_loss", "y1_loss", "y2_loss"]),
    "tuple": (("y1", "y2"), [apart, (apart, "mse")], ["y1_y2_loss", "y1_loss", "y2_loss"]),
    "dict": ({"a": "y1", "b": "y2"}, [apart, {"a": apart, "b": "mse"}], ["a_b_loss", "a_loss", "b_loss"]),
    "named": (Pair("y1", "y2"), [apart, Pair(apart, "mse")], ["y1_y2_loss", "y1_loss", "y2_loss"]),
}


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("kind", CASES)
def test_one_loss_for_all_and_one_for_each(kind, eager):
    structure, loss, names = CASES[kind]
    made = model(structure)
    weights = tree.pack_sequence_as(loss, [0.5, 2.0, 3.0])
    made.compile("sgd", loss, loss_weights=weights, run_eagerly=eager)
    y = tree.pack_sequence_as(structure, [Y[0], Y[1]])
    first, second = tree.flatten(made.predict(X, verbose=0))
    whole, a = absolute(Y[0], first) + absolute(Y[1], second), absolute(Y[0], first)
    b = ((Y[1] - second) ** 2).mean()
    found = made.evaluate(X, y, return_dict=True, verbose=0)
    wanted = dict(zip(names, (whole, a, b), strict=True)) | {"loss": 0.5 * whole + 2 * a + 3 * b}
    assert found == pytest.approx(wanted, rel=1e-5)
    history = made.fit(X, y, epochs=3, verbose=0).history
    assert set(history) == set(wanted)
    assert history["loss"][-1] < history["loss"][0]


def test_deep_structures():
    made = model({"a": ("y1", "y2"), "b": {"b1": "y3", "b2": "y4"}, "c": "y5"})
    made.compile("sgd", {"a": [apart, (None, apart)], "b": [apart, {"b1": "mse"}], "c": "mse"})
    y = {"a": (Y[0], Y[1]), "b": {"b1": Y[2], "b2": Y[3]}, "c": Y[0]}
    p = made.predict(X, verbose=0)
    a2 = absolute(Y[1], p["a"][1])
    wanted = {
        "a_loss": absolute(Y[0], p["a"][0]) + a2,
        "a/y2_loss": a2,
        "b_loss": absolute(Y[2], p["b"]["b1"]) + absolute(Y[3], p["b"]["b2"]),
        "b/b1_loss": ((Y[2] - p["b"]["b1"]) ** 2).mean(),
        "c_loss": ((Y[0] - p["c"]) ** 2).mean(),
    }
    found = made.evaluate(X, y, return_dict=True, verbose=0)
    assert found == pytest.approx(wanted | {"loss": sum(wanted.values())}, rel=1e-5)


def test_several_losses_of_one_output_and_sample_weights():
    made = model(["y1", "y2"])
    made.compile("sgd", ["mse", ["mse", "mae"]])
    weight = np.linspace(0, 1, 8).astype("float32")
    first, second = made.predict(X, verbose=0)
    square, distance = ((p - t)[:, 0] ** 2 for p, t in ((first, Y[0]), (second, Y[1]))), np.abs(second - Y[1])[:, 0]
    wanted = sum((weight * term).mean() for term in (*square, distance))
    found = made.evaluate(X, [Y[0], Y[1]], sample_weight=weight, return_dict=True, verbose=0)
    assert found["loss"] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "weights", "error", "message"),
    [
        ([apart, {"a": apart, "z": apart}], None, KeyError, "can't be found"),
        ([apart, {"a": apart, "b": apart}], [1.0, 2.0], ValueError, "3 losses and 2 weights"),
        ([apart, {"a": (apart, apart, apart), "b": {"c": apart}}], None, KeyError, "can't be found"),
    ],
)
def test_mistakes(loss, weights, error, message):
    made = model({"a": "y1", "b": "y2"})
    made.compile("sgd", loss, loss_weights=weights)
    with pytest.raises(error, match=message):
        made.fit(X, {"a": Y[0], "b": Y[1]}, verbose=0)


def test_targets_of_another_structure():
    made = model({"a": "y1", "b": "y2"})
    made.compile("sgd", [apart, {"a": apart}])
    with pytest.raises(ValueError, match="3 entries"):
        made.fit(X, [Y[0], Y[1], Y[2]], verbose=0)


@pytest.mark.parametrize(
    ("losses", "names"),
    [
        (["mse", "mae"], ["mse_loss", "mae_loss"]),
        (["mse", "mse"], ["mse_loss", "mse_1_loss"]),
    ],
)
def test_outputs_without_names_have_those_of_their_losses(losses, names):
    class Two(rustdl.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = layers.Dense(1), layers.Dense(1)

        def call(self, x):
            return [self.a(x), self.b(x)]

    made = Two()
    made.compile("sgd", losses)
    assert set(made.fit(X, [Y[0], Y[1]], verbose=0).history) == {"loss", *names}


def test_a_loss_that_asserts_its_structure_says_what_it_found():
    with pytest.raises(ValueError, match="expected a tuple, found a leaf"):
        tree.assert_same_structure((1, 2), 1)
