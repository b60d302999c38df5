"""Strings as indices of a vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl.layers.preprocessing._host_arrays import Ragged, integer_array, text_array
from rustdl.layers.preprocessing.index_lookup import IndexLookup


class StringLookup(IndexLookup):
    """Replaces strings by their index in a vocabulary, or by a vector of that; with `invert` the way back.

    The indices are those of the mask token (0, if there is one and the mode is `"int"`), of unknown strings, and then
    of the vocabulary in its order, which is given or learnt by `adapt`.

    Inputs are strings in arrays, lists and tensors of other libraries. Rows of different lengths are taken: they give
    a list of tensors in mode `"int"` and vectors in the others. The layer runs eagerly, in functional models called on
    arrays of text and in `tf.data` pipelines; not inside compiled steps (`fit`, `predict`), whose data are numbers:
    look strings up first.

    Args:
        max_tokens: most terms of a learnt vocabulary, the special ones included.
        num_oov_indices: number of indices for unknown strings; with several a hash picks one, with 0 they are an error.
        mask_token: the string that stands for nothing: index 0 in mode `"int"`, and left out of vectors.
        oov_token: what unknown indices become where `invert`.
        vocabulary: the strings, or the path of a UTF-8 file with a line for each.
        idf_weights: of each string; mode `"tf_idf"` only.
        invert: indices to strings, as an object array of `str`.
        output_mode: `"int"` (dtype int64), `"one_hot"`, `"multi_hot"`, `"count"` or `"tf_idf"` (`floatx()`).
        pad_to_max_tokens: whether vectors have `max_tokens` elements whatever the vocabulary's size.
        sparse: only False.
        encoding: of inputs that are bytes.
        name: automatic by default.
        salt: an integer or two of them: unknown strings are hashed by SipHash under this key, not by FarmHash.
        **kwargs: entries of configurations.

    Raises:
        ValueError: arguments that do not fit together.
        RuntimeError: called without a vocabulary that its mode needs.

    Example:
        >>> import rustdl
        >>> layer = rustdl.layers.StringLookup(vocabulary=["a", "b", "c", "d"])
        >>> layer([["a", "c", "d"], ["d", "z", "b"]]).tolist()
        [[1, 3, 4], [4, 0, 2]]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: Any = None,
        oov_token: Any = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        **kwargs: Any,
    ) -> None:
        self.encoding = encoding
        super().__init__(
            max_tokens=max_tokens,
            num_oov_indices=num_oov_indices,
            mask_token=mask_token,
            oov_token=oov_token,
            vocabulary=vocabulary,
            vocabulary_dtype="string",
            idf_weights=idf_weights,
            invert=invert,
            output_mode=output_mode,
            pad_to_max_tokens=pad_to_max_tokens,
            sparse=sparse,
            name=name,
            salt=salt,
            **kwargs,
        )

    def _as_array(self, inputs: Any) -> Any:
        return text_array(inputs, self.encoding, type(self).__name__)

    def _as_terms(self, vocabulary: Any) -> list[Any]:
        terms = text_array(vocabulary, self.encoding, f"{type(self).__name__}: `vocabulary`")
        if isinstance(terms, Ragged) or terms.ndim != 1:
            raise ValueError(f"`vocabulary` must be a flat list of strings. Received: vocabulary={vocabulary}")
        return list(terms.tolist())

    def _inverted(self, inputs: Any) -> Any:
        indices = integer_array(inputs, type(self).__name__)
        names = dict(enumerate(self.get_vocabulary()))
        flat = indices.values if isinstance(indices, Ragged) else indices.reshape(-1)
        found = np.empty(len(flat), dtype=object)
        found[:] = [names.get(i, self.oov_token) for i in flat.tolist()]
        if isinstance(indices, Ragged):
            return [row.tolist() for row in Ragged(found, indices.lengths).rows()]
        return found.reshape(indices.shape)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "encoding": self.encoding}
        del config["vocabulary_dtype"]
        return config
