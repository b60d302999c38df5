"""Functions of `ops` along axes: sums, extremes, statistics, sorting, cumulation, counting."""

# ruff: noqa: SIM905  (tables of names read best as they are)
from __future__ import annotations

import numpy as np
from keras_parity.calls import HALVES, Call, Numbers, Plain, Table, Typed, grid

_N = Numbers(22)
_T = Table("ops")
_AXES = (None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2))
_INTEGERS = ("bool", "uint8", "int8", "int16", "uint16", "int32", "uint32")


def _holes(*shape: int) -> np.ndarray:
    x = _N.distinct(*shape)
    x[_N.generator.random(shape) < 0.3] = np.nan
    return x


# --- to one number a row ---

for _name in "sum mean prod max min amax amin var std logsumexp".split():
    for _options in grid(axis=_AXES, keepdims=(False, True)):
        _T.add(_name, _N.distinct(3, 4, 5) / 9, gradient=True, **_options)
    _T.add(_name, _N.normal(7), gradient=True)
    _T.add(_name, np.array(1.5, "float32"))
    _T.add(_name, np.array([[1.0, np.nan, 2.0], [np.inf, 1.0, -np.inf], [3.0, 2.0, np.inf]], "float32"), axis=1)
    for _dtype in (*_INTEGERS, *HALVES):
        if _name == "logsumexp" and _dtype not in HALVES:
            continue
        _values = _N.ints(0, 2 if _dtype == "bool" else 5, 3, 4)
        _T.add(_name, Typed(_values, _dtype) if _dtype in HALVES else _values.astype(_dtype), axis=1)
for _name in "sum mean max min prod".split():
    _T.add(_name, np.array([[2.0, 2.0, 1.0], [3.0, 3.0, 3.0]], "float32"), axis=1, gradient=True, label="ties")
for _name, _options in (("max", {"initial": 0.7}), ("min", {"initial": -0.2}), ("prod", {"dtype": "int32"})):
    for _axis in (None, 1):
        _T.add(_name, 3 * _N.normal(3, 4), axis=_axis, **_options)
for _dtype in ("float16", "float32", "int32"):
    _T.add("prod", _N.ints(1, 4, 3, 4), axis=0, dtype=_dtype)
for _name in ("all", "any"):
    for _options in grid(axis=_AXES, keepdims=(False, True)):
        _T.add(_name, _N.generator.random((3, 4, 5)) < 0.9, **_options)
    _T.add(_name, _N.ints(0, 3, 4, 5), axis=0)
    _T.add(_name, _N.ints(0, 3, 4, 5).astype("float32"), axis=0)
for _axis in _AXES:
    _T.add("count_nonzero", _N.ints(0, 2, 3, 4, 5), axis=_axis)
    _T.add("count_nonzero", _N.ints(0, 2, 3, 4, 5).astype("float32"), axis=_axis)
for _name in ("argmax", "argmin"):
    for _options in grid(axis=(None, 0, 1, -1), keepdims=(False, True)):
        _T.add(_name, _N.distinct(3, 4, 5), **_options)
        _T.add(_name, _N.ints(0, 3, 3, 4, 5), label=f"ties {_options}", **_options)
    _T.add(_name, np.array([[1.0, np.nan, 3.0], [np.inf, np.inf, 0.0]], "float32"), axis=1)
for _options in grid(axis=_AXES, keepdims=(False, True)):
    _T.add("median", _N.distinct(3, 4, 5), gradient=True, **_options)
    _T.add("ptp", _N.distinct(3, 4, 5), gradient=True, **_options)
for _dtype in ("int32", "uint8", "bool"):
    _T.add("median", _N.ints(0, 2, 3, 6).astype(_dtype), axis=1)
for _dtype in HALVES:
    _T.add("median", Typed(_N.distinct(3, 6), _dtype), axis=1)
_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")
for _options in grid(axis=(None, 0, -1, (0, 1)), method=_METHODS, keepdims=(False, True)):
    _T.add("quantile", _N.distinct(3, 4, 5), 0.3, **_options)
    _T.add("quantile", _N.distinct(3, 4, 5), Plain(np.array([0.1, 0.55, 1.0], "float32")), **_options)
    _T.add("percentile", _N.distinct(3, 4, 5), 35.0, **_options)
    _T.add("percentile", _N.distinct(3, 4, 5), Plain(np.array([0.0, 20.0, 77.0], "float32")), **_options)
    # No quantile half way between two numbers, where JAX's product in float32 decides which one is nearest.
    _T.add("nanquantile", _holes(3, 4, 5), 0.27, **_options)
    _T.add("nanpercentile", _holes(3, 4, 5), 33.0, **_options)
for _method in _METHODS:
    _T.add("quantile", _N.distinct(3, 7), 0.4, axis=1, method=_method, gradient=True, label=f"gradient {_method}")
    _T.add("quantile", _N.ints(0, 9, 3, 7), 0.4, axis=1, method=_method)
