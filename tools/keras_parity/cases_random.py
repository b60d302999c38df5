"""Random numbers: shapes, dtypes, distributions and what seeds promise; the bits are each library's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras_parity import laws
from keras_parity.calls import Call, Numbers, Table
from keras_parity.laws import Law

_N = Numbers(36)
_T = Table("random")
_SHAPE = (150, 200)
WHOLE = "slices stay whole, as in Keras on TensorFlow; Keras on JAX shuffles each line along the axis by itself"


def _drawn(keras: Any, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, list[bool]]:
    """A sample, and whether equal seeds give equal numbers, other seeds other ones, and generators ever new ones."""
    draw = getattr(keras.random, name)
    first = draw(*arguments, seed=11, **options)
    generator = keras.random.SeedGenerator(5)
    samples = [draw(*arguments, seed=s, **options) for s in (11, 12, generator, generator, None, None)]
    samples = [np.asarray(keras.ops.cast(x, "float32")) for x in samples]
    reference = np.asarray(keras.ops.cast(first, "float32"))
    equal = [np.array_equal(reference, samples[0]), np.array_equal(reference, samples[1])]
    return first, [*equal, np.array_equal(samples[2], samples[3]), np.array_equal(samples[4], samples[5])]


def continuous(keras: Any, name: str, arguments: tuple[Any, ...], options: dict[str, Any], law: Law) -> list[Any]:
    """A sample against a law."""
    x, seeds = _drawn(keras, name, arguments, options)
    values = np.asarray(keras.ops.cast(x, "float32"))
    found = [laws.check_independent(values)]
    if "dtype" not in options:
        found.append(laws.check(values, law.cdf, *law.bounds()))
    return [keras.ops.zeros(x.shape, x.dtype), np.array(seeds), *found]


def moments(
    keras: Any, name: str, arguments: tuple[Any, ...], options: dict[str, Any], mean: float, deviation: float
) -> list[Any]:
    """A sample against a mean and a deviation."""
    x, seeds = _drawn(keras, name, arguments, options)
    found = laws.check_moments(keras.ops.cast(x, "float32"), mean, deviation)
    return [keras.ops.zeros(x.shape, x.dtype), np.array(seeds), found]


def integers(keras: Any, low: int, high: int, dtype: str) -> list[Any]:
    """All integers of `[low, high)` come equally often."""
    x, seeds = _drawn(keras, "randint", (_SHAPE, low, high), {"dtype": dtype})
    values = np.asarray(x, "int64")
    if values.min() < low or values.max() >= high:
        raise AssertionError(f"integers from {values.min()} to {values.max()}")
    counts = np.bincount(values.ravel() - low, minlength=high - low)
    return [
        keras.ops.zeros(x.shape, x.dtype),
        np.array(seeds),
        laws.check_counts(counts, np.full(high - low, 1 / (high - low))),
    ]


def classes(keras: Any, logits: Any, dtype: str) -> list[Any]:
    """Classes come as often as the softmax of the logits says."""
    x, seeds = _drawn(keras, "categorical", (logits, 5000), {"dtype": dtype})
    p = np.exp(np.asarray(logits, "float64"))
    p /= p.sum(-1, keepdims=True)
    found = [laws.check_counts(np.bincount(r, minlength=p.shape[1]), q) for r, q in zip(np.asarray(x), p, strict=True)]
    return [keras.ops.zeros(x.shape, x.dtype), np.array(seeds), *found]


def shuffled(keras: Any, x: Any, axis: int) -> list[Any]:
    """The same slices in another order, each place equally likely."""
    values = np.moveaxis(np.asarray(x), axis, 0)
    found = keras.random.shuffle(x, axis=axis, seed=3)
    back = np.moveaxis(np.asarray(found), axis, 0)
    rows = sorted(map(bytes, np.ascontiguousarray(values))) == sorted(map(bytes, np.ascontiguousarray(back)))
    generator = keras.random.SeedGenerator(1)
    line = keras.ops.arange(4)
    first = [int(np.asarray(keras.random.shuffle(line, seed=generator))[0]) for _ in range(400)]
    return [
        keras.ops.zeros(found.shape, found.dtype),
        np.array([rows]),
        laws.check_counts(np.bincount(first), np.full(4, 0.25)),
    ]


def dropped(keras: Any, x: Any, rate: float, noise_shape: tuple[int, ...] | None) -> list[Any]:
    """Zeros at the rate, else the number divided by what is kept; one decision along axes of noise of size 1."""
    found = keras.random.dropout(x, rate, noise_shape=noise_shape, seed=9)
    y, given = np.asarray(found, "float64"), np.asarray(x, "float64")
    kept = y != 0
    if not np.allclose(y[kept], given[kept] / (1 - rate), rtol=1e-6):
        raise AssertionError("numbers that are kept are not divided by the share of them")
    if noise_shape is not None:
        for axis, n in enumerate(noise_shape):
            if n == 1 and not (kept == np.take(kept, [0], axis)).all():
                raise AssertionError(f"decisions differ along axis {axis}")
        kept = kept[tuple(slice(0, n) for n in noise_shape)]
    counts = [kept.sum(), kept.size - kept.sum()]
    return [keras.ops.zeros(found.shape, found.dtype), laws.check_counts(counts, [1 - rate, rate])]


def generator(keras: Any) -> list[Any]:
    """Seeds of a generator: ever new ones, the same for the same start, restored with the state."""
    one, two = keras.random.SeedGenerator(42), keras.random.SeedGenerator(42)
    first, second = np.asarray(one.next()), np.asarray(one.next())
    state = np.asarray(two.state.value)
    two.next()
    again = np.asarray(two.next())
    two.state.assign(state)
    restored = np.asarray(two.next())
    config = keras.random.SeedGenerator.from_config(one.get_config()).get_config()["seed"]
    equal = [np.array_equal(a, b) for a, b in ((first, second), (second, again), (first, restored))]
    return [np.array(equal), np.array(first.shape), np.array(config), np.array(state.shape)]


for _options, _law in (
    ({}, Law("normal", 0.0, 1.0)),
    ({"mean": 2.0, "stddev": 0.3}, Law("normal", 2.0, 0.3)),
    ({"dtype": "float16"}, Law("normal")),
    ({"dtype": "bfloat16"}, Law("normal")),
):
    _T.add("normal", "normal", (_SHAPE,), _options, _law, function=continuous)
    _law = Law("truncated", _law.a, _law.b)
    _T.add("truncated_normal", "truncated_normal", (_SHAPE,), _options, _law, function=continuous)
for _options, _law in (
    ({}, Law("uniform", 0.0, 1.0)),
    ({"minval": -3.0, "maxval": 5.0}, Law("uniform", -3.0, 5.0)),
    ({"dtype": "float16"}, Law("uniform")),
):
    _T.add("uniform", "uniform", (_SHAPE,), _options, _law, function=continuous)
for _alpha, _beta in ((2.0, 3.0), (0.7, 0.4), (5.0, 1.0)):
    _total = _alpha + _beta
    _deviation = math.sqrt(_alpha * _beta / (_total**2 * (_total + 1)))
    _T.add("beta", "beta", (_SHAPE, _alpha, _beta), {}, _alpha / _total, _deviation, function=moments)
for _alpha in (0.6, 1.0, 4.0):
    # The deviation of a sample of a gamma law spreads more than that of a normal one: only wide shapes are near it.
    _T.add("gamma", "gamma", (_SHAPE, _alpha), {}, _alpha, math.sqrt(_alpha), function=moments)
for _n, _p in ((10, 0.3), (50, 0.8), (1, 0.5)):
    _T.add("binomial", "binomial", (_SHAPE, _n, _p), {}, _n * _p, math.sqrt(_n * _p * (1 - _p)), function=moments)
for _low, _high in ((0, 10), (-5, 7), (3, 5)):
    for _dtype in ("int32", "int8"):
        _T.add("randint", _low, _high, _dtype, function=integers)
for _dtype in ("int32", "int8"):
    _T.add("categorical", _N.normal(3, 5), _dtype, function=classes)
for _axis in (0, 1, -1):
    _T.add("shuffle", _N.normal(6, 5, 3), _axis, function=shuffled, differs=WHOLE)
for _rate in (0.0, 0.3, 0.8):
    for _noise in (None, (100, 1), (1, 80)):
        _T.add("dropout", _N.between(0.5, 2, 100, 80), _rate, _noise, function=dropped)
_T.add("shuffle", _N.normal(40), 0, function=shuffled)
_T.add("SeedGenerator", function=generator)

CASES: list[Call] = _T.calls
