"""Models in the hands of scikit-learn."""

import numpy as np
import pytest

import rustdl
from rustdl.wrappers import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer

sklearn = pytest.importorskip("sklearn")


def make(X, y, units=8, out="linear", loss="mse"):
    outputs = y.shape[1] if y.ndim > 1 else 1
    model = rustdl.Sequential(
        [rustdl.Input((X.shape[1],)), rustdl.layers.Dense(units, "relu"), rustdl.layers.Dense(outputs, out)]
    )
    model.compile(rustdl.optimizers.Adam(0.05), loss)
    return model


CLASSES = {"out": "softmax", "loss": "categorical_crossentropy"}
QUIET = {"verbose": 0}


def data(seed=0):
    x = np.random.default_rng(seed).normal(size=(80, 3))
    return x, (x[:, 0] + x[:, 1] > 0)


def test_classifier_learns_labels_of_any_kind():
    x, y = data()
    labels = np.where(y, "yes", "no")
    estimator = SKLearnClassifier(make, model_kwargs=CLASSES, fit_kwargs={**QUIET, "epochs": 30})
    assert estimator.fit(x, labels).score(x, labels) > 0.9
    assert estimator.classes_.tolist() == ["no", "yes"]
    picked = estimator.decision_function(x[:9]).argmax(1)
    np.testing.assert_array_equal(estimator.classes_[picked], estimator.predict(x[:9]))
    assert estimator.epoch_ == list(range(30))


@pytest.mark.parametrize("outputs", [None, 2])
def test_regressor_keeps_the_form_of_targets(outputs):
    x, _ = data()
    y = x[:, 0] if outputs is None else x[:, :outputs]
    estimator = SKLearnRegressor(make).fit(x, y, epochs=40, verbose=0)
    assert estimator.predict(x).shape == y.shape
    assert estimator.score(x, y) > 0.8


def test_transformer_gives_outputs():
    x, y = data()
    estimator = SKLearnTransformer(make, fit_kwargs=QUIET)
    assert estimator.fit(x, np.stack([y, y, y], 1)).transform(x).shape == (80, 3)


def test_a_model_is_copied_unless_warm():
    x, y = data()
    model = make(x, y[:, None])
    before = model.get_weights()
    cold = SKLearnRegressor(model, fit_kwargs=QUIET).fit(x, y)
    assert cold.model_ is not model
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    warm = SKLearnRegressor(model, warm_start=True, fit_kwargs=QUIET).fit(x, y)
    assert warm.model_ is model
    copied = sklearn.base.clone(warm)
    assert copied.model is not model
    assert copied.fit_kwargs == QUIET
    callable_model = SKLearnRegressor(make, warm_start=True, fit_kwargs=QUIET).fit(x, y)
    kept = callable_model.model_
    assert callable_model.fit(x, y).model_ is kept


def test_grid_search_and_pipelines():
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = data()
    search = GridSearchCV(
        SKLearnRegressor(make, fit_kwargs=QUIET), {"model_kwargs": [{"units": 2}, {"units": 4}]}, cv=2
    )
    search.fit(x, y.astype(float))
    assert search.best_params_["model_kwargs"]["units"] in (2, 4)
    chain = make_pipeline(StandardScaler(), SKLearnClassifier(make, model_kwargs=CLASSES, fit_kwargs=QUIET))
    assert chain.fit(x, y).predict(x).shape == (80,)


def test_refusals():
    x, y = data()
    with pytest.raises(RuntimeError, match="needs to be compiled"):
        SKLearnRegressor(rustdl.Sequential([rustdl.layers.Dense(1)])).fit(x, y)
    with pytest.raises(ValueError, match="only one class"):
        SKLearnClassifier(make, model_kwargs=CLASSES).fit(x, np.zeros(80, dtype=int))
    with pytest.raises(ValueError, match="Only binary and multiclass"):
        SKLearnClassifier(make, model_kwargs=CLASSES).fit(x, x[:, 0])
    with pytest.raises(sklearn.exceptions.NotFittedError):
        SKLearnRegressor(make).predict(x)


CHECKS = [
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_estimators_overwrite_params",
    "check_estimators_fit_returns_self",
    "check_dict_unchanged",
    "check_fit2d_1sample",
    "check_n_features_in",
    "check_get_params_invariance",
    "check_set_params",
]


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.filterwarnings("ignore")
def test_checks_of_sklearn(name):
    from sklearn.utils import estimator_checks

    getattr(estimator_checks, name)("SKLearnRegressor", SKLearnRegressor(make, fit_kwargs=QUIET))
