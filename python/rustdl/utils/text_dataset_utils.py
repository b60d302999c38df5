"""Datasets of text files."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl.utils.directory_utils import check_directory_arguments, check_format, datasets_of, index_directory


def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """A dataset of the `.txt` files of a folder, which are read when their batch is wanted.

    Args:
        directory: the folder; where labels are inferred, each sub-folder holds the texts of one class.
        labels: `"inferred"`; a list of class numbers, one for each file in alphabetical order; or `None`.
        label_mode: `"int"` (int32), `"categorical"` (one-hot), `"binary"` (float32, `[batch, 1]`), or `None` for texts
            alone.
        class_names: the sub-folders to take, in the order of their class numbers.
        batch_size: texts in a batch, the last one being smaller; `None` for single texts.
        max_length: number of characters that are kept of each text.
        shuffle: whether files are in a random order; else they are in alphabetical order.
        seed: of the order.
        validation_split: share of the files that are held out.
        subset: `"training"`, `"validation"`, or `"both"` for a list of the two datasets.
        follow_links: whether to enter folders that are links.
        format: `"tf"`, where each pass over shuffled files has an order of its own, or `"grain"`, where all have one.
        verbose: whether to print how many files were found.

    Returns:
        A `PyDataset` of `(texts, labels)` or texts (object arrays of `str`, which `TextVectorization` takes), with a
        length, `class_names`, `file_paths`, and the methods `map`, `take`, `skip`, `cache` and `prefetch`.

    Raises:
        ValueError: arguments that do not fit together, or no texts.
    """
    check_directory_arguments(labels, label_mode, class_names, validation_split, subset, shuffle, seed, "text")
    check_format(format)
    if labels is None or label_mode is None:
        labels = label_mode = None
    seed = int(np.random.default_rng().integers(10**6)) if seed is None else seed
    files = index_directory(directory, labels, (".txt",), class_names, shuffle, seed, follow_links, verbose)

    def load(path: str) -> str:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read(-1 if max_length is None else max_length)

    def stack(values: list[Any]) -> Any:
        return np.array(values, dtype=object) if isinstance(values[0], str) else np.stack(values)

    return datasets_of(
        files,
        load,
        "text",
        directory,
        label_mode,
        batch_size,
        shuffle and format == "tf",
        seed,
        validation_split,
        subset,
        stack,
    )
