"""Losses: functions with gradients, objects with reductions, weights and masks, and ten training steps of a model."""

# ruff: noqa: SIM905  (tables of names read best as they are)
from __future__ import annotations

from typing import Any

import numpy as np
from keras_parity import runners
from keras_parity.calls import HALVES, Call, Numbers, Table, Typed, grid

_N = Numbers(31)
_T = Table("losses")

# What a loss is fed with: labels and predictions of one shape, or classes.
REAL = (
    "cosine_similarity huber log_cosh mean_absolute_error mean_absolute_percentage_error mean_squared_error "
    "mean_squared_logarithmic_error"
).split()
BINARY = "binary_crossentropy binary_focal_crossentropy hinge squared_hinge dice tversky".split()
CATEGORICAL = "categorical_crossentropy categorical_focal_crossentropy categorical_hinge kl_divergence poisson".split()
CLASSES = {
    "BinaryCrossentropy": "binary",
    "BinaryFocalCrossentropy": "binary",
    "CategoricalCrossentropy": "categorical",
    "CategoricalFocalCrossentropy": "categorical",
    "CategoricalGeneralizedCrossEntropy": "sparse",
    "CategoricalHinge": "categorical",
    "CosineSimilarity": "real",
    "Dice": "binary",
    "Hinge": "binary",
    "Huber": "real",
    "KLDivergence": "categorical",
    "LogCosh": "real",
    "MeanAbsoluteError": "real",
    "MeanAbsolutePercentageError": "real",
    "MeanSquaredError": "real",
    "MeanSquaredLogarithmicError": "positive",
    "Poisson": "positive",
    "SparseCategoricalCrossentropy": "sparse",
    "SquaredHinge": "binary",
    "Tversky": "binary",
}
CLASSES_AXIS = (
    "smoothed labels share among the classes, which lie along `axis`; Keras divides by the size of the last axis"
)
UNREADABLE = "the configuration makes the loss again; Keras makes a string of it"
LOST = "the configuration has all arguments; Keras forgets one"
_ARGUMENTS: dict[str, dict[str, tuple[Any, ...]]] = {
    "BinaryCrossentropy": {"from_logits": (False, True), "label_smoothing": (0.0, 0.2), "axis": (-1, 0)},
    "BinaryFocalCrossentropy": {
        "apply_class_balancing": (False, True),
        "gamma": (2.0, 0.5),
        "alpha": (0.25, 0.6),
        "from_logits": (False, True),
        "label_smoothing": (0.0, 0.2),
    },
    "CategoricalCrossentropy": {"from_logits": (False, True), "label_smoothing": (0.0, 0.2), "axis": (-1, 0)},
    "CategoricalFocalCrossentropy": {
        "alpha": (0.25, 0.6),
        "gamma": (2.0, 0.5),
        "from_logits": (False, True),
        "label_smoothing": (0.0, 0.2),
        "axis": (-1, 0),
    },
    "CategoricalGeneralizedCrossEntropy": {"q": (0.3, 0.7, 0.95)},
    "CosineSimilarity": {"axis": (-1, 0)},
    "Dice": {"axis": (None, -1, 0, (0, 1))},
    "Huber": {"delta": (0.3, 1.0, 2.5)},
    "SparseCategoricalCrossentropy": {"from_logits": (False, True), "ignore_class": (None, 1, -1), "axis": (-1,)},
    "Tversky": {"alpha": (0.3, 0.7), "beta": (0.4,), "axis": (None, -1, 0)},
}


def labels(kind: str, *shape: int, numbers: Numbers = _N) -> np.ndarray:
    """Targets of a kind; `shape` is that of the predictions."""
    if kind == "real":
        return numbers.normal(*shape)
    if kind == "positive":
        return numbers.between(0.1, 3, *shape)
    if kind == "binary":
        return numbers.ints(0, 2, *shape).astype("float32")
    if kind == "sparse":
        return numbers.ints(0, shape[-1], *shape[:-1])
    return np.eye(shape[-1], dtype="float32")[numbers.ints(0, shape[-1], *shape[:-1])]


