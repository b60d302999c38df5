"""Products, decompositions, norms and transforms of `ops` and `ops.linalg`."""

# ruff: noqa: SIM905  (tables of names read best as they are)
from __future__ import annotations

from typing import Any

import numpy as np
from keras_parity.calls import HALVES, Call, Numbers, Table, Typed, grid
from keras_parity.goldens import from_table, golden

ops_cases = golden("ops_cases")
_N = Numbers(24)
_T = Table("ops")
_L = Table("ops.linalg")
_INTEGERS = ("bool", "uint8", "int8", "int32")

# --- products ---

for _a, _b in (
    ((3, 4), (4, 5)),
    ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (5, 4, 2)),
    ((4,), (4,)),
    ((4,), (4, 5)),
    ((3, 4), (4,)),
    ((2, 3, 4), (4,)),
    ((33, 70), (70, 17)),
    ((0, 4), (4, 5)),
):
    _T.add("matmul", _N.normal(*_a), _N.normal(*_b), gradient=0 not in _a)
for _a, _b in (
    ((3, 4), (4, 2)),
    ((4,), (4,)),
    ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (5, 4, 2)),
    ((), (3, 2)),
    ((3, 4), (4,)),
):
    _T.add("dot", _N.normal(*_a), _N.normal(*_b), gradient=True)
for _a, _b in (((3, 4), (2, 4)), ((4,), (4,)), ((2, 3, 4), (4,)), ((), (3,))):
    _T.add("inner", _N.normal(*_a), _N.normal(*_b), gradient=True)
for _a, _b in (((3,), (4,)), ((2, 2), (3,))):
    _T.add("outer", _N.normal(*_a), _N.normal(*_b), gradient=True)
for _a, _b in (((6,), (6,)), ((2, 3), (3, 2))):
    _T.add("vdot", _N.normal(*_a), _N.normal(*_b), gradient=True)
for _axes, _a, _b in (
    (([1, 2], [0, 1]), (2, 3, 4), (3, 4, 5)),
    (((2,), (1,)), (2, 3, 4), (3, 4, 5)),
    (([0], [2]), (2, 3, 4), (3, 4, 2)),
    ((1, 0), (2, 3), (3, 4)),
    (0, (2, 3), (4,)),
    (1, (2, 3, 4), (4, 5)),
    (2, (2, 3, 4), (3, 4, 5)),
):
    _T.add("tensordot", _N.normal(*_a), _N.normal(*_b), axes=_axes, gradient=True)
