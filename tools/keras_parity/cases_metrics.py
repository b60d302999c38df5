"""Metrics: functions, and objects over several updates with and without weights, and inside of `evaluate`."""

# ruff: noqa: SIM905  (tables of names read best as they are)
from __future__ import annotations

from typing import Any

import numpy as np
from keras_parity import runners
from keras_parity.calls import Call, Numbers, Plain, Table, grid
from keras_parity.cases_losses import labels, predictions

_N = Numbers(33)
_T = Table("metrics")
_ROWS = (4, 7, 5)
RESULT_AXIS = "`axis` is that of the classes in the data; Keras also sums the result along it, and fails"
SAMPLES = (
    "one weight a sample goes with masked or ignored entries too; Keras refuses it, unless by chance it broadcasts"
)


def _updates(kind: str, weighted: bool, *shape: int, logits: bool = False, each: bool = False) -> list[tuple[Any, ...]]:
    """Batches of unequal size: labels, predictions, weights. `each`: a weight for every entry."""
    found = []
    for n in _ROWS:
        y = labels(kind, n, *shape, numbers=_N)
        p = predictions(kind, n, *shape, logits=logits, numbers=_N)
        weights = _N.between(0, 2, *(y.shape if each else (n,))) if weighted else None
        found.append((y, p, weights))
    return found


def _add(name: str, options: dict[str, Any], updates: list[tuple[Any, ...]], differs: str = "") -> None:
    _T.add(name, name, options, updates, function=runners.metric, differs=differs)


# --- functions ---

_ONE_HOT = {"binary": "binary_accuracy hinge squared_hinge binary_crossentropy binary_focal_crossentropy"}
_ONE_HOT["categorical"] = (
    "categorical_accuracy top_k_categorical_accuracy categorical_crossentropy categorical_focal_crossentropy "
    "categorical_hinge kl_divergence poisson"
)
_ONE_HOT["sparse"] = "sparse_categorical_accuracy sparse_top_k_categorical_accuracy sparse_categorical_crossentropy"
_ONE_HOT["real"] = (
    "huber log_cosh mean_absolute_error mean_absolute_percentage_error mean_squared_error "
    "mean_squared_logarithmic_error pearson_correlation concordance_correlation"
)
for _kind, _names in _ONE_HOT.items():
    for _name in _names.split():
        for _shape in ((6, 8), (2, 3, 7)):
            _T.add(_name, labels(_kind, *_shape, numbers=_N), predictions(_kind, *_shape, numbers=_N))
for _threshold in (0.3, 0.5, 0.9):
    _T.add("binary_accuracy", labels("binary", 5, 4), predictions("binary", 5, 4), threshold=_threshold)
for _k in (1, 2, 5):
    _T.add("top_k_categorical_accuracy", labels("categorical", 9, 6), predictions("categorical", 9, 6), k=_k)
    _T.add("sparse_top_k_categorical_accuracy", labels("sparse", 9, 6), predictions("sparse", 9, 6), k=_k)
    _ids = np.argsort(-_N.normal(9, 6), -1).astype("int32")
    _T.add("sparse_top_k_categorical_accuracy", labels("sparse", 9, 6), _ids, k=_k, from_sorted_ids=True)
_T.add("sparse_categorical_accuracy", labels("sparse", 9, 6)[:, None], predictions("sparse", 9, 6))
for _axis in (-1, 0, 1):
    for _name in ("pearson_correlation", "concordance_correlation"):
        _T.add(_name, _N.normal(4, 5, 3), _N.normal(4, 5, 3), axis=_axis)
for _options in grid(from_logits=(False, True), label_smoothing=(0.0, 0.1)):
    for _name in ("binary_crossentropy", "categorical_crossentropy"):
        _logits = _options["from_logits"]
        _T.add(_name, labels("categorical", 4, 5), predictions("categorical", 4, 5, logits=_logits), **_options)
for _delta in (0.3, 2.0):
    _T.add("huber", _N.normal(4, 5), _N.normal(4, 5), delta=_delta)

# --- objects that compare labels and predictions ---

