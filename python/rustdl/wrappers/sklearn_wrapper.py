"""`SKLearnClassifier`, `SKLearnRegressor` and `SKLearnTransformer`: models that scikit-learn's tools can handle.

scikit-learn 1.6 or newer (an extra: `pip install rustdl[sklearn]`) is needed to make one, not to import this module.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from rustdl.models.cloning import clone_model
from rustdl.models.model import Model

if TYPE_CHECKING:

    class BaseEstimator:
        """Stands for scikit-learn's class, which has no types."""

        def __sklearn_tags__(self) -> Any: ...

    class ClassifierMixin(BaseEstimator): ...  # noqa: D101

    class RegressorMixin(BaseEstimator): ...  # noqa: D101

    class TransformerMixin(BaseEstimator): ...  # noqa: D101

    _INSTALLED = True
else:
    try:
        from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin

        _INSTALLED = True
    except ImportError:
        _INSTALLED = False

        class BaseEstimator:
            """Stands in where scikit-learn is missing."""

        ClassifierMixin = RegressorMixin = TransformerMixin = type("Mixin", (), {})


class _TargetReshaper(TransformerMixin, BaseEstimator):
    """Targets `[samples]` as `[samples, 1]`, and back: encoders of scikit-learn want two axes."""

    def fit(self, y: Any) -> _TargetReshaper:
        """Remembers how many axes targets have."""
        self.ndim_ = y.ndim
        return self

    def transform(self, y: Any) -> Any:
        """Targets with two axes."""
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def inverse_transform(self, y: Any) -> Any:
        """Targets with as many axes as those that were fitted."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        return np.squeeze(y, axis=1) if self.ndim_ == 1 and y.ndim == 2 and y.shape[1] == 1 else y


class SKLBase(BaseEstimator):
    """What the estimators share.

    Args:
        model: a compiled `Model`, or a function that makes one from `X`, `y` and `model_kwargs`.
        warm_start: whether `fit` goes on from the weights of the last `fit`, or of the given model, which otherwise is
            copied without its weights.
        model_kwargs: keyword arguments of the function.
        fit_kwargs: keyword arguments of `Model.fit`; those given to `fit` go first.
    """

    # Whether targets may have two axes.
    _multi_output = True

    def __init__(self, model: Any, warm_start: bool = False, model_kwargs: Any = None, fit_kwargs: Any = None) -> None:
        if not _INSTALLED:
            raise ImportError(
                f"{type(self).__name__} requires `scikit-learn` to be installed. Run `pip install scikit-learn` to "
                "install it."
            )
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        tags.target_tags.multi_output = self._multi_output
        return tags

    def __sklearn_clone__(self) -> Any:
        """An unfitted estimator with the same parameters; a model whose weights `fit` would change is copied."""
        shared = not (isinstance(self.model, Model) and self.warm_start)
        return type(self)(
            model=self.model if shared else copy.deepcopy(self.model),
            warm_start=self.warm_start,
            model_kwargs=copy.copy(self.model_kwargs),
            fit_kwargs=copy.copy(self.fit_kwargs),
        )

    @property
    def epoch_(self) -> Any:
        """The epochs of the last `fit`, 0 before."""
        history = self.__dict__.get("history_")
        return 0 if history is None else history.epoch

    def set_fit_request(self, **kwargs: Any) -> Any:
        """Says which metadata `fit` wants, where scikit-learn routes metadata.

        Args:
            **kwargs: name of a parameter -> True, False, None or the name it is given by.

        Raises:
            RuntimeError: metadata routing is not enabled.
        """
        import sklearn
        from sklearn.utils.metadata_routing import MetadataRequest

        if not sklearn.get_config().get("enable_metadata_routing", False):
            raise RuntimeError(
                "This method is only available when metadata routing is enabled. You can enable it using "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        self._metadata_request = MetadataRequest(owner=type(self).__name__)
        for param, alias in kwargs.items():
            self._metadata_request.fit.add_request(param=param, alias=alias)
        return self

    def _new_model(self, X: Any, y: Any) -> Any:
        if self.warm_start and "model_" in self.__dict__:
            return self.__dict__["model_"]
        if not isinstance(self.model, Model):
            return self.model(X=X, y=y, **(self.model_kwargs or {}))
        if self.warm_start:
            return self.model
        model = clone_model(self.model)
        if not model.compiled and self.model.compiled:
            model.compile_from_config(self.model.get_compile_config())
        return model

    def fit(self, X: Any, y: Any, **kwargs: Any) -> Any:
        """Trains a model.

        Args:
            X: samples, `[samples, features]`.
            y: targets, `[samples]` or `[samples, outputs]`.
            **kwargs: arguments of `Model.fit`.

        Returns:
            The estimator.

        Raises:
            RuntimeError: the model is not compiled with a loss and an optimizer.
        """
        from sklearn.utils.validation import validate_data

        X, y = validate_data(self, X, y, multi_output=self._multi_output)
        y = self._process_target(y, reset=True)
        model = self._new_model(X, y)
        if not model.compiled or not model.loss or not model.optimizer:
            raise RuntimeError("Given model needs to be compiled, and have a loss and an optimizer.")
        self.history_ = model.fit(X, y, **{**(self.fit_kwargs or {}), **kwargs})
        self.model_ = model
        return self

    def predict(self, X: Any) -> Any:
        """The predictions for samples, in the form of the targets."""
        return self._reverse_process_target(self._model_output(X))

    def _model_output(self, X: Any) -> Any:
        from sklearn.utils.validation import check_is_fitted, validate_data

        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return self.model_.predict(X)

    def _process_target(self, y: Any, reset: bool = False) -> Any:
        _target_type(y)
        if reset:
            self._target_encoder = _TargetReshaper().fit(y)
        return self._target_encoder.transform(y)

    def _reverse_process_target(self, y: Any) -> Any:
        return self._target_encoder.inverse_transform(y)


class SKLearnClassifier(ClassifierMixin, SKLBase):
    """A model as a classifier: labels of any kind, one-hot for the model.

    Args:
        model: a compiled `Model`, or a function that makes one from `X`, `y` (one-hot) and `model_kwargs`.
        warm_start: whether `fit` goes on from the weights of the last `fit`, or of the given model.
        model_kwargs: keyword arguments of the function.
        fit_kwargs: keyword arguments of `Model.fit`.

    Attributes:
        model_: the fitted model.
        history_: the `History` of the last `fit`.
        classes_: the labels.

    Example:
        >>> import numpy as np
        >>> import rustdl
        >>> def make(X, y):
        ...     model = rustdl.Sequential([rustdl.layers.Dense(y.shape[1], activation="softmax")])
        ...     model.compile("adam", "categorical_crossentropy")
        ...     return model
        >>> x, labels = np.eye(4), np.array(["a", "b", "a", "b"])
        >>> estimator = rustdl.wrappers.SKLearnClassifier(make, fit_kwargs={"verbose": 0}).fit(x, labels)
        >>> estimator.classes_.tolist()
        ['a', 'b']
    """

    _multi_output = False

    def decision_function(self, X: Any) -> Any:
        """The model's outputs for samples, `[samples, classes]`."""
        return self._model_output(X)

    def _process_target(self, y: Any, reset: bool = False) -> Any:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder

        kind = _target_type(y)
        if kind not in ("binary", "multiclass"):
            raise ValueError(f"Only binary and multiclass target types are supported. Target type: {kind}")
        if reset:
            self._target_encoder = make_pipeline(_TargetReshaper(), OneHotEncoder(sparse_output=False)).fit(y)
            self.classes_ = np.unique(y)
            if len(self.classes_) == 1:
                raise ValueError("Classifier can't train when only one class is present.")
        return self._target_encoder.transform(y)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


