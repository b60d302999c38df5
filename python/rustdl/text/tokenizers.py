"""Tokenizers: characters, and byte pairs through the package `tokenizers`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np


class CharTokenizer:
    """Numbers the characters of a text.

    Args:
        text: What the characters are taken from; they are numbered in the order of their code points.
        special_tokens: Strings that get the first numbers, such as `"<pad>"`; text is never encoded to them.

    Raises:
        ValueError: No characters.

    Example:
        >>> tokenizer = CharTokenizer("hello")
        >>> tokenizer.encode("hole").tolist(), tokenizer.decode([1, 0])
        ([1, 3, 2, 0], 'he')
    """

    def __init__(self, text: str, special_tokens: Sequence[str] = ()) -> None:
        self.special_tokens = tuple(special_tokens)
        self.characters = "".join(sorted(set(text)))
        if not self.characters:
            raise ValueError("CharTokenizer: the text is empty, so there is nothing to number")
        first = len(self.special_tokens)
        self._numbers = {c: first + i for i, c in enumerate(self.characters)}

    @property
    def vocabulary_size(self) -> int:
        """How many numbers there are."""
        return len(self.special_tokens) + len(self.characters)

    def token_to_id(self, token: str) -> int:
        """The number of a character or a special token.

        Raises:
            ValueError: It is neither.
        """
        if token in self.special_tokens:
            return self.special_tokens.index(token)
        if token not in self._numbers:
            raise ValueError(f"CharTokenizer: {token!r} is not among the {len(self.characters)} known characters")
        return self._numbers[token]

    def encode(self, text: str) -> np.ndarray:
        """The numbers of a text's characters, int32.

        Raises:
            ValueError: A character that the tokenizer does not know.
        """
        unknown = sorted(set(text) - self._numbers.keys())
        if unknown:
            raise ValueError(
                f"CharTokenizer: the text has characters that are not among the {len(self.characters)} known ones: "
                f"{unknown[:10]}"
            )
        return np.fromiter((self._numbers[c] for c in text), "int32", len(text))

    def decode(self, tokens: Any) -> str:
        """The text of numbers, without special tokens.

        Raises:
            ValueError: A number that is out of range.
        """
        first = len(self.special_tokens)
        numbers = [int(t) for t in np.ravel(tokens)]
        wrong = [t for t in numbers if not 0 <= t < self.vocabulary_size]
        if wrong:
            raise ValueError(f"CharTokenizer: tokens must be in [0, {self.vocabulary_size}), got {wrong[:10]}")
        return "".join(self.characters[t - first] for t in numbers if t >= first)


class BPETokenizer:
    """Byte-pair encoding (Sennrich et al., 2016) over bytes, by the package `tokenizers`.

    Every text can be encoded and comes back as it was. Make one with `train` or `load`.

    Args:
        tokenizer: A `tokenizers.Tokenizer`.

    Example:
        >>> tokenizer = BPETokenizer.train(["low lower lowest"] * 4, 270)  # doctest: +SKIP
        >>> tokenizer.decode(tokenizer.encode("lower"))  # doctest: +SKIP
        'lower'
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int, special_tokens: Sequence[str] = ()) -> BPETokenizer:
        """Learns the merges from texts.

        Args:
            texts: The texts.
            vocabulary_size: How many tokens at most, those of the 256 bytes and the special ones included.
            special_tokens: Strings that are tokens by themselves, with the first numbers.

        Raises:
            ImportError: The package `tokenizers` is missing.
            ValueError: `vocabulary_size` leaves no room for the bytes.
        """
        package = _package()
        if vocabulary_size < 256 + len(special_tokens):
            raise ValueError(
                f"BPETokenizer: `vocabulary_size` must be at least 256 bytes + {len(special_tokens)} special tokens, "
                f"got {vocabulary_size}"
            )
        tokenizer = package.Tokenizer(package.models.BPE())
        tokenizer.pre_tokenizer = package.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = package.decoders.ByteLevel()
        trainer = package.trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            special_tokens=list(special_tokens),
            initial_alphabet=package.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    @classmethod
    def load(cls, path: str | Path) -> BPETokenizer:
        """Reads what `save` wrote (the JSON format of `tokenizers`)."""
        return cls(_package().Tokenizer.from_file(str(path)))

    def save(self, path: str | Path) -> None:
        """Writes a JSON file."""
        self._tokenizer.save(str(path))

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are."""
        return int(self._tokenizer.get_vocab_size())

    def token_to_id(self, token: str) -> int:
        """The number of a token.

        Raises:
            ValueError: There is no such token.
        """
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"BPETokenizer: {token!r} is not among the {self.vocabulary_size} tokens")
        return int(found)

    def encode(self, text: str) -> np.ndarray:
        """The tokens of a text, int32."""
        return np.asarray(self._tokenizer.encode(text).ids, "int32")

    def decode(self, tokens: Any) -> str:
        """The text of tokens, without special ones."""
        return str(self._tokenizer.decode([int(t) for t in np.ravel(tokens)]))


def _package() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise ImportError("BPETokenizer needs the package `tokenizers`: pip install rustdl[text]") from error
    return tokenizers
