"""Models as estimators of scikit-learn."""

from rustdl._lazy import attach

_EXPORTS = {
    "SKLearnClassifier": "rustdl.wrappers.sklearn_wrapper",
    "SKLearnRegressor": "rustdl.wrappers.sklearn_wrapper",
    "SKLearnTransformer": "rustdl.wrappers.sklearn_wrapper",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
