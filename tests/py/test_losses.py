"""Losses against Keras' values, central differences, and their errors."""

import numpy as np
import pytest

import rustdl
from rustdl import backend, losses, ops
from training_goldens import GOLDEN, WEIGHTS, pair


@pytest.mark.parametrize("case", GOLDEN["losses"], ids=lambda c: f"{c[0]}-{c[1]}")
def test_values_are_those_of_keras(case):
    name, config, kind, values = case
    y_true, y_pred = pair(kind)
    for key, expected in values.items():
        reduction, weighted = key.split("/")
        loss = getattr(losses, name)(reduction=reduction, **config)
        found = loss(y_true, y_pred, sample_weight=WEIGHTS if weighted == "True" else None)
        np.testing.assert_allclose(np.asarray(found), expected, rtol=2e-5, atol=2e-6, err_msg=key)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mean_squared_error", "values"),
        ("huber", "values"),
        ("log_cosh", "values"),
        ("kl_divergence", "values"),
        ("poisson", "values"),
        ("cosine_similarity", "values"),
        ("binary_crossentropy", "binary"),
        ("categorical_crossentropy", "classes"),
        ("sparse_categorical_crossentropy", "indices"),
        ("categorical_focal_crossentropy", "classes"),
        ("squared_hinge", "binary"),
        ("tversky", "binary"),
    ],
)
def test_gradients_are_those_of_differences(name, kind):
    y_true, y_pred = pair(kind)
    y_pred = np.clip(y_pred[:3].astype("float64"), 0.05, 0.95)
    target = y_true[:3] if y_true.dtype.kind == "i" else y_true[:3].astype("float64")
    fn = getattr(losses, name)

    def total(p):
        return ops.sum(fn(target, p))

    gradient = np.asarray(rustdl.grad(total)(ops.convert_to_tensor(y_pred, dtype="float64")))
    step = 1e-5
    for index in np.ndindex(y_pred.shape):
        up, down = y_pred.copy(), y_pred.copy()
        up[index] += step
        down[index] -= step
        difference = (float(total(up)) - float(total(down))) / (2 * step)
        np.testing.assert_allclose(gradient[index], difference, rtol=1e-4, atol=1e-6)


def test_mask_is_left_out_of_the_mean():
    y_pred = ops.convert_to_tensor(np.array([[1.0], [2.0], [4.0]], "float32"))
    backend.set_keras_mask(y_pred, ops.convert_to_tensor(np.array([True, False, True])))
    assert float(losses.MeanSquaredError()(np.zeros((3, 1)), y_pred)) == pytest.approx(17 / 2, rel=1e-5)
    assert float(losses.MeanSquaredError(reduction="sum")(np.zeros((3, 1)), y_pred)) == 17


def test_ignored_class_counts_nothing():
    y_true, y_pred = np.array([0, 9, 1]), np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], "float32")
    loss = losses.SparseCategoricalCrossentropy(ignore_class=9)
    assert float(loss(y_true, y_pred)) == pytest.approx(np.log(2), rel=1e-5)


def test_weights_that_do_not_fit_the_mask_are_named():
    y_true, y_pred = np.zeros((4, 3), "int32"), np.full((4, 3, 2), 0.5, "float32")
    loss = losses.SparseCategoricalCrossentropy(ignore_class=9)
    with pytest.raises(ValueError, match=r"`sample_weight` of shape \(4,\) does not fit .* shape \(4, 3\)"):
        loss(y_true, y_pred, sample_weight=np.ones(4))


def test_logarithms_of_half_precision_are_taken_in_float32():
    y_true, y_pred = (ops.cast(np.array([[x]], "float32"), "float16") for x in (0.5, 0.25))
    found = losses.mean_squared_logarithmic_error(y_true, y_pred)
    assert found.dtype == "float16"
    assert float(found[0]) == np.float16(np.log(1.5 / 1.25) ** 2)


def test_extreme_logits_are_finite():
    for x in (-1e4, -90.0, 90.0, 1e4):
        for y in (0.0, 1.0):
            assert np.isfinite(float(losses.BinaryCrossentropy(from_logits=True)([[y]], [[x]])))
    logits = np.array([[1e4, -1e4, 0.0]], "float32")
    assert np.isfinite(float(losses.SparseCategoricalCrossentropy(from_logits=True)([1], logits)))


def test_config_round_trip_and_get():
    for name, config, kind, _ in GOLDEN["losses"]:
        loss = getattr(losses, name)(**config)
        again = losses.deserialize(losses.serialize(loss))
        assert type(again) is type(loss)
        assert again.get_config() == loss.get_config()
        assert float(again(*pair(kind))) == float(loss(*pair(kind)))
    assert losses.get("mse") is losses.mean_squared_error
    assert isinstance(losses.get("MeanSquaredError"), losses.MeanSquaredError)
    assert losses.get(None) is None


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: losses.get("no_such_loss"), ValueError, "no_such_loss"),
        (lambda: losses.MeanSquaredError(reduction="x"), ValueError, "reduction"),
        (lambda: losses.CategoricalCrossentropy(label_smoothing=2.0), ValueError, "label_smoothing"),
        (lambda: losses.CategoricalGeneralizedCrossEntropy(q=1.0), ValueError, r"\(0, 1\)"),
        (lambda: losses.MeanSquaredError()(None, [1.0]), ValueError, "y_true"),
        (lambda: losses.MeanSquaredError()(np.array(["a"]), np.ones(1)), ValueError, "numbers"),
        (
            lambda: losses.sparse_categorical_crossentropy([0, 5], np.ones((2, 3), "float32")),
            ValueError,
            r"label 5 at index \(1,\).*3 classes",
        ),
        (
            lambda: losses.categorical_crossentropy(np.ones((2, 3)), np.ones((2, 4))),
            ValueError,
            r"target.shape=\(2, 3\), output.shape=\(2, 4\)",
        ),
        (
            lambda: losses.MeanSquaredError()(np.ones((4, 2)), np.ones((4, 2)), sample_weight=np.ones(3)),
            ValueError,
            "sample_weight",
        ),
        (lambda: losses.MeanSquaredError(unknown=1), TypeError, "unknown"),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_own_loss():
    class Cubic(losses.Loss):
        def call(self, y_true, y_pred):
            return ops.mean(ops.abs(y_true - y_pred) ** 3, axis=-1)

    assert float(Cubic()([[0.0, 0.0]], [[1.0, 2.0]])) == 4.5
