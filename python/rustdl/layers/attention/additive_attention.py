"""Additive attention (Bahdanau et al., 2015)."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.attention.attention import Attention


class AdditiveAttention(Attention):
    """Attention with the scores `sum(scale * tanh(query + key))`.

    Args:
        use_scale: whether the sum has trainable weights `scale` of shape `(dim,)`; else they are 1.
        dropout: share of the weights that is dropped in training.
        **kwargs: `seed`, and arguments of `Layer`.

    The call's arguments are those of `Attention`.

    Example:
        >>> import rustdl
        >>> x = rustdl.ops.ones((2, 3, 4))
        >>> rustdl.layers.AdditiveAttention()([x, x]).shape
        (2, 3, 4)
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Any) -> None:
        self._validate_inputs(input_shape)
        self.scale = None
        if self.use_scale:
            self.scale = self.add_weight(
                name="scale",
                shape=(input_shape[0][-1],),
                initializer="glorot_uniform",
                dtype=self.dtype,
                trainable=True,
            )

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        terms = ops.tanh(ops.add(ops.expand_dims(query, -2), ops.expand_dims(key, -3)))
        return ops.sum(terms if self.scale is None else ops.multiply(terms, self.scale), axis=-1)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["score_mode"]
        return config
