"""Functions of `ops` that make, shape, join, cut and index arrays."""

# ruff: noqa: SIM905  (tables of names read best as they are)
from __future__ import annotations

from typing import Any

import numpy as np
from keras_parity.calls import HALVES, Call, Numbers, Plain, Table, Typed, grid

_N = Numbers(23)
_T = Table("ops")
_DTYPES = ("float32", "float16", "bfloat16", "int32", "int8", "uint8", "bool")

# --- made from nothing ---

for _arguments in ((5,), (2, 9), (2, 11, 3), (9, 0, -2), (0.0, 1.0, 0.3), (3.5,), (1, 2.5, 0.5), (5, 2)):
    _T.add("arange", *_arguments)
for _dtype in ("int32", "float32", "float16", "uint8", "bfloat16"):
    _T.add("arange", 2, 9, 2, dtype=_dtype)
for _options in grid(num=(1, 5), endpoint=(True, False), dtype=(None, "float16", "int32")):
    _T.add("linspace", 0.0, 3.0, **_options)
    _T.add("logspace", 0.0, 2.0, **_options)
    _T.add("geomspace", 1.0, 8.0, **_options)
_T.add("linspace", 0, 10, num=5, retstep=True)
for _axis in (0, -1):
    _T.add("linspace", _N.normal(3), _N.normal(3), num=4, axis=_axis)
    _T.add("logspace", _N.normal(3), _N.normal(3), num=4, axis=_axis)
    _T.add("geomspace", _N.between(1, 2, 3), _N.between(3, 4, 3), num=4, axis=_axis)
_T.add("logspace", 0, 3, num=4, base=2)
_T.add("geomspace", -1.0, -16.0, num=5)
for _options in grid(M=(None, 2, 5), k=(-1, 0, 2), dtype=(None, "int32")):
    _T.add("eye", 4, **_options)
    _T.add("tri", 4, **_options)
for _dtype in (None, *_DTYPES):
    _T.add("identity", 3, dtype=_dtype)
    _T.add("zeros", (2, 3), dtype=_dtype)
    _T.add("ones", (2, 1), dtype=_dtype)
    _T.add("full", (2, 3), 1, dtype=_dtype)
    _T.add("zeros_like", _N.normal(2, 3), dtype=_dtype)
    _T.add("ones_like", _N.ints(0, 4, 2, 3), dtype=_dtype)
    _T.add("full_like", _N.normal(2, 3), 2, dtype=_dtype)
    _T.add("array", _N.ints(0, 2, 4), dtype=_dtype)
    _T.add("convert_to_tensor", Plain(_N.ints(0, 2, 4)), dtype=_dtype)
_T.add("full", (2, 3), 7.5)
_T.add("full", (2, 3), np.array([1.0, 2.0, 3.0], "float32"))
_T.add("full_like", _N.ints(0, 4, 2, 3), 5)
for _values in (3, 2.5, True, [1, 2], [1.5, 2], [[True], [False]], (1, 2.0), Plain(np.arange(3, dtype="int8"))):
    _T.add("convert_to_tensor", _values)
    _T.add("array", _values)
for _shape in ((2, 3), (0, 4), ()):
    for _name in ("empty", "empty_like"):
        _given = _shape if _name == "empty" else np.zeros(_shape, "float32")
        _T.add(_name, _given, function=lambda keras, x, name=_name: list(getattr(keras.ops, name)(x).shape))
for _name in "bartlett blackman hamming hanning".split():
    for _n in (1, 2, 3, 8):
        _T.add(_name, _n)
for _options in grid(x=(1, 2, 7), beta=(0.0, 4.5, 14)):
    _T.add("kaiser", _options["x"], _options["beta"])
for _options in grid(N=(None, 2, 6), increasing=(False, True)):
    _T.add("vander", _N.normal(4), gradient=True, **_options)
_T.add("vander", np.array([1, 2, 3], "int32"))
for _indexing in ("xy", "ij"):
    _T.add("meshgrid", _N.normal(3), _N.normal(4), indexing=_indexing, gradient=True)
    _T.add("meshgrid", _N.normal(3), _N.ints(0, 4, 2), _N.normal(4), indexing=_indexing)
for _options in grid(num_classes=(5, 7), axis=(-1, 0, 1), dtype=(None, "int32", "bool", "float16")):
    _T.add("one_hot", _N.ints(0, 5, 2, 3), **_options)
_T.add("one_hot", np.array([0, -1, 4, 9], "int32"), 5, label="out of bounds")
_T.add("one_hot", np.array([0, 1, 2], "uint8"), 3)
for _options in grid(num_classes=(5,), axis=(-1,), dtype=(None, "int32")):
    _T.add("multi_hot", _N.ints(0, 5, 4, 3), **_options)
    _T.add("multi_hot", _N.ints(0, 5, 3), **_options)
