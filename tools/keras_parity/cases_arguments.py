"""Arguments that the grids of the other files leave out, each with a value that is not its default."""

# ruff: noqa: SIM905  (tables of names read best as they are)
from __future__ import annotations

from typing import Any

import numpy as np
from keras_parity import cases_initializers, cases_metrics, cases_random, runners
from keras_parity.calls import HALVES, Call, Numbers, Table, grid
from keras_parity.cases_losses import CLASSES_AXIS, labels, predictions

_N = Numbers(41)
_INITIALIZERS, _LOSSES, _METRICS = Table("initializers"), Table("losses"), Table("metrics")
_OPS, _IMAGE, _OPTIMIZERS, _RANDOM = Table("ops"), Table("ops.image"), Table("optimizers"), Table("random")

# --- initializers ---

for _name in ("VarianceScaling", "variance_scaling"):
    for _mode, _law in (("fan_in", "uniform"), ("fan_out", "truncated_normal"), ("fan_avg", "untruncated_normal")):
        for _axes, _fans in (((0, 1), (300, 40)), ((0,), (20, 40))):
            # An axis that is neither among the inputs nor the outputs does not count.
            _given = {"mode": _mode, "distribution": _law, "input_axes": _axes, "output_axes": (2,)}
            _expected = cases_initializers.scaled(1.0, _mode, _law, _fans)
            _INITIALIZERS.add(
                _name, _name, _given, (20, 15, 40), _expected, "float32", function=cases_initializers.random
            )

# --- losses ---

for _options in grid(axis=(0, 1), from_logits=(False, True), apply_class_balancing=(False, True)):
    _y, _p = labels("binary", 3, 4, 5), predictions("binary", 3, 4, 5, logits=_options["from_logits"])
    _LOSSES.add("binary_focal_crossentropy", _y, _p, gradient=True, **_options)
    _LOSSES.add(
        "BinaryFocalCrossentropy",
        "BinaryFocalCrossentropy",
        _options,
        _y,
        _p,
        _N.between(0, 2, 1, 5),
        function=runners.loss_of,
        gradient=True,
    )
_WHO, _WHERE = np.array([0, 1, 1, 2, 0, 2], "int32"), _N.normal(6, 4)
_WHERE = (_WHERE / np.linalg.norm(_WHERE, axis=-1, keepdims=True)).astype("float32")
for _reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight", "none"):
    _options = {"gamma": 4.0, "reduction": _reduction}
    _LOSSES.add("Circle", "Circle", _options, _WHO, _WHERE, function=runners.loss_of, gradient=True)
    _weights = _N.between(0, 2, 6)
    _LOSSES.add("Circle", "Circle", _options, _WHO, _WHERE, _weights, function=runners.loss_of, gradient=True)
_SPOKEN = np.array([[1, 2, 2, 0], [3, 1, 0, 0], [2, 0, 0, 0]], "int32")
for _reduction in ("sum_over_batch_size", "mean_with_sample_weight", "none"):
    _given = ({"reduction": _reduction}, _SPOKEN, _N.normal(3, 8, 5), _N.between(0, 2, 3))
    _LOSSES.add("CTC", "CTC", *_given, function=runners.loss_of, gradient=True)


def _typed_loss(keras: Any, dtype: str, y: Any, p: Any, w: Any) -> Any:
    class Own(keras.Loss):  # type: ignore[misc,name-defined]
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return keras.ops.max(keras.ops.abs(y_true - y_pred), axis=-1)

    return Own(reduction="sum", dtype=dtype)(y, p, sample_weight=w)


for _dtype in HALVES:
    _LOSSES.add("Loss", _dtype, _N.normal(4, 5), _N.normal(4, 5), _N.between(0, 2, 4), function=_typed_loss)

# --- metrics ---


def _updates(
    kind: str, *shape: int, weighted: bool = True, logits: bool = False, axis: int = -1
) -> list[tuple[Any, ...]]:
    """Batches of unequal size: labels and predictions with their classes along an axis, and weights."""
    found = []
    for n in (4, 7, 5):
        y, p = labels(kind, n, *shape, numbers=_N), predictions(kind, n, *shape, logits=logits, numbers=_N)
        y, p = (np.moveaxis(a, -1, axis) if a.ndim == len(shape) + 1 else a for a in (y, p))
        found.append((np.ascontiguousarray(y), np.ascontiguousarray(p), _N.between(0, 2, n) if weighted else None))
    return found


def _add(name: str, options: dict[str, Any], updates: list[tuple[Any, ...]], differs: str = "") -> None:
    _METRICS.add(name, name, options, updates, function=runners.metric, differs=differs)


for _options in grid(axis=(1,), from_logits=(False, True), label_smoothing=(0, 0.1)):
    _logits = _options["from_logits"]
    _why = CLASSES_AXIS if _options["label_smoothing"] else ""
    for _weighted in (False, True):
        _batches = _updates("categorical", 3, 5, weighted=_weighted, logits=_logits, axis=1)
        _add("CategoricalCrossentropy", _options, _batches, differs=_why)
