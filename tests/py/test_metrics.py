"""Metrics against Keras' values, their state, and their errors."""

import numpy as np
import pytest

from rustdl import metrics, ops
from rustdl.backend import trace
from training_goldens import GOLDEN, WEIGHTS, pair


def _update(metric, kind, weighted):
    y_true, y_pred = pair(kind)
    for part in (slice(0, 10), slice(10, 24)):
        metric.update_state(y_true[part], y_pred[part], sample_weight=WEIGHTS[part] if weighted else None)


@pytest.mark.parametrize("case", GOLDEN["metrics"], ids=lambda c: f"{c[0]}-{c[1]}-{c[3]}")
def test_values_are_those_of_keras(case):
    name, config, kind, weighted, expected = case
    metric = getattr(metrics, name)(**config)
    for _ in range(2):  # again after a reset
        metric.reset_state()
        _update(metric, kind, weighted)
        np.testing.assert_allclose(np.asarray(metric.result()), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("case", [c for c in GOLDEN["metrics"] if not c[3]], ids=lambda c: f"{c[0]}-{c[1]}")
def test_compiled_update_is_the_eager_one(case):
    name, config, kind, _, expected = case
    metric = getattr(metrics, name)(**config)
    y_true, y_pred = pair(kind)
    metric.update_state(y_true[:2], y_pred[:2])  # makes the state
    metric.reset_state()
    for part in (slice(0, 10), slice(10, 24)):
        arguments = tuple(ops.convert_to_tensor(a[part]) for a in (y_true, y_pred))
        trace(metric.update_state, arguments)(*arguments)
    np.testing.assert_allclose(np.asarray(metric.result()), expected, rtol=2e-5, atol=2e-6)


def test_mean_and_sum():
    mean, total = metrics.Mean(), metrics.Sum()
    for values, weights in (([1.0, 3.0], None), ([5.0, 7.0], [1.0, 0.0])):
        mean.update_state(values, sample_weight=weights)
        total.update_state(values, sample_weight=weights)
    assert float(mean.result()) == 3.0
    assert float(total.result()) == 9.0
    assert float(metrics.Mean().result()) == 0.0


def test_mask_of_the_predictions():
    from rustdl import backend

    y_pred = ops.convert_to_tensor(np.array([[1.0], [2.0], [3.0]], "float32"))
    backend.set_keras_mask(y_pred, ops.convert_to_tensor(np.array([True, False, True])))
    assert float(metrics.MeanSquaredError()(np.zeros((3, 1)), y_pred)) == pytest.approx(5.0)


def test_one_weight_a_sample_beside_ignored_entries():
    y_true, y_pred = (
        np.array([[0, 1], [1, 9]]),
        np.array([[[0.5, 0.5], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]]], "float32"),
    )
    metric = metrics.SparseCategoricalCrossentropy(ignore_class=9)
    values = -np.log([0.5, 0.8, 0.6])  # what is not ignored: two entries of weight 3, and one of weight 5
    weights = [3, 3, 5]
    metric.update_state(y_true, y_pred, sample_weight=np.array([3.0, 5.0]))
    assert float(metric.result()) == pytest.approx(np.average(values, weights=weights), rel=1e-5)


def test_counts_of_a_half_precision_metric_do_not_stop_at_its_largest_integer():
    metric = metrics.TruePositives(dtype="float16")
    for _ in range(3):
        metric.update_state(np.ones(1500), np.ones(1500))
    assert metric.variables[0].dtype == "float32"
    assert float(metric.result()) == 4500
    assert metrics.Mean(dtype="float16").variables[0].dtype == "float16"


def test_stateless_use():
    metric = metrics.Mean()
    values = metric.stateless_reset_state()
    values = metric.stateless_update_state(values, [1.0, 2.0])
    values = metric.stateless_update_state(values, [3.0])
    assert float(metric.stateless_result(values)) == 2.0
    assert float(metric.result()) == 0.0


def test_config_round_trip():
    for name, config, _, weighted, _ in GOLDEN["metrics"]:
        if weighted:
            continue
        metric = getattr(metrics, name)(**config)
        again = metrics.deserialize(metrics.serialize(metric))
        assert type(again) is type(metric)
        assert again.get_config() == metric.get_config()


def test_variables_of_own_and_nested_metrics():
    class Both(metrics.Metric):
        def __init__(self):
            super().__init__(name="both")
            self.parts = [metrics.Mean(), metrics.Sum()]
            self.own = self.add_variable((2,), "zeros", name="own")

    metric = Both()
    assert [tuple(v.shape) for v in metric.variables] == [(2,), (), (), ()]
    assert metric.own.path == "both/own"


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: metrics.get("no_such_metric"), ValueError, "no_such_metric"),
        (lambda: metrics.BinaryAccuracy(threshold=2), ValueError, "threshold"),
        (lambda: metrics.AUC(num_thresholds=1), ValueError, "num_thresholds"),
        (lambda: metrics.AUC(curve="x"), ValueError, "curve"),
        (lambda: metrics.Precision(thresholds=[2.0]), ValueError, r"\[0, 1\]"),
        (lambda: metrics.FBetaScore(average="x"), ValueError, "average"),
        (lambda: metrics.F1Score()(np.ones(3), np.ones(3)), ValueError, "2D"),
        (lambda: metrics.R2Score(num_regressors=-1), ValueError, "num_regressors"),
        (lambda: metrics.IoU(2, [2]), ValueError, "out of range"),
        (lambda: metrics.Precision()(np.ones((2, 3)), np.ones((2, 4))), ValueError, "incompatible"),
        (lambda: metrics.PrecisionAtRecall(2.0), ValueError, "recall"),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make()