_T.add("multi_hot", np.array([[0, -1, 4], [1, 1, -1]], "int32"), 5, label="missing")

# --- another shape ---

_CUBE = (3, 4, 5)
_SHAPED: dict[str, list[tuple[Any, ...] | dict[str, Any]]] = {
    "reshape": [((5, -1),), ((60,),), ((-1,),), ((1, 3, 4, 5, 1),)],
    "transpose": [(), ((2, 0, 1),), ((-1, 0, 1),)],
    "swapaxes": [(0, 2), (-1, 1), (1, 1)],
    "moveaxis": [(0, -1), (-1, 0), ((0, 1), (-1, 0)), ([0, 2], [1, 0])],
    "expand_dims": [(0,), (-1,), ((0, 2),), ((-1, 0),)],
    "ravel": [()],
    "broadcast_to": [((2, 3, 4, 5),), (_CUBE,)],
    "roll": [(2,), (-7,), (2, 1), ((1, 2), (0, 2)), (3, (0, 1))],
    "rot90": [(), (2,), (3, (0, 2)), (-1, (2, 1))],
    "flip": [(), (0,), ((0, -1),)],
    "flipud": [()],
    "fliplr": [()],
    "repeat": [(2,), (3, 1), (2, -1), (Plain(np.array([1, 0, 2], "int32")), 0)],
    "tile": [(2,), ((1, 2, 3),), ((2, 1, 1, 3),)],
    "split": [([1, 3], 1), (3,), (5, -1), ([2], 2), ([0, 2], 0)],
    "array_split": [(3, 2), (2, 0), (3, 1), (7, 1)],
    "hsplit": [(2,), ([1, 3],)],
    "vsplit": [(3,), ([1],)],
    "dsplit": [(5,), ([2],)],
    "unstack": [(), (3, 0), (None, -1), (4, 1)],
    "diagonal": [(), (1, 0, 2), (-1,), (0, 1, 2), (0, -1, 0)],
    "trace": [(), (1,), (-1, 0, 2), (0, -1, 1)],
    "tril": [(), (-1,), (2,)],
    "triu": [(), (-1,), (2,)],
    "take": [
        (Plain(np.array([2, 0, 2], "int32")), 1),
        (Plain(np.array([[2, 0], [1, -1]], "int32")), 0),
        (Plain(np.array([7, 59], "int32")),),
        (1, -1),
        (-2, 0),
    ],
    "get_item": [(0,), (-1,), (slice(0, 2),), ((slice(None), 1, slice(None, None, 2)),), ((..., 0),), ((None, 1),)],
    "slice": [((1, 0, 2), (2, 3, 2)), ((0, 0, 0), (3, 1, 5))],
}
_JUST_NUMBERS = ("trace", "broadcast_to")
for _name, _rows in _SHAPED.items():
    for _row in _rows:
        _T.add(_name, _N.normal(*_CUBE), *_row, gradient=True)
    _T.add(_name, _N.ints(0, 100, *_CUBE), *_rows[0], label="int32")
    _T.add(_name, _N.ints(0, 100, *_CUBE, dtype="uint8"), *_rows[0], label="uint8")
    _T.add(_name, _N.choice(*_CUBE), *_rows[0], label="bool")
    for _dtype in HALVES:
        _T.add(_name, Typed(_N.normal(*_CUBE), _dtype), *_rows[0], label=_dtype)
_T.add("slice", _N.normal(3, 4), np.array([1, 1], "int32"), (2, 3), label="start as a tensor", gradient=True)
for _shape, _axis in (((1, 3, 1), None), ((1, 3, 1), 0), ((1, 3, 1), -1), ((1, 3, 1), (0, 2)), ((3,), None)):
    _T.add("squeeze", _N.normal(*_shape), axis=_axis, gradient=True)
for _mode in ("constant", "reflect", "symmetric", "edge", "wrap", "linear_ramp", "maximum", "minimum", "mean"):
    if _mode in ("constant", "reflect", "symmetric"):
        _T.add("pad", _N.normal(*_CUBE), ((1, 0), (0, 2), (1, 1)), mode=_mode, gradient=True)
        _T.add("pad", _N.normal(4, 5), 2, mode=_mode, gradient=True)
        _T.add("pad", _N.normal(4, 5), (1, 2), mode=_mode, gradient=True)
        _T.add("pad", _N.ints(0, 9, 4, 5), ((1, 2),), mode=_mode)
    elif _mode == "edge":
        _T.add("pad", _N.normal(*_CUBE), ((1, 0), (0, 2), (1, 1)), mode=_mode, gradient=True)
for _value in (0, 1.5, -2):
    _T.add("pad", _N.normal(2, 3), ((1, 2), (0, 1)), constant_values=_value, gradient=True)
