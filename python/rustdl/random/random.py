"""Random tensors: pure functions of a shape and a seed.

A seed is an integer (the same numbers at each call), a `SeedGenerator` (new numbers at each call), or `None` (new
numbers, decided by `rustdl.utils.set_random_seed`).
"""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl._rustdl import ops as engine
from rustdl.backend import config
from rustdl.backend.dtypes import is_float_dtype, is_int_dtype, standardize_dtype
from rustdl.backend.keras_tensor import any_symbolic_tensors
from rustdl.backend.tensor import cast, convert_to_tensor
from rustdl.ops._symbolic import symbolic
from rustdl.random.seed_generator import draw_seed


def _float(dtype: Any, what: str) -> str:
    name = config.floatx() if dtype is None else standardize_dtype(dtype)
    if not is_float_dtype(name):
        raise ValueError(f"`keras.random.{what}` requires a floating point `dtype`. Received: dtype={name} ")
    return name


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(v, (int, float)) for v in values)


def _shape(shape: Any) -> list[int]:
    return [int(shape)] if isinstance(shape, int) else [int(d) for d in shape]


def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Numbers of a normal distribution.

    Args:
        shape: Shape of the result.
        mean: Mean.
        stddev: Standard deviation.
        dtype: A float dtype, `floatx()` by default.
        seed: See the module.

    Example:
        >>> normal((2, 3), seed=1).shape
        (2, 3)
    """
    name = _float(dtype, "normal")
    if _are_numbers(mean, stddev):
        return engine.random_normal(draw_seed(seed), _shape(shape), float(mean), float(stddev), name)
    x = engine.random_normal(draw_seed(seed), _shape(shape), dtype=name)
    return cast(x * convert_to_tensor(stddev, name) + convert_to_tensor(mean, name), name)


def uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Numbers of a uniform distribution on `[minval, maxval)`.

    Args:
        shape: Shape of the result.
        minval: Lower bound, included.
        maxval: Upper bound, excluded.
        dtype: A float dtype, `floatx()` by default.
        seed: See the module.

    Example:
        >>> uniform((2, 3), seed=1).shape
        (2, 3)
    """
    name = _float(dtype, "uniform")
    if _are_numbers(minval, maxval):
        return engine.random_uniform(draw_seed(seed), _shape(shape), float(minval), float(maxval), name)
    low, high = convert_to_tensor(minval, name), convert_to_tensor(maxval, name)
    return cast(engine.random_uniform(draw_seed(seed), _shape(shape), dtype=name) * (high - low) + low, name)


def randint(shape: Any, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None) -> Any:
    """Integers of a uniform distribution on `[minval, maxval)`.

    Args:
        shape: Shape of the result.
        minval: Lower bound, included.
        maxval: Upper bound, excluded.
        dtype: An integer dtype.
        seed: See the module.

    Raises:
        ValueError: A float dtype.
    """
    name = standardize_dtype(dtype)
    if not is_int_dtype(name):
        raise ValueError(f"`keras.random.randint` requires an integer `dtype`. Received: dtype={name} ")
    low, high = convert_to_tensor(minval, "float64"), convert_to_tensor(maxval, "float64")
    u = engine.random_uniform(draw_seed(seed), _shape(shape), dtype="float64")
    # Rounding could reach the upper bound.
    return cast(ops.minimum(ops.floor(u * (high - low) + low), high - 1.0), name)


def truncated_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Numbers of a normal distribution, those beyond two standard deviations drawn again.

    Args:
        shape: Shape of the result.
        mean: Mean before the truncation.
        stddev: Standard deviation before the truncation.
        dtype: A float dtype, `floatx()` by default.
        seed: See the module.
    """
    name = _float(dtype, "truncated_normal")
    if _are_numbers(mean, stddev):
        return engine.random_truncated_normal(draw_seed(seed), _shape(shape), float(mean), float(stddev), name)
    x = engine.random_truncated_normal(draw_seed(seed), _shape(shape), dtype=name)
    return cast(x * convert_to_tensor(stddev, name) + convert_to_tensor(mean, name), name)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Classes drawn with the probabilities `softmax(logits)`.

    Args:
        logits: Shape `(batch, classes)`, unnormalised log-probabilities.
        num_samples: Draws a row.
        dtype: Dtype of the result.
        seed: See the module.

    Returns:
        Shape `(batch, num_samples)`.

    Raises:
        ValueError: `logits` is not a matrix.
    """
    shape = tuple(convert_to_tensor(logits).shape)
    if len(shape) != 2:
        raise ValueError(
            f"`logits` should be a 2-D tensor with shape [batch_size, num_classes]. Received: logits={logits}"
        )
    if any_symbolic_tensors((logits,)):
        return _categorical(logits, num_samples, dtype, seed)
    return _categorical.__wrapped__(logits, num_samples, dtype, seed)


def _draw_categorical(logits: Any, num_samples: int, dtype: Any, seed: Any) -> Any:
    return engine.random_categorical(draw_seed(seed), convert_to_tensor(logits), num_samples, standardize_dtype(dtype))


_categorical: Any = symbolic(_draw_categorical, "random_categorical")


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """The tensor with the order along one axis drawn at random.

    Args:
        x: The tensor.
        axis: The axis.
        seed: See the module.
    """
    return _shuffle(x, axis=axis, seed=seed)


def _draw_shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    return engine.random_shuffle(draw_seed(seed), convert_to_tensor(x), axis)