def predictions(kind: str, *shape: int, logits: bool = False, numbers: Numbers = _N) -> np.ndarray:
    """Predictions of a kind."""
    if kind == "real" or logits:
        return numbers.normal(*shape)
    x = numbers.between(0.05, 0.95, *shape)
    return (x / x.sum(-1, keepdims=True)).astype("float32") if kind in {"sparse", "categorical"} else x


def _snake(name: str) -> str:
    special = {
        "KLDivergence": "kl_divergence",
        "CategoricalGeneralizedCrossEntropy": "categorical_generalized_cross_entropy",
    }
    return special.get(name) or "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _meant(name: str, options: dict[str, Any]) -> str:
    """Why a call differs on purpose."""
    smooth = options.get("label_smoothing", 0) and options.get("axis", -1) != -1
    return CLASSES_AXIS if smooth and name.startswith("Categorical") else ""


# --- functions ---

for _class, _kind in CLASSES.items():
    _name = _snake(_class)
    for _options in grid(**_ARGUMENTS.get(_class, {})):
        _logits = _options.get("from_logits", False)
        for _shape in ((4, 5), (2, 3, 4)):
            _y, _p = labels(_kind, *_shape), predictions(_kind, *_shape, logits=_logits)
            if _class == "SparseCategoricalCrossentropy" and _options["ignore_class"] == -1:
                _y = np.where(_y == 1, -1, _y).astype("int32")
            _T.add(_name, _y, _p, gradient=True, differs=_meant(_class, _options), **_options)
for _name in REAL:
    for _y_shape, _p_shape in (((4, 5), (4, 5)), ((5,), (5,)), ((4, 1), (4, 5))):
        _T.add(_name, _N.between(0.2, 2, *_y_shape), _N.between(0.2, 2, *_p_shape), gradient=True, label=f"{_p_shape}")
    _T.add(_name, _N.ints(0, 4, 4, 3), _N.normal(4, 3), gradient=True, label="integer labels")
    for _dtype in HALVES:
        _T.add(_name, Typed(_N.between(0.2, 2, 4, 5), _dtype), Typed(_N.between(0.2, 2, 4, 5), _dtype))
for _name in (*BINARY, *CATEGORICAL):
    _kind = "binary" if _name in BINARY else "categorical"
    for _dtype in HALVES:
        _T.add(_name, Typed(labels(_kind, 4, 5), _dtype), Typed(predictions(_kind, 4, 5), _dtype))
    _T.add(_name, labels(_kind, 4, 5).astype("int32"), predictions(_kind, 4, 5), gradient=True, label="integer labels")
for _name in ("hinge", "squared_hinge"):
    _T.add(_name, 2 * labels("binary", 4, 5) - 1, _N.normal(4, 5), gradient=True, label="labels of -1 and 1")
for _name in ("binary_crossentropy", "categorical_crossentropy", "kl_divergence", "categorical_focal_crossentropy"):
    _edges = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1e-9, 1.0, 1e-9]], "float32")
    _T.add(_name, np.eye(3, dtype="float32"), _edges, gradient=True, label="certain predictions")
for _name in ("binary_crossentropy", "categorical_crossentropy"):
    _T.add(
        _name, np.eye(3, dtype="float32"), 60 * _N.normal(3, 3), from_logits=True, gradient=True, label="large logits"
    )
_T.add("sparse_categorical_crossentropy", labels("sparse", 4, 5), 60 * _N.normal(4, 5), from_logits=True, gradient=True)
for _shape in ((4, 1), (4,)):
    _y = labels("sparse", 4, 5).reshape(_shape)
    for _dtype in ("int32", "float32", "uint8"):
        _T.add(
            "sparse_categorical_crossentropy",
            _y.astype(_dtype),
            predictions("sparse", 4, 5),
            label=f"{_shape} {_dtype}",
        )