for _subscripts, *_shapes in (
    ("bij,jk->bki", (2, 3, 4), (4, 5)),
    ("ij,jk", (3, 4), (4, 5)),
    ("ii", (4, 4)),
    ("ii->i", (4, 4)),
    ("ij->", (3, 4)),
    ("ij->ji", (3, 4)),
    ("...ij,...jk->...ik", (2, 3, 4), (4, 5)),
    ("b...c,cd->b...d", (2, 3, 5, 4), (4, 6)),
    ("i,j,k->kij", (2,), (3,), (4,)),
    ("btnh,bsnh->bnts", (2, 5, 3, 4), (2, 6, 3, 4)),
    ("bnts,bsnh->btnh", (2, 3, 5, 6), (2, 6, 3, 4)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("ijk,ijk->i", (2, 3, 4), (2, 3, 4)),
    ("ij,i->ij", (2, 3), (2,)),
    ("abc,cb->a", (2, 3, 4), (4, 3)),
    ("iji->j", (3, 4, 3)),
):
    _T.add("einsum", _subscripts, *(_N.normal(*s) for s in _shapes), gradient=True)
for _a, _b in (((2, 2), (2, 3)), ((3,), (2, 2)), ((2, 1, 2), (1, 3, 2))):
    _T.add("kron", _N.normal(*_a), _N.normal(*_b), gradient=True)
for _a, _b, _options in (
    ((4, 3), (4, 3), {}),
    ((4, 2), (4, 2), {}),
    ((3,), (5, 3), {}),
    ((4, 3), (4, 2), {}),
    ((3, 4), (3, 4), {"axis": 0}),
    ((3, 4), (4, 3), {"axisa": 0, "axisb": 1, "axisc": 0}),
):
    _T.add("cross", _N.normal(*_a), _N.normal(*_b), gradient=True, **_options)
for _mode in ("valid", "same", "full"):
    for _n, _m in ((9, 4), (4, 7), (5, 5)):
        _T.add("correlate", _N.normal(_n), _N.normal(_m), mode=_mode, gradient=True)
for _name in "matmul dot inner outer vdot tensordot".split():
    _options: dict[str, Any] = {"axes": 1} if _name == "tensordot" else {}
    for _dtype in (*_INTEGERS, *HALVES):
        _values = [_N.ints(0, 2, 4) if _name in ("outer", "vdot", "inner") else _N.ints(0, 2, 4, 4) for _ in range(2)]
        _T.add(_name, *(Typed(v, _dtype) if _dtype in HALVES else v.astype(_dtype) for v in _values), **_options)
    _T.add(_name, _N.ints(0, 9, 4), _N.normal(4), label="int32 and float32", **_options)
for _dtype in (*_INTEGERS, *HALVES):
    _values = [_N.ints(0, 2, 3, 3) for _ in range(2)]
    _T.add("einsum", "ij,jk->ik", *(Typed(v, _dtype) if _dtype in HALVES else v.astype(_dtype) for v in _values))

# --- decompositions ---


def _definite(*shape: int) -> np.ndarray:
    a = _N.normal(*shape, shape[-1])
    return (a @ np.swapaxes(a, -1, -2) + 2 * np.eye(shape[-1])).astype("float32")


def _well(*shape: int) -> np.ndarray:
    return (_N.normal(*shape, shape[-1]) + 3 * np.eye(shape[-1])).astype("float32")


def _reflected(keras: Any, x: Any) -> Any:
    """Symmetric, so that only half of the entries counts."""
    return (x + keras.ops.swapaxes(x, -1, -2)) / 2


def _product_of_eigen(keras: Any, x: Any) -> Any:
    """What does not depend on signs of eigenvectors."""
    values, vectors = keras.ops.eigh(_reflected(keras, x))
    return values, keras.ops.matmul(vectors * keras.ops.exp(-values)[..., None, :], keras.ops.swapaxes(vectors, -1, -2))


def _product_of_svd(keras: Any, x: Any, **options: Any) -> Any:
    u, s, v = keras.ops.svd(x, **options)
    k = s.shape[-1]
    return (
        s,
        keras.ops.matmul(u[..., :k] * keras.ops.tanh(s)[..., None, :], v[..., :k, :]),
        keras.ops.zeros(u.shape),
        keras.ops.zeros(v.shape),
    )


def _product_of_qr(keras: Any, x: Any, **options: Any) -> Any:
    q, r = keras.ops.qr(x, **options)
    sign = keras.ops.sign(keras.ops.diagonal(r, axis1=-2, axis2=-1))
    k = sign.shape[-1]
    return (
        q[..., :k] * sign[..., None, :],
        r[..., :k, :] * sign[..., None],
        keras.ops.zeros(q.shape),
        keras.ops.zeros(r.shape),
    )


def _eigenvalues(keras: Any, x: Any) -> Any:
    """Eigenvalues in an order of their own, and what the vectors promise."""
    values, vectors = keras.ops.eig(x)
    values, vectors = np.asarray(values), np.asarray(vectors)
    order = np.lexsort((values.imag.round(3), values.real.round(3)))
    return (
        values.real[order],
        values.imag[order],
        np.abs(np.asarray(x) @ vectors - vectors * values[..., None, :]).max() < 1e-4,
    )


for _names in (_T, _L):
    for _shape in ((3,), (2, 4), (7,)):
        _names.add(
            "cholesky",
            _definite(*_shape),
            gradient=True,
            function=lambda keras, x: keras.ops.cholesky(_reflected(keras, x)),
        )
        _names.add("cholesky", _definite(*_shape), upper=True)
        _names.add("inv", _well(*_shape), gradient=True)
        _names.add("det", _well(*_shape), gradient=True)
        for _upper in (False, True) if len(_shape) == 1 else ():  # Keras takes one matrix
            _names.add(
                "cholesky_inverse",
                _definite(*_shape),
                _upper,
                function=lambda keras, x, upper: keras.ops.cholesky_inverse(
                    keras.ops.cholesky(x, upper=upper), upper=upper
                ),
            )
        _names.add("eigh", _definite(*_shape), function=_product_of_eigen, gradient=True)
        _names.add("lu_factor", _well(*_shape))
    _names.add("eig", _well(4), function=_eigenvalues)
    _names.add("eig", _N.normal(5, 5), function=_eigenvalues)
    for _a, _b in (((3,), (3, 2)), ((3,), (3,)), ((2, 4), (2, 4, 3))):
        _names.add("solve", _well(*_a), _N.normal(*_b), gradient=True)
        for _lower in (False, True):
            _names.add("solve_triangular", _well(*_a), _N.normal(*_b), lower=_lower)
    for _shape in ((4, 3), (3, 4), (2, 5, 3)):
        for _mode in ("reduced", "complete"):
            _names.add(
                "qr",
                _N.normal(*_shape),
                mode=_mode,
                function=_product_of_qr,
                gradient=_mode == "reduced" and _shape != (3, 4),
            )
        for _full in (False, True):
            _names.add("svd", _N.normal(*_shape), full_matrices=_full, function=_product_of_svd, gradient=not _full)
        _names.add("svd", _N.normal(*_shape), compute_uv=False, gradient=True)
        _names.add("pinv", _N.normal(*_shape), gradient=True)
        _names.add("pinv", _N.normal(*_shape), rcond=0.5)
    for _b in ((5, 2), (5,)):
        _names.add("lstsq", _N.normal(5, 3), _N.normal(*_b))
    for _shape in ((3, 2), (2, 4)):
        _names.add("lstsq", _N.normal(3, 5), _N.normal(3, 2), label="underdetermined")
    _rank = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]], "float32")
    for _tol in (None, 0.5, 3.0):
        _names.add("matrix_rank", _rank, tol=_tol)
    _names.add("matrix_rank", np.stack([_rank, np.eye(3, dtype="float32")]))
    for _ord in (None, 1, 2, 3, -1, 0, np.inf, -np.inf, 0.5):
        for _options in grid(axis=(-1, 0), keepdims=(False, True)):
            _names.add("norm", _N.normal(4, 5), ord=_ord, gradient=_ord != 0, **_options)
    for _ord in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        for _options in grid(axis=((0, 1), (-1, 0)), keepdims=(False, True)):
            _names.add("norm", _N.normal(3, 4, 2), ord=_ord, gradient=True, **_options)
    for _shape in ((4,), (3, 4), (2, 3, 4)):
        _names.add("norm", _N.normal(*_shape), gradient=True)