for _k in (-2, 0, 1):
    _T.add("diag", _N.normal(4), k=_k, gradient=True)
    _T.add("diag", _N.normal(4, 3), k=_k, gradient=True)
    _T.add("diagflat", _N.normal(2, 2), k=_k, gradient=True)
for _options in grid(axis=(0, 1, -1)):
    _T.add("concatenate", [_N.normal(2, 3), _N.normal(2, 3), _N.normal(2, 3)], gradient=True, **_options)
    _T.add("stack", [_N.normal(2, 3), _N.normal(2, 3)], gradient=True, **_options)
_T.add("concatenate", [_N.normal(2, 3), _N.normal(2, 1)], axis=1, gradient=True)
_T.add("concatenate", [_N.ints(0, 9, 2, 3), _N.normal(2, 3)], label="int32 and float32")
_T.add("stack", [_N.ints(0, 9, 3), _N.ints(0, 9, 3, dtype="int8")], label="int32 and int8")
for _name in "hstack vstack dstack".split():
    for _shape in ((3,), (3, 4), (2, 3, 4)):
        _T.add(_name, [_N.normal(*_shape), _N.normal(*_shape)], gradient=True)
    _T.add(_name, [_N.ints(0, 9, 3), _N.normal(3)], label="int32 and float32")
for _axis, _shape in ((None, (2, 2)), (0, (1, 3)), (1, (2, 2))):
    _T.add("append", _N.normal(2, 3), _N.normal(*_shape), axis=_axis, gradient=True)
for _axis in (0, 1, -1, None):
    _index = np.array([2, 0, 5], "int32") if _axis is None else _N.ints(0, 3, 3, 3)
    _T.add("take_along_axis", _N.normal(3, 3), _index, axis=_axis, gradient=True)
_T.add("take_along_axis", _N.normal(3, 4), np.array([[-1], [0], [-4]], "int32"), axis=1, gradient=True)

# --- written into ---

for _shape in ((4,), (4, 2), (4, 2, 3)):
    _at = np.array([[0], [2], [0]], "int32")
    _T.add("scatter", _at, _N.normal(3, *_shape[1:]), _shape, gradient=True)
    _T.add("scatter_update", _N.normal(*_shape), _at[:2], _N.normal(2, *_shape[1:]), gradient=True)
    for _reduction in ("add", "max", "min", "mul"):
        _T.add("scatter_update", _N.distinct(*_shape), _at, _N.distinct(3, *_shape[1:]), reduction=_reduction)
_T.add("scatter", np.array([[0, 1], [2, 2]], "int32"), _N.normal(2), (3, 3), gradient=True)
_T.add("scatter", np.array([[0], [2]], "int32"), _N.ints(0, 9, 2), (5,))
_T.add("scatter_update", _N.ints(0, 9, 3, 3), np.array([[0, 1], [2, 2]], "int32"), _N.ints(0, 9, 2))
for _start, _shape in (((1, 0), (2, 2)), ((0, 1), (4, 1)), ((0, 0), (4, 3))):
    _T.add("slice_update", _N.normal(4, 3), _start, _N.normal(*_shape), gradient=True)

# --- looked at ---

for _shape in ((), (4,), (2, 3), (0, 2)):
    for _name in ("shape", "size", "ndim"):
        _T.add(_name, np.zeros(_shape, "float32"))
_T.add("is_tensor", np.zeros(2, "float32"))
_T.add("is_tensor", 3.0)
_T.add("is_tensor", Plain(np.zeros(2)))
for _dtype in _DTYPES:
    _given = Typed(np.zeros(2), _dtype) if _dtype in HALVES else np.zeros(2, _dtype)
    _T.add("dtype", _given, function=lambda keras, x: [ord(c) for c in keras.ops.dtype(x)])
    _T.add("convert_to_numpy", _given, function=lambda keras, x: keras.ops.convert_to_numpy(x))
_VIEWS = (("float32", "int32"), ("int32", "float32"), ("uint8", "int8"), ("float32", "uint8"), ("int8", "int32"))
for _from, _to in _VIEWS:
    _T.add("view", _N.ints(0, 100, 3, 8).astype(_from), dtype=_to)
_T.add("view", _N.normal(3))
for _pattern, _shape, _sizes in (
    ("b (h w) c -> (b c) h w", (2, 6, 4), {"h": 2}),
    ("b h w c -> b c h w", (2, 3, 4, 5), {}),
    ("b h w c -> b (h w) c", (2, 3, 4, 5), {}),
    ("(b k) c -> k b c", (6, 2), {"b": 3}),
    ("b h w c -> (b h) (w c)", (2, 3, 2, 2), {}),
):
    _T.add("rearrange", _N.normal(*_shape), _pattern, gradient=True, **_sizes)

CASES: list[Call] = _T.calls
