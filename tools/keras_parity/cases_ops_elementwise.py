"""Elementwise functions of `ops`: values, gradients, result dtypes, broadcasting, special values."""

# ruff: noqa: E501, SIM905  (tables of names read best as they are)
from __future__ import annotations

import itertools

import numpy as np
from keras_parity.calls import HALVES, Call, Numbers, Table, Typed

_N = Numbers(21)
_T = Table("ops")

# --- one argument ---

_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys("log log10 log1p log2 sqrt rsqrt reciprocal cbrt".split(), (0.2, 3.0)),
    **dict.fromkeys("arccos arcsin arctanh erfinv".split(), (-0.9, 0.9)),
    "arccosh": (1.2, 4.0),
    "tan": (-1.4, 1.4),
    "i0": (-8.0, 8.0),
}
SMOOTH = (
    "abs absolute fabs negative square sqrt rsqrt reciprocal sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh "
    "arctanh exp exp2 expm1 log log10 log1p log2 erf erfc erfinv cbrt deg2rad rad2deg real conj conjugate sinc i0 nan_to_num "
    "sigmoid silu swish softplus softsign relu relu6 elu selu celu gelu leaky_relu log_sigmoid hard_sigmoid hard_silu "
    "hard_swish hard_tanh hard_shrink soft_shrink tanh_shrink squareplus sparse_plus sparse_sigmoid softmax log_softmax "
    "copy stop_gradient"
).split()
FLAT = (
    "ceil floor round trunc sign signbit isfinite isinf isnan isneginf isposinf isreal angle imag logical_not".split()
)
# Numbers whose first result is a matter of its own: signed zeros, infinities, not-a-numbers, denormals, extremes.
_SPECIAL = np.array([-np.inf, -3e38, -1.0, -1e-30, -0.0, 0.0, 1e-30, 0.5, 1.0, 88.0, 3e38, np.inf, np.nan], "float32")
# What numbers of these kinds make of a function is compared for dtype and value.
INTEGERS = ("bool", "uint8", "int8", "int16", "uint16", "int32", "uint32")

for _name in SMOOTH:
    _low, _high = _RANGES.get(_name, (-3.0, 3.0))
    for _shape in ((3, 5), (), (2, 1, 3, 2), (40,)):
        if _name in ("softmax", "log_softmax") and not _shape:
            continue
        _T.add(_name, _N.between(_low, _high, *_shape), gradient=True)
    _T.add(_name, _SPECIAL, label="special values")
    for _dtype in HALVES:
        _T.add(_name, Typed(_N.between(_low, _high, 7), _dtype))
for _name in FLAT:
    _T.add(_name, _N.between(-5, 5, 3, 5))
    _T.add(_name, np.array(-0.5, "float32"))
    _T.add(_name, _SPECIAL, label="special values")
    for _dtype in HALVES:
        _T.add(_name, Typed(_N.between(-5, 5, 7), _dtype))
_FLOATS_ONLY = (
    "erf erfc erfinv sigmoid silu swish softplus softsign relu6 elu selu celu gelu leaky_relu log_sigmoid hard_sigmoid "
    "hard_silu hard_swish hard_tanh hard_shrink soft_shrink tanh_shrink squareplus sparse_plus sparse_sigmoid softmax "
    "log_softmax rsqrt stop_gradient"
).split()
_NO_BOOLEANS = ("negative", "sign", "round")  # numpy and JAX refuse them
for _name in (n for n in [*SMOOTH, *FLAT] if n not in _FLOATS_ONLY):
    for _dtype in INTEGERS[_name == "negative" :]:
        _values = _N.ints(0, 2, 6, dtype=_dtype)
        if not (_dtype == "bool" and _name in _NO_BOOLEANS):
            _T.add(_name, _values)

for _approximate in (True, False):
    _T.add("gelu", _N.between(-4, 4, 4, 5), approximate=_approximate, gradient=True)
for _slope in (0.0, 0.01, 0.4, 1.5):
    _T.add("leaky_relu", _N.normal(4, 5), negative_slope=_slope, gradient=True)
for _name, _alpha in itertools.product(("elu", "celu"), (0.3, 1.0, 2.5)):
    _T.add(_name, _N.between(-4, 4, 4, 5), alpha=_alpha, gradient=True)
for _name, _threshold in itertools.product(("hard_shrink", "soft_shrink"), (0.1, 1.2)):
    _T.add(_name, 2 * _N.normal(4, 5), threshold=_threshold, gradient=True)
