"""Datasets of sliding windows over a series."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend
from rustdl.utils.directory_utils import check_format
from rustdl.utils.sample_dataset import SampleDataset


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Any:
    """A dataset of windows over a series: window `i` holds the steps `i, i + r, ..., i + (length - 1) r`.

    Args:
        data: the series, its first axis being time.
        targets: the target of each window, by the window's first step; `None` for windows alone.
        sequence_length: steps in a window.
        sequence_stride: how far windows are apart.
        sampling_rate: how far the steps of a window are apart, `r`.
        batch_size: windows in a batch, the last one being smaller; `None` for single windows.
        shuffle: whether windows are in a random order.
        seed: of the order.
        start_index: data before it are left out.
        end_index: data from it on are left out.
        format: `"tf"`, where each pass over shuffled windows has an order of its own, or `"grain"`, where all have one.

    Returns:
        A `PyDataset` of `(windows, targets)` or windows `[batch, sequence_length, ...]`, with a length and the methods
        `map`, `take`, `skip`, `cache` and `prefetch`.

    Raises:
        ValueError: numbers that do not fit the data.

    Example:
        >>> import numpy as np
        >>> windows = timeseries_dataset_from_array(np.arange(5), np.arange(5) + 10, sequence_length=3)
        >>> [(x.tolist(), y.tolist()) for x, y in windows]
        [([[0, 1, 2], [1, 2, 3], [2, 3, 4]], [10, 11, 12])]
    """
    data = backend.convert_to_numpy(data) if not isinstance(data, np.ndarray) else data
    total = len(data)
    _check_range("start_index", start_index, 0, total)
    _check_range("end_index", end_index, 1, total)
    if start_index is not None and end_index is not None and end_index <= start_index:
        raise ValueError(
            f"`end_index` must be higher than `start_index`. Received: start_index={start_index}, end_index={end_index}"
        )
    for name, value in (("sampling_rate", sampling_rate), ("sequence_stride", sequence_stride)):
        if value <= 0:
            raise ValueError(f"`{name}` must be higher than 0. Received: {name}={value}")
        if value >= total:
            raise ValueError(
                f"`{name}` must be lower than the length of the data. Received: {name}={value}, for data of length "
                f"{total}"
            )
    if sequence_length <= 0:
        raise ValueError(f"`sequence_length` must be higher than 0. Received: sequence_length={sequence_length}")
    check_format(format)
    start = 0 if start_index is None else start_index
    part = data[start:end_index]
    count = len(part) - (sequence_length - 1) * sampling_rate
    if targets is not None:
        targets = backend.convert_to_numpy(targets) if not isinstance(targets, np.ndarray) else targets
        count = min(count, len(targets))
        targets = targets[start:end_index]
    firsts = np.arange(0, count, sequence_stride)
    if targets is not None:
        firsts = firsts[firsts < len(targets)]
    if shuffle:
        np.random.RandomState(seed).shuffle(firsts)

    def window(i: int) -> Any:
        first = int(firsts[i])
        x = part[first : first + sequence_length * sampling_rate : sampling_rate]
        return x if targets is None else (x, targets[first])

    return SampleDataset(len(firsts), window, batch_size, shuffle and format == "tf", seed)


def _check_range(name: str, value: int | None, low: int, total: int) -> None:
    if value is not None and value < low:
        raise ValueError(f"`{name}` must be {'0 or ' if low == 0 else ''}higher than 0. Received: {name}={value}")
    if value is not None and value >= total:
        raise ValueError(
            f"`{name}` must be lower than the length of the data. Received: {name}={value}, for data of length {total}"
        )
