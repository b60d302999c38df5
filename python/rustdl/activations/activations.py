"""Activation functions: elementwise (or, for softmax and its kin, along one axis) maps of a tensor."""

from __future__ import annotations

import contextlib
from typing import Any

from rustdl import backend, ops


def _remember_logits(output: Any, logits: Any) -> Any:
    """Lets a cross-entropy that receives probabilities find the logits (for numerical stability)."""
    with contextlib.suppress(AttributeError):
        output._keras_logits = logits
    return output


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """`x` where `x > threshold`, `negative_slope * (x - threshold)` below, cut at `max_value`.

    Args:
        x: tensor.
        negative_slope: slope below the threshold.
        max_value: upper bound, None for none.
        threshold: where the unit starts.

    Example:
        >>> import rustdl
        >>> rustdl.activations.relu([-1.0, 2.0], negative_slope=0.5).tolist()
        [-0.5, 2.0]
    """
    x = backend.convert_to_tensor(x)
    if threshold == 0:
        if negative_slope != 0.0 and max_value is None:
            return ops.leaky_relu(x, negative_slope=negative_slope)
        positive = ops.relu(x)
    else:
        positive = ops.where(ops.greater(x, threshold), x, ops.zeros_like(x))
    if max_value is not None:
        positive = ops.clip(positive, 0.0, max_value)
    if negative_slope == 0.0:
        return positive
    return positive - negative_slope * ops.relu(threshold - x)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """`x` where `x > 0`, else `negative_slope * x`."""
    return ops.leaky_relu(x, negative_slope=negative_slope)


def relu6(x: Any) -> Any:
    """`min(max(x, 0), 6)`."""
    return ops.relu6(x)


def softmax(x: Any, axis: Any = -1) -> Any:
    """`exp(x) / sum(exp(x))` along `axis`.

    Args:
        x: tensor.
        axis: axis or axes of the sum.

    Example:
        >>> import rustdl
        >>> rustdl.activations.softmax([[0.0, 0.0]]).tolist()
        [[0.5, 0.5]]
    """
    return _remember_logits(ops.softmax(x, axis=axis), x)


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """`x - log(sum(exp(x)))` along `axis`."""
    return ops.log_softmax(x, axis=axis)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """`x` where `x > 0`, else `alpha * (exp(x) - 1)` (Clevert et al., 2016)."""
    return ops.elu(x, alpha=alpha)


def selu(x: Any) -> Any:
    """`1.0507 * elu(x, alpha=1.67326)` (Klambauer et al., 2017)."""
    return ops.selu(x)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """`max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)` (Barron, 2017)."""
    return ops.celu(x, alpha=alpha)


def glu(x: Any, axis: int = -1) -> Any:
    """`a * sigmoid(b)`, with a and b the halves of `x` along `axis` (Dauphin et al., 2017)."""
    return ops.glu(x, axis=axis)


def softplus(x: Any) -> Any:
    """`log(1 + exp(x))`."""
    return ops.softplus(x)


def softsign(x: Any) -> Any:
    """`x / (1 + |x|)`."""
    return ops.softsign(x)


def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """`x - threshold` above it, `x + threshold` below its negative, 0 between."""
    return ops.soft_shrink(x, threshold=threshold)


def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """`x` where `|x| > threshold`, else 0."""
    return ops.hard_shrink(x, threshold=threshold)


def sparse_plus(x: Any) -> Any:
    """0 for `x <= -1`, `(x + 1)^2 / 4` for `-1 < x < 1`, `x` above."""
    return ops.sparse_plus(x)


def sparse_sigmoid(x: Any) -> Any:
    """`(x + 1) / 2` cut to [0, 1]."""
    return ops.sparse_sigmoid(x)


def silu(x: Any) -> Any:
    """`x * sigmoid(x)` (Ramachandran et al., 2017)."""
    return ops.silu(x)


def squareplus(x: Any, b: float = 4) -> Any:
    """`(x + sqrt(x^2 + b)) / 2` (Barron, 2021)."""
    return ops.squareplus(x, b=b)


def gelu(x: Any, approximate: bool = False) -> Any:
    """`x * P(X <= x)` with X normal (Hendrycks and Gimpel, 2016).

    Args:
        x: tensor.
        approximate: use the tanh form instead of erf.
    """
    return ops.gelu(x, approximate=approximate)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return ops.tanh(x)


def tanh_shrink(x: Any) -> Any:
    """`x - tanh(x)`."""
    return ops.tanh_shrink(x)


def hard_tanh(x: Any) -> Any:
    """`x` cut to [-1, 1]."""
    return ops.hard_tanh(x)


def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """`x` where `x > threshold`, else `default_value`."""
    return ops.threshold(x, threshold, default_value)


def sigmoid(x: Any) -> Any:
    """`1 / (1 + exp(-x))`."""
    return _remember_logits(ops.sigmoid(x), x)


def log_sigmoid(x: Any) -> Any:
    """`log(1 / (1 + exp(-x)))`."""
    return ops.log_sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """`x / 6 + 0.5` cut to [0, 1]."""
    return ops.hard_sigmoid(x)


def hard_silu(x: Any) -> Any:
    """`x * hard_sigmoid(x)` (Howard et al., 2019)."""
    return ops.hard_silu(x)


def exponential(x: Any) -> Any:
    """`exp(x)`."""
    return ops.exp(x)


def linear(x: Any) -> Any:
    """`x` itself."""
    return x


def mish(x: Any) -> Any:
    """`x * tanh(softplus(x))` (Misra, 2019)."""
    x = backend.convert_to_tensor(x)
    return x * ops.tanh(ops.softplus(x))


def sparsemax(x: Any, axis: int = -1) -> Any:
    """Projection onto the probability simplex along `axis` (Martins and Astudillo, 2016)."""
    return ops.sparsemax(x, axis=axis)