OBJECTS: dict[str, tuple[str, dict[str, tuple[Any, ...]]]] = {
    "Accuracy": ("accuracy", {}),
    "BinaryAccuracy": ("binary", {"threshold": (0.5, 0.2)}),
    "BinaryCrossentropy": ("binary", {"from_logits": (False, True), "label_smoothing": (0, 0.1)}),
    "CategoricalAccuracy": ("categorical", {}),
    "CategoricalCrossentropy": ("categorical", {"from_logits": (False, True), "label_smoothing": (0, 0.1)}),
    "CategoricalHinge": ("categorical", {}),
    "ConcordanceCorrelation": ("real", {"axis": (-1,)}),
    "CosineSimilarity": ("real", {"axis": (-1, 1)}),
    "Hinge": ("binary", {}),
    "KLDivergence": ("categorical", {}),
    "LogCoshError": ("real", {}),
    "MeanAbsoluteError": ("real", {}),
    "MeanAbsolutePercentageError": ("real", {}),
    "MeanSquaredError": ("real", {}),
    "MeanSquaredLogarithmicError": ("positive", {}),
    "PearsonCorrelation": ("real", {"axis": (-1,)}),
    "Poisson": ("positive", {}),
    "RootMeanSquaredError": ("real", {}),
    "SparseCategoricalAccuracy": ("sparse", {}),
    "SparseCategoricalCrossentropy": ("sparse", {"from_logits": (False, True), "ignore_class": (None, 1)}),
    "SparseTopKCategoricalAccuracy": ("sparse", {"k": (1, 3)}),
    "SquaredHinge": ("binary", {}),
    "TopKCategoricalAccuracy": ("categorical", {"k": (1, 3)}),
}


def _equal_or_not(weighted: bool, *shape: int) -> list[tuple[Any, ...]]:
    found = []
    for n in _ROWS:
        y, p = (_N.ints(0, 3, n, *shape).astype("float32") for _ in range(2))
        found.append((y, p, _N.between(0, 2, n) if weighted else None))
    return found


for _name, (_kind, _arguments) in OBJECTS.items():
    for _options in grid(**_arguments):
        for _weighted in (False, True):
            for _shape in ((5,), (3, 5)):
                if _kind == "accuracy":
                    _add(_name, _options, _equal_or_not(_weighted, *_shape))
                    continue
                _logits = _options.get("from_logits", False)
                _why = SAMPLES if _weighted and len(_shape) == 2 and _options.get("ignore_class") is not None else ""
                _add(_name, _options, _updates(_kind, _weighted, *_shape, logits=_logits), differs=_why)
    if _kind not in {"accuracy", "sparse"}:
        _y = [(y, p, _N.between(0, 2, len(y), 3)) for y, p, _ in _updates(_kind, False, 3, 5)]
        _add(_name, {}, _y)
for _name in ("Mean", "Sum"):
    _add(_name, {}, [(_N.normal(n), None) for n in _ROWS])
    _add(_name, {}, [(_N.normal(n, 3), _N.between(0, 2, n)) for n in _ROWS])
    _add(_name, {}, [(_N.normal(n, 3), _N.between(0, 2, n, 3)) for n in _ROWS])
    _add(_name, {}, [(_N.ints(0, 9, n), None) for n in _ROWS])
    _add(_name, {}, [(np.array(x, "float32"), w) for x, w in ((1.5, None), (2.5, np.array(0.5, "float32")))])
for _fn in ("metrics.mean_squared_error", "losses.huber", "metrics.categorical_accuracy"):
    for _weighted in (False, True):
        _kind = "categorical" if "acc" in _fn else "real"
        _add("MeanMetricWrapper", {"fn": _fn}, _updates(_kind, _weighted, 5))
_add("MeanMetricWrapper", {"fn": "metrics.huber", "delta": 0.4}, _updates("real", True, 5))
for _options in grid(class_aggregation=("uniform_average", "variance_weighted_average", None), num_regressors=(0, 2)):
    for _weighted in (False, True):
        _add("R2Score", _options, _updates("real", _weighted, 3))

# --- confusion ---

_THRESHOLDS = (None, 0.3, [0.2, 0.5, 0.8])
for _name in "TruePositives TrueNegatives FalsePositives FalseNegatives".split():
    for _options in grid(thresholds=_THRESHOLDS):
        _add(_name, _options, _updates("binary", False))
        _add(_name, _options, _updates("binary", True, 3))
        _add(_name, _options, _updates("binary", True, 3, each=True))
