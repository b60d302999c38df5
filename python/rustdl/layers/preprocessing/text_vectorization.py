"""Text as token indices or vectors of them."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np

from rustdl import backend
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.layers.preprocessing._host_arrays import Ragged, batches_of, is_one_array, text_array
from rustdl.layers.preprocessing._vocabulary import as_plain_list
from rustdl.layers.preprocessing.data_layer import DataLayer
from rustdl.layers.preprocessing.index_lookup import MODES
from rustdl.layers.preprocessing.string_lookup import StringLookup
from rustdl.saving import serialization_lib
from rustdl.utils.argument_validation import validate_string_arg
from rustdl.utils.categorical_encoding import check_output_mode

_PUNCTUATION = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
# Letters of ASCII only: the case of others depends on the language.
_LOWER = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}
_STRIP = dict.fromkeys(map(ord, _PUNCTUATION))
_STANDARDIZE: dict[str, dict[int, Any]] = {
    "lower": _LOWER,
    "strip_punctuation": _STRIP,
    "lower_and_strip_punctuation": {**_LOWER, **_STRIP},
}
_WORDS = re.compile(r"[^ \t\n\v\f\r]+").findall


class TextVectorization(DataLayer):
    """Standardizes texts, splits them into tokens, joins tokens to n-grams, and looks these up in a vocabulary.

    Each step can be left out or be a function of yours. As in `StringLookup` the layer reads text, so it runs eagerly,
    in functional models called on arrays of text and in `tf.data` pipelines, but not inside compiled steps (`fit`,
    `predict`): vectorize the data first.

    Args:
        max_tokens: most terms of a learnt vocabulary, the special ones included.
        standardize: `"lower_and_strip_punctuation"`, `"lower"`, `"strip_punctuation"` (of ASCII), `None`, or a function
            from an array of `str` to one of the same shape.
        split: `"whitespace"` (of ASCII), `"character"`, `None`, or a function from an array `[batch]` of `str` to lists
            of tokens, one for each text. Unless `None`, inputs have shape `()`, `(batch,)` or `(batch, 1)`.
        ngrams: `n` for all n-grams of up to `n` tokens, a tuple for those of these sizes, `None` for tokens alone.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"`, `"count"` or `"tf_idf"`, as in `StringLookup`.
        output_sequence_length: mode `"int"` only: the length that token sequences are padded with 0 or cut to; by
            default that of the longest.
        pad_to_max_tokens: whether vectors have `max_tokens` elements whatever the vocabulary's size.
        vocabulary: the terms, or the path of a UTF-8 file with a line for each.
        idf_weights: of each term; mode `"tf_idf"` only.
        sparse: only False.
        ragged: only False.
        encoding: of inputs that are bytes.
        name: automatic by default.
        **kwargs: arguments of `Layer`, and entries of configurations.

    Raises:
        ValueError: arguments that do not fit together.
        RuntimeError: called without a vocabulary that its mode needs.

    Example:
        >>> import rustdl
        >>> layer = rustdl.layers.TextVectorization(vocabulary=["earth", "wind", "and", "fire"])
        >>> layer(["Earth, wind!", "fire and rain"]).tolist()
        [[2, 3, 0], [5, 4, 1]]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        caller = type(self).__name__
        for what, value in (("sparse", sparse), ("ragged", ragged)):
            if value:
                raise ValueError(f"`{what}=True` can only be used with the TensorFlow backend. Use `{what}=False`.")
        validate_string_arg(
            standardize, tuple(_STANDARDIZE), caller, "standardize", allow_none=True, allow_callables=True
        )
        validate_string_arg(split, ("whitespace", "character"), caller, "split", allow_none=True, allow_callables=True)
        output_mode = check_output_mode(output_mode, caller, MODES)
        whole = isinstance(ngrams, tuple) and all(isinstance(n, int) for n in ngrams)
        if not (ngrams is None or isinstance(ngrams, int) or whole):
            raise ValueError(f"`ngrams` must be None, an integer, or a tuple of integers. Received: ngrams={ngrams}")
        if output_mode == "int" and not isinstance(output_sequence_length, int | None):
            raise ValueError(
                "`output_sequence_length` must be either None or an integer when `output_mode` is 'int'. Received: "
                f"output_sequence_length={output_sequence_length}"
            )
        if output_mode != "int" and output_sequence_length is not None:
            raise ValueError(
                "`output_sequence_length` must not be set if `output_mode` is not 'int'. Received "
                f"output_sequence_length={output_sequence_length}."
            )
        has_input_vocabulary = kwargs.pop("has_input_vocabulary", vocabulary is not None)
        vocabulary_size = kwargs.pop("vocabulary_size", None)
        super().__init__(name=name, **kwargs)
        self._standardize = standardize
        self._split = split
        self._ngrams_arg = ngrams
        self._ngrams = tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else ngrams
        self._output_mode = output_mode
        self._output_sequence_length = output_sequence_length
        self._encoding = encoding
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens,
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            pad_to_max_tokens=pad_to_max_tokens,
            mask_token="",
            output_mode=output_mode,
            has_input_vocabulary=has_input_vocabulary,
            encoding=encoding,
            vocabulary_size=vocabulary_size,
        )
        self._convert_input_args = False
        self.supports_jit = False
        self.built = True

    @property
    def compute_dtype(self) -> str:
        """The dtype of the inputs."""
        return "string"

    @property
    def variable_dtype(self) -> str:
        """The dtype of the inputs."""
        return "string"

    # --- the vocabulary ---

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The terms in the order of their indices.

        Args:
            include_special_tokens: whether the padding (`""`) and the out-of-vocabulary token are among them.
        """
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """The number of indices, the special ones included."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the terms; see `StringLookup.set_vocabulary`.

        Args:
            vocabulary: the terms, or the path of a file with a line for each.
            idf_weights: one for each term; mode `"tf_idf"` needs them.
        """
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights=idf_weights)

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Learns the vocabulary: all terms of the texts, the most frequent first.

        Args:
            data: an array or list of texts, or an iterable of batches of them.
            batch_size: plays no part, as in Keras.
            steps: most batches to take of an iterable.

        Raises:
            ValueError: the vocabulary was given to the layer.
        """
        del batch_size
        self.reset_state()
        if is_one_array(data):
            texts = text_array(data, self._encoding, type(self).__name__)
            self.update_state(texts[:, None] if isinstance(texts, np.ndarray) and texts.ndim == 1 else texts)
        else:
            for batch in batches_of(data, steps):
                self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Counts the terms of a batch of texts."""
        tokens = self._preprocess(data)
        self._lookup_layer.update_state(
            [row.tolist() for row in tokens.rows()] if isinstance(tokens, Ragged) else tokens
        )

    def finalize_state(self) -> None:
        """Makes the vocabulary from what was counted."""
        self._lookup_layer.finalize_state()

    def reset_state(self) -> None:
        """Forgets what was counted."""
        self._lookup_layer.reset_state()

    # --- calling ---

    def _preprocess(self, inputs: Any) -> Any:
        """The tokens of texts: rows of them, or an array where texts are not split (or one text is)."""
        texts = self._standardized(inputs)
        if self._split is not None:
            texts = self._tokens(texts)
        return texts if self._ngrams is None else _with_ngrams(texts, self._ngrams)

    def _standardized(self, inputs: Any) -> Any:
        texts = text_array(inputs, self._encoding, type(self).__name__)
        if self._standardize is None:
            return texts
        if callable(self._standardize):
            plain = texts.values if isinstance(texts, Ragged) else texts
            made: Any = text_array(self._standardize(plain.astype(str)), self._encoding, "`standardize`")
            return Ragged(made, texts.lengths) if isinstance(texts, Ragged) else made
        table = _STANDARDIZE[self._standardize]
        flat = texts.values if isinstance(texts, Ragged) else texts.reshape(-1)
        result = np.empty(len(flat), dtype=object)
        result[:] = [text.translate(table) for text in flat]
        return Ragged(result, texts.lengths) if isinstance(texts, Ragged) else result.reshape(texts.shape)

    def _tokens(self, texts: Any) -> Any:
        shape = (len(texts.lengths), None) if isinstance(texts, Ragged) else texts.shape
        if len(shape) > 1:
            if shape[-1] != 1:
                raise ValueError(
                    "When using `TextVectorization` to tokenize strings, the input rank must be 1 or the last shape "
                    f"dimension must be 1. Received: inputs.shape={shape} with rank={len(shape)}"
                )
            texts = texts[..., 0]
        if callable(self._split):
            rows = text_array(self._split(texts.astype(str)), self._encoding, "`split`")
            return rows if isinstance(rows, Ragged) or texts.ndim == 0 else _as_ragged(rows)
        split = _WORDS if self._split == "whitespace" else list
        if texts.ndim == 0:
            return np.array(split(texts.item()), dtype=object)
        if texts.ndim > 1:
            raise ValueError(f"TextVectorization splits texts of shape (batch,) or (batch, 1), received {shape}")
        return _ragged_of([split(text) for text in texts])

    def call(self, inputs: Any) -> Any:
        tokens = self._preprocess(inputs)
        lookup = self._lookup_layer
        lookup._ensure_known_vocab_size()
        if self._output_mode != "int":
            return lookup._encoded(tokens)
        length = self._output_sequence_length
        if isinstance(tokens, Ragged):
            indices = Ragged(lookup._indices(tokens.values), tokens.lengths).padded(0, length)
        else:
            indices = lookup._indices(tokens.reshape(-1)).reshape(tokens.shape)
            if length is not None and indices.ndim:
                indices = indices[..., :length]
                missing = length - indices.shape[-1]
                indices = np.pad(indices, [(0, 0)] * (indices.ndim - 1) + [(0, missing)])
        return backend.convert_to_tensor(indices)

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = tuple(input_shape)
        if self._output_mode == "int":
            return (shape[0] if shape else None, self._output_sequence_length)
        if self._split is None:
            shape = shape if len(shape) > 1 else (*shape, 1)
        else:
            shape = (*(shape[:-1] if len(shape) > 1 else shape), None)
        return self._lookup_layer.compute_output_shape(shape)

    def compute_output_spec(self, inputs: Any) -> Any:
        dtype = "int64" if self._output_mode == "int" else backend.floatx()
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=dtype)

    # --- configuration and files ---

    def get_config(self) -> dict[str, Any]:
        lookup = self._lookup_layer
        return {
            **super().get_config(),
            "max_tokens": lookup.max_tokens,
            "standardize": _serialized(self._standardize),
            "split": _serialized(self._split),
            "ngrams": self._ngrams_arg,
            "output_mode": self._output_mode,
            "output_sequence_length": self._output_sequence_length,
            "pad_to_max_tokens": lookup.pad_to_max_tokens,
            "sparse": False,
            "ragged": False,
            "vocabulary": as_plain_list(lookup.input_vocabulary),
            "idf_weights": as_plain_list(lookup.input_idf_weights),
            "encoding": self._encoding,
            "vocabulary_size": self.vocabulary_size(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        config = dict(config)
        for key in ("standardize", "split"):
            if isinstance(config.get(key), dict):
                config[key] = serialization_lib.deserialize_keras_object(config[key])
        if isinstance(config.get("ngrams"), list):
            config["ngrams"] = tuple(config["ngrams"])
        return cls(**config)

    def save_own_variables(self, store: Any) -> None:
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        self._lookup_layer.load_own_variables(store)

    def save_assets(self, dir_path: str) -> None:
        """Writes the vocabulary, unless it is in the configuration.

        Args:
            dir_path: folder of this layer in the archive.
        """
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path: str | None) -> None:
        """Reads what `save_assets` wrote.

        Args:
            dir_path: folder of this layer in the archive; None where it has none.
        """
        self._lookup_layer.load_assets(dir_path)


def _serialized(step: Any) -> Any:
    return serialization_lib.serialize_keras_object(step) if callable(step) else step


def _ragged_of(rows: list[list[str]]) -> Ragged:
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    values = np.empty(int(lengths.sum()), dtype=object)
    values[:] = list(itertools.chain.from_iterable(rows))
    return Ragged(values, lengths)


def _as_ragged(array: Any) -> Ragged:
    """The rows of an array, all of one length."""
    if array.ndim == 1:
        array = array[:, None]
    return Ragged(array.reshape(-1), np.full(len(array), array.shape[1], dtype=np.int64))


def _ngrams(tokens: list[str], widths: tuple[int, ...]) -> list[str]:
    """The n-grams of one row, those of the first width first."""
    return [" ".join(tokens[i : i + n]) for n in widths for i in range(len(tokens) - n + 1)]


def _with_ngrams(tokens: Any, widths: tuple[int, ...]) -> Any:
    if isinstance(tokens, Ragged):
        return _ragged_of([_ngrams(row.tolist(), widths) for row in tokens.rows()])
    flat = tokens.reshape(-1, tokens.shape[-1]) if tokens.ndim else tokens.reshape(1, 1)
    made = np.array([_ngrams(row, widths) for row in flat.tolist()], dtype=object)
    return made.reshape((*tokens.shape[:-1], made.shape[-1]))
