"""Distillation: the losses against plain numpy, training by hand computed totals, saving, bad arguments."""

import numpy as np
import pytest

import rustdl as keras
from rustdl.distillation import DistillationLoss, Distiller, FeatureDistillation, LogitsDistillation

CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network(units=4, outputs=3, name=None):
    layers = [keras.Input((5,)), keras.layers.Dense(units, activation="relu", name="features")]
    return keras.Sequential([*layers, keras.layers.Dense(outputs, name="logits")], name=name)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(8, 5)).astype("float32"), rng.integers(0, 3, 8)


@pytest.mark.parametrize("loss", ["kl_divergence", keras.losses.KLDivergence()])
def test_logits_are_hintons(loss):
    rng = np.random.default_rng(1)
    teacher, student = rng.normal(size=(2, 6, 4)).astype("float32")
    p, q = softmax(teacher / 2.5), softmax(student / 2.5)
    expected = 2.5**2 * np.mean(np.sum(p * np.log(p / q), axis=-1))
    found = LogitsDistillation(2.5, loss).compute_loss(keras.ops.array(teacher), keras.ops.array(student))
    np.testing.assert_allclose(float(found), expected, rtol=1e-5)


def test_structures_of_losses():
    a, b = keras.ops.ones((2, 3)), keras.ops.zeros((2, 3))
    loss = FeatureDistillation({"x": "mse", "y": None, "z": "mae"})
    assert float(loss.compute_loss({"x": a, "y": a, "z": 2 * a}, {"x": b, "y": b, "z": b})) == 3.0
    with pytest.raises(ValueError, match="structure"):
        loss.validate_outputs({"x": a}, {"x": b})
    again = FeatureDistillation.from_config(loss.get_config())
    assert float(again.compute_loss({"x": a, "y": a, "z": 2 * a}, {"x": b, "y": b, "z": b})) == 3.0


def test_total_is_the_weighted_sum(data):
    x, y = data
    teacher, student = network(), network()
    logits, features = LogitsDistillation(2.0), FeatureDistillation("mae", "features", "features")
    losses = [logits, features]
    distiller = Distiller(teacher, student, losses, distillation_loss_weights=[0.5, 2.0], student_loss_weight=0.3)
    distiller.compile("sgd", loss=CROSSENTROPY)
    t, s = np.asarray(teacher(x)), np.asarray(student(x))
    p, q = softmax(t / 2), softmax(s / 2)
    own = -np.mean(np.log(softmax(s))[np.arange(8), y])
    of = [np.asarray(m.get_layer("features")(x)) for m in (teacher, student)]
    distillation = 0.5 * 4 * np.mean(np.sum(p * np.log(p / q), -1)) + 2 * np.mean(np.abs(of[0] - of[1]))
    found = distiller.evaluate(x, y, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["student_loss"], own, rtol=1e-5)
    np.testing.assert_allclose(found["distillation_loss"], distillation, rtol=1e-5)
    np.testing.assert_allclose(found["loss"], 0.3 * own + 0.7 * distillation, rtol=1e-5)
    assert found["total_loss"] == pytest.approx(found["loss"], rel=1e-6)


def test_fit_trains_the_student_only(data):
    x, y = data
    teacher, student = network(16), network()
    before = [w.numpy() for w in (*teacher.weights, *student.weights)]
    distiller = Distiller(teacher, student, LogitsDistillation())
    distiller.compile("adam", loss=CROSSENTROPY, metrics=["accuracy"])
    history = distiller.fit(x, y, epochs=3, verbose=0).history
    assert set(history) == {"loss", "accuracy", "student_loss", "distillation_loss", "total_loss"}
    assert history["distillation_loss"][-1] < history["distillation_loss"][0]
    after = [w.numpy() for w in (*teacher.weights, *student.weights)]
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert changed == [False] * 4 + [True] * 4
    np.testing.assert_array_equal(distiller.predict(x, verbose=0), student.predict(x, verbose=0))


def test_saves_and_loads(tmp_path, data):
    x, y = data
    distiller = Distiller(network(16), network(), [LogitsDistillation(), FeatureDistillation()])
    distiller.compile("adam", loss=CROSSENTROPY)
    distiller.fit(x, y, verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    again = keras.saving.load_model(tmp_path / "distiller.keras")
    np.testing.assert_array_equal(distiller.predict(x, verbose=0), again.predict(x, verbose=0))
    assert again.evaluate(x, y, verbose=0) == pytest.approx(distiller.evaluate(x, y, verbose=0), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"distillation_losses": None}, "cannot be `None`"),
        ({"student_loss_weight": 1.5}, "between 0.0 and 1.0"),
        ({"student_loss_weight": "half"}, "must be a number"),
        ({"distillation_loss_weights": [1.0, 2.0]}, r"\(2\) must match number of distillation_losses \(1\)"),
        ({"student": network(outputs=2)}, "outputs shapes are incompatible"),
        ({"teacher": 3}, "Teacher must be"),
        ({"distillation_losses": FeatureDistillation(teacher_layer_name="nowhere")}, "In the teacher model"),
    ],
)
def test_bad_arguments(arguments, message):
    valid = {"teacher": network(), "student": network(), "distillation_losses": LogitsDistillation()}
    with pytest.raises(ValueError, match=message):
        Distiller(**{**valid, **arguments})


def test_bad_losses(data):
    with pytest.raises(ValueError, match="at least one"):
        LogitsDistillation(loss=[None])
    with pytest.raises(ValueError, match="positive"):
        LogitsDistillation(temperature=0.0)
    with pytest.raises(NotImplementedError, match="compute_loss"):
        DistillationLoss().compute_loss(None, None)

    class Vector(DistillationLoss):
        def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
            return keras.ops.mean(teacher_outputs - student_outputs, axis=0)

    distiller = Distiller(network(), network(), Vector())
    with pytest.raises(ValueError, match="'loss' cannot be"):
        distiller.compile("sgd")
    distiller.compile("sgd", loss="mse")
    with pytest.raises(ValueError, match="non-scalar"):
        distiller.compute_loss(data[0], None, None)