_T.add("logdet", _definite(3), gradient=True)
_T.add("logdet", _definite(2, 3), gradient=True)
_T.add("slogdet", _well(3), gradient=True)
_T.add("slogdet", -_well(2, 3))
for _a, _b in (((4, 3), (5, 3)), ((2, 4, 3), (2, 5, 3))):
    _T.add("cdist", _N.normal(*_a), _N.normal(*_b), gradient=True)

# --- transforms ---


def _of_pairs(name: str, **options: Any) -> Any:
    return lambda keras, a, b: getattr(keras.ops, name)((a, b), **options)


for _name, _shapes in (
    ("fft", ((3, 7), (8,), (2, 3, 16), (2, 1))),
    ("fft2", ((2, 4, 5), (8, 8))),
    ("ifft2", ((2, 4, 5), (8, 8))),
):
    for _shape in _shapes:
        _T.add(_name, _N.normal(*_shape), _N.normal(*_shape), function=_of_pairs(_name), gradient=True)
for _length in (None, 5, 8, 11):
    _T.add("rfft", _N.normal(3, 8), fft_length=_length, gradient=True)
    _T.add("irfft", _N.normal(3, 5), _N.normal(3, 5), function=_of_pairs("irfft", fft_length=_length), gradient=True)
for _options in grid(window=("hann", "hamming", None, ops_cases.WINDOW), center=(False, True)):
    for _sizes in ((6, 2, 8), (6, 4, 6), (6, 3, 9)):
        _T.add("stft", _N.normal(2, 24), *_sizes, gradient=True, **_options)
        if _options["window"] is not None or _options["center"]:
            _bins = _sizes[2] // 2 + 1
            _T.add(
                "istft",
                _N.normal(2, 7, _bins),
                _N.normal(2, 7, _bins),
                *_sizes,
                function=lambda keras, a, b, *sizes, **options: keras.ops.istft((a, b), *sizes, **options),
                gradient=True,
                **_options,
            )
for _shape, _length, _stride in (((16,), 5, 2), ((2, 3, 16), 5, 3), ((2, 8), 8, 1)):
    _T.add("extract_sequences", _N.normal(*_shape), _length, _stride, gradient=True)
_T.add(
    "view_as_complex",
    _N.normal(3, 2),
    function=lambda keras, x: [f(np.asarray(keras.ops.view_as_complex(x))) for f in (np.real, np.imag)],
)
_T.add(
    "view_as_real",
    _N.normal(3, 2),
    function=lambda keras, x: np.asarray(keras.ops.view_as_real(keras.ops.view_as_complex(x))),
)
_T.add(
    "polar",
    _N.between(0.1, 2, 5),
    _N.normal(5),
    function=lambda keras, r, t: [f(np.asarray(keras.ops.polar(r, t))) for f in (np.real, np.imag)],
)

_L.add(
    "jvp",
    _N.normal(4),
    _N.normal(4),
    function=lambda keras, x, t: keras.ops.linalg.jvp(lambda x: keras.ops.sin(x) * keras.ops.sum(x), (x,), (t,)),
)

_ALIASES = {"ctc_greedy": "ctc_decode", "ctc_beam": "ctc_decode"}
_TABLES = [
    *from_table(ops_cases.CASES, "ops", gradient=True, inside="ops", aliases=_ALIASES),
    *from_table(ops_cases.FLAT, "ops", gradient=False, inside="ops", aliases=_ALIASES),
]
CASES: list[Call] = [*_T.calls, *_L.calls, *_TABLES]