_T.add("log_cosh", np.zeros((1, 4), "float32"), np.array([[-90.0, -1e-4, 1e-4, 90.0]], "float32"), gradient=True)
_T.add("mean_absolute_percentage_error", np.array([[0.0, 1e-9, -2.0]], "float32"), _N.normal(1, 3), gradient=True)
_T.add("mean_squared_logarithmic_error", _N.normal(3, 4), _N.normal(3, 4), gradient=True, label="negative numbers")
_T.add(
    "cosine_similarity",
    np.zeros((2, 3), "float32"),
    _N.normal(2, 3),
    gradient=True,
    label="zeros",
    differs="the gradient at a zero vector is that of the vector over the smallest norm; Keras' is not a number",
)


def _unit(*shape: int) -> np.ndarray:
    x = _N.normal(*shape)
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype("float32")


_WHO = np.array([0, 1, 1, 2, 0, 2], "int32")
for _options in grid(gamma=(80.0, 5.0), margin=(0.4, 0.25), remove_diagonal=(True, False)):
    _T.add("circle", _WHO, _unit(6, 4), gradient=True, **_options)
    _T.add("circle", _WHO, _unit(6, 4), ref_labels=_WHO[:4], ref_embeddings=_unit(4, 4), gradient=True, **_options)
    _T.add("Circle", "Circle", _options, _WHO, _unit(6, 4), function=runners.loss_of, gradient=True)
_SPOKEN = np.array([[1, 2, 2, 0], [3, 1, 0, 0], [2, 0, 0, 0]], "int32")
_T.add("ctc", _SPOKEN, _N.normal(3, 8, 5), gradient=True)
for _reduction in ("sum_over_batch_size", "sum", "none"):
    _T.add(
        "CTC", "CTC", {"reduction": _reduction}, _SPOKEN, _N.normal(3, 8, 5), function=runners.loss_of, gradient=True
    )

# --- objects ---

_REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)
for _class, _kind in CLASSES.items():
    _whole = _class in {"Dice", "Tversky"}
    for _options in grid(reduction=_REDUCTIONS):
        for _shape in ((4, 5), (2, 3, 4)):
            _y, _p = labels(_kind, *_shape), predictions(_kind, *_shape)
            _T.add(_class, _class, _options, _y, _p, function=runners.loss_of, gradient=True)
            for _weights in (_N.between(0, 2, _shape[0]), _N.between(0, 2, _shape[0], 1), np.array(0.3, "float32")):
                if _weights.shape and (_whole or len(_weights.shape) + 1 < len(_shape)):
                    continue
                # By one weight for all, a mean over weights has no gradient but what rounding leaves.
                _by = bool(_weights.shape) or _options["reduction"] != "mean_with_sample_weight"
                _T.add(_class, _class, _options, _y, _p, _weights, function=runners.loss_of, gradient=_by)
        if _whole:
            continue
        _y, _p = labels(_kind, 2, 3, 4), predictions(_kind, 2, 3, 4)
        _T.add(_class, _class, _options, _y, _p, _N.between(0, 2, 2, 3), function=runners.loss_of, gradient=True)
        for _w in (None, _N.between(0, 2, 2, 3)):
            _mask = np.array([[True, True, False], [True, False, False]])
            _T.add(_class, _class, _options, _y, _p, _mask, _w, function=runners.masked_loss_of)
    for _options in grid(**_ARGUMENTS.get(_class, {})):
        _shape = (4, 5)
        _y, _p = labels(_kind, *_shape), predictions(_kind, *_shape, logits=_options.get("from_logits", False))
        _why = _meant(_class, _options)
        _T.add(_class, _class, _options, _y, _p, function=runners.loss_of, gradient=True, differs=_why)
    for _dtype in (*HALVES, "float32"):
        _options = {"dtype": _dtype}
        _T.add(_class, _class, _options, labels(_kind, 4, 5), predictions(_kind, 4, 5), function=runners.loss_of)
for _class in ("MeanSquaredError", "MeanAbsoluteError"):
    for _y_shape, _p_shape in (((4,), (4, 1)), ((4, 1), (4,)), ((), ())):
        _given = (_N.normal(*_y_shape), _N.normal(*_p_shape))
        _T.add(_class, _class, {}, *_given, function=runners.loss_of, gradient=True, refused=not _p_shape)


