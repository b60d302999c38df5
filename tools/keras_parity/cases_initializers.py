"""Initializers: constant ones number by number, random ones by shape, dtype, distribution and seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras_parity import laws, runners
from keras_parity.calls import Call, Numbers, Table, grid
from keras_parity.laws import Law

_N = Numbers(35)
_T = Table("initializers")
_SHAPES = ((200, 150), (3, 3, 40, 60), (30000,))


def constant(keras: Any, name: str, options: dict[str, Any], shape: tuple[int, ...], dtype: str | None) -> Any:
    """What a constant initializer makes."""
    found = getattr(keras.initializers, name)(**options)
    return found(shape) if dtype is None else found(shape, dtype=dtype)


def random(keras: Any, name: str, options: dict[str, Any], shape: tuple[int, ...], law: Law, dtype: str) -> list[Any]:
    """Shape, dtype, distribution, and what seeds promise."""
    make = getattr(keras.initializers, name)
    first = make(seed=3, **options)(shape, dtype=dtype)
    again, other = make(seed=3, **options)(shape, dtype=dtype), make(seed=4, **options)(shape, dtype=dtype)
    same = [bool(np.array_equal(np.asarray(first), np.asarray(x))) for x in (again, other)]
    unseeded = make(**options)
    fresh = bool(np.array_equal(np.asarray(unseeded(shape)), np.asarray(make(**options)(shape))))
    x = np.asarray(keras.ops.cast(first, "float32"))
    found = [laws.check_independent(x)]
    if dtype == "float32":
        found.append(laws.check(x, law.cdf, *law.bounds()))
    return [keras.ops.zeros(first.shape, first.dtype), np.array([*same, fresh]), *found]


def orthogonal(keras: Any, name: str, options: dict[str, Any], shape: tuple[int, ...]) -> list[Any]:
    """Rows or columns that are orthogonal and of length `gain`."""
    first = getattr(keras.initializers, name)(seed=5, **options)(shape)
    again = getattr(keras.initializers, name)(seed=5, **options)(shape)
    x = np.asarray(first, "float64").reshape(-1, shape[-1])
    product = x.T @ x if x.shape[0] >= x.shape[1] else x @ x.T
    gain = options.get("gain", 1.0)
    if np.abs(product - gain**2 * np.eye(len(product))).max() > 1e-5 * max(1.0, gain**2):
        raise AssertionError("not orthogonal")
    laws.check_moments(x, 0.0, gain / math.sqrt(max(x.shape)))
    return [keras.ops.zeros(first.shape, first.dtype), np.array([np.array_equal(np.asarray(first), np.asarray(again))])]


# --- constants ---

for _names, _options in (
    (("Zeros", "zeros"), [{}]),
    (("Ones", "ones"), [{}]),
    (("Constant", "constant"), [{}, {"value": 2.5}, {"value": -3}]),
):
    for _name in _names:
        for _given in _options:
            for _shape in ((), (3,), (2, 3, 4)):
                for _dtype in (None, "float32", "float16", "int32", "bool"):
                    _T.add(_name, _name, _given, _shape, _dtype, function=constant)
for _name in ("Identity", "IdentityInitializer", "identity"):
    for _gain in (1.0, 2.5):
        for _shape in ((3, 3), (2, 5), (5, 2)):
            for _dtype in (None, "float16"):
                _T.add(_name, _name, {"gain": _gain}, _shape, _dtype, function=constant)
for _name in ("STFT", "STFTInitializer", "stft"):
    for _options in grid(
        side=("real", "imag"),
        window=("hann", "hamming", None),
        scaling=("density", "spectrum", None),
        periodic=(False, True),
    ):
        _T.add(_name, _name, _options, (16, 1, 9), None, function=constant)

# --- random ---


def fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """Fan in and out, as Keras documents them: a kernel's receptive field times its channels."""
    if len(shape) == 1:
        return shape[0], shape[0]
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def scaled(scale: float, mode: str, distribution: str, fan: tuple[float, float]) -> Law:
    """The law of `VarianceScaling`: variance = scale / fan."""
    n = {"fan_in": fan[0], "fan_out": fan[1], "fan_avg": sum(fan) / 2}[mode]
    deviation = math.sqrt(scale / max(1.0, n))
    if distribution == "uniform":
        return Law("uniform", -math.sqrt(3) * deviation, math.sqrt(3) * deviation)
    if distribution == "untruncated_normal":
        return Law("normal", 0.0, deviation)
    # The standard deviation of a normal law cut at two deviations.
    return Law("truncated", 0.0, deviation / 0.87962566103423978)


