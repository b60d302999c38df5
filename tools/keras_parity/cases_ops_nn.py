"""Functions of `ops` for networks and control: convolution, pooling, normalization, losses, attention, loops."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from keras_parity.calls import Call, Numbers, Table, Typed, grid
from keras_parity.goldens import NAMES, from_table, golden

function_cases, image_cases = golden("function_cases"), golden("image_cases")
_N = Numbers(26)
_M = Numbers(122)  # for cases that came later: those of the first generator keep their numbers
_T = Table("ops")
STRIDES = "without strides they are the size of the pool, as documented; Keras on JAX fails on that default"


def _laid(x: np.ndarray, data_format: str) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if data_format == "channels_first" else x


# --- convolution ---

_SIZES = {1: (9,), 2: (7, 6), 3: (5, 4, 6)}
for _rank, _format in itertools.product((1, 2, 3), ("channels_last", "channels_first")):
    _size = _SIZES[_rank]
    _x = _laid(_N.normal(2, *_size, 4), _format)
    for _strides, _dilation, _padding in (
        (1, 1, "valid"),
        (2, 1, "same"),
        (1, 2, "same"),
        (1, 2, "valid"),
        (2, 1, "valid"),
    ):
        _options = {"strides": _strides, "padding": _padding, "dilation_rate": _dilation, "data_format": _format}
        for _channels in (4, 2):  # the second: two groups
            _T.add("conv", _x, _N.normal(*(3, 2, 2)[:_rank], _channels, 6), gradient=True, **_options)
        if _rank < 3:
            _T.add("depthwise_conv", _x, _N.normal(*(3, 2)[:_rank], 4, 2), gradient=True, **_options)
            _kernels = (_N.normal(*(3, 2)[:_rank], 4, 2), _N.normal(*(1, 1)[:_rank], 8, 3))
            _T.add("separable_conv", _x, *_kernels, gradient=True, **_options)
    for _strides, _dilation, _padding, _more in (
        (1, 1, "valid", None),
        (2, 1, "same", None),
        (2, 1, "valid", None),
        (3, 1, "valid", 1),
        (2, 1, "same", 1),
        (1, 2, "valid", None),
        (1, 2, "same", None),
    ):
        _options = {"strides": _strides, "padding": _padding, "dilation_rate": _dilation, "data_format": _format}
        _kernel = _N.normal(*(3, 3, 2)[:_rank], 5, 4)
        _T.add("conv_transpose", _x, _kernel, output_padding=_more, gradient=True, **_options)
    for _pool, _strides, _padding in ((2, None, "valid"), (3, 2, "same"), (2, 1, "valid"), (3, 1, "same")):
        _options = {"strides": _strides, "padding": _padding, "data_format": _format}
        _meant = STRIDES if _strides is None else ""
        for _name, _x in (("max_pool", _N.distinct(2, *_size, 3)), ("average_pool", _N.normal(2, *_size, 3))):
            _T.add(_name, _laid(_x, _format), _pool, gradient=True, differs=_meant, **_options)
            if _meant:
                _options_2 = {**_options, "strides": _pool}
                _T.add(_name, _laid(_x, _format), _pool, gradient=True, **_options_2)
for _dilation in ((2, 1), (1, 3)):
    _T.add("conv", _N.normal(2, 9, 8, 3), _N.normal(3, 2, 3, 4), dilation_rate=_dilation, gradient=True)
_T.add("conv", _N.normal(2, 9, 8, 3), _N.normal(3, 2, 3, 4), strides=(2, 3), padding="same", gradient=True)
_T.add("conv", _N.normal(2, 9, 3), _N.normal(3, 3, 4), padding="valid", strides=(3,), gradient=True)
for _dtype in ("float16", "bfloat16"):
    _T.add("conv", Typed(_N.normal(1, 5, 5, 2), _dtype), Typed(_N.normal(2, 2, 2, 3), _dtype))
for _name, _dtype in itertools.product(("max_pool", "average_pool"), ("float16", "bfloat16")):
    _T.add(_name, Typed(_N.normal(1, 6, 6, 2), _dtype), 2, strides=2)
_T.add("max_pool", _N.ints(0, 9, 1, 6, 6, 2), 2, strides=2)

# --- normalization ---

for _axis, _shape in ((-1, (4, 5, 3)), (1, (4, 3, 5)), (-1, (6, 3))):
    _moments = (_N.normal(3), _N.between(0.5, 2, 3))
    _T.add("batch_normalization", _N.normal(*_shape), *_moments, axis=_axis, gradient=True)
    for _epsilon in (1e-3, 0.1):
        _given = {"offset": _N.normal(3), "scale": _N.normal(3), "epsilon": _epsilon}
        _T.add("batch_normalization", _N.normal(*_shape), *_moments, axis=_axis, gradient=True, **_given)
    _T.add("batch_normalization", _N.normal(*_shape), *_moments, axis=_axis, scale=_N.normal(3), gradient=True)
for _axis, _shape in ((-1, (5,)), (1, (4,)), ((1, 2), (4, 5))):
    for _epsilon in (None, 1e-2):
        _given = {"axis": _axis, "epsilon": _epsilon}
        _T.add("layer_normalization", _N.normal(3, 4, 5), gradient=True, **_given)
        _T.add("layer_normalization", _N.normal(3, 4, 5), gamma=_N.normal(*_shape), gradient=True, **_given)
        _both = {"gamma": _N.normal(*_shape), "beta": _N.normal(*_shape)}
        _T.add("layer_normalization", _N.normal(3, 4, 5), gradient=True, **_both, **_given)
        _T.add("rms_normalization", _N.normal(3, 4, 5), gradient=True, **_given)
        _T.add(
            "rms_normalization",
            _N.normal(3, 4, 5),
            scale=_N.normal(*_shape),
            gradient=True,
            differs="a scale of the size of `axis` lies along it; Keras takes any scale as along the last axes"
            if _axis == 1
            else "",
            **_given,
        )
for _shape in ((5,), (4, 1), ()):
    _T.add("rms_normalization", _M.normal(3, 4, 5), scale=_M.normal(*_shape), axis=1, gradient=True)

# --- losses and attention ---


def _sure(*shape: int) -> np.ndarray:
    x = _N.between(0.05, 0.95, *shape)
    return (x / x.sum(-1, keepdims=True)).astype("float32")


for _logits, _shape in itertools.product((False, True), ((4, 5), (2, 3, 4), (5,))):
    _p = _N.normal(*_shape) if _logits else _sure(*_shape)
    _T.add("binary_crossentropy", _N.ints(0, 2, *_shape).astype("float32"), _p, from_logits=_logits, gradient=True)
    for _axis in (-1, 0):
        _given = {"from_logits": _logits, "axis": _axis}
        _T.add("categorical_crossentropy", _sure(*_shape), _p, gradient=True, **_given)
    if len(_shape) > 1:
        _labels = _N.ints(0, _shape[-1], *_shape[:-1])
        _T.add("sparse_categorical_crossentropy", _labels, _p, from_logits=_logits, gradient=True)
        _T.add("sparse_categorical_crossentropy", _labels[..., None], _p, from_logits=_logits, gradient=True)
for _options in grid(scale=(None, 0.3), is_causal=(False, True)):
    _q, _k = _N.normal(2, 5, 3, 4), _N.normal(2, 6, 3, 4)
    _T.add("dot_product_attention", _q, _k, _N.normal(2, 6, 3, 4), gradient=True, **_options)
    _T.add("dot_product_attention", _q, _k, _k, bias=_N.normal(2, 3, 5, 6), gradient=True, **_options)
    _mask = _N.choice(2, 1, 5, 6)
    _mask[..., 0] = True
    _T.add("dot_product_attention", _q, _k, _k, mask=_mask, gradient=True, **_options)
    _T.add("dot_product_attention", _q, _N.normal(2, 6, 1, 4), _N.normal(2, 6, 1, 4), gradient=True, **_options)
for _size, _name in itertools.product((1, 2, (2, 3)), ("average", "max")):
    _T.add(f"adaptive_{_name}_pool", _N.distinct(2, 5, 7, 3), _size, gradient=True)
for _block, _format in itertools.product((2, 3), ("channels_last", "channels_first")):
    _T.add("depth_to_space", _laid(_N.normal(2, 3, 2, 36), _format), _block, data_format=_format, gradient=True)
    _T.add("space_to_depth", _laid(_N.normal(2, 6, 12, 2), _format), _block, data_format=_format, gradient=True)
for _kernel, _dilation, _padding, _stride in ((2, 1, 0, 1), ((2, 3), 1, 1, 2), ((3, 2), (1, 2), (1, 0), (2, 1))):
    _options = {"dilation": _dilation, "padding": _padding, "stride": _stride}
    _T.add("unfold", _N.normal(2, 3, 7, 8), _kernel, gradient=True, **_options)
    _cut = np.array(_kernel) * np.ones(2, int)
    _steps = (np.array([7, 8]) + 2 * np.array(_padding) - np.array(_dilation) * (_cut - 1) - 1) // np.array(_stride) + 1
    _columns = _N.normal(2, 3 * int(_cut.prod()), int(_steps.prod()))
    _T.add("fold", _columns, (7, 8), _kernel, gradient=True, **_options)
for _value in (1.0, 2.5):
    _T.add("psnr", _N.normal(2, 4, 4, 3), _N.normal(2, 4, 4, 3), max_val=_value, gradient=True)

# --- control ---


def _polynomial(keras: Any, x: Any, reverse: bool, unroll: int) -> Any:
    def step(carry: Any, item: Any) -> Any:
        carry = {"a": carry["a"] * 0.9 + item, "b": carry["b"] * item}
        return carry, carry["a"] - carry["b"]

    start = {"a": keras.ops.zeros((2,)), "b": keras.ops.ones((2,))}
    return keras.ops.scan(step, start, x, reverse=reverse, unroll=unroll)


def _counted(keras: Any, x: Any) -> Any:
    return keras.ops.scan(lambda c, _: (c * 1.1, c), x, None, length=4)


def _until(keras: Any, x: Any, limit: int | None) -> Any:
    found = keras.ops.while_loop(
        lambda i, s: keras.ops.sum(s) < 40.0, lambda i, s: (i + 1, s * 1.7 + 0.1), (0, x), maximum_iterations=limit
    )
    return [keras.ops.cast(found[0], "int32"), found[1]]


def _custom(keras: Any, x: Any) -> Any:
    @keras.ops.custom_gradient
    def clipped(x: Any) -> Any:
        def grad(*args: Any, upstream: Any = None) -> Any:
            upstream = args[0] if upstream is None else upstream
            return keras.ops.clip(upstream, -0.5, 0.5)

        return x * 3.0, grad

    return clipped(x)


for _reverse, _unroll in itertools.product((False, True), (1, 2)):
    _T.add("scan", 0.5 * _N.normal(6, 2), _reverse, _unroll, function=_polynomial, gradient=True)
_T.add("scan", _N.normal(3), function=_counted, gradient=True)
for _limit in (None, 2):
    _T.add("while_loop", _N.between(0.5, 1, 3), _limit, function=_until)
_T.add("custom_gradient", _N.normal(5), function=_custom, gradient=True)
for _given in ({}, {"reverse": True}, {"axis": 1}):
    _T.add(
        "associative_scan",
        _N.normal(6, 5),
        function=lambda keras, x, **given: keras.ops.associative_scan(lambda a, b: a + b + a * b, x, **given),
        label=str(_given),
        **_given,
    )
    _T.add(
        "associative_scan",
        [_N.normal(6, 5), _N.normal(6, 5)],
        function=lambda keras, x, **given: keras.ops.associative_scan(
            lambda a, b: [a[0] * b[0], a[1] * b[0] + b[1]], x, **given
        ),
        gradient=True,
        **_given,
    )
_T.add(
    "map",
    _N.normal(5, 3),
    function=lambda keras, x: keras.ops.map(lambda r: (r * 2, keras.ops.max(r)), x),
    gradient=True,
)
_T.add(
    "vectorized_map",
    [_N.normal(5, 3), _N.normal(5, 3)],
    function=lambda keras, x: keras.ops.vectorized_map(lambda p: keras.ops.dot(p[0], p[1]), x),
    gradient=True,
)
_T.add(
    "vectorize",
    _N.normal(4, 3),
    _N.normal(3),
    function=lambda keras, a, b: keras.ops.vectorize(lambda x, y: keras.ops.sum(x) * y, signature="(k),()->()")(
        a[:3], b
    ),
    gradient=True,
)
_T.add("vectorize", _N.normal(4), function=lambda keras, x: keras.ops.vectorize(lambda v: v * v + 1)(x), gradient=True)
for _index in (-1, 0, 1, 5):
    _T.add(
        "switch",
        np.array(_index, "int32"),
        _N.normal(3),
        function=lambda keras, i, x: keras.ops.switch(i, [lambda x: x, lambda x: x * x, lambda x: 3 * x], x),
        gradient=True,
        label=str(_index),
    )
for _true in (True, False):
    _T.add(
        "cond",
        np.array(_true),
        _N.normal(3),
        function=lambda keras, p, x: keras.ops.cond(p, lambda: keras.ops.exp(x), lambda: x - 1),
        gradient=True,
        label=str(_true),
    )
_T.add(
    "fori_loop",
    _N.normal(3),
    function=lambda keras, x: keras.ops.fori_loop(2, 6, lambda i, s: s * 0.5 + keras.ops.cast(i, "float32"), x),
)
_T.add(
    "jvp",
    _N.normal(3),
    _N.normal(3),
    function=lambda keras, x, t: keras.ops.jvp(lambda x: (keras.ops.tanh(x), 2 * x), (x,), (t,), has_aux=True),
)
_T.add(
    "ctc_decode", _N.normal(3, 8, 4), np.array([8, 5, 7], "int32"), strategy="beam_search", beam_width=8, top_paths=2
)


# `ops.numpy` and `ops.nn` are doors to the functions of `ops`: what is compared is that they are the same.
def _same(keras: Any, module: str, name: str) -> list[bool]:
    return [getattr(getattr(keras.ops, module), name) is getattr(keras.ops, name)]


_DOORS = []
for _module in ("numpy", "nn"):
    _door = Table(f"ops.{_module}")
    for _name in NAMES[f"keras.ops.{_module}"]:
        if _name in NAMES["keras.ops"]:
            _door.add(_name, _module, _name, function=_same)
    _DOORS += _door.calls

_POOLS = {f"pool{n}-{name}": f"adaptive_{name}_pool" for n in (1, 2, 3) for name in ("average", "max")}
_ROWS = {k: (f, list(x)) for k, (f, x) in image_cases.CASES.items() if k.startswith("pool")}
_ALIASES = {"logit": "log", "made": "arange", "cov": "matmul", "eigh_values": "eigh", "svd_values": "svd"}
CASES: list[Call] = [
    *_T.calls,
    *_DOORS,
    *from_table(_ROWS, "ops", gradient=True, inside="ops", aliases=_POOLS),
    *from_table(function_cases.SMOOTH, "ops", gradient=True, aliases=_ALIASES),
    *from_table(function_cases.FLAT, "ops", gradient=False, aliases=_ALIASES),
]
