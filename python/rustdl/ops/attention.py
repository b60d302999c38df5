"""Scaled dot-product attention: the public function, and the form of it that the layers use."""

from __future__ import annotations

from typing import Any

from rustdl._rustdl import ops as engine
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
    dropout: float = 0.0,
    seed: Any = None,
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
        dropout: Share of the weights that is dropped, where there is a seed.
        seed: Two unsigned integers that name the random numbers.
        tiled: Whether the scores are computed in blocks.
    """
    if scale is not None and not isinstance(scale, int | float):
        # A tensor: gradients flow to it through the query.
        query, scale = query * scale, 1.0
    return engine.attend(
        query,
        key,
        value,
        bias=bias,
        mask=mask,
        seed=seed,
        scale=scale,
        causal=bool(causal),
        window=window,
        soft_cap=soft_cap,
        dropout=dropout,
        tiled=tiled,
    )


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
