"""Decoding token by token: the keys and values of the tokens so far, and attention over them."""

from __future__ import annotations

from typing import Any, NamedTuple

from rustdl import backend, ops
from rustdl.ops.attention import attend


class KeyValueCache(NamedTuple):
    """The projected keys and values of the tokens so far, in arrays of a fixed length.

    Both have the batch as first axis, so that a structure of caches is a state for `rustdl.text.generate`.

    Args:
        key: Shape `(B, L, heads, key size)`; what stands behind the last token is not read.
        value: Shape `(B, L, heads, value size)`.
    """

    key: Any
    value: Any


class Decoding:
    """Mixin of the attention layers: `make_cache` and `decode`."""

    def _cache_sizes(self) -> tuple[int, int, int]:
        """Number of heads of key and value, and their sizes."""
        raise NotImplementedError

    def make_cache(self, batch_size: int, length: int) -> KeyValueCache:
        """An empty cache, an extension of Keras' layer.

        Args:
            batch_size: The number of sequences.
            length: The most tokens of each.

        Example:
            >>> import rustdl
            >>> layer = rustdl.layers.MultiHeadAttention(num_heads=2, key_dim=4)
            >>> layer.make_cache(1, 16).key.shape
            (1, 16, 2, 4)
        """
        layer: Any = self
        heads, key_size, value_size = self._cache_sizes()
        return KeyValueCache(
            ops.zeros((batch_size, length, heads, key_size), dtype=layer.compute_dtype),
            ops.zeros((batch_size, length, heads, value_size), dtype=layer.compute_dtype),
        )

    def decode(self, x: Any, cache: KeyValueCache, position: Any, rotary: bool = False) -> tuple[Any, KeyValueCache]:
        """Causal self-attention of new tokens over those in the cache and themselves, an extension of Keras' layer.

        Equal to the last rows of `layer(all, all, use_causal_mask=True)`. Compile it once with `rustdl.jit`, with the
        position as a tensor: shapes do not depend on it. Positions that are hidden yet cost nothing.

        Args:
            x: The new tokens, `(B, T, dim)`; usually T = 1, or the whole prompt at first.
            cache: From `make_cache` or the step before.
            position: The number of tokens in the cache; an integer or a scalar tensor.
            rotary: Whether queries and keys are turned by their positions (`ops.rotary_embedding`).

        Returns:
            The outputs `(B, T, ...)`, and the cache with the new tokens.

        Raises:
            ValueError: The cache is full (where the position is an integer), of another shape, or the layer not built.

        Example:
            >>> import rustdl
            >>> layer = rustdl.layers.MultiHeadAttention(num_heads=2, key_dim=4)
            >>> x = rustdl.ops.ones((1, 3, 8))
            >>> _ = layer(x, x)
            >>> y, cache = layer.decode(x[:, :1], layer.make_cache(1, 3), 0)
            >>> y.shape
            (1, 1, 8)
        """
        layer: Any = self
        x = backend.convert_to_tensor(x, dtype=layer.compute_dtype)
        self._check_decode(x, cache, position)
        count, length = x.shape[1], cache.key.shape[1]
        query, key, value = layer._query_dense(x), layer._key_dense(x), layer._value_dense(x)
        position = ops.cast(backend.convert_to_tensor(position), "int32")
        if rotary:
            query, key = (ops.rotary_embedding(a, start_index=position) for a in (query, key))
        cache = KeyValueCache(_written(cache.key, key, position), _written(cache.value, value, position))
        own = ops.expand_dims(ops.arange(count, dtype="int32"), 1) + position
        behind = own - ops.arange(length, dtype="int32")
        seen = behind >= 0
        window = layer._argument("sliding_window")
        if window is not None:
            seen = ops.logical_and(seen, behind < window)
        y = attend(query, cache.key, cache.value, mask=seen, scale=layer._scale)
        if layer._argument("use_gate"):
            y = ops.multiply(y, layer._gate_dense(x))
        return layer._output_dense(y), cache

    def _check_decode(self, x: Any, cache: Any, position: Any) -> None:
        layer: Any = self
        if not layer.built:
            raise ValueError(f"Layer {layer.name} is not built: call it, or load weights, before `decode`.")
        if len(x.shape) != 3:
            raise ValueError(f"{layer.name}.decode: expected x of shape (batch, tokens, features), got {x.shape}")
        heads, key_size, value_size = self._cache_sizes()
        length = cache.key.shape[1] if len(cache.key.shape) == 4 else 0
        wanted = [(x.shape[0], length, heads, size) for size in (key_size, value_size)]
        if [tuple(cache.key.shape), tuple(cache.value.shape)] != wanted:
            raise ValueError(
                f"{layer.name}.decode: expected a cache of shapes {wanted} (batch, length, heads, size), got "
                f"{tuple(cache.key.shape)} and {tuple(cache.value.shape)}"
            )
        last = position + x.shape[1] if isinstance(position, int) else x.shape[1]
        if last > length or (isinstance(position, int) and position < 0):
            raise ValueError(
                f"{layer.name}.decode: {x.shape[1]} tokens at position {position} do not fit a cache of {length}; make "
                "a longer one with `make_cache`"
            )


def _written(cache: Any, rows: Any, position: Any) -> Any:
    """The cache with rows replaced from a position on."""
    if rows.shape[1] == 1:
        # One pass over memory, fused; the general form works out an index for each element.
        here = ops.equal(ops.arange(cache.shape[1], dtype="int32"), position)
        return ops.where(ops.reshape(here, (1, -1, 1, 1)), rows, cache)
    zero = ops.zeros((), dtype="int32")
    return ops.slice_update(cache, ops.stack([zero, position, zero, zero]), rows)
