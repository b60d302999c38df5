"""Activations, regularizers and constraints."""

# ruff: noqa: SIM905  (tables of names read best as they are)
from __future__ import annotations

from typing import Any

import numpy as np
from keras_parity import runners
from keras_parity.calls import HALVES, Call, Numbers, Table, Typed, grid

_N = Numbers(32)
_A = Table("activations")
_R = Table("regularizers")
_C = Table("constraints")
_SPECIAL = np.array([-np.inf, -90.0, -1.0, -0.0, 0.0, 1.0, 90.0, np.inf, np.nan], "float32")
NEGATIVE = "several axes may be negative too; Keras' softmax fails on them"
SPARSEMAX = "rows sum to 1, as documented (Martins and Astudillo, 2016); Keras' do not"

NAMES = (
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
    "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
    "sparse_sigmoid squareplus swish tanh tanh_shrink"
).split()
_ARGUMENTS: dict[str, dict[str, tuple[Any, ...]]] = {
    "celu": {"alpha": (0.3, 2.0)},
    "elu": {"alpha": (0.3, 2.0)},
    "gelu": {"approximate": (False, True)},
    "glu": {"axis": (-1, 0, 1)},
    "hard_shrink": {"threshold": (0.1, 1.5)},
    "soft_shrink": {"threshold": (0.1, 1.5)},
    "leaky_relu": {"negative_slope": (0.0, 0.01, 0.7)},
    "softmax": {"axis": (-1, 0, 1, (0, 1), (-2, -1))},
    "log_softmax": {"axis": (-1, 0, 1)},
    "squareplus": {"b": (0, 1, 4, 9.5)},
    "relu": {"negative_slope": (0.0, 0.2), "max_value": (None, 1.0, 6), "threshold": (0.0, 0.4, -0.3)},
}
for _name in NAMES:
    for _shape in ((3, 4), (2, 4, 6), (6,)):
        if not (_name in {"softmax", "log_softmax"} and len(_shape) < 2):
            _A.add(_name, 2 * _N.normal(*_shape), gradient=True)
    if _name != "glu":
        _A.add(_name, _SPECIAL[None], label="special values")
    for _options in grid(**_ARGUMENTS.get(_name, {})):
        _meant = NEGATIVE if _options.get("axis") == (-2, -1) else ""
        _A.add(_name, 2 * _N.normal(2, 4, 6), gradient=True, differs=_meant, **_options)
    for _dtype in HALVES:
        _A.add(_name, Typed(2 * _N.normal(3, 4), _dtype))
    _A.add("get", 2 * _N.normal(3, 4), function=runners.by_name("activations", _name), label=_name)
    _A.add("serialize", 2 * _N.normal(3, 4), function=runners.round_trip("activations", _name), label=_name)
    _x = _N.normal(3, 4)
    if _name not in {"swish", "hard_swish"}:  # second names, which Keras does not read back
        _A.add("deserialize", _x, function=lambda keras, x, name=_name: keras.activations.deserialize(name)(x))
for _options in grid(threshold=(-0.5, 0.0, 0.4), default_value=(-1.0, 0.0, 2)):
    _A.add("threshold", _N.normal(3, 4), gradient=True, **_options)
for _axis in (-1, 0, 1):
    _A.add("sparsemax", _N.normal(3, 2, 4), axis=_axis, gradient=True, differs=SPARSEMAX)
_A.add("get", "activations", function=runners.refuse_nothing)

