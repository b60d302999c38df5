"""Finding and reading the files of the data sets."""

from __future__ import annotations

import os
import pickle
from typing import Any

import numpy as np

from rustdl.utils.file_utils import get_file

BASE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def locate(path: str, origin: str, file_hash: str | None = None, **kwargs: Any) -> str:
    """`path` itself where it is an existing file, else the file of that name in the cache, downloaded if need be."""
    if os.path.isfile(path):
        return path
    return get_file(os.path.basename(path), origin=origin, file_hash=file_hash, **kwargs)


def load_npz(path: str) -> dict[str, np.ndarray[Any, Any]]:
    """All arrays of an .npz file; arrays of Python lists are read by an unpickler that makes nothing else."""
    import zipfile

    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                arrays[name.removesuffix(".npy")] = _read_npy(file)
    return arrays


def _read_npy(file: Any) -> np.ndarray[Any, Any]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        return np.asarray(ListUnpickler(file).load(), dtype=object).reshape(shape)
    array = np.frombuffer(file.read(), dtype=dtype).reshape(shape[::-1] if fortran else shape)
    return array.T if fortran else array.copy()


class ListUnpickler(pickle.Unpickler):
    """Reads lists, dicts, numbers, text and numpy arrays; refuses every other class or function."""

    _ALLOWED = frozenset(
        {
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        """The numpy constructors of arrays, nothing else."""
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"The data file wants {module}.{name}: it is damaged or hostile.")
        if name == "encode":
            import codecs

            return codecs.encode
        if name == "_reconstruct":
            from numpy._core.multiarray import _reconstruct

            return _reconstruct
        return getattr(np, name)


def shuffled_split(x: Any, y: Any, test_split: float, seed: int) -> Any:
    """`((x_train, y_train), (x_test, y_test))` after a shuffle with numpy's old generator, as Keras does."""
    if not 0 <= test_split < 1:
        raise ValueError(f"Invalid `test_split` argument: {test_split}. It must be between 0 and 1 (exclusive of 1).")
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    x, y = x[order], y[order]
    cut = int(len(x) * (1 - test_split))
    return (np.array(x[:cut]), np.array(y[:cut])), (np.array(x[cut:]), np.array(y[cut:]))


def shifted(sequences: Any, start_char: int | None, index_from: int) -> list[list[int]]:
    """Word indices moved up by `index_from`, with `start_char` in front."""
    head = [] if start_char is None else [start_char]
    move = index_from if start_char is not None or index_from else 0
    return [head + [int(w) + move for w in x] for x in sequences]


def limited(sequences: list[list[int]], num_words: int | None, skip_top: int, oov_char: int | None) -> Any:
    """Sequences with the words outside `[skip_top, num_words)` replaced by `oov_char`, or left out."""
    if not num_words:
        num_words = max(max(x) for x in sequences)
    if oov_char is None:
        return [[w for w in x if skip_top <= w < num_words] for x in sequences]
    return [[w if skip_top <= w < num_words else oov_char for w in x] for x in sequences]


def not_longer(maxlen: int, sequences: list[list[int]], labels: Any) -> tuple[list[list[int]], list[Any]]:
    """The sequences shorter than `maxlen`, and their labels."""
    kept = [(x, y) for x, y in zip(sequences, labels, strict=True) if len(x) < maxlen]
    return [x for x, _ in kept], [y for _, y in kept]


def ragged(sequences: list[list[int]]) -> np.ndarray[Any, Any]:
    """An array of lists."""
    out = np.empty(len(sequences), dtype=object)
    out[:] = sequences
    return out
