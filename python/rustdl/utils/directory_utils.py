"""Files of a folder with their labels, split into training and validation: what the loaders from folders share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rustdl.utils import io_utils
from rustdl.utils.sample_dataset import SampleDataset


class Files(NamedTuple):
    """Files and their labels.

    Attributes:
        paths: the files.
        labels: their class numbers, or None.
        class_names: names of the classes, or None.
    """

    paths: list[str]
    labels: Any
    class_names: list[str] | None


def check_directory_arguments(
    labels: Any,
    label_mode: Any,
    class_names: Any,
    validation_split: Any,
    subset: Any,
    shuffle: bool,
    seed: Any,
    kind: str,
) -> None:
    """Raises ValueError for arguments that do not fit together.

    Args:
        labels: `"inferred"`, a list, or None.
        label_mode: how labels are encoded.
        class_names: names of the sub-folders.
        validation_split: share of the validation files.
        subset: which files are wanted.
        shuffle: whether files are shuffled.
        seed: of the shuffling.
        kind: what the files are, for errors.
    """
    if labels not in ("inferred", None):
        if not isinstance(labels, list | tuple):
            raise ValueError(
                f"`labels` argument should be a list/tuple of integer labels, of the same size as the number of {kind} "
                "files in the target directory. If you wish to infer the labels from the subdirectory names in the "
                f'target directory, pass `labels="inferred"`. If you wish to get a dataset that only contains {kind} '
                f"samples (no labels), pass `labels=None`. Received: labels={labels}"
            )
        if class_names:
            raise ValueError(
                f'You can only pass `class_names` if `labels="inferred"`. Received: labels={labels}, and '
                f"class_names={class_names}"
            )
    if label_mode not in ("int", "categorical", "binary", None):
        raise ValueError(
            '`label_mode` argument must be one of "int", "categorical", "binary", or None. '
            f"Received: label_mode={label_mode}"
        )
    if validation_split and not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1, received: {validation_split}")
    if bool(validation_split) != bool(subset):
        raise ValueError("If `subset` is set, `validation_split` must be set, and inversely.")
    if subset not in ("training", "validation", "both", None):
        raise ValueError(f'`subset` must be either "training", "validation" or "both", received: {subset}')
    if validation_split and shuffle and seed is None:
        raise ValueError(
            "If using `validation_split` and shuffling the data, you must provide a `seed` argument, to make sure that "
            "there is no overlap between the training and validation subset."
        )


def check_format(format: Any) -> None:
    """Raises ValueError unless the kind of dataset asked for is one of Keras'; ours is the same for both."""
    if format not in ("tf", "grain"):
        raise ValueError(f'`format` should be either "tf" or "grain". Received: format={format}')