for _name in ("Precision", "Recall"):
    for _options in grid(thresholds=_THRESHOLDS, class_id=(None, 1)):
        _add(_name, _options, _updates("binary", False, 3))
        _add(_name, _options, _updates("binary", True, 3))
    for _options in grid(top_k=(1, 2), class_id=(None, 2)):
        _add(_name, _options, _updates("categorical", False, 5))
        _add(_name, _options, _updates("categorical", True, 5))
_add("Precision", {}, [(np.zeros(4, "float32"), np.zeros(4, "float32"), None)])
_add("Recall", {}, [(np.zeros(4, "float32"), np.zeros(4, "float32"), None)])
for _average in (None, "micro", "macro", "weighted"):
    for _threshold in (None, 0.4):
        for _weighted in (False, True):
            _options = {"average": _average, "threshold": _threshold}
            _add("F1Score", _options, _updates("categorical", _weighted, 4))
            for _beta in (0.5, 2.0):
                _add("FBetaScore", {**_options, "beta": _beta}, _updates("categorical", _weighted, 4))

# --- curves ---

for _options in grid(
    num_thresholds=(20, 200), curve=("ROC", "PR"), summation_method=("interpolation", "minoring", "majoring")
):
    _add("AUC", _options, _updates("binary", False))
    _add("AUC", _options, _updates("binary", True))
    _add("AUC", {**_options, "multi_label": True, "num_labels": 3}, _updates("binary", False, 3))
_add("AUC", {"thresholds": [0.1, 0.45, 0.5, 0.9]}, _updates("binary", True))
_add("AUC", {"from_logits": True}, _updates("binary", True, logits=True))
_add("AUC", {"multi_label": True, "label_weights": [0.2, 0.5, 0.3]}, _updates("binary", True, 3))
_add("AUC", {"num_thresholds": 50}, _updates("binary", False, 3))
for _name, _argument in {
    "PrecisionAtRecall": "recall",
    "RecallAtPrecision": "precision",
    "SensitivityAtSpecificity": "specificity",
    "SpecificityAtSensitivity": "sensitivity",
}.items():
    for _value in (0.3, 0.6, 0.9):
        for _thresholds in (1, 30, 200):
            _options = {_argument: _value, "num_thresholds": _thresholds}
            _add(_name, _options, _updates("binary", False))
            _add(_name, _options, _updates("binary", True))
    _add(_name, {_argument: 0.5, "class_id": 1}, _updates("binary", True, 3))

# --- overlap ---


def _classes(
    weighted: bool, one_hot_true: bool, one_hot_pred: bool, *shape: int, axis: int = -1
) -> list[tuple[Any, ...]]:
    found = []
    for n in _ROWS:
        y, p = (_N.ints(0, 3, n, *shape) for _ in range(2))
        weights = _N.between(0, 2, *y.shape) if weighted else None
        given = [
            np.moveaxis(np.eye(3, dtype="float32")[a], -1, axis) if hot else a
            for a, hot in ((y, one_hot_true), (p, one_hot_pred))
        ]
        found.append((*given, weights))
    return found


for _weighted in (False, True):
    for _shape in ((), (4,)):
        for _ignore in (None, 1):
            for _ids in ([0], [0, 2]):
                _options = {"num_classes": 3, "target_class_ids": _ids, "ignore_class": _ignore}
                _add("IoU", _options, _classes(_weighted, False, False, *_shape))
                _add("OneHotIoU", _options, _classes(_weighted, True, True, *_shape))
                _sparse = {**_options, "sparse_y_pred": True}
                _add("OneHotIoU", _sparse, _classes(_weighted, True, False, *_shape))
            _options = {"num_classes": 3, "ignore_class": _ignore}
            _add("MeanIoU", _options, _classes(_weighted, False, False, *_shape))
            _add("OneHotMeanIoU", _options, _classes(_weighted, True, True, *_shape))
            _add("OneHotMeanIoU", {**_options, "sparse_y_pred": True}, _classes(_weighted, True, False, *_shape))
        for _hot in ((True, False), (False, True), (True, True)):
            _options = {"num_classes": 3, "sparse_y_true": not _hot[0], "sparse_y_pred": not _hot[1]}
            _add("MeanIoU", _options, _classes(_weighted, *_hot, *_shape))
            _add("IoU", {**_options, "target_class_ids": [1, 2]}, _classes(_weighted, *_hot, *_shape))
    _options = {"num_classes": 3, "sparse_y_true": False, "sparse_y_pred": False, "axis": 1}
    _add("MeanIoU", _options, _classes(_weighted, True, True, 4, axis=1), differs=RESULT_AXIS)
    for _options in grid(target_class_ids=((0, 1), (1,), (0,)), threshold=(0.5, 0.3)):
        _add("BinaryIoU", _options, _updates("binary", _weighted, 3, each=True))

