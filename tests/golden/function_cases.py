"""Every plain function of the API: `ops`, activations, losses, metrics, regularizers, constraints, initializers.

Not here, because Keras 3.15 on JAX computes something else than it documents: `sparsemax` (rows that do not sum to 1) and
`OrthogonalRegularizer(mode="columns")` (norms of columns divide rows). Tests of their own check those by definition.

A case is called with the module (Keras or rustdl) and its inputs. Those in `SMOOTH` are differentiated by all inputs.
"""

# ruff: noqa: E501, SIM905  (tables of names read best as they are)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Case = tuple[Callable[..., Any], list[np.ndarray]]
_RANDOM = np.random.default_rng(11)


def _x(*shape: int) -> np.ndarray:
    return _RANDOM.normal(size=shape).astype("float32")


def _between(low: float, high: float, *shape: int) -> np.ndarray:
    return _RANDOM.uniform(low, high, size=shape).astype("float32")


def _ints(low: int, high: int, *shape: int) -> np.ndarray:
    return _RANDOM.integers(low, high, size=shape).astype("int32")


def _op(name: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
    return lambda keras, *inputs: getattr(keras.ops, name)(*inputs, *args, **kwargs)


def _of_list(name: str, **kwargs: Any) -> Callable[..., Any]:
    return lambda keras, *inputs: getattr(keras.ops, name)(list(inputs), **kwargs)


def _in(module: str, name: str, **kwargs: Any) -> Callable[..., Any]:
    return lambda keras, *inputs: getattr(getattr(keras, module), name)(*inputs, **kwargs)


def _made(module: str, name: str, **kwargs: Any) -> Callable[..., Any]:
    return lambda keras, *inputs: getattr(getattr(keras, module), name)(**kwargs)(*inputs)


SMOOTH: dict[str, Case] = {}
FLAT: dict[str, Case] = {}

# --- elementwise ---

ANYWHERE = (
    "abs absolute fabs negative square sin cos tan sinh cosh tanh arcsinh arctan exp exp2 expm1 erf erfc sigmoid silu swish "
    "softplus softsign relu relu6 elu selu celu gelu leaky_relu log_sigmoid hard_sigmoid hard_silu hard_swish hard_tanh hard_shrink "
    "soft_shrink tanh_shrink squareplus sparse_plus sparse_sigmoid softmax log_softmax cbrt deg2rad rad2deg real "
    "conj conjugate nan_to_num"
).split()
for _name in ANYWHERE:
    SMOOTH[_name] = (_op(_name), [1.7 * _x(3, 5)])
for _name in "log log10 log1p log2 sqrt rsqrt reciprocal sinc".split():
    SMOOTH[_name] = (_op(_name), [_between(0.3, 3.0, 3, 5)])
for _name in "arccos arcsin arctanh erfinv".split():
    SMOOTH[_name] = (_op(_name), [_between(-0.9, 0.9, 3, 5)])
SMOOTH["arccosh"] = (_op("arccosh"), [_between(1.2, 4.0, 3, 5)])
SMOOTH["logit"] = (lambda keras, a: keras.ops.log(a / (1 - a)), [_between(0.1, 0.9, 4)])
SMOOTH["gelu_erf"] = (_op("gelu", approximate=False), [_x(3, 5)])
SMOOTH["leaky_relu_slope"] = (_op("leaky_relu", negative_slope=0.4), [_x(3, 5)])
SMOOTH["clip"] = (_op("clip", -0.5, 0.8), [_x(3, 5)])
SMOOTH["threshold"] = (_op("threshold", 0.1, -2.0), [_x(3, 5)])
SMOOTH["glu"] = (_op("glu"), [_x(3, 6)])
for _name in "add subtract multiply maximum minimum fmax fmin arctan2 logaddexp logaddexp2 hypot".split():
    SMOOTH[_name] = (_op(_name), [_x(3, 1, 5), _x(4, 1)])
for _name in "divide true_divide divide_no_nan power".split():
    SMOOTH[_name] = (_op(_name), [_between(0.4, 2.0, 3, 5), _between(0.5, 2.0, 5)])
SMOOTH["where"] = (lambda keras, a, b: keras.ops.where(a > b, a, 2 * b), [_x(3, 5), _x(5)])
for (
    _name
) in "ceil floor round trunc sign signbit isfinite isinf isnan isneginf isposinf isreal angle imag logical_not".split():
    FLAT[_name] = (_op(_name), [np.array([[-1.5, -0.0, 0.5, 2.5], [np.inf, -np.inf, 3.4, -2.6]], "float32")])
FLAT["round_decimals"] = (_op("round", decimals=2), [_x(3, 5)])
for _name in "equal not_equal greater greater_equal less less_equal isclose logical_and logical_or logical_xor".split():
    FLAT[_name] = (_op(_name), [_ints(0, 3, 3, 5).astype("float32"), _ints(0, 3, 5).astype("float32")])
for _name in "floor_divide mod fmod nextafter heaviside".split():
    FLAT[_name] = (_op(_name), [_between(-5, 5, 3, 5), _between(0.5, 3, 5)])
for _name in "bitwise_and bitwise_or bitwise_xor gcd lcm".split():
    FLAT[_name] = (_op(_name), [_ints(1, 40, 3, 5), _ints(1, 40, 5)])
for _name in "bitwise_left_shift bitwise_right_shift left_shift right_shift".split():
    FLAT[_name] = (_op(_name), [_ints(1, 40, 3, 5), _ints(0, 5, 5)])
for _name in "bitwise_invert bitwise_not".split():
    FLAT[_name] = (_op(_name), [_ints(-9, 9, 6)])
FLAT["ldexp"] = (_op("ldexp"), [_x(6), _ints(-3, 4, 6)])

# --- along axes ---

for _name in "sum mean prod max min amax amin var std logsumexp".split():
    for _label, _kwargs in {"": {}, "_rows": {"axis": -1}, "_kept": {"axis": (0, 2), "keepdims": True}}.items():
        SMOOTH[_name + _label] = (_op(_name, **_kwargs), [_x(3, 4, 5)])
for _name in "nansum nanmean nanprod nanmax nanmin nanvar nanstd".split():
    FLAT[_name] = (_op(_name, axis=1), [np.where(_x(3, 6) > 0.8, np.nan, _x(3, 6)).astype("float32")])
for _name in "nanargmax nanargmin nanmedian nancumsum nancumprod".split():
    FLAT[_name] = (_op(_name, axis=1), [np.where(_x(3, 6) > 0.8, np.nan, _x(3, 6)).astype("float32")])
for _name in "nanquantile nanpercentile".split():
    _q = 0.3 if _name == "nanquantile" else 30.0
    FLAT[_name] = (_op(_name, _q, axis=1), [np.where(_x(3, 6) > 0.8, np.nan, _x(3, 6)).astype("float32")])
for _name in "argmax argmin argsort sort all any count_nonzero median".split():
    FLAT[_name] = (_op(_name, axis=-1), [_x(3, 7)])
for _name in "cumsum cumprod sort flip median".split():
    SMOOTH[_name + "_gradient"] = (_op(_name, axis=1), [_x(3, 5)])
for _method in ("linear", "lower", "higher", "midpoint", "nearest"):
    FLAT[f"quantile_{_method}"] = (_op("quantile", [0.1, 0.55], axis=1, method=_method), [_x(3, 7)])
FLAT["percentile"] = (_op("percentile", 35.0, axis=0), [_x(5, 3)])
FLAT["moments"] = (_op("moments", axes=[0, 1]), [_x(4, 5, 3)])
SMOOTH["average"] = (_op("average", axis=1), [_x(3, 5)])
SMOOTH["average_weights"] = (
    lambda keras, a, w: keras.ops.average(a, axis=1, weights=w),
    [_x(3, 5), _between(0.1, 1, 5)],
)
SMOOTH["diff"] = (_op("diff", n=2, axis=1), [_x(3, 6)])
SMOOTH["normalize"] = (_op("normalize", axis=1, order=2), [_x(3, 5)])
SMOOTH["ptp"] = (_op("ptp", axis=1), [_x(3, 5)])
SMOOTH["trapezoid"] = (_op("trapezoid", dx=0.5, axis=1), [_x(3, 5)])
SMOOTH["cov"] = (lambda keras, a: keras.ops.matmul(a, keras.ops.transpose(a)), [_x(3, 5)])
FLAT["bincount"] = (_op("bincount", minlength=7), [_ints(0, 5, 12)])
FLAT["bincount_weights"] = (
    lambda keras, a, w: keras.ops.bincount(a, weights=w, minlength=6),
    [_ints(0, 5, 12), _x(12)],
)
FLAT["histogram"] = (_op("histogram", bins=5, range=(-2.0, 2.0)), [_x(30)])
FLAT["digitize"] = (_op("digitize", np.array([-1.0, 0.0, 1.0], "float32")), [_x(8)])
FLAT["searchsorted"] = (_op("searchsorted", side="right"), [np.sort(_x(6)), _x(5)])
FLAT["unravel_index"] = (lambda keras, a: keras.ops.unravel_index(a, (3, 4)), [_ints(0, 12, 5)])
FLAT["isin"] = (_op("isin"), [_ints(0, 6, 7), _ints(0, 6, 3)])
FLAT["nonzero"] = (_op("nonzero"), [_ints(0, 2, 3, 4)])
FLAT["top_k"] = (_op("top_k", 3), [_x(4, 7)])
FLAT["in_top_k"] = (lambda keras, t, p: keras.ops.in_top_k(t, p, 2), [_ints(0, 5, 4), _x(4, 5)])

# --- shapes, joins, indices ---

SHAPED: dict[str, Callable[..., Any]] = {
    "reshape": _op("reshape", (5, -1)),
    "transpose": _op("transpose", (2, 0, 1)),
    "swapaxes": _op("swapaxes", 0, 2),
    "moveaxis": _op("moveaxis", 0, -1),
    "expand_dims": _op("expand_dims", (0, 2)),
    "squeeze": lambda keras, a: keras.ops.squeeze(keras.ops.expand_dims(a, 1), 1),
    "ravel": _op("ravel"),
    "broadcast_to": lambda keras, a: keras.ops.broadcast_to(a, (2, *a.shape)),
    "roll": _op("roll", 2, axis=1),
    "rot90": _op("rot90", k=3, axes=(0, 2)),
    "flipud": _op("flipud"),
    "fliplr": _op("fliplr"),
    "repeat": _op("repeat", 2, axis=1),
    "tile": _op("tile", (1, 2, 3)),
    "pad": _op("pad", ((1, 0), (0, 2), (1, 1)), constant_values=1.5),
    "pad_reflect": _op("pad", ((1, 0), (0, 2), (1, 1)), mode="reflect"),
    "pad_edge": _op("pad", ((1, 0), (0, 2), (1, 1)), mode="edge"),
    "split": _op("split", [1, 3], axis=1),
    "array_split": _op("array_split", 3, axis=2),
    "hsplit": _op("hsplit", 2),
    "vsplit": _op("vsplit", 3),
    "dsplit": _op("dsplit", [2]),
    "unstack": _op("unstack", axis=1),
    "take": _op("take", np.array([2, 0, 2], "int32"), axis=1),
    "slice": lambda keras, a: keras.ops.slice(a, (1, 0, 2), (2, 3, 2)),
    "get_item": lambda keras, a: keras.ops.get_item(a, (slice(0, 2), 1, slice(None, None, 2))),
    "diagonal": _op("diagonal", offset=1, axis1=0, axis2=2),
    "trace": _op("trace", axis1=0, axis2=1),
    "tril": _op("tril", k=-1),
    "triu": _op("triu", k=1),
    "flip_all": _op("flip"),
}
for _name, _function in SHAPED.items():
    SMOOTH[_name] = (_function, [_x(3, 4, 5)])
for _name in "concatenate stack".split():
    SMOOTH[_name] = (_of_list(_name, axis=1), [_x(3, 4), _x(3, 4)])
for _name in "hstack vstack dstack".split():
    SMOOTH[_name] = (_of_list(_name), [_x(3, 4), _x(3, 4)])
SMOOTH["append"] = (_op("append", axis=0), [_x(2, 3), _x(1, 3)])
SMOOTH["diag"] = (_op("diag", k=1), [_x(4)])
SMOOTH["diagflat"] = (_op("diagflat"), [_x(2, 2)])
SMOOTH["take_along_axis"] = (
    lambda keras, a: keras.ops.take_along_axis(a, np.array([[2, 0], [1, 1], [0, 3]], "int32"), axis=1),
    [_x(3, 4)],
)
SMOOTH["meshgrid"] = (_op("meshgrid", indexing="ij"), [_x(3), _x(4)])
SMOOTH["scatter"] = (
    lambda keras, v: keras.ops.scatter(np.array([[0], [2], [0]], "int32"), v, (4, 2)),
    [_x(3, 2)],
)
SMOOTH["scatter_update"] = (
    lambda keras, a, v: keras.ops.scatter_update(a, np.array([[0], [2]], "int32"), v),
    [_x(4, 2), _x(2, 2)],
)
SMOOTH["slice_update"] = (lambda keras, a, v: keras.ops.slice_update(a, (1, 0), v), [_x(4, 3), _x(2, 2)])
for _name in "segment_sum segment_max".split():
    SMOOTH[_name] = (
        lambda keras, a, name=_name: getattr(keras.ops, name)(a, np.array([0, 0, 1, 2], "int32"), num_segments=3),
        [_x(4, 2)],
    )
FLAT["one_hot"] = (_op("one_hot", 5), [_ints(0, 5, 2, 3)])
FLAT["multi_hot"] = (_op("multi_hot", 5), [_ints(0, 5, 2, 3)])
FLAT["cast"] = (_op("cast", "int32"), [3 * _x(4)])
FLAT["view"] = (lambda keras, a: keras.ops.full_like(a, 2), [_x(2, 3)])
FLAT["made"] = (
    lambda keras: [
        keras.ops.arange(2, 11, 3),
        keras.ops.linspace(0.0, 1.0, 5, endpoint=False),
        keras.ops.logspace(0.0, 2.0, 4),
        keras.ops.geomspace(1.0, 8.0, 4),
        keras.ops.eye(3, 4, k=1),
        keras.ops.identity(3),
        keras.ops.tri(3, 4, k=-1),
        keras.ops.vander(np.array([1.0, 2.0, 3.0], "float32"), 4),
        keras.ops.zeros((2, 1)),
        keras.ops.ones((2, 1)),
        keras.ops.full((2,), 7.0),
        keras.ops.ones_like(np.zeros((2, 2), "float32")),
        keras.ops.zeros_like(np.ones((2, 2), "float32")),
    ],
    [],
)

# --- products and decompositions ---

SMOOTH["matmul"] = (_op("matmul"), [_x(2, 3, 4), _x(4, 5)])
SMOOTH["dot"] = (_op("dot"), [_x(3, 4), _x(4, 2)])
SMOOTH["inner"] = (_op("inner"), [_x(3, 4), _x(2, 4)])
SMOOTH["outer"] = (_op("outer"), [_x(3), _x(4)])
SMOOTH["vdot"] = (_op("vdot"), [_x(6), _x(6)])
SMOOTH["tensordot"] = (_op("tensordot", axes=([1, 2], [0, 1])), [_x(2, 3, 4), _x(3, 4, 5)])
SMOOTH["einsum"] = (lambda keras, a, b: keras.ops.einsum("bij,jk->bki", a, b), [_x(2, 3, 4), _x(4, 5)])
SMOOTH["kron"] = (_op("kron"), [_x(2, 2), _x(2, 3)])
SMOOTH["cross"] = (_op("cross"), [_x(4, 3), _x(4, 3)])
_SPD = _x(4, 4)
_SPD = _SPD @ _SPD.T + 3 * np.eye(4, dtype="float32")
SMOOTH["det"] = (_op("det"), [_x(3, 3)])
SMOOTH["logdet"] = (_op("logdet"), [_SPD])
SMOOTH["inv"] = (_op("inv"), [_SPD])
SMOOTH["cholesky"] = (_op("cholesky"), [_SPD])
SMOOTH["solve"] = (_op("solve"), [_SPD, _x(4, 2)])
SMOOTH["solve_triangular"] = (
    lambda keras, a, b: keras.ops.solve_triangular(keras.ops.tril(a), b, lower=True),
    [_SPD, _x(4, 2)],
)
SMOOTH["eigh_values"] = (lambda keras, a: keras.ops.eigh(a + keras.ops.transpose(a))[0], [_SPD])
FLAT["svd_values"] = (lambda keras, a: keras.ops.svd(a)[1], [_x(3, 4)])
SMOOTH["qr_product"] = (lambda keras, a: keras.ops.abs(keras.ops.qr(a)[1]), [_x(4, 3)])
SMOOTH["pinv"] = (lambda keras, a: keras.ops.pinv(a), [_x(3, 4)])
FLAT["cholesky_inverse"] = (lambda keras, a: keras.ops.cholesky_inverse(keras.ops.cholesky(a)), [_SPD])
FLAT["lu_factor"] = (_op("lu_factor"), [_x(4, 4)])
FLAT["lstsq"] = (lambda keras, a, b: keras.ops.lstsq(a, b), [_x(5, 3), _x(5, 2)])
FLAT["matrix_rank"] = (_op("matrix_rank"), [np.array([[1.0, 2.0], [2.0, 4.0]], "float32")])

# --- nn ---

SMOOTH["conv"] = (_op("conv", strides=2, padding="same"), [_x(2, 7, 6, 3), _x(3, 2, 3, 4)])
SMOOTH["conv_transpose"] = (_op("conv_transpose", strides=2), [_x(2, 4, 3, 3), _x(3, 2, 4, 3)])
SMOOTH["depthwise_conv"] = (_op("depthwise_conv", padding="same"), [_x(2, 5, 6, 3), _x(3, 3, 3, 2)])
SMOOTH["separable_conv"] = (_op("separable_conv"), [_x(2, 5, 6, 3), _x(3, 3, 3, 2), _x(1, 1, 6, 4)])
SMOOTH["max_pool"] = (_op("max_pool", 2, strides=1, padding="same"), [_x(2, 5, 6, 3)])
SMOOTH["average_pool"] = (_op("average_pool", 2, strides=1), [_x(2, 5, 6, 3)])
SMOOTH["batch_normalization"] = (
    lambda keras, x, m, v, o, s: keras.ops.batch_normalization(x, m, v, axis=-1, offset=o, scale=s),
    [_x(4, 5, 3), _x(3), _between(0.5, 2, 3), _x(3), _x(3)],
)
SMOOTH["layer_normalization"] = (
    lambda keras, x, g, b: keras.ops.layer_normalization(x, gamma=g, beta=b),
    [_x(4, 5), _x(5), _x(5)],
)
SMOOTH["rms_normalization"] = (lambda keras, x, s: keras.ops.rms_normalization(x, scale=s), [_x(4, 5), _x(5)])
for _logits in (False, True):
    _data = _x(3, 5) if _logits else _between(0.1, 0.9, 3, 5)
    _suffix = "_logits" if _logits else ""
    SMOOTH["binary_crossentropy" + _suffix] = (
        lambda keras, p, logits=_logits: keras.ops.binary_crossentropy(
            np.eye(3, 5, dtype="float32"), p, from_logits=logits
        ),
        [_data],
    )
    SMOOTH["categorical_crossentropy" + _suffix] = (
        lambda keras, p, logits=_logits: keras.ops.categorical_crossentropy(
            np.eye(3, 5, dtype="float32"), p, from_logits=logits
        ),
        [_data],
    )
    SMOOTH["sparse_categorical_crossentropy" + _suffix] = (
        lambda keras, p, logits=_logits: keras.ops.sparse_categorical_crossentropy(
            np.array([0, 4, 2], "int32"), p, from_logits=logits
        ),
        [_data],
    )
SMOOTH["dot_product_attention"] = (
    _op("dot_product_attention", is_causal=True),
    [_x(2, 5, 2, 4), _x(2, 5, 2, 4), _x(2, 5, 2, 4)],
)
SMOOTH["adaptive_average_pool"] = (_op("adaptive_average_pool", (2, 3)), [_x(2, 5, 7, 3)])
SMOOTH["adaptive_max_pool"] = (_op("adaptive_max_pool", (2, 3)), [_x(2, 5, 7, 3)])

# --- control ---

SMOOTH["cond"] = (lambda keras, a: keras.ops.cond(keras.ops.sum(a) > 0, lambda: a * 2, lambda: a * 3), [_x(3)])
SMOOTH["scan"] = (lambda keras, a: keras.ops.scan(lambda c, x: (c * x + 1, c), keras.ops.ones((2,)), a), [_x(4, 2)])
SMOOTH["associative_scan"] = (lambda keras, a: keras.ops.associative_scan(lambda x, y: x + y, a), [_x(5, 2)])
SMOOTH["map"] = (lambda keras, a: keras.ops.map(lambda r: keras.ops.sum(r) * r, a), [_x(4, 2)])
SMOOTH["vectorized_map"] = (lambda keras, a: keras.ops.vectorized_map(lambda r: keras.ops.sum(r) * r, a), [_x(4, 2)])
SMOOTH["switch"] = (lambda keras, a: keras.ops.switch(1, [lambda x: x, lambda x: x * x], a), [_x(3)])
SMOOTH["stop_gradient"] = (lambda keras, a: a * keras.ops.stop_gradient(a), [_x(3)])
FLAT["fori_loop"] = (lambda keras, a: keras.ops.fori_loop(0, 4, lambda i, s: s * 2 + i, a), [_ints(0, 4, 3)])
FLAT["while_loop"] = (
    lambda keras, a: keras.ops.while_loop(lambda s: keras.ops.max(s) < 50, lambda s: (s * 2 + 1,), (a,)),
    [_ints(1, 4, 3)],
)

# --- activations, losses, metrics, regularizers, constraints ---

for _name in (
    "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid log_softmax mish "
    "relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid squareplus swish tanh "
    "tanh_shrink threshold"
).split():
    _kwargs = {"threshold": 0.2, "default_value": -1.0} if _name == "threshold" else {}
    SMOOTH[f"activations.{_name}"] = (_in("activations", _name, **_kwargs), [_x(3, 5)])
SMOOTH["activations.glu"] = (_in("activations", "glu"), [_x(3, 6)])
SMOOTH["activations.relu_arguments"] = (
    _in("activations", "relu", negative_slope=0.2, max_value=1.0, threshold=0.1),
    [_x(3, 5)],
)

_ONE_HOT = np.eye(5, dtype="float32")[_ints(0, 5, 4)]
for _name in (
    "binary_crossentropy binary_focal_crossentropy categorical_crossentropy categorical_focal_crossentropy categorical_hinge dice "
    "hinge huber kl_divergence log_cosh mean_absolute_error mean_absolute_percentage_error mean_squared_error "
    "mean_squared_logarithmic_error poisson squared_hinge tversky cosine_similarity"
).split():
    SMOOTH[f"losses.{_name}"] = (
        lambda keras, p, name=_name: getattr(keras.losses, name)(0.1 + 0.8 * _ONE_HOT, p),
        [_between(0.1, 0.9, 4, 5)],
    )
SMOOTH["losses.sparse_categorical_crossentropy"] = (
    lambda keras, p: keras.losses.sparse_categorical_crossentropy(np.array([0, 4, 2, 1], "int32"), p),
    [_between(0.1, 0.9, 4, 5)],
)
SMOOTH["losses.categorical_generalized_cross_entropy"] = (
    lambda keras, p: keras.losses.categorical_generalized_cross_entropy(np.array([0, 4, 2, 1], "int32"), p, 0.5),
    [_between(0.1, 0.9, 4, 5)],
)
for _name in "binary_accuracy categorical_accuracy top_k_categorical_accuracy".split():
    FLAT[f"metrics.{_name}"] = (
        lambda keras, p, name=_name: getattr(keras.metrics, name)(_ONE_HOT, p),
        [_between(0, 1, 4, 5)],
    )
for _name in "sparse_categorical_accuracy sparse_top_k_categorical_accuracy".split():
    _kwargs = {"k": 2} if "top" in _name else {}
    FLAT[f"metrics.{_name}"] = (
        lambda keras, p, name=_name, kwargs=_kwargs: getattr(keras.metrics, name)(np.array([0, 4, 2, 1]), p, **kwargs),
        [_between(0, 1, 4, 5)],
    )
for _name in "pearson_correlation concordance_correlation".split():
    FLAT[f"metrics.{_name}"] = (
        lambda keras, a, b, name=_name: getattr(keras.metrics, name)(a, b),
        [_x(4, 5), _x(4, 5)],
    )
for _name, _kwargs in {"L1": {"l1": 0.2}, "L2": {"l2": 0.3}, "L1L2": {"l1": 0.1, "l2": 0.2}}.items():
    SMOOTH[f"regularizers.{_name}"] = (_made("regularizers", _name, **_kwargs), [_x(3, 4)])
SMOOTH["regularizers.OrthogonalRegularizer"] = (_made("regularizers", "OrthogonalRegularizer", factor=0.1), [_x(3, 4)])
for _name, _kwargs in {
    "MaxNorm": {"max_value": 1.0, "axis": 0},
    "MinMaxNorm": {"min_value": 0.8, "max_value": 1.2, "rate": 0.5, "axis": 1},
    "NonNeg": {},
    "UnitNorm": {"axis": 1},
}.items():
    FLAT[f"constraints.{_name}"] = (_made("constraints", _name, **_kwargs), [_x(4, 3)])
FLAT["initializers.Constant"] = (lambda keras: keras.initializers.Constant(2.5)((2, 3)), [])
FLAT["initializers.Zeros"] = (lambda keras: keras.initializers.Zeros()((2, 3)), [])
FLAT["initializers.Ones"] = (lambda keras: keras.initializers.Ones()((2, 3)), [])
FLAT["initializers.Identity"] = (lambda keras: keras.initializers.Identity(gain=2.0)((3, 3)), [])
FLAT["initializers.STFT"] = (lambda keras: keras.initializers.STFT("real", window="hann")((16, 1, 9)), [])