for _name in "nansum nanmean nanprod nanmax nanmin nanvar nanstd nanmedian".split():
    for _options in grid(axis=_AXES, keepdims=(False, True)):
        _T.add(_name, _holes(3, 4, 5) / 9, **_options)
    _T.add(_name, np.array([[np.nan, np.nan], [1.0, np.nan]], "float32"), axis=1, label="a row without numbers")
    _T.add(_name, _N.ints(0, 9, 3, 4), axis=0)
    for _dtype in HALVES:
        _T.add(_name, Typed(_holes(3, 6) / 4, _dtype), axis=1)
for _name in "nansum nanmean nanmax nanmin".split():
    _T.add(_name, _N.distinct(3, 4) / 9, axis=1, gradient=True, label="gradient")
for _name in ("nanargmax", "nanargmin"):
    for _options in grid(axis=(None, 0, 1, -1), keepdims=(False, True)):
        _values = _holes(3, 4, 5)
        _values[0] = 1.0
        _values[:, 0] = 2.0
        _values[..., 0] = 3.0
        _T.add(_name, _values, **_options)
for _options in grid(axes=([0], [0, 1], (1,), -1, [0, 1, 2]), keepdims=(False, True)):
    _T.add("moments", _N.normal(4, 5, 3), gradient=True, **_options)
_T.add("moments", Typed(_N.normal(4, 5), "float16"), axes=[0])
_T.add("moments", (1e3 + _N.normal(50, 4)).astype("float32"), axes=[0], label="far from zero")
for _axis in (None, 0, 1, -1):
    _T.add("average", _N.normal(3, 5), axis=_axis, gradient=True)
    _T.add("average", _N.normal(3, 5), axis=_axis, weights=_N.between(0.1, 1, 3, 5), gradient=True)
_T.add("average", _N.normal(3, 5), axis=1, weights=_N.between(0.1, 1, 5), gradient=True)
_T.add("average", _N.ints(0, 9, 3, 5), axis=0)
for _options in grid(axis=(-1, 0, 1), order=(1, 2, 3)):
    _T.add("normalize", _N.normal(3, 4, 5), gradient=True, **_options)
_T.add("normalize", np.zeros((2, 3), "float32"), label="zeros")
_T.add("normalize", _N.normal(2, 3), epsilon=0.5)
for _axis in (-1, 0, 1):
    _T.add("trapezoid", _N.normal(4, 5, 6), dx=0.5, axis=_axis, gradient=True)
    _T.add("trapezoid", _N.normal(4, 5, 6), np.sort(_N.normal({-1: 6, 0: 4, 1: 5}[_axis])), axis=_axis)
for _name in ("corrcoef",):
    _T.add(_name, _N.normal(4, 9))
    _T.add(_name, _N.normal(5))

# --- as many numbers as before ---

for _name in ("cumsum", "cumprod"):
    for _axis in (None, 0, 1, -1):
        _T.add(_name, _N.normal(3, 4, 5), axis=_axis, gradient=True)
    for _dtype in (*_INTEGERS, *HALVES):
        _values = _N.ints(0, 2, 3, 4)
        _T.add(_name, Typed(_values, _dtype) if _dtype in HALVES else _values.astype(_dtype), axis=1)
    for _dtype in ("int32", "float32", "float16"):
        _T.add(_name, _N.ints(0, 3, 3, 4, dtype="int8"), axis=1, dtype=_dtype)
for _name in ("nancumsum", "nancumprod"):
    for _axis in (None, 0, 1, -1):
        _T.add(_name, _holes(3, 4, 5) / 9, axis=_axis)
    _T.add(_name, _N.ints(0, 3, 3, 4), axis=1, dtype="float32")
for _axis in (-1, 0, 1, None):
    if _axis is not None:
        _T.add("sort", _N.distinct(3, 4, 5), axis=_axis, gradient=True)
    _T.add("argsort", _N.distinct(3, 4, 5), axis=_axis)
    _T.add("argsort", _N.ints(0, 3, 3, 4, 5), axis=_axis, label=f"ties, axis={_axis}")
for _dtype in (*_INTEGERS, *HALVES):
    _values = _N.ints(0, 5, 3, 6)
    _T.add("sort", Typed(_values, _dtype) if _dtype in HALVES else _values.astype(_dtype), axis=1)
_T.add("sort", np.array([3.0, np.nan, -np.inf, 0.0, np.inf, -0.0], "float32"), label="special values")
_T.add("argsort", np.array([3.0, np.nan, -np.inf, 0.0, np.inf, -1.0], "float32"), label="special values")


def _partitioned(keras, x, kth, axis):
    """What `argpartition` promises: the k-th in place, all smaller ones before it (here: their sum)."""
    found = keras.ops.take_along_axis(x, keras.ops.argpartition(x, kth, axis=axis), axis=axis)
    found = keras.ops.moveaxis(found, axis, -1)
    return keras.ops.take(found, kth, axis=-1), keras.ops.max(found[..., : kth + 1], axis=-1)