_shuffle: Any = symbolic(_draw_shuffle, "random_shuffle")


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """Sets elements to zero with probability `rate` and divides the others by `1 - rate`.

    Args:
        inputs: The tensor.
        rate: Probability, from 0 to 1.
        noise_shape: Shape of the mask, broadcast to that of `inputs`; by default the same.
        seed: See the module.
    """
    return _dropout(inputs, rate=rate, noise_shape=noise_shape, seed=seed)


def _draw_dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
    x = convert_to_tensor(inputs)
    shape = list(x.shape)
    if noise_shape is not None:
        if len(noise_shape) != len(shape):
            raise ValueError(
                f"dropout: `noise_shape`={tuple(noise_shape)} must have the rank of `inputs`, {len(shape)}"
            )
        shape = [own if d is None else int(d) for own, d in zip(shape, noise_shape, strict=True)]
    keep = engine.random_uniform(draw_seed(seed), shape, dtype="float32") >= rate
    # At a rate of 1 nothing is kept: a division by 0 would make the gradient not-a-number.
    return ops.where(keep, x / ((1.0 - rate) or 1.0), ops.zeros_like(x))


_dropout: Any = symbolic(_draw_dropout, "random_dropout")


def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Numbers of a gamma distribution of shape parameter `alpha` and scale 1.

    The method of Marsaglia and Tsang (2000); the few rejected draws are replaced out of a fixed number of tries.

    Args:
        shape: Shape of the result.
        alpha: Shape parameter, positive, broadcast to `shape`.
        dtype: A float dtype, `floatx()` by default.
        seed: See the module.
    """
    name = _float(dtype, "gamma")
    work = "float64" if name == "float64" else "float32"
    size = _shape(shape)
    alpha = convert_to_tensor(alpha, work)
    small = alpha < 1.0
    d = ops.where(small, alpha + 1.0, alpha) - 1.0 / 3.0
    c = 1.0 / ops.sqrt(9.0 * d)
    base = draw_seed(seed)
    result: Any = None
    accepted: Any = None
    tries = 16  # each accepts with a probability over 0.95
    for i in range(tries):
        x = engine.random_normal(_derived(base, 2 * i + 1), size, dtype=work)
        u = ops.maximum(engine.random_uniform(_derived(base, 2 * i + 2), size, dtype=work), 1e-30)
        v = (1.0 + c * x) ** 3
        safe = ops.maximum(v, 1e-30)
        good = ops.logical_and(v > 0.0, ops.log(u) < 0.5 * x * x + d - d * v + d * ops.log(safe))
        value = d * safe
        if result is None:
            result, accepted = value, good
        else:
            result = ops.where(accepted, result, value)
            accepted = ops.logical_or(accepted, good)
    boost = ops.maximum(engine.random_uniform(_derived(base, 0), size, dtype=work), 1e-30)
    result = ops.where(small, result * boost ** (1.0 / alpha), result)
    return cast(result, name)


def _derived(seed: Any, number: int) -> Any:
    """A seed of its own for each of several draws."""
    import numpy as np

    return seed + convert_to_tensor(np.array([0x9E3779B9 * (number + 1) & 0xFFFFFFFF, number], dtype="uint32"))


def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Numbers of a beta distribution.

    Args:
        shape: Shape of the result.
        alpha: First parameter, positive.
        beta: Second parameter, positive.
        dtype: A float dtype, `floatx()` by default.
        seed: See the module.
    """
    name = _float(dtype, "beta")
    base = draw_seed(seed)
    # X / (X + Y) of two gamma variables.
    x = gamma(shape, alpha, "float32" if name != "float64" else name, _derived(base, 101))
    y = gamma(shape, beta, "float32" if name != "float64" else name, _derived(base, 202))
    return cast(x / (x + y), name)


_FEW_TRIALS = 64


def binomial(shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Numbers of successes in `counts` trials.

    A trial succeeds whose uniform number is at most its probability. Many trials are halved first: the middle one of
    their sorted numbers is a beta variable, and says which half is decided (Relles, 1972).

    Args:
        shape: Shape of the result.
        counts: Number of trials, broadcast to `shape`; known, not traced.
        probabilities: Probability of a success, broadcast to `shape`.
        dtype: A float dtype, `floatx()` by default.
        seed: See the module.
    """
    name = _float(dtype, "binomial")
    size = _shape(shape)
    counts = convert_to_tensor(counts, "float32")
    probabilities = convert_to_tensor(probabilities, "float32")
    most = int(ops.max(counts)) if tuple(counts.shape) else int(counts)
    base = draw_seed(seed)
    total = ops.zeros(size, dtype="float32")
    rounds = 0
    while most > _FEW_TRIALS:
        rounds += 1
        middle = ops.maximum(ops.floor((counts + 1.0) / 2.0), 1.0)
        # Far enough apart for the seeds that `beta` and `gamma` derive from this one.
        number = beta(size, middle, ops.maximum(counts + 1.0 - middle, 1.0), "float32", _derived(base, 1000 * rounds))
        many, below = counts > _FEW_TRIALS, number <= probabilities
        total = ops.where(ops.logical_and(many, below), total + middle, total)
        rest = ops.where(below, counts - middle, middle - 1.0)
        chance = ops.where(below, (probabilities - number) / (1.0 - number), probabilities / number)
        counts, probabilities = ops.where(many, rest, counts), ops.where(many, chance, probabilities)
        most //= 2
    for i in range(most if not rounds else _FEW_TRIALS):
        u = engine.random_uniform(_derived(base, i), size, dtype="float32")
        success = ops.logical_and(u < probabilities, counts > float(i))
        total = total + cast(success, "float32")
    return cast(total, name)
