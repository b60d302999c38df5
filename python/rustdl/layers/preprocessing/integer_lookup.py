"""Integers as indices of a vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl._rustdl import Tensor
from rustdl.layers.preprocessing._host_arrays import Ragged, integer_array
from rustdl.layers.preprocessing.index_lookup import IndexLookup


class IntegerLookup(IndexLookup):
    """Replaces integers by their index in a vocabulary, or by a vector of that; with `invert` the way back.

    The indices are those of the mask token (0, if there is one and the mode is `"int"`), of unknown integers, and then
    of the vocabulary in its order, which is given or learnt by `adapt`.

    Inside compiled steps (`fit`, `predict`) the layer becomes a binary search; there unknown integers cannot be
    an error (`num_oov_indices=0`) or be hashed (`oov_method="farmhash"`).

    Args:
        max_tokens: most terms of a learnt vocabulary, the special ones included.
        num_oov_indices: number of indices for unknown integers; with 0 they are an error.
        mask_token: the integer that stands for nothing: index 0 in mode `"int"`, and left out of vectors.
        oov_token: what unknown indices become where `invert`.
        vocabulary: the integers, or the path of a file with a line for each.
        vocabulary_dtype: only `"int64"`.
        idf_weights: of each integer; mode `"tf_idf"` only.
        invert: indices to integers.
        output_mode: `"int"` (dtype int64), `"one_hot"`, `"multi_hot"`, `"count"` or `"tf_idf"` (`floatx()`).
        sparse: only False.
        pad_to_max_tokens: whether vectors have `max_tokens` elements whatever the vocabulary's size.
        oov_method: how an unknown integer finds one of several indices: `"floormod"`, its remainder, or `"farmhash"`,
            a hash.
        salt: an integer or two of them, for `"farmhash"`: the key of SipHash.
        name: automatic by default.
        **kwargs: entries of configurations.

    Raises:
        ValueError: arguments that do not fit together.
        RuntimeError: called without a vocabulary that its mode needs.

    Example:
        >>> import rustdl
        >>> layer = rustdl.layers.IntegerLookup(vocabulary=[12, 36, 1138, 42])
        >>> layer([[12, 1138, 42], [42, 1000, 36]]).tolist()
        [[1, 3, 4], [4, 0, 2]]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if num_oov_indices < 0:
            raise ValueError(
                "The value of `num_oov_indices` argument for `IntegerLookup` must >= 0. Received: "
                f"num_oov_indices={num_oov_indices}"
            )
        if vocabulary_dtype != "int64":
            raise ValueError(
                "Only `vocabulary_dtype='int64'` is supported at this time. Received: "
                f"vocabulary_dtype={vocabulary_dtype}"
            )
        super().__init__(
            max_tokens=max_tokens,
            num_oov_indices=num_oov_indices,
            mask_token=mask_token,
            oov_token=oov_token,
            vocabulary=vocabulary,
            vocabulary_dtype=vocabulary_dtype,
            idf_weights=idf_weights,
            invert=invert,
            output_mode=output_mode,
            sparse=sparse,
            pad_to_max_tokens=pad_to_max_tokens,
            oov_method=oov_method,
            salt=salt,
            name=name,
            **kwargs,
        )
        # An unknown value that is an error, or is hashed, has to be seen.
        self.supports_jit = num_oov_indices == 1 or (num_oov_indices > 1 and oov_method == "floormod")

    def _as_array(self, inputs: Any) -> Any:
        return integer_array(inputs, type(self).__name__)

    def _as_terms(self, vocabulary: Any) -> list[Any]:
        if isinstance(vocabulary, list) and all(isinstance(line, str) for line in vocabulary):
            vocabulary = [int(line) for line in vocabulary]
        terms = integer_array(vocabulary, f"{type(self).__name__}: `vocabulary`")
        if isinstance(terms, Ragged) or terms.ndim != 1:
            raise ValueError(f"`vocabulary` must be a flat list of integers. Received: vocabulary={vocabulary}")
        return [int(term) for term in terms]

    def call(self, inputs: Any) -> Any:
        if isinstance(inputs, Tensor) and inputs.is_traced:
            self._ensure_known_vocab_size()
            return self._traced(ops.cast(inputs, "int64"))
        return super().call(inputs)

    def _traced(self, inputs: Any) -> Any:
        """The outputs for integers whose values are not known yet."""
        if self.invert:
            indices = np.arange(self.vocabulary_size())
            return self._search(inputs, indices, np.array(self.get_vocabulary()), self.oov_token)
        several = self.num_oov_indices > 1
        if self.num_oov_indices == 0 or (several and self.oov_method == "farmhash"):
            setting = f"num_oov_indices={self.num_oov_indices}, oov_method='{self.oov_method}'"
            raise ValueError(
                f"IntegerLookup with {setting} reads its inputs' values and cannot be part of a compiled function. "
                "Call the layer on the data first, or use `num_oov_indices=1` or `oov_method='floormod'`."
            )
        oov: Any = self._oov_start_index()
        if several:
            oov = oov + ops.mod(inputs, self.num_oov_indices)
        table = self._state.table
        found = self._search(inputs, np.array([*table], dtype=np.int64), np.array([*table.values()]), oov)
        if self.mask_token is not None:
            mask = 0 if self.output_mode == "int" else -1
            found = ops.where(ops.equal(inputs, self.mask_token), mask, found)
        return self._encode(ops.cast(found, "int64"))

    @staticmethod
    def _search(inputs: Any, keys: Any, values: Any, otherwise: Any) -> Any:
        """The value of each input that is among the keys."""
        if len(keys) == 0:
            return ops.zeros_like(inputs) + otherwise
        order = np.argsort(keys)
        sorted_keys = backend.convert_to_tensor(keys[order].astype(np.int64))
        sorted_values = backend.convert_to_tensor(values[order].astype(np.int64))
        place = ops.minimum(ops.searchsorted(sorted_keys, inputs), len(keys) - 1)
        return ops.where(ops.equal(ops.take(sorted_keys, place), inputs), ops.take(sorted_values, place), otherwise)

    def _inverted(self, inputs: Any) -> Any:
        indices = integer_array(inputs, type(self).__name__)
        names = dict(enumerate(self.get_vocabulary()))
        flat = indices.values if isinstance(indices, Ragged) else indices.reshape(-1)
        found = np.array([names.get(i, self.oov_token) for i in flat.tolist()], dtype=np.int64)
        if isinstance(indices, Ragged):
            return [backend.convert_to_tensor(row) for row in Ragged(found, indices.lengths).rows()]
        return backend.convert_to_tensor(found.reshape(indices.shape))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for key in ("oov_token", "mask_token"):
            config[key] = None if config[key] is None else int(config[key])
        if config["vocabulary"] is not None:
            config["vocabulary"] = [int(v) for v in config["vocabulary"]]
        return config