_BOTH: dict[str, list[dict[str, Any]]] = {
    "L1": [{}, {"l1": 0.2}],
    "L2": [{}, {"l2": 0.3}],
    "L1L2": [{}, {"l1": 0.1}, {"l2": 0.2}, {"l1": 0.1, "l2": 0.2}],
    "OrthogonalRegularizer": [{}, {"factor": 0.1}, {"factor": 0.3, "mode": "columns"}],
}
_SMALL = {"L1": "l1", "L2": "l2", "L1L2": "l1_l2", "OrthogonalRegularizer": "orthogonal_regularizer"}
for _class, _rows in _BOTH.items():
    for _options in _rows:
        for _shape in ((3, 4), (5, 2)) if _class == "OrthogonalRegularizer" else ((3, 4), (5,), (2, 3, 2)):
            for _name in (_class, _SMALL[_class]):
                _function = runners.made(f"regularizers.{_name}", **_options)
                _label = f"{_options} {_shape}"
                _R.add(_name, _N.normal(*_shape), function=_function, gradient=True, label=_label)
    # Numbers that float32 holds: Keras writes what it rounded.
    for _name, _number in (("serialize", 0.25), ("deserialize", 0.5)):
        _given = {next(iter(_rows[1])): _number}
        _R.add(_name, _N.normal(3, 4), function=runners.round_trip("regularizers", _class, **_given), label=_class)
    for _name in (_class, *([_SMALL[_class]] if _class != "L1L2" else [])):  # Keras does not know "l1_l2"
        _R.add("get", _N.normal(3, 4), function=runners.by_name("regularizers", _name), label=_name)
_R.add("get", "regularizers", function=runners.refuse_nothing)


def _own(keras: Any, x: Any) -> Any:
    class Own(keras.Regularizer):  # type: ignore[misc,name-defined]
        def __call__(self, x: Any) -> Any:
            return 0.3 * keras.ops.sum(keras.ops.abs(x) ** 3)

    layer = keras.layers.Dense(2, kernel_regularizer=Own())
    layer.build((None, 3))
    layer.kernel.assign(x)
    return layer.losses


_R.add("Regularizer", _N.normal(3, 2), function=_own)

_PLACES: dict[str, list[dict[str, Any]]] = {
    "MaxNorm": [{}, *grid(max_value=(0.5, 3), axis=(0, 1, -1, (0, 1)))],
    "MinMaxNorm": [{}, *grid(min_value=(0.2, 0.8), max_value=(1.2,), rate=(1.0, 0.3), axis=(0, 1, (0, 1)))],
    "NonNeg": [{}],
    "UnitNorm": [{}, *grid(axis=(0, 1, -1, (0, 1)))],
}
_UNDER = {"MaxNorm": "max_norm", "MinMaxNorm": "min_max_norm", "NonNeg": "non_neg", "UnitNorm": "unit_norm"}
for _class, _rows in _PLACES.items():
    for _options in _rows:
        for _shape in ((4, 3), (2, 3, 2)):
            for _name in (_class, _UNDER[_class]):
                _function = runners.made(f"constraints.{_name}", **_options)
                _C.add(_name, _N.normal(*_shape), function=_function, label=f"{_options} {_shape}", gradient=True)
    _C.add(_class, np.zeros((2, 3), "float32"), function=runners.made(f"constraints.{_class}"), label="zeros")
    _C.add("serialize", _N.normal(3, 4), function=runners.round_trip("constraints", _class, **_rows[-1]), label=_class)
    _C.add("deserialize", _N.normal(3, 4), function=runners.round_trip("constraints", _class), label=_class)
    for _name in (_class, _UNDER[_class]):
        _C.add("get", _N.normal(3, 4), function=runners.by_name("constraints", _name), label=_name)
_C.add("get", "constraints", function=runners.refuse_nothing)


def _constrained(keras: Any, x: Any) -> Any:
    class Own(keras.constraints.Constraint):  # type: ignore[misc,name-defined]
        def __call__(self, w: Any) -> Any:
            return keras.ops.clip(w, -0.1, 0.2)

    layer = keras.layers.Dense(2, kernel_constraint=Own())
    model = keras.Sequential([keras.Input((3,)), layer])
    layer.kernel.assign(0.1 * x)
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((4, 3), "float32"), np.ones((4, 2), "float32"))
    return layer.kernel.value


_C.add("Constraint", _N.normal(3, 2), function=_constrained)

CASES: list[Call] = [*_A.calls, *_R.calls, *_C.calls]