for _name in ("IoU", "OneHotIoU", "OneHotMeanIoU"):
    _options: dict[str, Any] = {"num_classes": 3, "axis": 1}
    if _name != "OneHotMeanIoU":
        _options["target_class_ids"] = [0, 2]
    if _name == "IoU":
        _options |= {"sparse_y_true": False, "sparse_y_pred": False}
    _add(_name, _options, _updates("categorical", 4, 3, weighted=False, axis=1), differs=cases_metrics.RESULT_AXIS)
for _k in (1, 3):
    _ids = [(labels("sparse", n, 6), np.argsort(-_N.normal(n, 6), -1).astype("int32"), None) for n in (4, 7)]
    _add("SparseTopKCategoricalAccuracy", {"k": _k, "from_sorted_ids": True}, _ids)
_GIVEN: dict[str, dict[str, Any]] = {
    "BinaryIoU": {},
    "AUC": {"num_thresholds": 20},
    "F1Score": {},
    "FBetaScore": {"beta": 0.5},
    "FalseNegatives": {},
    "FalsePositives": {},
    "Precision": {"thresholds": 0.4},
    "PrecisionAtRecall": {"recall": 0.5, "num_thresholds": 20},
    "R2Score": {},
    "Recall": {},
    "RecallAtPrecision": {"precision": 0.5, "num_thresholds": 20},
    "SensitivityAtSpecificity": {"specificity": 0.5, "num_thresholds": 20},
    "SpecificityAtSensitivity": {"sensitivity": 0.5, "num_thresholds": 20},
    "TrueNegatives": {},
    "TruePositives": {},
}
for _name in [*cases_metrics.OBJECTS, *_GIVEN]:
    _kind = cases_metrics.OBJECTS.get(_name, ("binary",))[0]
    _batches = _updates("binary" if _kind == "accuracy" else _kind, 4, weighted=_name != "BinaryIoU")
    _add(_name, {**_GIVEN.get(_name, {}), "dtype": "float16"}, _batches)
for _name in ("Mean", "Sum"):
    _add(_name, {"dtype": "float16"}, [(_N.normal(n), _N.between(0, 2, n)) for n in (4, 7, 5)])

# --- ops ---

for _shape in ((3, 3, 5), (1, 3, 5)):
    for _soft in (None, 0.7):
        _q, _k, _v = (_N.normal(2, 5, 3, 4) for _ in range(3))
        _bias = _N.normal(_shape[0] if _shape[0] == 1 else 2, 3, 5, 5)
        _why = (
            "a cap of the logits works on every machine, as documented; Keras on JAX has it on a TPU" if _soft else ""
        )
        _given = {"bias": _bias, "attn_logits_soft_cap": _soft, "flash_attention": False}
        _OPS.add("dot_product_attention", _q, _k, _v, gradient=True, differs=_why, **_given)
for _options in grid(strategy=("greedy",), merge_repeated=(True, False), mask_index=(0, 2)):
    _OPS.add("ctc_decode", _N.normal(3, 8, 4), np.array([8, 5, 7], "int32"), **_options)
for _mask in (0, 4):
    _spoken = np.where(_SPOKEN == 0, _mask, _SPOKEN).astype("int32")
    _lengths = (np.array([3, 2, 1], "int32"), np.array([8, 6, 7], "int32"))
    _OPS.add("ctc_loss", _spoken, _N.normal(3, 8, 5), *_lengths, mask_index=_mask, gradient=True)
_U, _V = np.linalg.qr(_N.normal(6, 4))[0], np.linalg.qr(_N.normal(4, 4))[0]
_RANKLESS = (_U @ np.diag([3.0, 1.0, 0.1, 0.0]) @ _V).astype("float32")
for _rcond in (1e-3, 0.1, 0.5):  # three, two and one of the singular values count
    _OPS.add("lstsq", _RANKLESS, _N.normal(6, 2), rcond=_rcond)
_OPS.add("unique", _N.ints(0, 5, 12), sorted=True)
for _options in grid(bottom_cropping=(1, 2), right_cropping=(0, 3)):
    _IMAGE.add("crop_images", _N.normal(2, 6, 7, 3), 1, 2, gradient=True, **_options)
for _options in grid(dilation_rate=(1, 2), padding=("valid", "same")):
    _IMAGE.add("extract_patches_3d", _N.normal(2, 7, 6, 8, 2), size=2, strides=1, gradient=True, **_options)

# --- optimizers ---