for _options in grid(kth=(0, 2, 4), axis=(-1, 0)):
    _T.add("argpartition", _N.distinct(6, 7), function=_partitioned, **_options)
for _options in grid(k=(1, 3, 7), sorted=(True,)):
    _T.add("top_k", _N.distinct(4, 7), gradient=True, **_options)
_T.add("top_k", _N.ints(0, 99, 2, 3, 6), k=2)
_T.add("top_k", np.array([[1.0, 2.0, 2.0, 0.0, 2.0]], "float32"), k=3, label="ties")
for _k in (1, 2, 5):
    _T.add("in_top_k", _N.ints(0, 5, 8), _N.distinct(8, 5), k=_k)
_TIED = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]], "float32")
_T.add("in_top_k", np.array([0, 1], "int32"), _TIED, k=1, label="ties")
for _options in grid(n=(1, 2, 3), axis=(-1, 0)):
    _T.add("diff", _N.normal(5, 6), gradient=True, **_options)
_T.add("diff", _N.ints(0, 9, 3, 5))

# --- counting and finding ---

for _options in grid(minlength=(0, 3, 9)):
    _T.add("bincount", _N.ints(0, 6, 20), **_options)
    _T.add("bincount", _N.ints(0, 6, 3, 20), **_options)
    _T.add("bincount", _N.ints(0, 6, 20), weights=_N.normal(20), **_options)
for _options in grid(bins=(3, 10), range=(None, (-2.0, 2.0), (-0.5, 1.0))):
    _T.add("histogram", _N.normal(60), **_options)
_T.add("histogram", _N.ints(0, 9, 30), bins=4)
_T.add("digitize", _N.normal(4, 5), np.array([-1.0, 0.0, 0.5], "float32"))
_T.add("digitize", np.array([-1.0, 0.0, 0.5, 0.7], "float32"), np.array([-1.0, 0.0, 0.5], "float32"), label="on edges")
_T.add("digitize", _N.ints(-5, 5, 9), np.array([-2, 0, 3], "int32"))
_STAIR = np.array([-1.0, 0.0, 0.0, 2.0], "float32")
for _side in ("left", "right"):
    _T.add("searchsorted", _STAIR, np.array([-2.0, 0.0, 2.0, 5.0], "float32"), side=_side)
    _T.add("searchsorted", np.sort(_N.normal(9)), _N.normal(3, 4), side=_side)
    _T.add("searchsorted", np.arange(5, dtype="int32"), _N.ints(-1, 7, 6), side=_side)
for _options in grid(assume_unique=(False,), invert=(False, True)):
    _T.add("isin", _N.ints(0, 6, 3, 7), _N.ints(0, 6, 3), **_options)
    _T.add("isin", _N.ints(0, 6, 9).astype("float32"), _N.ints(0, 6, 3).astype("float32"), **_options)
_T.add("isin", np.arange(6, dtype="int32"), np.array([1, 4], "int32"), assume_unique=True)
for _dtype in ("int32", "float32", "bool"):
    _T.add("nonzero", _N.ints(0, 2, 3, 4).astype(_dtype))
for _shape in ((12,), (3, 4), (2, 3, 2)):
    _T.add("unravel_index", _N.ints(0, 12, 5), _shape)
_T.add("unravel_index", _N.ints(0, 12, 2, 3), (3, 4))
for _options in grid(return_index=(False, True), return_inverse=(False, True), return_counts=(False, True)):
    _T.add("unique", _N.ints(0, 5, 12), **_options)
    _T.add("unique", _N.ints(0, 5, 3, 4).astype("float32"), **_options)
for _axis in (0, 1):
    _T.add("unique", np.array([[1, 1, 0], [1, 1, 0], [2, 2, 3]], "int32"), axis=_axis)
for _size in (3, 8):
    _T.add("unique", np.array([4, 1, 1, 9, 4, 0], "int32"), size=_size)
    _T.add("unique", np.array([4, 1, 1, 9, 4, 0], "int32"), size=_size, fill_value=-1, return_counts=True)
for _name in "segment_sum segment_max segment_min segment_prod".split():
    for _count in (3, 5):
        _ids = np.array([0, 0, 1, 2, 1, 0], "int32")
        _T.add(_name, _N.distinct(6, 2), _ids, num_segments=_count, gradient=_name != "segment_prod")
        _T.add(_name, _N.ints(1, 5, 6), _ids, num_segments=_count)
    _T.add(_name, _N.distinct(6, 2), np.sort(_ids), num_segments=3, sorted=True)
    _T.add(_name, _N.distinct(4), np.array([0, -1, 7, 2], "int32"), num_segments=3, label="ids out of bounds")

CASES: list[Call] = _T.calls