# --- masks, subclasses, models, names ---


def _masked(keras: Any, name: str, y: Any, p: Any, mask: Any, weights: Any) -> Any:
    found = getattr(keras.metrics, name)()
    found.update_state(y, runners.masked(keras, p, mask), sample_weight=weights)
    return [found.result(), *(v.value for v in found.variables)]


_MASK = np.array([[True, True, False], [True, False, False]])
for _name in "MeanSquaredError CategoricalAccuracy BinaryAccuracy CosineSimilarity KLDivergence".split():
    for _weights in (None, _N.between(0, 2, 2, 3)):
        _y, _p = labels("categorical", 2, 3, 4), predictions("categorical", 2, 3, 4)
        _T.add(_name, _name, _y, _p, _MASK, _weights, function=_masked)


def _own(keras: Any, batches: Any) -> Any:
    class Largest(keras.Metric):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__(name="largest")
            self.value = self.add_variable(shape=(), initializer="zeros", name="value")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            self.value.assign(keras.ops.maximum(self.value, keras.ops.max(keras.ops.abs(y_true - y_pred))))

        def result(self) -> Any:
            return self.value * 2

    found = Largest()
    results = []
    for y, p in batches:
        found.update_state(y, p)
        results.append(found.result())
    found.reset_state()
    return [*results, found.result(), *found.stateless_update_state([v.value for v in found.variables], *batches[0])]


_T.add("Metric", [(_N.normal(4), _N.normal(4)) for _ in range(3)], function=_own)
_INSIDE = "BinaryAccuracy MeanSquaredError RootMeanSquaredError CosineSimilarity TruePositives FalseNegatives Precision Recall AUC F1Score R2Score BinaryCrossentropy CategoricalAccuracy".split()  # noqa: E501
for _name in _INSIDE:
    _y = labels("categorical", 12, 3)
    _T.add(_name, _name, {}, _N.normal(12, 6), _y, _N.between(0, 2, 12), 3, function=runners.compiled_metric)
_T.add(
    "AUC",
    "AUC",
    {"multi_label": True, "num_labels": 3},
    _N.normal(12, 6),
    labels("binary", 12, 3),
    _N.between(0, 2, 12),
    3,
    function=runners.compiled_metric,
)


_CONFIGURED: dict[str, dict[str, Any]] = {
    "IoU": {"num_classes": 3, "target_class_ids": [0]},
    "MeanIoU": {"num_classes": 3},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [0]},
    "OneHotMeanIoU": {"num_classes": 3},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "AUC": {"curve": "PR"},
    "F1Score": {"average": "macro"},
    "Precision": {"thresholds": [0.2, 0.5]},
}
_NAMED = [
    *OBJECTS,
    "Mean",
    "Sum",
    "BinaryIoU",
    "R2Score",
    "FBetaScore",
    "Recall",
    "TruePositives",
    "FalseNegatives",
    *_CONFIGURED,
]
LOST = "the configuration has all arguments; Keras forgets one"
_FORGOTTEN = ("CosineSimilarity", "SparseTopKCategoricalAccuracy")
for _name in dict.fromkeys(_NAMED):
    _given, _why = _CONFIGURED.get(_name, {}), LOST if _name in _FORGOTTEN else ""
    _T.add("serialize", function=runners.round_trip("metrics", _name, **_given), label=_name, differs=_why)
    _given = {**_given, "dtype": "float64"}
    _T.add("deserialize", function=runners.round_trip("metrics", _name, **_given), label=_name, differs=_why)
for _name in "mse MSE mae mape msle binary_accuracy kl_divergence cosine_similarity hinge poisson".split():
    _given = (labels("positive", 4, 5), predictions("binary", 4, 5))
    _T.add("get", *_given, function=runners.by_name("metrics", _name), label=_name)
_T.add("get", "metrics", function=runners.refuse_nothing)
_T.add("binary_accuracy", Plain(np.array([[1], [0]])), Plain(np.array([[0.7], [0.6]])), label="lists of numpy")

CASES: list[Call] = _T.calls
