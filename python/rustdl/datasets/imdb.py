"""Film reviews, positive or negative, as word indices by frequency (Maas et al., 2011): 25,000 + 25,000."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from rustdl.datasets._files import BASE, limited, load_npz, locate, not_longer, ragged, shifted


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> Any:
    """Loads the IMDB reviews.

    Args:
        path: a local .npz file, or the name in the cache folder.
        num_words: indices from here on become `oov_char`; None for no limit.
        skip_top: indices below become `oov_char`.
        maxlen: leave out reviews of this length or more.
        seed: seed of the shuffle.
        start_char: index at the start of each review, None for none.
        oov_char: index of words left out; None drops them.
        index_from: added to all indices.
        **kwargs: none are known.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: arrays of lists of ints, and labels 0 or 1.
    """
    if kwargs:
        raise TypeError(f"Unrecognized keyword arguments: {kwargs}.")
    data = load_npz(locate(path, BASE + "imdb.npz", "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"))
    rng = np.random.RandomState(seed)
    parts = []
    for name in ("train", "test"):
        x, labels = data[f"x_{name}"], data[f"y_{name}"]
        order = np.arange(len(x))
        rng.shuffle(order)
        sequences, kept = shifted(x[order], start_char, index_from), labels[order]
        if maxlen:
            sequences, kept = not_longer(maxlen, sequences, kept)  # type: ignore[assignment]
            if not sequences:
                raise ValueError(
                    f"After filtering for sequences shorter than maxlen={maxlen}, no sequence was kept. "
                    "Increase maxlen."
                )
        parts.append((sequences, np.asarray(kept)))
    both = limited(parts[0][0] + parts[1][0], num_words, skip_top, oov_char)
    cut = len(parts[0][0])
    return (ragged(both[:cut]), parts[0][1]), (ragged(both[cut:]), parts[1][1])


def get_word_index(path: str = "imdb_word_index.json") -> Any:
    """The dict from word to index (before `index_from` is added).

    Args:
        path: a local .json file, or the name in the cache folder.
    """
    found = locate(path, BASE + "imdb_word_index.json", "bfafd718b763782e994055a2d397834f")
    with open(found, encoding="utf-8") as file:
        return json.load(file)
