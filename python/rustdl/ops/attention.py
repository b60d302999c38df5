"""Scaled dot-product attention: the public function, and the form of it that the layers use."""

from __future__ import annotations

import math
from typing import Any

from rustdl import backend
from rustdl._rustdl import ops as engine
from rustdl.backend.dtypes import result_type
from rustdl.ops._numpy import where
from rustdl.ops._symbolic import symbolic


@symbolic
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: Any = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """`softmax(scale * query key^T + bias) value` for each head (Vaswani et al., 2017).

    B is the batch size, T and S the lengths of queries and keys, N the number of heads and H their size. A query none
    of whose keys takes part has the output 0.

    Args:
        query: Shape `(B, T, N, H)`.
        key: Shape `(B, S, K, H)` where K divides N: each key head serves `N / K` query heads in a row.
        value: Shape `(B, S, K, V)`.
        bias: Added to the logits; its shape broadcasts to `(B, N, T, S)`.
        mask: Boolean, of a shape that broadcasts to `(B, N, T, S)`; `True` where a key takes part.
        scale: Factor of the logits, by default `1 / sqrt(H)`.
        is_causal: Whether query `t` sees the keys `0 ... t` only.
        flash_attention: `False` computes all `T * S` scores at once; by default, and with `True`, blocks of them.
        attn_logits_soft_cap: `c` replaces the scaled logits `x`, before the bias, by `c * tanh(x / c)`.

    Returns:
        A tensor of shape `(B, T, N, V)` in the common dtype of `query`, `key` and `value`.

    Raises:
        ValueError: A rank other than 4, or sizes that do not fit.

    Example:
        >>> import rustdl
        >>> x = rustdl.ops.ones((1, 3, 2, 4))
        >>> rustdl.ops.dot_product_attention(x, x, x, is_causal=True).shape
        (1, 3, 2, 4)
    """
    return attend(
        query,
        key,
        value,
        bias=bias,
        mask=mask,
        scale=scale,
        causal=is_causal,
        soft_cap=attn_logits_soft_cap,
        tiled=flash_attention is not False,
    )


def attend(
    query: Any,
    key: Any,
    value: Any,
    *,
    bias: Any = None,
    mask: Any = None,
    scale: Any = None,
    causal: bool = False,
    window: int | None = None,
    soft_cap: float | None = None,
    tiled: bool = True,
) -> Any:
    """Attention as in `dot_product_attention`, for layers.

    Args:
        query: Shape `(B, T, N, H)`.
        key: Shape `(B, S, K, H)`.
        value: Shape `(B, S, K, V)`.
        bias: Added to the logits.
        mask: Which keys take part.
        scale: Factor of the logits, by default `1 / sqrt(H)`.
        causal: Whether query `t` sees the keys `0 ... t` only.
        window: `w` lets query `t` see the keys `t - w + 1 ... t + w - 1` only.
        soft_cap: Bound of the scaled logits.
        tiled: Whether the scores are computed in blocks.
    """
    query, key, value = (backend.convert_to_tensor(x) for x in (query, key, value))
    _check(query, key, value)
    dtype = result_type(query.dtype, key.dtype, value.dtype, float)
    query, key, value = (_cast(x, dtype) for x in (query, key, value))
    if scale is None:
        scale = 1.0 / math.sqrt(max(query.shape[-1], 1))
    return _composite(query, key, value, bias, mask, scale, causal, window, soft_cap)


def _check(query: Any, key: Any, value: Any) -> None:
    shapes = f"Received: query.shape={query.shape}, key.shape={key.shape}, value.shape={value.shape}."
    if not len(query.shape) == len(key.shape) == len(value.shape) == 4:
        raise ValueError(f"`dot_product_attention` only supports 4D inputs. {shapes}")
    (b, _, n, h), (kb, s, k, kh) = query.shape, key.shape
    if h != kh or b != kb or tuple(value.shape[:3]) != (kb, s, k):
        raise ValueError(
            "dot_product_attention: expected query (B, T, N, H), key (B, S, K, H) and value (B, S, K, V), with the "
            f"same B, S, K and H. {shapes}"
        )
    if k == 0 or n % k != 0:
        raise ValueError(
            f"dot_product_attention: the {n} heads of `query` are no multiple of the {k} of `key`. {shapes}"
        )


def _cast(x: Any, dtype: str) -> Any:
    return x if x.dtype == dtype else engine.cast(x, dtype)


def _composite(
    query: Any,
    key: Any,
    value: Any,
    bias: Any,
    mask: Any,
    scale: Any,
    causal: bool,
    window: int | None,
    soft_cap: float | None,
) -> Any:
    """Attention made of products and a softmax, with all scores in memory, in `float32` at least."""
    b, t, n, h = query.shape
    s, k, v = key.shape[1], key.shape[2], value.shape[3]
    groups, wide = n // k, result_type(query.dtype, "float32")
    # The heads that share keys are more queries of one head.
    q = engine.reshape(engine.transpose(_cast(query, wide), [0, 2, 1, 3]), [b, k, groups * t, h])
    logits = engine.matmul(q, engine.transpose(_cast(key, wide), [0, 2, 3, 1])) * _scalar(scale, wide)
    if soft_cap is not None:
        logits = engine.tanh(logits / soft_cap) * soft_cap
    logits = engine.reshape(logits, [b, n, t, s])
    seen = None
    if bias is not None:
        bias = _cast(backend.convert_to_tensor(bias), wide)
        seen = bias > -math.inf
        logits = logits + bias
    for condition in (_as_bool(mask), band_mask(t, s, causal, window)):
        if condition is not None:
            seen = condition if seen is None else engine.logical_and(seen, condition)
    if seen is not None:
        lowest = -1e300 if wide == "float64" else -1e37
        logits = where(seen, logits, lowest)
    weights = engine.softmax(logits, axis=-1)
    if seen is not None:
        weights = where(seen, weights, 0.0)
    y = engine.matmul(
        engine.reshape(weights, [b, k, groups * t, s]), engine.transpose(_cast(value, wide), [0, 2, 1, 3])
    )
    y = engine.transpose(engine.reshape(y, [b, n, t, v]), [0, 2, 1, 3])
    return _cast(y, query.dtype)


def _scalar(x: Any, dtype: str) -> Any:
    """A number, or a tensor in the dtype."""
    return x if isinstance(x, int | float) else _cast(backend.convert_to_tensor(x), dtype)


def _as_bool(mask: Any) -> Any:
    return None if mask is None else _cast(backend.convert_to_tensor(mask), "bool")


def band_mask(t: int, s: int, causal: bool, window: int | None) -> Any:
    """The keys that position and window allow, of shape `(t, s)`; `None` for all.

    Args:
        t: Number of queries.
        s: Number of keys.
        causal: Whether query `i` sees the keys `0 ... i` only.
        window: `w` lets query `i` see the keys `i - w + 1 ... i + w - 1` only.
    """
    if not causal and window is None:
        return None
    behind = engine.expand_dims(engine.arange(t, dtype="int32"), 1) - engine.arange(s, dtype="int32")
    seen = behind >= 0 if causal else None
    if window is not None:
        near = engine.abs(behind) < window
        seen = near if seen is None else engine.logical_and(seen, near)
    return seen