def _start() -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Variables, and ten steps of gradients none of which is near zero."""
    shapes = ((3,), (2, 5), (6, 2), (2, 2, 3))
    steps = [[np.copysign(_N.between(0.2, 1.5, *s), _N.normal(*s)) for s in shapes] for _ in range(runners.STEPS)]
    return [_N.normal(*s) for s in shapes], steps


_NAMES = ("bias", "embedding_kernel", "tall_kernel", "conv_kernel")
for _name, _rows in {
    "Adafactor": [*grid(epsilon_1=(1e-30, 1e-2), weight_decay=(None, 0.1))],
    "AdamW": [*grid(beta_2=(0.999, 0.7), epsilon=(1e-7, 1e-2))],
    "Muon": [
        *grid(adam_beta_1=(0.5,), adam_beta_2=(0.7,), epsilon=(1e-7, 1e-2)),
        *grid(exclude_embeddings=(True, False)),
    ],
    "ScheduleFreeAdamW": [*grid(beta_2=(0.999, 0.7), warmup_steps=(0, 2))],
    "SGD": [{"learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "clipnorm": 0.7}],
}.items():
    for _options in _rows:
        _OPTIMIZERS.add(_name, _name, _options, *_start(), _NAMES, function=runners.optimizer, label=str(_options))
_EACH = ("SGD RMSprop Adagrad Adadelta Adam AdamW Adamax Nadam Ftrl Lion Lamb Adafactor Muon ScheduleFreeAdamW").split()


def _changed(keras: Any, name: str, values: Any, gradients: Any) -> list[Any]:
    """A learning rate that a user sets anew on the way; a variable whose gradient is missing once."""
    variables = [keras.Variable(v) for v in values]
    found = getattr(keras.optimizers, name)(learning_rate=0.1)
    for number, step in enumerate(gradients):
        if number == 4:
            found.learning_rate = 0.02
        found.apply_gradients(zip(step, variables, strict=True))
    return [*runners.values(keras, [*variables, *found.variables]), found.learning_rate]


def _callable(keras: Any, name: str, values: Any, gradients: Any) -> list[Any]:
    """A learning rate that is a function, and the loss scaled for small gradients."""
    variables = [keras.Variable(v) for v in values]
    found = getattr(keras.optimizers, name)(learning_rate=lambda: 0.05, loss_scale_factor=16.0)
    for step in gradients:
        found.apply([16 * g for g in step], variables)
    return [*runners.values(keras, [*variables, *found.variables]), found.scale_loss(keras.ops.ones(()))]


def _restored(keras: Any, name: str, values: Any, gradients: Any) -> list[Any]:
    """State that goes into another optimizer of the same configuration, which continues."""
    variables = [keras.Variable(v) for v in values]
    found = getattr(keras.optimizers, name)(learning_rate=0.05)
    found.build(variables)
    for number, step in enumerate(gradients):
        if number == 5:
            state, found = runners.values(keras, found.variables), type(found).from_config(found.get_config())
            found.build(variables)
            for variable, value in zip(found.variables, state, strict=True):
                variable.assign(value)
        found.apply(list(step))
    return runners.values(keras, [*variables, *found.variables])


for _name in _EACH:
    for _function in (_changed, _callable, _restored):
        _label = _function.__name__.strip("_")
        _OPTIMIZERS.add(_name, _name, *_start(), function=_function, label=f"{_label} learning rate or state")


def _map(keras: Any) -> Any:
    opt = keras.optimizers
    return opt.OptimizerMap(opt.Adam(0.02), {".*bias": opt.SGD(0.1, momentum=0.5), "first/kernel": opt.Lion(0.01)})


def _several(keras: Any, x: Any, y: Any) -> list[Any]:
    """Ten compiled steps with an optimizer for each group of weights."""
    layers = [keras.layers.Dense(4, activation="tanh", name="first"), keras.layers.Dense(2, name="second")]
    model = keras.Sequential([keras.Input((x.shape[1],)), *layers])
    for i, w in enumerate(model.weights):
        w.assign(0.5 * np.sin(np.arange(np.prod(w.shape)) * 1.1 + i).reshape(w.shape))
    model.compile(optimizer=keras.optimizers.MultiOptimizer(_map(keras)), loss="mse")
    losses = [float(model.train_on_batch(np.asarray(x), np.asarray(y))) for _ in range(runners.STEPS)]
    return [np.array(losses, "float32"), *runners.values(keras, model.weights)]


_OPTIMIZERS.add("MultiOptimizer", _N.normal(8, 3), _N.normal(8, 2), function=_several, label="training")

# --- random ---

for _dtype in ("float16", "bfloat16"):
    for _name, _given, _mean, _deviation in (
        ("beta", (2.0, 3.0), 0.4, 0.2),
        ("gamma", (4.0,), 4.0, 2.0),
        ("binomial", (10, 0.3), 3.0, 2.1**0.5),
    ):
        _RANDOM.add(
            _name,
            _name,
            ((150, 200), *_given),
            {"dtype": _dtype},
            _mean,
            _deviation,
            function=cases_random.moments,
        )

CASES: list[Call] = [
    call for table in (_INITIALIZERS, _LOSSES, _METRICS, _OPS, _IMAGE, _OPTIMIZERS, _RANDOM) for call in table.calls
]
