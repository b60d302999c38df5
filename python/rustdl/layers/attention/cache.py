"""Decoding token by token: the keys and values of the tokens so far, and attention over them."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.ops.attention import attend


class KeyValueCache:
    """The projected keys and values of the tokens so far, in variables of a fixed length.

    `decode` writes new tokens into the variables, so that a compiled step copies nothing. It may be part of the state
    of `rustdl.text.generate`.

    Args:
        key: Shape `(B, L, heads, key size)`; what stands behind the last token is not read.
        value: Shape `(B, L, heads, value size)`.
    """

    def __init__(self, key: Any, value: Any) -> None:
        self.key = backend.Variable(key, trainable=False, name="key")
        self.value = backend.Variable(value, trainable=False, name="value")

    def write(self, key: Any, value: Any, position: Any) -> None:
        """Stores the keys and values of new tokens.

        Args:
            key: Shape `(B, T, heads, key size)`.
            value: Shape `(B, T, heads, value size)`.
            position: The number of tokens before them, an integer tensor.
        """
        zero = ops.zeros((), dtype=position.dtype)
        start = ops.stack([zero, position, zero, zero])
        for variable, rows in ((self.key, key), (self.value, value)):
            variable.assign(ops.slice_update(variable, start, rows))

    def reorder(self, rows: Any) -> None:
        """Makes row i what row `rows[i]` was, as beam search does.

        Args:
            rows: Integers.
        """
        for variable in (self.key, self.value):
            variable.assign(ops.take(variable, rows, axis=0))


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
        position as a tensor: shapes do not depend on it. The cache is then changed in place, and positions that are
        hidden yet cost nothing.

        Args:
            x: The new tokens, `(B, T, dim)`; usually T = 1, or the whole prompt at first.
            cache: From `make_cache` or the step before.
            position: The number of tokens in the cache; an integer or a scalar tensor.
            rotary: Whether queries and keys are turned by their positions (`ops.rotary_embedding`).

        Returns:
            The outputs `(B, T, ...)`, and the cache, which holds the new tokens.

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
        cache.write(key, value, position)
        own = ops.expand_dims(ops.arange(count, dtype="int32"), 1) + position
        behind = own - ops.arange(length, dtype="int32")
        seen = behind >= 0
        window = layer._argument("sliding_window")
        if window is not None:
            seen = ops.logical_and(seen, behind < window)
        key, value = (backend.convert_to_tensor(a) for a in (cache.key, cache.value))
        y = attend(query, key, value, mask=seen, scale=layer._scale)
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