def index_directory(
    directory: Any,
    labels: Any,
    formats: tuple[str, ...],
    class_names: Any = None,
    shuffle: bool = True,
    seed: int | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Files:
    """The files of a folder, in alphabetical order or shuffled once.

    Args:
        directory: the folder. Where labels are inferred, each sub-folder holds the files of one class.
        labels: `"inferred"`, a list of class numbers for the files in alphabetical order, or None.
        formats: what file names may end in.
        class_names: the sub-folders to take, in the order of their numbers.
        shuffle: whether to shuffle.
        seed: of the shuffling.
        follow_links: whether to enter folders that are links.
        verbose: whether to print what was found.

    Raises:
        ValueError: names or labels that do not fit the folder.
    """
    directory = os.fspath(directory)
    if labels == "inferred":
        found = sorted(
            entry.name for entry in os.scandir(directory) if entry.is_dir() and not entry.name.startswith(".")
        )
        if class_names is not None and not set(class_names) <= set(found):
            raise ValueError(
                "The `class_names` passed did not match the names of the subdirectories of the target directory. "
                f"Expected: {found} (or a subset of it), but received: class_names={class_names}"
            )
        names = list(class_names) if class_names is not None else found
        by_class = [_files_below(os.path.join(directory, name), formats, follow_links) for name in names]
        paths = [path for group in by_class for path in group]
        numbers: Any = np.repeat(np.arange(len(names), dtype="int32"), [len(group) for group in by_class])
    else:
        if class_names is not None:
            raise ValueError(
                "Argument `class_names` cannot be specified unless `labels='inferred'`: the class names are the "
                f"sorted labels. Received: labels={labels}, class_names={class_names}"
            )
        paths, names, numbers = _files_below(directory, formats, follow_links), None, None
        if labels is not None:
            if len(labels) != len(paths):
                raise ValueError(
                    "Expected the lengths of `labels` to match the number of files in the target directory. "
                    f"len(labels) is {len(labels)} while we found {len(paths)} files in directory {directory}."
                )
            names, numbers = [str(label) for label in sorted(set(labels))], np.asarray(labels)
    if verbose:
        belonging = "" if names is None else f" belonging to {len(names)} classes"
        io_utils.print_msg(f"Found {len(paths)} files{belonging}.")
    if shuffle:
        order = np.random.RandomState(seed).permutation(len(paths))
        paths = [paths[i] for i in order]
        numbers = None if numbers is None else numbers[order]
    return Files(paths, numbers, names)


def _files_below(folder: str, formats: tuple[str, ...], follow_links: bool) -> list[str]:
    found: list[str] = []
    for root, _, files in sorted(os.walk(folder, followlinks=follow_links), key=lambda entry: entry[0]):
        found.extend(os.path.join(root, name) for name in sorted(files) if name.lower().endswith(formats))
    return found


def datasets_of(
    files: Files,
    load: Callable[[str], Any],
    kind: str,
    directory: Any,
    label_mode: str | None,
    batch_size: int | None,
    shuffle: bool,
    seed: int | None,
    validation_split: Any,
    subset: str | None,
    stack: Callable[[list[Any]], Any] = np.stack,
) -> Any:
    """The dataset of a subset, or both datasets.

    Args:
        files: the files.
        load: `load(path)`: the sample.
        kind: what the files are, for errors.
        directory: where they were looked for, for errors.
        label_mode: how labels are encoded.
        batch_size: samples in a batch.
        shuffle: whether each pass has an order of its own; the validation part of "both" keeps one.
        seed: of the orders.
        validation_split: share of the validation files, which are the last.
        subset: `"training"`, `"validation"`, `"both"` or None.
        stack: makes one array for the samples of a batch.

    Raises:
        ValueError: no files, or labels that are not binary.
    """
    if label_mode == "binary" and len(files.class_names or ()) != 2:
        raise ValueError(
            'When passing `label_mode="binary"`, there must be exactly 2 class_names. '
            f"Received: class_names={files.class_names}"
        )
    labels = None if files.labels is None or label_mode is None else encoded_labels(files, label_mode)
    held_out = int(validation_split * len(files.paths)) if validation_split else 0
    border = len(files.paths) - held_out
    parts = {None: slice(None), "training": slice(0, border), "validation": slice(border, None)}

    def dataset(part: str | None, in_order: bool = False) -> SampleDataset:
        paths = files.paths[parts[part]]
        if part is not None:
            io_utils.print_msg(f"Using {len(paths)} files for {part}.")
        if not paths:
            what = "images" if kind == "image" else f"{kind} files"
            raise ValueError(f"No {part} {what} found in directory {directory}.".replace("None ", ""))
        own = None if labels is None else labels[parts[part]]

        def sample(i: int) -> Any:
            return load(paths[i]) if own is None else (load(paths[i]), own[i])

        return SampleDataset(
            len(paths), sample, batch_size, shuffle and not in_order, seed, stack, files.class_names, paths
        )

    if subset == "both":
        return [dataset("training"), dataset("validation", in_order=True)]
    return dataset(subset)


def encoded_labels(files: Files, label_mode: str) -> Any:
    """The labels as int32 `[files]`, as float32 `[files, 1]` (binary), or as one-hot float32 `[files, classes]`.

    Args:
        files: the files with their labels.
        label_mode: `"int"`, `"binary"` or `"categorical"`.
    """
    labels = np.asarray(files.labels)
    if label_mode == "binary":
        return labels.astype("float32")[:, None]
    if label_mode == "categorical":
        return (labels[:, None] == np.arange(len(files.class_names or ()))).astype("float32")
    return labels.astype("int32")
