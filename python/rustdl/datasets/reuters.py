"""News wires of 46 topics as word indices by frequency (Lewis, 1997): 11,228 texts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from rustdl.datasets._files import BASE, limited, load_npz, locate, not_longer, ragged, shifted

_LABELS = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass "
    "crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi "
    "iron-steel rubber heat jobs lei bop zinc orange pet-chem dlr gas silver wpi hog lead"
)


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> Any:
    """Loads the Reuters news wires.

    Args:
        path: a local .npz file, or the name in the cache folder.
        num_words: indices from here on become `oov_char`; None for no limit.
        skip_top: indices below become `oov_char`.
        maxlen: leave out texts of this length or more.
        test_split: fraction of the test set.
        seed: seed of the shuffle.
        start_char: index at the start of each text, None for none.
        oov_char: index of words left out; None drops them.
        index_from: added to all indices.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: arrays of lists of ints, and topics.
    """
    data = load_npz(
        locate(path, BASE + "reuters.npz", "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916")
    )
    order = np.arange(len(data["x"]))
    np.random.RandomState(seed).shuffle(order)
    sequences, labels = shifted(data["x"][order], start_char, index_from), data["y"][order]
    if maxlen:
        sequences, labels = not_longer(maxlen, sequences, labels)  # type: ignore[assignment]
    sequences = limited(sequences, num_words, skip_top, oov_char)
    cut = int(len(sequences) * (1 - test_split))
    return (ragged(sequences[:cut]), np.array(labels[:cut])), (ragged(sequences[cut:]), np.array(labels[cut:]))


def get_word_index(path: str = "reuters_word_index.json") -> Any:
    """The dict from word to index (before `index_from` is added).

    Args:
        path: a local .json file, or the name in the cache folder.
    """
    found = locate(path, BASE + "reuters_word_index.json", "4d44cc38712099c9e383dc6e5f11a921")
    with open(found, encoding="utf-8") as file:
        return json.load(file)


def get_label_names() -> tuple[str, ...]:
    """The names of the 46 topics, in the order of their numbers."""
    return tuple(_LABELS.split())