for _b in (0, 1, 4, 9.5):
    _T.add("squareplus", _N.normal(4, 5), b=_b, gradient=True)
for _limit, _value in ((0.0, 0.0), (0.4, -2.0), (-0.3, 9.0)):
    _T.add("threshold", _N.normal(4, 5), _limit, _value, gradient=True)
for _axis in (-1, 0, 1, (0, 1), (1, 2), None):
    for _name in ("softmax", "log_softmax"):
        if not (_name == "log_softmax" and _axis is None):
            _T.add(_name, 3 * _N.normal(3, 4, 5), axis=_axis, gradient=True)
for _axis in (-1, 0, 1):
    _T.add("glu", _N.normal(4, 2, 6), axis=_axis, gradient=True)
for _axis in (-1, 0, 1):
    _T.add(
        "sparsemax",
        _N.normal(4, 3, 5),
        axis=_axis,
        gradient=True,
        differs="rows sum to 1, as documented (Martins and Astudillo, 2016); Keras' do not",
    )
for _decimals in (-1, 0, 1, 3):
    _T.add("round", 30 * _N.normal(4, 5), decimals=_decimals)
for _decimals in (-1, 0, 2):
    _T.add("round", _N.ints(-90, 90, 7), decimals=_decimals)
_T.add("round", np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], "float32"), label="halves go to even")
for _low, _high in ((-0.5, 0.8), (0, 1), (-1e9, 0.2)):
    _T.add("clip", _N.normal(3, 5), _low, _high, gradient=True)
_T.add("clip", _N.normal(3, 5), _N.between(-1, 0, 5), _N.between(0, 1, 3, 1), gradient=True)
_T.add("clip", _N.ints(-9, 9, 3, 5), -3, 4)
_T.add("clip", _N.ints(0, 9, 5, dtype="uint8"), 2, 6)
for _options in ({}, {"nan": 2.5}, {"posinf": 7.0, "neginf": -3.0}, {"nan": -1.0, "posinf": 1.0}):
    _T.add("nan_to_num", _SPECIAL, **_options)

# --- two arguments ---

PAIRS = "add subtract multiply maximum minimum fmax fmin arctan2 logaddexp logaddexp2 hypot".split()
POSITIVE_PAIRS = "divide true_divide divide_no_nan power".split()
COMPARISONS = "equal not_equal greater greater_equal less less_equal isclose".split()
LOGICAL = "logical_and logical_or logical_xor".split()
STEPS = "floor_divide mod fmod nextafter heaviside".split()
BITS = "bitwise_and bitwise_or bitwise_xor gcd lcm".split()
SHIFTS = "bitwise_left_shift bitwise_right_shift left_shift right_shift".split()
_SHAPES = (((3, 5), (3, 5)), ((3, 1, 5), (4, 1)), ((5,), (2, 3, 5)), ((), (4,)), ((2, 3), ()), ((1,), (1, 1)))
for _name, (_a, _b) in itertools.product(PAIRS, _SHAPES):
    _T.add(_name, _N.normal(*_a), _N.normal(*_b), gradient=True)
for _name, (_a, _b) in itertools.product(POSITIVE_PAIRS, _SHAPES):
    _T.add(_name, _N.between(0.4, 2, *_a), _N.between(0.5, 2, *_b), gradient=True)
for _name, (_a, _b) in itertools.product([*COMPARISONS, *LOGICAL], _SHAPES):
    _T.add(_name, _N.ints(0, 3, *_a).astype("float32"), _N.ints(0, 3, *_b).astype("float32"))
for _name, (_a, _b) in itertools.product(STEPS, _SHAPES):
    _T.add(_name, _N.between(-5, 5, *_a), _N.between(0.5, 3, *_b))
for _name in "add subtract multiply divide maximum minimum power floor_divide mod".split():
    _T.add(_name, _N.between(0.5, 2, 3, 4), 2, gradient=True, label="scalar 2")
    _T.add(_name, _N.between(0.5, 2, 3, 4), 1.7, gradient=_name not in ("floor_divide", "mod"), label="scalar 1.7")
    _T.add(_name, _N.ints(1, 9, 3, 4), 2, label="int32, scalar 2")
    _T.add(_name, _N.ints(1, 9, 3, 4), 1.7, label="int32, scalar 1.7")
