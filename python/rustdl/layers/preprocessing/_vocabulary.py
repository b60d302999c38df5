"""Vocabularies: their files, and their terms in order of frequency."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import Any

import numpy as np

_TEXT_FILE = "vocabulary.txt"
_JSON_FILE = "vocabulary.json"


def read_terms(path: str) -> list[str]:
    """The lines of a text file, each a term.

    Args:
        path: the file, in UTF-8.

    Raises:
        ValueError: there is no such file.
    """
    if not os.path.isfile(path):
        raise ValueError(f"Vocabulary file {path} does not exist.")
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        lines = file.read().replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def save_terms(folder: str, terms: list[Any]) -> None:
    """Writes a vocabulary into the assets of a model: Keras' `vocabulary.txt`, a line for each term.

    Terms that hold line breaks cannot stand in such a file; then a `vocabulary.json` beside it has the truth.

    Args:
        folder: the layer's own folder.
        terms: strings or integers.
    """
    texts = [str(term) for term in terms]
    with open(os.path.join(folder, _TEXT_FILE), "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.write("\n".join(texts))
    if any(len(text.splitlines()) > 1 or text.endswith(("\n", "\r")) for text in texts) or texts[-1:] == [""]:
        with open(os.path.join(folder, _JSON_FILE), "w", encoding="ascii") as file:
            json.dump(texts, file)


def load_terms(folder: str) -> list[str]:
    """The terms that `save_terms`, or Keras, wrote.

    Args:
        folder: the layer's own folder.

    Raises:
        ValueError: the file is missing or damaged.
    """
    path = os.path.join(folder, _JSON_FILE)
    if os.path.isfile(path):
        with open(path, encoding="ascii") as file:
            terms = json.load(file)
        if not isinstance(terms, list) or not all(isinstance(term, str) for term in terms):
            raise ValueError(f"{_JSON_FILE} is damaged: expected a list of strings")
        return terms
    terms = read_terms(os.path.join(folder, _TEXT_FILE))
    while terms and terms[-1] == "":
        terms.pop()
    return terms


def by_frequency(counts: Counter[Any], without: list[Any], limit: int | None) -> list[Any]:
    """Terms, the most frequent first, and of equally frequent ones the last in sorting order.

    Args:
        counts: how often each occurred.
        without: terms to leave out.
        limit: most terms to keep.
    """
    ordered = sorted(((count, term) for term, count in counts.items() if term not in without), reverse=True)
    return [term for _, term in ordered][:limit]


def repeated_terms(terms: list[Any]) -> list[Any]:
    """The terms that occur more than once."""
    return [term for term, count in Counter(terms).items() if count > 1]


class Terms:
    """The vocabulary and the counts that make one; not part of the layer's weights.

    Attributes:
        terms: the terms, without the special ones.
        table: their indices.
        idf_weights: a weight for each index, or None.
    """

    def __init__(self) -> None:
        self.terms: list[Any] = []
        self.table: dict[Any, int] = {}
        self.idf_weights: Any = None
        self.reset_counts()

    def reset_counts(self) -> None:
        """Forgets the counts."""
        self.counts: Counter[Any] = Counter()
        self.document_counts: Counter[Any] = Counter()
        self.documents = 0

    def set_terms(self, terms: list[Any], start: int) -> None:
        """Sets the terms, the first of which has the index `start`."""
        self.terms = terms
        self.table = {term: start + i for i, term in enumerate(terms)}


def as_plain_list(x: Any) -> Any:
    """Arrays and tensors as lists that can be written as JSON.

    Args:
        x: array, tensor, list or None.
    """
    if x is None:
        return None
    if isinstance(x, list | tuple):
        return [item.item() if isinstance(item, np.generic) else item for item in x]
    if not isinstance(x, np.ndarray) and hasattr(x, "numpy"):
        x = x.numpy()
    return [item.decode() if isinstance(item, bytes) else item for item in np.asarray(x).tolist()]