_SIMPLE: dict[str, list[tuple[dict[str, Any], Law]]] = {
    "RandomNormal": [({}, Law("normal", 0.0, 0.05)), ({"mean": 1.5, "stddev": 2.0}, Law("normal", 1.5, 2.0))],
    "RandomUniform": [({}, Law("uniform", -0.05, 0.05)), ({"minval": 1.0, "maxval": 4.0}, Law("uniform", 1.0, 4.0))],
    "TruncatedNormal": [({}, Law("truncated", 0, 0.05)), ({"mean": 1.5, "stddev": 2.0}, Law("truncated", 1.5, 2.0))],
}
_SCALED = {
    "GlorotNormal": (1.0, "fan_avg", "truncated_normal"),
    "GlorotUniform": (1.0, "fan_avg", "uniform"),
    "HeNormal": (2.0, "fan_in", "truncated_normal"),
    "HeUniform": (2.0, "fan_in", "uniform"),
    "LecunNormal": (1.0, "fan_in", "truncated_normal"),
    "LecunUniform": (1.0, "fan_in", "uniform"),
}


def snake(name: str) -> str:
    """The name of a class as Keras writes it in small letters."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


for _name, _rows in _SIMPLE.items():
    for _given, _law in _rows:
        for _shape in _SHAPES:
            for _as in (_name, snake(_name)):
                _T.add(_as, _as, _given, _shape, _law, "float32", function=random)
        _T.add(_name, _name, _given, (100, 50), _law, "float16", function=random)
for _name, (_scale, _mode, _law) in _SCALED.items():
    for _shape in _SHAPES:
        for _as in (_name, snake(_name)):
            _T.add(_as, _as, {}, _shape, scaled(_scale, _mode, _law, fans(_shape)), "float32", function=random)
    # Axes that count: a kernel whose inputs are its axes 0 and 1, as of a layer over heads.
    _given = {"input_axes": (0, 1), "output_axes": (2,)}
    _T.add(_name, _name, _given, (20, 15, 40), scaled(_scale, _mode, _law, (300, 40)), "float32", function=random)
_MODES = ("fan_in", "fan_out", "fan_avg")
_LAWS = ("truncated_normal", "untruncated_normal", "uniform")
for _options in grid(scale=(1.0, 3.0), mode=_MODES, distribution=_LAWS):
    for _as in ("VarianceScaling", "variance_scaling"):
        for _shape in _SHAPES[:2]:
            _T.add(_as, _as, _options, _shape, scaled(*_options.values(), fans(_shape)), "float32", function=random)
for _as in ("VarianceScaling", "variance_scaling"):
    _law = scaled(1.0, "fan_in", "truncated_normal", fans((200, 150)))
    _T.add(_as, _as, {"distribution": "normal"}, (200, 150), _law, "float32", function=random)
for _as in ("Orthogonal", "OrthogonalInitializer", "orthogonal"):
    for _gain in (1.0, 1.7):
        for _shape in ((64, 64), (90, 40), (40, 90), (3, 3, 8, 64)):
            _T.add(_as, _as, {"gain": _gain}, _shape, function=orthogonal)


# --- written by users, by name ---


def _own(keras: Any) -> Any:
    class Own(keras.initializers.Initializer):  # type: ignore[misc,name-defined]
        def __call__(self, shape: Any, dtype: Any = None, **_: Any) -> Any:
            return keras.ops.reshape(keras.ops.arange(math.prod(shape), dtype=dtype), shape)

    layer = keras.layers.Dense(3, kernel_initializer=Own(), bias_initializer=Own().clone())
    layer.build((None, 2))
    return [w.value for w in layer.weights]


_T.add("Initializer", function=_own)


def _named(keras: Any, name: str) -> list[Any]:
    """The class that a name means; a function of a shape as it is."""
    found = keras.initializers.get(name)
    return [np.array(type(found).__name__)]


def _config(name: str, **options: Any) -> Any:
    return runners.round_trip("initializers", name, **options)


_CLASSES = [*_SIMPLE, *_SCALED, "VarianceScaling", "Orthogonal"]
for _name in [*_CLASSES, "Zeros", "Ones", "Constant", "Identity", "STFT"]:
    if _name != "Constant":  # Keras wants its value
        _T.add("get", _name, function=_named)
        _T.add("get", snake(_name) if _name != "STFT" else "stft", function=_named)
    _given = {"seed": 7} if _name in _CLASSES else {}
    _lost = "the gain is in the configuration; Keras forgets it" if _name == "Identity" else ""
    _T.add("serialize", function=_config(_name, **_given), label=_name, differs=_lost)
    _T.add("deserialize", function=_config(_name), label=_name, differs=_lost)
_T.add("get", "initializers", function=runners.refuse_nothing)


def _array(keras: Any, x: Any) -> Any:
    """An initializer may be an array or a function."""
    given = keras.initializers.get(np.asarray(x))
    layer = keras.layers.Dense(2, kernel_initializer=lambda shape, dtype=None: keras.ops.full(shape, 0.5, dtype))
    layer.build((None, 3))
    return [given(np.shape(x)), layer.kernel.value]


_T.add("get", _N.normal(2, 3), function=_array, label="array and function")

CASES: list[Call] = _T.calls
