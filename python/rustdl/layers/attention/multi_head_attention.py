"""Attention of several heads (Vaswani et al., 2017)."""

from __future__ import annotations

import string
from typing import Any

from rustdl import ops
from rustdl.layers.attention._heads import HeadsAttention, check_key_shape


class MultiHeadAttention(HeadsAttention):
    """Projects query, key and value to `num_heads` heads, attends in each, and projects the result back.

    Of each head: `softmax(query key^T / sqrt(key_dim)) value`. Without scores asked for and without dropout the
    scores are never all in memory. A query that sees no key gives 0 before the last projection.

    Args:
        num_heads: number of heads.
        key_dim: size of a head of query and key.
        value_dim: size of a head of value, default `key_dim`.
        dropout: share of the weights that is dropped in training.
        use_bias: whether the projections have biases.
        output_shape: int or sizes of the output's features, default those of the query.
        attention_axes: axes attended over, default all between batch and features.
        sliding_window: `w` hides keys `w` or more positions away; None for none.
        flash_attention: True refuses what needs the scores; False keeps all scores in memory; None chooses.
        kernel_initializer: initializer of the projections' kernels.
        bias_initializer: initializer of their biases.
        kernel_regularizer: penalty on the kernels.
        bias_regularizer: penalty on the biases.
        activity_regularizer: penalty on the projections' outputs.
        kernel_constraint: projection of the kernels after each update.
        bias_constraint: projection of the biases after each update.
        use_gate: whether a sigmoid projection of the query multiplies the heads' outputs (Qiu et al., 2025).
        seed: of the dropout, None for one drawn from the global generator.
        **kwargs: arguments of `Layer`.

    Call arguments:
        query: `(B, T, dim)`, or more axes between batch and features.
        value: `(B, S, dim_v)`.
        key: `(B, S, dim_k)`, default the value.
        query_mask: `(B, T)`, default the mask of `query`; elsewhere no key is seen, and the output has it as mask.
        value_mask: `(B, S)`, default the mask of `value`: False hides a key.
        key_mask: `(B, S)`, default the mask of `key`: False hides a key.
        attention_mask: `(B, T, S)` or `(B, heads, T, S)` or broadcast to it: False hides a key from a query.
        return_attention_scores: whether the weights `(B, heads, T, S)` are returned too.
        training: whether weights are dropped.
        use_causal_mask: whether query i sees the keys up to i only.

    Raises:
        ValueError: sizes that are no positive integers, or keys and values of different lengths.

    Example:
        >>> import rustdl
        >>> x = rustdl.ops.ones((2, 3, 8))
        >>> rustdl.layers.MultiHeadAttention(num_heads=2, key_dim=4)(x, x, use_causal_mask=True).shape
        (2, 3, 8)
    """

    _prefix = "_"

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        for name, size in (("num_heads", num_heads), ("key_dim", key_dim), ("value_dim", value_dim)):
            if size is None and name == "value_dim":
                continue
            if not isinstance(size, int) or size <= 0:
                either = " or `None`" if name == "value_dim" else ""
                raise ValueError(
                    f"Received an invalid value for argument `{name}`, expected a positive integer{either}. Received: "
                    f"{name}={size}"
                )
        super().__init__(**kwargs)
        self._num_heads = num_heads
        self._key_dim = key_dim
        self._value_dim = value_dim or key_dim
        self._set_arguments(
            key_dim,
            dropout,
            use_bias,
            use_gate,
            sliding_window,
            flash_attention,
            seed,
            {
                "kernel_initializer": kernel_initializer,
                "bias_initializer": bias_initializer,
                "kernel_regularizer": kernel_regularizer,
                "bias_regularizer": bias_regularizer,
                "activity_regularizer": activity_regularizer,
                "kernel_constraint": kernel_constraint,
                "bias_constraint": bias_constraint,
            },
        )
        self._output_shape = _sizes(output_shape)
        if isinstance(attention_axes, int):
            attention_axes = (attention_axes,)
        elif attention_axes and not isinstance(attention_axes, list | tuple):
            raise ValueError(
                f"`attention_axes` must be an int, list, or tuple. Received: attention_axes={attention_axes}"
            )
        self._attention_axes = attention_axes

    @property
    def num_heads(self) -> int:
        """Number of heads."""
        return self._num_heads

    @property
    def key_dim(self) -> int:
        """Size of a head of query and key."""
        return self._key_dim

    @property
    def value_dim(self) -> int:
        """Size of a head of value."""
        return self._value_dim

    @property
    def dropout(self) -> float:
        """Share of the weights that is dropped."""
        return self._argument("dropout")  # type: ignore[no-any-return]

    @property
    def use_bias(self) -> bool:
        """Whether the projections have biases."""
        return self._argument("use_bias")  # type: ignore[no-any-return]

    @property
    def attention_axes(self) -> Any:
        """The axes attended over."""
        return self._attention_axes

    @property
    def query_dense(self) -> Any:
        """The projection of the query."""
        return self._query_dense

    @property
    def key_dense(self) -> Any:
        """The projection of the key."""
        return self._key_dense

    @property
    def value_dense(self) -> Any:
        """The projection of the value."""
        return self._value_dense

    @property
    def output_dense(self) -> Any:
        """The projection of the heads' outputs."""
        return self._output_dense

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        check_key_shape(value_shape, key_shape)
        self._query_dense = self._to_heads(query_shape, self._key_dim, "query")
        self._key_dense = self._to_heads(key_shape, self._key_dim, "key")
        if self._argument("use_gate"):
            self._gate_dense = self._to_heads(query_shape, self._value_dim, "gate", activation="sigmoid")
        self._value_dense = self._to_heads(value_shape, self._value_dim, "value")
        self._build_attention(len(value_shape) + 1)
        sizes = self._output_shape or (query_shape[-1],)
        equation, bias_axes = _projection_equation(len(query_shape) - 1, 2, len(sizes))
        partial = [None] * (len(query_shape) - 2) + list(sizes)
        self._output_dense = self._projection(equation, partial, bias_axes, "attention_output")
        self._output_dense.build((*query_shape[:-1], self._num_heads, self._value_dim))

    def _to_heads(self, shape: Any, size: int, name: str, **kwargs: Any) -> Any:
        equation, bias_axes = _projection_equation(len(shape) - 1, 1, 2)
        partial = [None] * (len(shape) - 2) + [self._num_heads, size]
        dense = self._projection(equation, partial, bias_axes, name, **kwargs)
        dense.build(shape)
        return dense

    def _build_attention(self, rank: int) -> None:
        """Sets the equations of attention over the axes, for projected tensors of a rank."""
        axes = self._attention_axes
        self._attention_axes = (
            tuple(range(1, rank - 2)) if axes is None else tuple(a if a >= 0 else rank - 1 + a for a in axes)
        )
        self._dot_product_equation, self._combine_equation = _attention_equations(rank, self._attention_axes)
        self._score_axes = tuple(range(-len(self._attention_axes), 0))
        self._make_softmax_and_dropout()

    def _cache_sizes(self) -> tuple[int, int, int]:
        return self._num_heads, self._key_dim, self._value_dim

    def _scored(self, query: Any, key: Any, value: Any, mask: Any, training: Any, wants_scores: bool) -> Any:
        return self._compute_attention(query, key, value, mask, training, wants_scores)

    def _compute_attention(
        self,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any = None,
        training: Any = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        return self._attention_with_scores(
            query, key, value, attention_mask, training, return_attention_scores, use_causal_mask
        )

    def _raw_scores(self, query: Any, key: Any) -> Any:
        return ops.einsum(self._dot_product_equation, key, query)

    def compute_output_shape(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> tuple[int | None, ...]:
        check_key_shape(value_shape, value_shape if key_shape is None else key_shape)
        return (*query_shape[:-1], *(self._output_shape or query_shape[-1:]))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self._num_heads,
            "key_dim": self._key_dim,
            "value_dim": self._value_dim,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "use_gate": self._argument("use_gate"),
            "output_shape": self._output_shape,
            "attention_axes": self._attention_axes,
            "sliding_window": self._argument("sliding_window"),
            **self._weight_config(),
            "seed": self.seed,
        }


def _sizes(output_shape: Any) -> tuple[int, ...] | None:
    """The features' sizes as a tuple, `None` for those of the query."""
    if not output_shape:
        return None
    if isinstance(output_shape, int):
        return (output_shape,)
    try:
        return tuple(output_shape)
    except TypeError:
        raise ValueError(
            f"Invalid `output_shape`: {output_shape}. When specified, the `output_shape` should be of type tuple, "
            "list, or int."
        ) from None


def _projection_equation(free: int, bound: int, made: int) -> tuple[str, str]:
    """The equation that replaces the last `bound` axes after `free` others by `made` axes, and the letters of these."""
    letters = string.ascii_lowercase
    kept, summed, new = letters[:free], letters[free : free + bound], letters[free + bound : free + bound + made]
    return f"{kept}{summed},{summed}{new}->{kept}{new}", new


def _attention_equations(rank: int, axes: tuple[int, ...]) -> tuple[str, str]:
    """The equations of scores (key, query) and of the combination (scores, value).

    Projected tensors have the axes batch, others, heads, features; the scores those that are not attended over,
    then the attended axes of the query, then those of the key.
    """
    query = string.ascii_lowercase[:rank]
    others = iter(string.ascii_lowercase[rank:])
    key = "".join(next(others) if i in axes else c for i, c in enumerate(query))
    batch = "".join(c for i, c in enumerate(query[:-1]) if i not in axes)
    scores = batch + "".join(query[i] for i in axes) + "".join(key[i] for i in axes)
    return f"{key},{query}->{scores}", f"{scores},{key}->{query}"
