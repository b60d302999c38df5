"""Attention whose query heads share key and value heads (Ainslie et al., 2023)."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.attention._heads import HeadsAttention, check_key_shape


class GroupedQueryAttention(HeadsAttention):
    """Multi-head attention in which `num_query_heads / num_key_value_heads` query heads share a head of key and value.

    One head of key and value is multi-query attention; as many as query heads, multi-head attention. In
    `rustdl.layers` the class is called `GroupQueryAttention`.

    Args:
        head_dim: size of a head.
        num_query_heads: number of heads of the query, a multiple of the next.
        num_key_value_heads: number of heads of key and value.
        dropout: share of the weights that is dropped in training.
        use_bias: whether the projections have biases.
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

    The call's arguments are those of `MultiHeadAttention`, with inputs of rank 3.

    Raises:
        ValueError: numbers of heads that do not divide.

    Example:
        >>> import rustdl
        >>> x = rustdl.ops.ones((2, 3, 8))
        >>> rustdl.layers.GroupQueryAttention(head_dim=4, num_query_heads=4, num_key_value_heads=2)(x, x).shape
        (2, 3, 8)
    """

    head_dim: int
    num_query_heads: int
    num_key_value_heads: int
    dropout: float
    use_bias: bool
    use_gate: bool
    sliding_window: int | None
    _dot_product_equation = "bquh,bkuh->buqk"
    _combine_equation = "buqk,bkuh->bquh"

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
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
        super().__init__(**kwargs)
        for name, size in (
            ("head_dim", head_dim),
            ("num_query_heads", num_query_heads),
            ("num_key_value_heads", num_key_value_heads),
        ):
            if not isinstance(size, int) or size <= 0:
                raise ValueError(f"`{name}` must be a positive integer. Received: {name}={size}")
            setattr(self, name, size)
        if num_query_heads % num_key_value_heads != 0:
            raise ValueError(
                "`num_query_heads` must be divisible by `num_key_value_heads`. Received: "
                f"num_query_heads={num_query_heads}, num_key_value_heads={num_key_value_heads}"
            )
        self.num_repeats = num_query_heads // num_key_value_heads
        self._set_arguments(
            head_dim,
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
        self._return_attention_scores = False

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        check_key_shape(value_shape, key_shape)
        self.feature_dim = query_shape[-1]
        heads, shared = (self.num_query_heads, "bqm,muh->bquh", "uh"), (self.num_key_value_heads, "bkm,mvh->bkvh", "vh")
        self._query_dense = self._to_heads(query_shape, "query", *heads)
        self._key_dense = self._to_heads(key_shape, "key", *shared)
        if self.use_gate:
            self._gate_dense = self._to_heads(query_shape, "gate", *heads, activation="sigmoid")
        self._value_dense = self._to_heads(value_shape, "value", *shared)
        self._make_softmax_and_dropout()
        self._output_dense = self._projection("bquh,uhm->bqm", (None, self.feature_dim), "m", "attention_output")
        self._output_dense.build((None, None, self.num_query_heads, self.head_dim))

    def _to_heads(self, shape: Any, name: str, heads: int, equation: str, bias_axes: str, **kwargs: Any) -> Any:
        dense = self._projection(equation, (None, heads, self.head_dim), bias_axes, name, **kwargs)
        dense.build(shape)
        return dense

    def _cache_sizes(self) -> tuple[int, int, int]:
        return self.num_key_value_heads, self.head_dim, self.head_dim

    def _scored(self, query: Any, key: Any, value: Any, mask: Any, training: Any, wants_scores: bool) -> Any:
        self._return_attention_scores = wants_scores
        key, value = (ops.repeat(x, self.num_repeats, axis=2) for x in (key, value))
        return self._compute_attention(query, key, value, attention_mask=mask, training=training)

    def _compute_attention(
        self,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any = None,
        training: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        return self._attention_with_scores(
            query, key, value, attention_mask, training, self._return_attention_scores, use_causal_mask
        )

    def _raw_scores(self, query: Any, key: Any) -> Any:
        return ops.einsum(self._dot_product_equation, query, key)

    def compute_output_shape(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> Any:
        key_shape = value_shape if key_shape is None else key_shape
        if query_shape[-1] != value_shape[-1]:
            raise ValueError(
                "The last dimension of `query_shape` and `value_shape` must be equal, but are "
                f"{query_shape[-1]}, {value_shape[-1]}. Received: query_shape={query_shape}, value_shape={value_shape}"
            )
        check_key_shape(value_shape, key_shape)
        return query_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "head_dim": self.head_dim,
            "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "use_bias": self.use_bias,
            "use_gate": self.use_gate,
            "sliding_window": self.sliding_window,
            "dropout": self.dropout,
            **self._weight_config(),
            "seed": self.seed,
        }
