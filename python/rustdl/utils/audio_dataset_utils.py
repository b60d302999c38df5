"""Datasets of audio files."""

from __future__ import annotations

import wave
from typing import Any

import numpy as np

from rustdl.utils.directory_utils import check_directory_arguments, datasets_of, index_directory


def audio_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """A dataset of the `.wav` files of a folder, which are read when their batch is wanted.

    Args:
        directory: the folder; where labels are inferred, each sub-folder holds the recordings of one class.
        labels: `"inferred"`; a list of class numbers, one for each file in alphabetical order; or `None`.
        label_mode: `"int"` (int32), `"categorical"` (one-hot), `"binary"` (float32, `[batch, 1]`), or `None` for
            recordings alone.
        class_names: the sub-folders to take, in the order of their class numbers.
        batch_size: recordings in a batch, the last one being smaller; `None` for single ones.
        sampling_rate: samples a second, to which recordings are resampled (needs scipy); by default as they are.
        output_sequence_length: number of samples that recordings are cut or padded with zeros to; by default they are
            padded to the longest of their batch.
        ragged: only False.
        shuffle: whether files are in a random order, new in each pass; else they are in alphabetical order.
        seed: of the order.
        validation_split: share of the files that are held out.
        subset: `"training"`, `"validation"`, or `"both"` for a list of the two datasets.
        follow_links: whether to enter folders that are links.
        verbose: whether to print how many files were found.

    Returns:
        A `PyDataset` of `(audio, labels)` or audio (float32 in [-1, 1], `[batch, samples, channels]`), with a length,
        `class_names`, `file_paths`, and the methods `map`, `take`, `skip`, `cache` and `prefetch`.

    Raises:
        ValueError: arguments that do not fit together, no recordings, or files of another encoding than PCM.
    """
    check_directory_arguments(labels, label_mode, class_names, validation_split, subset, shuffle, seed, "audio")
    if ragged and output_sequence_length is not None:
        raise ValueError("Cannot set both `ragged` and `output_sequence_length`")
    if ragged:
        raise ValueError("rustdl has dense tensors only: `ragged` must be False; batches are padded with zeros instead")
    if sampling_rate is not None and not isinstance(sampling_rate, int):
        raise ValueError(f"`sampling_rate` should have an integer value. Received: sampling_rate={sampling_rate}")
    if sampling_rate is not None and sampling_rate <= 0:
        raise ValueError(f"`sampling_rate` should be higher than 0. Received: sampling_rate={sampling_rate}")
    if labels is None or label_mode is None:
        labels = label_mode = None
    seed = int(np.random.default_rng().integers(10**6)) if seed is None else seed
    files = index_directory(directory, labels, (".wav",), class_names, shuffle, seed, follow_links, verbose)

    def load(path: str) -> Any:
        audio, rate = read_wav(path)
        if output_sequence_length is not None:
            audio = _with_length(audio, output_sequence_length)
        if sampling_rate is not None and sampling_rate != rate:
            audio = _resampled(audio, rate, sampling_rate)
        return audio

    return datasets_of(
        files, load, "audio", directory, label_mode, batch_size, shuffle, seed, validation_split, subset, _padded
    )


def read_wav(path: Any) -> tuple[Any, int]:
    """The samples of a WAV file, float32 in [-1, 1], `[samples, channels]`, and how many there are a second.

    Args:
        path: the file: PCM of 8, 16, 24 or 32 bits.

    Raises:
        ValueError: another encoding, or a damaged file.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            raw = np.frombuffer(file.readframes(file.getnframes()), dtype=np.uint8)
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is not a WAV file of plain PCM samples, or a damaged one: {error}") from error
    raw = raw[: len(raw) // (width * channels) * width * channels].reshape(-1, width)
    if width == 1:  # the only width without a sign
        values = (raw[:, 0].astype(np.float32) - 128) / 128
    else:
        # Little-endian, moved to the upper bytes of 32 bits so that the sign is where it belongs.
        wide = np.zeros((len(raw), 4), dtype=np.uint8)
        wide[:, 4 - width :] = raw
        values = (wide.view("<i4")[:, 0] / 2.0**31).astype(np.float32)
    return values.reshape(-1, channels), rate


def _with_length(audio: Any, length: int) -> Any:
    return np.pad(audio[:length], ((0, max(length - len(audio), 0)), (0, 0)))


def _resampled(audio: Any, rate: int, wanted: int) -> Any:
    try:
        from scipy.signal import resample_poly
    except ImportError as error:
        raise ImportError("`sampling_rate` needs scipy, which is not installed: pip install scipy") from error
    return resample_poly(audio, wanted, rate, axis=0).astype(np.float32)


def _padded(values: list[Any]) -> Any:
    """Recordings of a batch, padded with zeros to the longest; other values as they are."""
    if np.ndim(values[0]) != 2:
        return np.stack(values)
    longest = max(len(v) for v in values)
    return np.stack([_with_length(v, longest) for v in values])
