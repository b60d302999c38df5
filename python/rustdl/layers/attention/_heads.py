"""What the attention layers of several heads share: projections, masks, and the choice of how scores are computed."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

from rustdl import constraints, initializers, ops, regularizers
from rustdl.backend import config as backend_config
from rustdl.backend.masking import get_keras_mask, set_keras_mask
from rustdl.layers.activations.softmax import Softmax
from rustdl.layers.attention.cache import Decoding
from rustdl.layers.core.einsum_dense import EinsumDense
from rustdl.layers.layer import Layer
from rustdl.layers.regularization.dropout import Dropout
from rustdl.ops.attention import attend, band_mask
from rustdl.ops.operation import Operation

_FAMILIES: dict[str, Any] = {"initializer": initializers, "regularizer": regularizers, "constraint": constraints}


class HeadsAttention(Decoding, Layer):
    """Base class: projects query, key and value to heads, attends, projects back.

    A subclass sets `_prefix` to what its attributes of arguments begin with, makes the four projections
    (`_query_dense`, `_key_dense`, `_value_dense`, `_output_dense`, and `_gate_dense` where it has a gate) in `build`,
    and says how scores are computed from einsum equations.
    """

    _prefix = ""
    _query_dense: EinsumDense
    _key_dense: EinsumDense
    _value_dense: EinsumDense
    _gate_dense: EinsumDense
    _output_dense: EinsumDense
    _dot_product_equation: str
    _combine_equation: str
    _score_axes: tuple[int, ...] = (-1,)

    def _set_arguments(
        self,
        key_dim: int,
        dropout: float,
        use_bias: bool,
        use_gate: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        seed: int | None,
        weights: dict[str, Any],
    ) -> None:
        """Checks and keeps the arguments that all subclasses have."""
        self.supports_masking = True
        if sliding_window is not None and (not isinstance(sliding_window, int) or sliding_window <= 0):
            raise ValueError(
                f"`sliding_window` must be `None` or a positive integer. Received: sliding_window={sliding_window}"
            )
        values = {"dropout": dropout, "use_bias": use_bias, "use_gate": use_gate, "sliding_window": sliding_window}
        for name, value in weights.items():
            values[name] = _FAMILIES[name.rpartition("_")[2]].get(value)
        for name, value in values.items():
            setattr(self, self._prefix + name, value)
        self.seed = seed
        self._scale = 1.0 / math.sqrt(key_dim)
        self._flash_attention = flash_attention or backend_config.is_flash_attention_enabled()
        if self._flash_attention and dropout > 0.0:
            raise ValueError(
                "Dropout is not supported when flash attention is enabled. Please set dropout to 0.0 to use flash "
                "attention."
            )
        # What was asked for, which `_flash_attention` does not tell: None leaves the choice to the layer.
        self._tiled = flash_attention is not False and backend_config.is_flash_attention_enabled() is not False

    def _argument(self, name: str) -> Any:
        return getattr(self, self._prefix + name)

    def _weight_config(self) -> dict[str, Any]:
        """The config entries of initializers, regularizers and constraints."""
        kinds = ("kernel", "bias", "activity")
        return {
            f"{kind}_{family}": module.serialize(self._argument(f"{kind}_{family}"))
            for family, module in _FAMILIES.items()
            for kind in (kinds if family == "regularizer" else kinds[:2])
        }

    def _projection(self, equation: str, output_shape: Any, bias_axes: str, name: str, **kwargs: Any) -> EinsumDense:
        """A projection with the layer's arguments, each with initializers of its own."""
        arguments = {
            f"{kind}_{family}": self._argument(f"{kind}_{family}")
            for kind in ("kernel", "bias")
            for family in ("regularizer", "constraint")
        }
        for kind in ("kernel", "bias"):
            initializer = self._argument(f"{kind}_initializer")
            # One instance for all would draw the same numbers for each.
            arguments[f"{kind}_initializer"] = type(initializer).from_config(initializer.get_config())
        return EinsumDense(
            equation,
            output_shape=output_shape,
            bias_axes=bias_axes if self._argument("use_bias") else None,
            activity_regularizer=self._argument("activity_regularizer"),
            dtype=self.dtype_policy,
            name=name,
            **arguments,
            **kwargs,
        )

    def _make_softmax_and_dropout(self) -> None:
        self._softmax = Softmax(axis=self._score_axes, dtype=self.dtype_policy)
        self._dropout_layer = Dropout(rate=self._argument("dropout"), dtype=self.dtype_policy, seed=self.seed)

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        key = value if key is None else key
        if query_mask is None:
            query_mask = get_keras_mask(query)
        # The projections know nothing of masks, and would warn of losing them.
        with _without_masks(query, value, key):
            gate = self._gate_dense(query) if self._argument("use_gate") else None
            heads = [self._query_dense(query), self._key_dense(key), self._value_dense(value)]
        if self._leaves_scores(heads[0], return_attention_scores):
            masks = (query_mask, value_mask, key_mask, attention_mask)
            y = self._attend(heads, masks, use_causal_mask, bool(training))
            scores = None
        else:
            seen = self._compute_attention_mask(
                query,
                value,
                query_mask=query_mask,
                value_mask=value_mask,
                key_mask=key_mask,
                attention_mask=attention_mask,
                use_causal_mask=use_causal_mask,
            )
            y, scores = self._scored(heads[0], heads[1], heads[2], seen, training, return_attention_scores)
        y = self._output_dense(y if gate is None else ops.multiply(y, gate))
        if query_mask is not None:
            set_keras_mask(y, query_mask)
        return (y, scores) if return_attention_scores else y

    def _leaves_scores(self, query: Any, wants_scores: bool) -> bool:
        """Can the attention op, which keeps no scores, do it? Not where a subclass computes attention itself."""
        # The nearest class of this package: what differs from it was replaced by a user.
        ours = next(c for c in type(self).__mro__ if c.__module__.startswith(__package__))
        own = any(
            getattr(type(self), name) is not getattr(ours, name)
            for name in ("_compute_attention", "_compute_attention_mask")
        )
        return not own and not wants_scores and len(query.shape) == 4 and self._argument("dropout") < 1.0

    def _attend(self, heads: list[Any], masks: tuple[Any, ...], causal: bool, training: bool) -> Any:
        """Attention by the op: masks keep their size, position and window are arguments."""
        query_mask, value_mask, key_mask, attention_mask = masks
        rate = self._argument("dropout")
        y = attend(
            *heads,
            mask=_for_heads(self._merged(value_mask, key_mask, attention_mask)),
            scale=self._scale,
            causal=causal,
            window=self._argument("sliding_window"),
            dropout=rate,
            seed=self._dropout_layer.seed_generator.next() if training and rate > 0.0 else None,
            tiled=self._tiled,
        )
        if query_mask is None:
            return y
        return ops.where(ops.expand_dims(ops.cast(query_mask, "bool"), (-1, -2)), y, ops.zeros_like(y))

    def _merged(self, value_mask: Any, key_mask: Any, attention_mask: Any) -> Any:
        """The masks of keys and the mask of pairs in one, of a shape that broadcasts to `(B, T, S)`."""
        merged = None if attention_mask is None else ops.cast(attention_mask, "bool")
        for mask in (value_mask, key_mask):
            if mask is not None:
                mask = ops.expand_dims(ops.cast(mask, "bool"), -2)
                merged = mask if merged is None else ops.logical_and(merged, mask)
        return merged

    def _scored(self, query: Any, key: Any, value: Any, mask: Any, training: Any, wants_scores: bool) -> Any:
        """The output and the scores; subclasses of the user may replace `_compute_attention`."""
        raise NotImplementedError

    def _attention_with_scores(
        self,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any = None,
        training: Any = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Attention of projected query `(B, T, N, H)`, key and value `(B, S, N, H)`.

        Args:
            query: The projected queries.
            key: The projected keys.
            value: The projected values.
            attention_mask: Boolean, broadcast to `(B, T, S)`.
            training: Whether weights are dropped.
            return_attention_scores: Whether the scores are wanted.
            use_causal_mask: Whether a query sees only the keys up to its own position.

        Returns:
            The output, and the scores or `None`.
        """
        if self._flash_attention and return_attention_scores:
            raise ValueError(
                "Returning attention scores is not supported when flash attention is enabled. Please disable flash "
                "attention to access attention scores."
            )
        drops = self._argument("dropout") > 0.0
        if not drops and not return_attention_scores and len(query.shape) == 4:
            mask = None if attention_mask is None else _for_heads(ops.cast(attention_mask, "bool"))
            y = attend(query, key, value, mask=mask, scale=self._scale, causal=use_causal_mask, tiled=self._tiled)
            return y, None
        if use_causal_mask:
            attention_mask = _both(attention_mask, self._compute_causal_mask(query, value))
        query = ops.multiply(query, ops.cast(self._scale, query.dtype))
        scores = self._masked_softmax(self._raw_scores(query, key), attention_mask)
        weights = self._dropout_layer(scores, training=training) if drops else scores
        return ops.einsum(self._combine_equation, weights, value), scores

    def _raw_scores(self, query: Any, key: Any) -> Any:
        raise NotImplementedError

    def _masked_softmax(self, attention_scores: Any, attention_mask: Any = None) -> Any:
        if attention_mask is not None:
            axis = -2 * len(self._score_axes) - 1
            for _ in range(len(attention_scores.shape) - len(attention_mask.shape)):
                attention_mask = ops.expand_dims(attention_mask, axis)
        return self._softmax(attention_scores, mask=attention_mask)

    def _compute_attention_mask(
        self,
        query: Any,
        value: Any,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """All masks, position and window in one boolean mask that broadcasts to `(B, T, S)`; None where all is seen."""
        merged = self._merged(value_mask, key_mask, attention_mask)
        if query_mask is not None:
            merged = _both(merged, ops.expand_dims(ops.cast(query_mask, "bool"), -1))
        if use_causal_mask:
            merged = _both(merged, self._compute_causal_mask(query, value))
        if self._argument("sliding_window") is not None:
            merged = _both(merged, self._compute_sliding_window_mask(query, value))
        return merged

    def _compute_causal_mask(self, query: Any, value: Any = None) -> Any:
        """Whether a key's position is at most the query's, `(1, T, S)`."""
        t = query.shape[1]
        return ops.expand_dims(band_mask(t, t if value is None else value.shape[1], True, None), 0)

    def _compute_sliding_window_mask(self, query: Any, value: Any = None) -> Any:
        """Whether key and query are less than the window apart, `(1, T, S)`."""
        t = query.shape[1]
        s = t if value is None else value.shape[1]
        return ops.expand_dims(band_mask(t, s, False, self._argument("sliding_window")), 0)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        # Two results where the scores are asked for: traced, as they are no function of one shape.
        return Operation.compute_output_spec(self, *args, **kwargs)


def check_key_shape(value_shape: Any, key_shape: Any) -> None:
    """Raises ValueError unless keys and values agree in all but the last axis.

    Args:
        value_shape: Shape of the values.
        key_shape: Shape of the keys.
    """
    if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
        raise ValueError(
            "All dimensions of `value` and `key`, except the last one, must be equal. Received: "
            f"value_shape={value_shape} and key_shape={key_shape}"
        )


def _both(a: Any, b: Any) -> Any:
    return b if a is None else ops.logical_and(ops.cast(a, "bool"), b)


def _for_heads(mask: Any) -> Any:
    """A mask `(B, T, S)` with an axis for heads; of four axes as it is."""
    while mask is not None and len(mask.shape) < 4:
        mask = ops.expand_dims(mask, -3)
    return mask


@contextlib.contextmanager
def _without_masks(*tensors: Any) -> Iterator[None]:
    kept = [(x, get_keras_mask(x)) for x in tensors]
    for x, mask in kept:
        if mask is not None:
            set_keras_mask(x, None)
    try:
        yield
    finally:
        for x, mask in kept:
            if mask is not None:
                set_keras_mask(x, mask)