class SKLearnRegressor(RegressorMixin, SKLBase):
    """A model as a regressor.

    Args:
        model: a compiled `Model`, or a function that makes one from `X`, `y` and `model_kwargs`.
        warm_start: whether `fit` goes on from the weights of the last `fit`, or of the given model.
        model_kwargs: keyword arguments of the function.
        fit_kwargs: keyword arguments of `Model.fit`.

    Attributes:
        model_: the fitted model.
        history_: the `History` of the last `fit`.

    Example:
        >>> import numpy as np
        >>> import rustdl
        >>> model = rustdl.Sequential([rustdl.Input((2,)), rustdl.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> estimator = rustdl.wrappers.SKLearnRegressor(model, fit_kwargs={"verbose": 0})
        >>> len(estimator.fit(np.ones((4, 2)), np.arange(4)).history_.epoch)
        1
    """

    def _reverse_process_target(self, y: Any) -> Any:
        y = super()._reverse_process_target(y)
        # scikit-learn wants several outputs in double precision.
        return y.astype("float64") if y.ndim == 2 else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


class SKLearnTransformer(TransformerMixin, SKLBase):
    """A model as a transformer of data: `transform` gives its outputs.

    Args:
        model: a compiled `Model`, or a function that makes one from `X`, `y` and `model_kwargs`.
        warm_start: whether `fit` goes on from the weights of the last `fit`, or of the given model.
        model_kwargs: keyword arguments of the function.
        fit_kwargs: keyword arguments of `Model.fit`.

    Attributes:
        model_: the fitted model.
        history_: the `History` of the last `fit`.
    """

    def transform(self, X: Any) -> Any:
        """The model's outputs for samples."""
        return self._model_output(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


def _target_type(y: Any) -> str:
    """scikit-learn's name for the kind of targets.

    Raises:
        ValueError: targets that it does not know.
    """
    from sklearn.utils.multiclass import type_of_target

    kind: str = type_of_target(y)
    if kind == "unknown":
        raise ValueError(f"Unknown label type for data: {y!r}")
    return kind
