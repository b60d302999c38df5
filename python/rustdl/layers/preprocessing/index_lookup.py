"""`IndexLookup`: terms of a vocabulary to indices and back. The base class of `IntegerLookup` and `StringLookup`."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.layers.preprocessing import _vocabulary
from rustdl.layers.preprocessing._host_arrays import Ragged, batches_of, is_one_array
from rustdl.layers.preprocessing.data_layer import DataLayer
from rustdl.layers.preprocessing.hashing import check_salt, hash_bins
from rustdl.saving import serialization_lib
from rustdl.utils.argument_validation import validate_string_arg
from rustdl.utils.categorical_encoding import check_not_sparse, check_output_mode, encode_categorical_inputs

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
# The index of what adds nothing to an encoding.
_DROPPED = -1


class IndexLookup(DataLayer):
    """What the lookup layers share; subclasses say how inputs become arrays.

    Indices are: the mask token (in mode `"int"`, if there is one), the out-of-vocabulary indices, the terms.

    Args:
        max_tokens: most terms, the special ones included.
        num_oov_indices: number of indices for terms that are not in the vocabulary; 0 makes them an error.
        mask_token: the term that stands for nothing.
        oov_token: what unknown indices become where `invert`.
        vocabulary_dtype: `"int64"` or `"string"`.
        vocabulary: the terms, or the path of a file with a line for each.
        idf_weights: of each term; mode `"tf_idf"` only.
        invert: indices to terms; mode `"int"` only.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"`, `"count"` or `"tf_idf"`.
        sparse: only False.
        pad_to_max_tokens: whether vectors have `max_tokens` elements whatever the vocabulary's size.
        oov_method: how an unknown integer finds one of several indices: `"floormod"` or `"farmhash"`.
        name: automatic by default.
        salt: key of SipHash instead of FarmHash.
        **kwargs: entries of configurations: `vocabulary_size`, `has_input_vocabulary`, `trainable`, `dtype`.
    """

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary_dtype: str,
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        name: str | None = None,
        salt: Any = None,
        **kwargs: Any,
    ) -> None:
        caller = type(self).__name__
        if max_tokens is not None and max_tokens <= 1:
            raise ValueError(
                f"If `max_tokens` is set for `{caller}`, `max_tokens` must be greater than 1. Received: "
                f"max_tokens={max_tokens}"
            )
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError(f"If pad_to_max_tokens is True, must set `max_tokens`. Received: max_tokens={max_tokens}")
        if num_oov_indices < 0:
            raise ValueError(
                f"`num_oov_indices` must be greater than or equal to 0. Received: num_oov_indices={num_oov_indices}"
            )
        validate_string_arg(oov_method, ("floormod", "farmhash"), caller, "oov_method")
        if salt is not None and vocabulary_dtype != "string" and oov_method != "farmhash":
            raise ValueError(f"`salt` can only be used when `oov_method='farmhash'`. Received: oov_method={oov_method}")
        check_not_sparse(sparse, caller)
        output_mode = check_output_mode(output_mode, caller, MODES)
        if invert and output_mode != "int":
            raise ValueError(
                f"`output_mode` must be `'int'` when `invert` is true. Received: output_mode={output_mode}"
            )
        if idf_weights is not None and output_mode != "tf_idf":
            raise ValueError(
                "`idf_weights` should only be set if `output_mode` is `'tf_idf'`. Received: "
                f"idf_weights={idf_weights} and output_mode={output_mode}"
            )
        frozen_size = kwargs.pop("vocabulary_size", None)
        has_input_vocabulary = kwargs.pop("has_input_vocabulary", vocabulary is not None)
        kwargs.pop("trainable", None)
        kwargs.pop("dtype", None)
        if kwargs:
            raise ValueError(f"Unrecognized keyword argument(s): {kwargs}")
        super().__init__(name=name)
        self._convert_input_args = False
        self.supports_jit = False
        self.invert = invert
        self.max_tokens = max_tokens
        self.num_oov_indices = num_oov_indices
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.output_mode = output_mode
        self.sparse = sparse
        self.pad_to_max_tokens = pad_to_max_tokens
        self.vocabulary_dtype = vocabulary_dtype
        self.oov_method = oov_method
        self.salt = check_salt(salt, caller)
        self._frozen_vocab_size: int | None = frozen_size
        # A vocabulary given as values goes into the configuration, one from a file into the assets.
        self.input_vocabulary = vocabulary if not isinstance(vocabulary, str) else None
        self.input_idf_weights = idf_weights
        self._has_input_vocabulary = has_input_vocabulary
        self._state = _vocabulary.Terms()
        if output_mode == "tf_idf" and has_input_vocabulary and vocabulary is not None and idf_weights is None:
            raise ValueError(
                "When specifying the `vocabulary` argument, in TF-IDF output mode, the `idf_weights` argument must "
                "also be provided."
            )
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)
        self._build_at_init()

    # --- the vocabulary ---

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The terms in the order of their indices.

        Args:
            include_special_tokens: whether the mask token and the out-of-vocabulary tokens are among them.
        """
        terms = list(self._state.terms)
        return [*self._special_tokens(), *terms] if include_special_tokens else terms

    def vocabulary_size(self) -> int:
        """The number of indices, the special ones included."""
        return len(self._state.terms) + self._token_start_index()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the terms; those that were there are forgotten.

        Args:
            vocabulary: list, array or tensor of terms, or the path of a file with a line for each. The special tokens
                may stand at its start, in their order.
            idf_weights: one for each term; mode `"tf_idf"` needs them.

        Raises:
            ValueError: terms that repeat or are reserved, too many of them, or weights that do not fit.
            RuntimeError: the size changed after the layer was called.
        """
        if self.output_mode == "tf_idf" and idf_weights is None:
            raise ValueError("`idf_weights` must be set if output_mode is 'tf_idf'.")
        if self.output_mode != "tf_idf" and idf_weights is not None:
            raise ValueError(
                "`idf_weights` should only be set if output_mode is `'tf_idf'`. Received: "
                f"output_mode={self.output_mode} and idf_weights={idf_weights}"
            )
        if isinstance(vocabulary, str):
            self._set_from_file(vocabulary)
            return
        given = self._as_terms(vocabulary)
        if not given:
            raise ValueError(f"Cannot set an empty vocabulary. Received: vocabulary={vocabulary}")
        special = self._special_tokens()
        has_special = bool(special) and given[: len(special)] == special
        terms = given[len(special) :] if has_special else given
        self._check_terms(terms, given)
        weights = None
        if idf_weights is not None:
            weights = self._padded_weights(idf_weights, given, has_special)
        self._install(terms, weights)

    def _set_from_file(self, path: str) -> None:
        if serialization_lib.in_safe_mode():
            raise ValueError(
                "Requested the loading of a vocabulary file outside of the model archive. This carries a potential "
                "risk of loading arbitrary and sensitive files and thus it is disallowed by default. If you trust "
                "the source of the artifact, you can override this error by passing `safe_mode=False` to the loading "
                f"function, or calling `keras.config.enable_unsafe_deserialization()`. Vocabulary file: '{path}'"
            )
        lines = _vocabulary.read_terms(path)
        if self.output_mode == "tf_idf":
            raise ValueError("output_mode `'tf_idf'` does not support loading a vocabulary from file.")
        terms = self._as_terms(lines)
        repeated = _vocabulary.repeated_terms(terms)
        if repeated:
            raise ValueError(f"The vocabulary file {path} has repeated terms: {repeated[:10]}")
        self._install(terms, None)

    def _as_terms(self, vocabulary: Any) -> list[Any]:
        raise NotImplementedError

    def _special_tokens(self) -> list[Any]:
        return [self.mask_token] * self._oov_start_index() + [self.oov_token] * self.num_oov_indices

    def _check_terms(self, terms: list[Any], given: list[Any]) -> None:
        repeated = _vocabulary.repeated_terms(terms)
        if repeated:
            raise ValueError(
                "The passed vocabulary has at least one repeated term. Please uniquify your dataset. The repeated "
                f"terms are: {repeated}"
            )
        reserved = [("mask", self.mask_token)]
        if self.invert:  # the way forth an unknown term needs no token
            reserved.append(("OOV", self.oov_token))
        for what, token in reserved:
            if token is not None and token in terms:
                raise ValueError(
                    f"Found reserved {what} token at unexpected location in `vocabulary`. Note that passed "
                    "`vocabulary` does not need to include the OOV and mask tokens. Either remove all mask and OOV "
                    "tokens, or include them only at the start of the vocabulary in precisely this order: "
                    f"{self._special_tokens()}. Received: {what.lower()}_token={token} at vocabulary index "
                    f"{len(given) - 1 - given[::-1].index(token)}"
                )
        size = self._token_start_index() + len(terms)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                "Attempted to set a vocabulary larger than the maximum vocab size. Received vocabulary size is "
                f"{size}; `max_tokens` is {self.max_tokens}."
            )

    def _padded_weights(self, idf_weights: Any, given: list[Any], has_special: bool) -> Any:
        """A weight for each index: special tokens get the average, indices beyond the vocabulary 0."""
        weights = np.asarray(backend.convert_to_numpy(idf_weights))
        if weights.ndim != 1:
            raise ValueError(f"TF-IDF data must be a 1-index array. Received: shape {weights.shape}")
        if len(given) != len(weights):
            raise ValueError(
                f"`idf_weights` must be the same length as vocabulary. len(idf_weights) is {len(weights)}; "
                f"len(vocabulary) is {len(given)}"
            )
        front = 0 if has_special else self._token_start_index()
        return self._pad_back(np.concatenate([np.full(front, weights.mean()), weights]))

    def _pad_back(self, weights: Any) -> Any:
        back = (self.max_tokens or 0) - len(weights) if self.pad_to_max_tokens else 0
        return np.pad(weights, (0, max(back, 0))).astype(backend.floatx())

    def _install(self, terms: list[Any], weights: Any) -> None:
        size = self._token_start_index() + len(terms)
        frozen = self._frozen_vocab_size
        fixed = self.output_mode != "int" and not self.pad_to_max_tokens
        if fixed and frozen is not None and size != frozen:
            raise RuntimeError(
                f"When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, the vocabulary size "
                f"cannot be changed after the layer is called. Old vocab size is {frozen}, new vocab size is {size}"
            )
        self._state.set_terms(terms, self._token_start_index())
        if weights is not None:
            self._state.idf_weights = weights
        self._frozen_vocab_size = size

    def _oov_start_index(self) -> int:
        return 1 if self.mask_token is not None and self.output_mode == "int" else 0

    def _token_start_index(self) -> int:
        return self._oov_start_index() + self.num_oov_indices

    # --- learning it ---

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Learns the vocabulary: all terms of the data, the most frequent first.

        Args:
            data: an array or list of terms (of rows of terms: each row is a document for `"tf_idf"`), or an iterable
                of batches of those.
            steps: most batches to take of an iterable.

        Raises:
            ValueError: the vocabulary was given to the layer.
        """
        self.reset_state()
        if is_one_array(data):
            array = self._as_array(data)
            if isinstance(array, np.ndarray) and array.ndim == 1:
                array = array[:, None]
            self._count(array)
        else:
            for batch in batches_of(data, steps):
                self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Counts the terms of one batch.

        Args:
            data: rows of terms; a single row is one document.
        """
        array = self._as_array(data)
        self._count(array if isinstance(array, Ragged) else array.reshape((1, -1)) if array.ndim < 2 else array)

    def _count(self, rows: Any) -> None:
        if self._has_input_vocabulary:
            raise ValueError(
                f"Cannot adapt layer '{self.name}' after setting a static vocabulary via `vocabulary` argument or "
                "`set_vocabulary()` method."
            )
        state = self._state
        state.counts.update((rows.values if isinstance(rows, Ragged) else rows).reshape(-1).tolist())
        if self.output_mode == "tf_idf":
            documents = rows.rows() if isinstance(rows, Ragged) else rows.reshape(len(rows), -1)
            for document in documents:
                state.document_counts.update(set(document.tolist()))
            state.documents += len(documents)

    def finalize_state(self) -> None:
        """Makes the vocabulary from what was counted."""
        state = self._state
        if self._has_input_vocabulary or not state.counts:
            self._install(list(state.terms), None)
            return
        limit = None if not self.max_tokens else max(self.max_tokens - self._token_start_index(), 0)
        terms = _vocabulary.by_frequency(state.counts, [self.mask_token, self.oov_token], limit)
        weights = None
        if self.output_mode == "tf_idf":
            # Inverse document frequency, smoothed: log(1 + documents / (1 + documents with the term)).
            having = np.array([state.document_counts[term] for term in terms], dtype=np.float64)
            idf = np.log(1 + state.documents / (1 + having)).astype(backend.floatx())
            average = idf.mean() if len(idf) else 0
            weights = self._pad_back(np.concatenate([np.full(self._token_start_index(), average), idf]))
        self._install(terms, weights)
        self.reset_state()

    def reset_state(self) -> None:
        """Forgets what was counted."""
        if not self._has_input_vocabulary:
            self._state.reset_counts()

    # --- calling ---

    @property
    def compute_dtype(self) -> str:
        """The dtype of the terms."""
        return self.vocabulary_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of the terms."""
        return self.vocabulary_dtype

    def call(self, inputs: Any) -> Any:
        self._ensure_known_vocab_size()
        if self.invert:
            return self._inverted(inputs)
        return self._encoded(self._as_array(inputs))

    def _encoded(self, terms: Any) -> Any:
        """The outputs for an array of terms or rows of them."""
        flat = terms.values if isinstance(terms, Ragged) else terms.reshape(-1)
        indices = self._indices(flat)
        if not isinstance(terms, Ragged):
            return self._encode(backend.convert_to_tensor(indices.reshape(terms.shape)))
        rows = Ragged(indices, terms.lengths)
        if self.output_mode == "int":
            return [backend.convert_to_tensor(row) for row in rows.rows()]
        return self._encode(backend.convert_to_tensor(rows.padded(_DROPPED)))

    def _encode(self, indices: Any) -> Any:
        if self.output_mode == "int":
            return encode_categorical_inputs(indices, "int", 0, "int64")
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        output = encode_categorical_inputs(indices, mode, depth=self._depth() or 0, dtype=backend.floatx())
        if self.output_mode != "tf_idf":
            return output
        return output * backend.convert_to_tensor(self._state.idf_weights, dtype=backend.floatx())

    def _indices(self, flat: Any) -> Any:
        """The indices of a flat array of terms."""
        table = self._state.table
        known = np.fromiter((table.get(term, _DROPPED) for term in flat.tolist()), dtype=np.int64, count=len(flat))
        unknown = known == _DROPPED
        is_mask = None
        if self.mask_token is not None:
            is_mask = flat == self.mask_token
            unknown &= ~is_mask
        if unknown.any():
            known[unknown] = self._oov_indices(flat[unknown])
        if is_mask is not None:
            known[is_mask] = 0 if self.output_mode == "int" else _DROPPED
        return known

    def _oov_indices(self, terms: Any) -> Any:
        if self.num_oov_indices == 0:
            raise ValueError(
                "When `num_oov_indices=0` all inputs should be in vocabulary, found OOV values "
                f"{terms[:10].tolist()}, consider setting `num_oov_indices=1`."
            )
        start = self._oov_start_index()
        if self.num_oov_indices == 1:
            return start
        if terms.dtype != object and self.oov_method != "farmhash":
            return start + terms % self.num_oov_indices
        return start + hash_bins(terms, self.num_oov_indices, self.salt)

    def _inverted(self, inputs: Any) -> Any:
        raise NotImplementedError

    def _as_array(self, inputs: Any) -> Any:
        """Inputs as an array of terms or rows of them."""
        raise NotImplementedError

    def _depth(self) -> int | None:
        return self.max_tokens if self.pad_to_max_tokens else self._frozen_vocab_size

    def _ensure_known_vocab_size(self) -> None:
        if self.output_mode == "tf_idf" and self._state.idf_weights is None:
            raise RuntimeError(
                "When using `output_mode=tf_idf` you must set the layer's vocabulary and its `idf_weights`, or call "
                "`adapt`, before calling it."
            )
        if self.output_mode != "int" and not self.pad_to_max_tokens and self._frozen_vocab_size is None:
            raise RuntimeError(
                f"When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, you must set the "
                "layer's vocabulary before calling it. Either pass a `vocabulary` argument to the layer, or call "
                "`adapt` with some sample data."
            )

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = tuple(input_shape)
        if self.output_mode == "int":
            return shape
        if self.output_mode == "one_hot":
            return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), self._depth())
        return (*shape[:-1], self._depth())

    def compute_output_spec(self, inputs: Any) -> Any:
        dtype = self.vocabulary_dtype if self.invert else "int64" if self.output_mode == "int" else backend.floatx()
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=dtype)

    # --- configuration and files ---

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "invert": self.invert,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token,
            "mask_token": self.mask_token,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "vocabulary_dtype": self.vocabulary_dtype,
            "idf_weights": _vocabulary.as_plain_list(self.input_idf_weights),
            "vocabulary": _vocabulary.as_plain_list(self.input_vocabulary),
            "vocabulary_size": self._frozen_vocab_size,
            "oov_method": self.oov_method,
            "salt": self.salt,
        }

    def get_build_config(self) -> dict[str, Any]:
        return {}

    def build_from_config(self, config: dict[str, Any]) -> None:
        self.built = True

    def save_own_variables(self, store: Any) -> None:
        if self.output_mode == "tf_idf" and self._state.idf_weights is not None:
            store["idf_weights"] = self._state.idf_weights

    def load_own_variables(self, store: Any) -> None:
        if self.output_mode == "tf_idf" and "idf_weights" in store:
            self._state.idf_weights = np.asarray(store["idf_weights"])

    def save_assets(self, dir_path: str) -> None:
        """Writes the vocabulary, unless it is in the configuration.

        Args:
            dir_path: folder of this layer in the archive.
        """
        if self.input_vocabulary is None:
            _vocabulary.save_terms(dir_path, self.get_vocabulary())

    def load_assets(self, dir_path: str | None) -> None:
        """Reads what `save_assets` wrote.

        Args:
            dir_path: folder of this layer in the archive; None where it has none.

        Raises:
            ValueError: the vocabulary is missing or damaged.
        """
        if self.input_vocabulary is not None:
            return
        if dir_path is None:
            raise ValueError(f"The file has no vocabulary for layer '{self.name}'.")
        terms = self._as_terms(_vocabulary.load_terms(dir_path))
        special = self._special_tokens()
        if terms == special or not terms:
            return  # saved before it had a vocabulary
        weights = self._state.idf_weights if self.output_mode == "tf_idf" else None
        if weights is not None:
            weights = weights[: len(terms)]
        self.set_vocabulary(terms, weights)
