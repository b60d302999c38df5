"""Dot-product attention of one head (Luong et al., 2015)."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops, random
from rustdl.layers.layer import Layer
from rustdl.layers.regularization.dropout import check_rate
from rustdl.ops.attention import attend, band_mask


class Attention(Layer):
    """`softmax(scores(query, key)) value`, where `scores = query key^T`, or `sum(tanh(query + key))`.

    Args:
        use_scale: whether the scores (`"concat"`: the sum inside `tanh`) have a trainable factor.
        score_mode: `"dot"` for `query key^T`, `"concat"` for `c * sum(tanh(query + key))` with a trainable `c`.
        dropout: share of the weights that is dropped in training.
        seed: int, or None for one drawn from the global generator.
        **kwargs: arguments of `Layer`.

    Call arguments:
        inputs: list of query `(..., Tq, dim)`, value `(..., Tv, dim_v)` and, unless it is the value, key
            `(..., Tv, dim)`.
        mask: list of the query's mask `(..., Tq)`, where the output becomes 0, and the value's `(..., Tv)`, whose
            False positions have no weight; None for either.
        return_attention_scores: whether the weights `(..., Tq, Tv)` are returned too.
        training: whether weights are dropped.
        use_causal_mask: whether query i sees the keys up to i only.

    A query that sees no key at all gives 0.

    Raises:
        ValueError: an unknown score_mode, or inputs or masks that are no list of two or three.

    Example:
        >>> import rustdl
        >>> x = rustdl.ops.ones((2, 3, 4))
        >>> rustdl.layers.Attention()([x, x]).shape
        (2, 3, 4)
    """

    scale: Any
    concat_score_weight: Any

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.use_scale = use_scale
        self.score_mode = score_mode
        self.dropout = check_rate(dropout)
        self.seed = seed
        if self.dropout > 0:
            self.seed_generator = random.SeedGenerator(seed)
        if score_mode not in ("dot", "concat"):
            raise ValueError(
                "Invalid value for argument score_mode. Expected one of {'dot', 'concat'}. "
                f"Received: score_mode={score_mode}"
            )

    def build(self, input_shape: Any) -> None:
        self._validate_inputs(input_shape)
        self.scale = self._factor("scale") if self.use_scale else None
        self.concat_score_weight = self._factor("concat_score_weight") if self.score_mode == "concat" else None

    def _factor(self, name: str) -> Any:
        return self.add_weight(name=name, shape=(), initializer="ones", dtype=self.dtype, trainable=True)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._validate_inputs(inputs, mask)
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (mask[0], mask[1]) if mask else (None, None)
        weights = None
        if self._is_plain(query, value, key, return_attention_scores):
            y = self._dot_product(query, value, key, value_mask, use_causal_mask, training)
        else:
            scores = self._calculate_scores(query, key)
            seen = self._calculate_score_mask(scores, value_mask, use_causal_mask)
            y, weights = self._apply_scores(scores, value, seen, training)
        if query_mask is not None:
            y = ops.where(ops.expand_dims(query_mask, -1), y, ops.zeros_like(y))
        return (y, weights) if return_attention_scores else y

    def _is_plain(self, query: Any, value: Any, key: Any, wants_scores: bool) -> bool:
        """Can the scores be left to the attention op?"""
        ours = type(self)._calculate_scores is Attention._calculate_scores
        ours = ours and type(self)._apply_scores is Attention._apply_scores
        ours = ours and type(self)._calculate_score_mask is Attention._calculate_score_mask
        three = len(query.shape) == len(value.shape) == len(key.shape) == 3
        return ours and self.score_mode == "dot" and three and not wants_scores and self.dropout < 1

    def _dot_product(self, query: Any, value: Any, key: Any, value_mask: Any, causal: bool, training: bool) -> Any:
        if self.scale is not None:
            query = ops.multiply(query, self.scale)
        one_head = [ops.expand_dims(x, 2) for x in (query, key, value)]
        mask = None
        if value_mask is not None:
            axes = (1,) if len(value_mask.shape) == 3 else (1, 2)
            mask = ops.expand_dims(ops.cast(value_mask, "bool"), axes)
        seed = self.seed_generator.next() if training and self.dropout > 0 else None
        y = attend(*one_head, mask=mask, scale=1.0, causal=causal, dropout=self.dropout, seed=seed)
        return ops.squeeze(y, 2)

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        """The scores before the softmax, `(..., Tq, Tv)`; subclasses may replace it."""
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
            return scores if self.scale is None else ops.multiply(scores, self.scale)
        total = ops.add(ops.expand_dims(query, -2), ops.expand_dims(key, -3))
        if self.scale is not None:
            total = ops.multiply(total, self.scale)
        return ops.multiply(ops.sum(ops.tanh(total), axis=-1), self.concat_score_weight)

    def _calculate_score_mask(self, scores: Any, v_mask: Any, use_causal_mask: bool) -> Any:
        """Which keys count: None, `(..., Tv)`, or `(..., Tq, Tv)`."""
        if not use_causal_mask:
            return v_mask
        causal = ops.expand_dims(band_mask(scores.shape[-2], scores.shape[-1], True, None), 0)
        return causal if v_mask is None else ops.logical_and(ops.expand_dims(v_mask, -2), causal)

    def _apply_scores(self, scores: Any, value: Any, scores_mask: Any = None, training: bool = False) -> Any:
        """The output and the weights."""
        seen = scores_mask
        if seen is not None:
            seen = ops.cast(seen, "bool")
            if len(seen.shape) == 2:
                seen = ops.expand_dims(seen, -2)
            low = -65504.0 if backend.standardize_dtype(scores.dtype) == "float16" else -1e30
            scores = ops.where(seen, scores, ops.cast(low, scores.dtype))
        weights = ops.softmax(scores, axis=-1)
        if seen is not None:
            weights = ops.where(seen, weights, ops.zeros_like(weights))
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        return ops.matmul(weights, value), weights

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        self._validate_inputs(inputs, mask)
        return None if mask is None or mask[0] is None else ops.convert_to_tensor(mask[0])

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[0][:-1], input_shape[1][-1])

    def compute_output_spec(
        self,
        inputs: Any,
        mask: Any = None,
        training: Any = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._validate_inputs(inputs, mask)
        query, value = inputs[0].shape, inputs[1].shape
        output = backend.KerasTensor(self.compute_output_shape([query, value]), dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        return output, backend.KerasTensor((*query[:-1], value[-2]), dtype=self.compute_dtype)

    def _validate_inputs(self, inputs: Any, mask: Any = None) -> None:
        name, wanted = type(self).__name__, "namely [query, value] or [query, value, key]"
        if not isinstance(inputs, list):
            raise ValueError(f"{name} layer must be called on a list of inputs, {wanted}. Received: inputs={inputs}.")
        if len(inputs) not in (2, 3):
            raise ValueError(
                f"{name} layer accepts inputs list of length 2 or 3, {wanted}. Received length: {len(inputs)}."
            )
        if mask is None:
            return
        if not isinstance(mask, list):
            raise ValueError(
                f"{name} layer mask must be a list, namely [query_mask, value_mask]. Received: mask={mask}."
            )
        if len(mask) not in (2, 3):
            raise ValueError(
                f"{name} layer accepts mask list of length 2 or 3. Received: inputs={inputs}, mask={mask}."
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "use_scale": self.use_scale,
            "score_mode": self.score_mode,
            "dropout": self.dropout,
            "seed": self.seed,
        }