_A, _B = (x.ravel() for x in np.meshgrid(_SPECIAL, _SPECIAL))
for _name in [*PAIRS, *POSITIVE_PAIRS, *COMPARISONS, *LOGICAL, "floor_divide", "mod", "fmod", "heaviside"]:
    _T.add(_name, _A, _B, label="special values")
for _options in ({"rtol": 0.1}, {"atol": 0.5}, {"equal_nan": True}):
    for _name in ("isclose", "allclose"):
        _values = np.array([1.0, 1.05, 1.4, np.nan, np.inf], "float32")
        _T.add(_name, _values, np.array([1.0, 1.0, 1.0, np.nan, np.inf], "float32"), **_options)
_T.add("allclose", _N.normal(3), _N.normal(3))
_T.add("allclose", np.ones((2, 3), "float32"), np.ones(3, "float32"))
for _name in BITS:
    for _dtype in ("int32", "int8", "uint8", "uint32"):
        _T.add(_name, _N.ints(1, 10, 3, 5, dtype=_dtype), _N.ints(1, 10, 5, dtype=_dtype))
    _T.add(_name, _N.ints(-40, 40, 3, 5), _N.ints(-40, 40, 5), label="signed")
for _name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    _T.add(_name, _N.choice(5), _N.choice(5))
for _name in SHIFTS:
    for _dtype in ("int32", "int8", "uint8", "uint32"):
        _T.add(_name, _N.ints(1, 100, 3, 5, dtype=_dtype), _N.ints(0, 5, 5, dtype=_dtype))
    _T.add(_name, _N.ints(-90, 90, 8), _N.ints(0, 9, 8), label="signed")
for _name in ("bitwise_not", "bitwise_invert"):
    for _dtype in ("int32", "int8", "uint8", "bool"):
        _T.add(_name, _N.ints(0, 2, 7, dtype=_dtype))
_T.add("ldexp", _N.normal(6), _N.ints(-3, 4, 6))
_T.add("ldexp", _N.normal(2, 6), _N.ints(-3, 4, 6))
_T.add("where", _N.choice(3, 5), _N.normal(3, 5), _N.normal(5), gradient=True)
_T.add("where", _N.choice(3, 1), _N.normal(3, 5), 0.5, gradient=True)
_T.add("where", _N.choice(3, 5), _N.ints(0, 9, 3, 5), _N.normal(5))
_T.add("where", _N.choice(3, 5), label="indices only")
_T.add("where", _N.ints(0, 2, 3, 5), _N.ints(0, 9, 5), 7)
_T.add("select", [_N.choice(4), _N.choice(4)], [_N.normal(4), _N.normal(4)], gradient=True)
_T.add("select", [_N.choice(3, 4), _N.choice(4)], [_N.normal(3, 4), _N.normal(3, 4)], default=-2.5, gradient=True)

# Result dtypes of pairs: every pair of dtypes for one function of each family.
_DTYPES = (*INTEGERS, *HALVES, "float32")
_FAMILIES = (
    "add multiply subtract divide power floor_divide mod maximum equal logical_and arctan2 logaddexp where".split()
)


def _of(dtype: str) -> np.ndarray | Typed:
    values = _N.ints(1, 4, 4)
    return Typed(values, dtype) if dtype in HALVES else values.astype(dtype)


for _name in _FAMILIES:
    for _a, _b in itertools.product(_DTYPES, _DTYPES):
        if _name in ("subtract", "floor_divide", "mod", "power") and _a == _b == "bool":
            continue
        if _name == "where":
            _T.add(_name, _N.choice(4), _of(_a), _of(_b))
        else:
            _T.add(_name, _of(_a), _of(_b))
for _name in [*PAIRS, *POSITIVE_PAIRS, "fmod", "heaviside", *COMPARISONS]:
    if _name not in _FAMILIES:
        for _dtype in (*INTEGERS, *HALVES):
            if _dtype != "bool":
                _T.add(_name, _of(_dtype), _of(_dtype))
for _from, _to in itertools.product(_DTYPES, _DTYPES):
    _T.add("cast", _of(_from), _to)
for _from, _to in itertools.product(("float32", "int32"), ("uint8", "int8", "int16", "uint16", "bool")):
    _values = np.array([-1000, -200.7, -1.5, 0, 1.5, 100.2, 300, 70000], _from)
    _T.add("saturate_cast", _values, _to)
_T.add("cast", np.array([-1.7, 1.7, 2.5, -2.5], "float32"), "int32", label="to zero")
_T.add("cast", _N.normal(3, 4), "float16", gradient=True)

CASES: list[Call] = _T.calls