def _own(keras: Any, y: Any, p: Any, weights: Any, reduction: str) -> Any:
    class Own(keras.Loss):  # type: ignore[misc,name-defined]
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** 1.5, axis=-1)

    return Own(name="own", reduction=reduction)(y, p, sample_weight=weights)


for _reduction in _REDUCTIONS[:-1]:
    _T.add("Loss", _N.normal(4, 5), _N.normal(4, 5), _N.between(0, 2, 4), _reduction, function=_own, gradient=True)

# --- ten training steps ---

_X = _N.normal(12, 6)
_SEQUENCES = np.where(_N.choice(6, 4, 1), 0, _N.normal(6, 4, 3)).astype("float32")
_UNITS = {"real": 2, "positive": 2, "binary": 3, "categorical": 4, "sparse": 4}
_ENDS = {"real": None, "positive": "softplus", "binary": "sigmoid", "categorical": "softmax", "sparse": "softmax"}
_RATES = {"MeanAbsolutePercentageError": 1e-3}
for _class, _kind in CLASSES.items():
    _arguments = {k: v[:2] for k, v in _ARGUMENTS.get(_class, {}).items() if k not in {"axis", "ignore_class"}}
    for _options in grid(**_arguments):
        _end = None if _options.get("from_logits") else _ENDS[_kind]
        _how = {"units": _UNITS[_kind], "activation": _end, "rate": _RATES.get(_class, 0.1)}
        _y = labels(_kind, 12, _UNITS[_kind])
        _T.add(_class, _class, _options, _X, _y, function=runners.train, **_how)
        if _class not in {"Dice", "Tversky"}:
            _T.add(_class, _class, _options, _X, _y, _N.between(0, 2, 12), function=runners.train, **_how)
    _how = {"units": _UNITS[_kind], "activation": _ENDS[_kind], "rate": _RATES.get(_class, 0.1)}
    if _class not in {"Dice", "Tversky"}:
        _y = labels(_kind, 6, 4, _UNITS[_kind])
        for _reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight"):
            _options = {"reduction": _reduction}
            _T.add(_class, _class, _options, _SEQUENCES, _y, function=runners.train, mask=True, **_how)
            _w = _N.between(0, 2, 6, 4)
            _T.add(_class, _class, _options, _SEQUENCES, _y, _w, function=runners.train, mask=True, **_how)
_T.add("CTC", "CTC", {}, _N.normal(3, 8, 6), _SPOKEN, function=runners.train, units=5)
_T.add("Circle", "Circle", {"gamma": 4.0}, _X[:6], _WHO, function=runners.train, units=4)

# --- by name ---

for _class, _kind in CLASSES.items():
    _y, _p = labels(_kind, 4, 5), predictions(_kind, 4, 5)
    _options = {"q": 0.6} if _class == "CategoricalGeneralizedCrossEntropy" else {}
    _forgetful = ("CosineSimilarity", "Huber", "SparseCategoricalCrossentropy")
    _why = UNREADABLE if _options else LOST if _class in _forgetful else ""
    _T.add("serialize", _y, _p, function=runners.round_trip("losses", _class, **_options), label=_class, differs=_why)
    _again = runners.round_trip("losses", _class, reduction="sum")
    _T.add("deserialize", _y, _p, function=_again, label=_class, differs=_why)
    for _name in (_class, *([] if _options else [_snake(_class)])):
        _unnamed = "every loss can be had by its name; Keras does not know this one" if _options else ""
        _T.add("get", _y, _p, function=runners.by_name("losses", _name), label=_name, differs=_unnamed)
for _name in ("mse", "mae", "mape", "msle", "cosine_similarity", "kld", "bce", "log_cosh", "huber", "MSE", "KLD"):
    _T.add(
        "get",
        labels("positive", 4, 5),
        predictions("binary", 4, 5),
        function=runners.by_name("losses", _name),
        label=_name,
    )
_T.add("get", "losses", function=runners.refuse_nothing)

CASES: list[Call] = _T.calls
