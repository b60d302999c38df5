"""Sequences of different lengths as one array."""

from __future__ import annotations

from typing import Any

import numpy as np


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> Any:
    """Pads (or cuts) sequences to one length.

    Args:
        sequences: List of sequences, of numbers or of arrays of one shape.
        maxlen: The length; that of the longest sequence by default.
        dtype: dtype of the result; `object` for text.
        padding: `"pre"` or `"post"`: the side at which short sequences are padded.
        truncating: `"pre"` or `"post"`: the side at which long sequences are cut.
        value: What to pad with.

    Returns:
        An array `[sequences, maxlen, ...]`.

    Raises:
        ValueError: for sequences that are none, or of different inner shapes, or unknown sides.

    Example:
        >>> from rustdl.utils import pad_sequences
        >>> pad_sequences([[1], [2, 3]]).tolist()
        [[0, 1], [2, 3]]
    """
    if not hasattr(sequences, "__len__"):
        raise ValueError("`sequences` must be iterable.")
    lengths, inner = [], None
    for x in sequences:
        try:
            lengths.append(len(x))
        except TypeError as error:
            raise ValueError(f"`sequences` must be a list of iterables. Found non-iterable: {x!s}") from error
        if inner is None and len(x):
            inner = np.asarray(x).shape[1:]
    inner = inner or ()
    if maxlen is None:
        maxlen = max(lengths, default=0)
    is_text = np.issubdtype(np.dtype(dtype), np.str_)
    if isinstance(value, str) and dtype is not object and not is_text:
        raise ValueError(
            f"`dtype` {dtype} is not compatible with `value`'s type: {type(value)}\nYou should set "
            "`dtype=object` for "
            "variable length strings."
        )
    for name, side in (("truncating", truncating), ("padding", padding)):
        if side not in ("pre", "post"):
            what = "Truncating" if name == "truncating" else "Padding"
            raise ValueError(f'{what} type "{side}" not understood: expected "pre" or "post"')
    result = np.full((len(lengths), maxlen, *inner), value, dtype=dtype)
    for row, x in zip(result, sequences, strict=True):
        if not len(x):
            continue
        kept = np.asarray(x[max(len(x) - maxlen, 0) :] if truncating == "pre" else x[:maxlen], dtype=dtype)
        if kept.shape[1:] != inner:
            raise ValueError(
                f"Shape of sample {kept.shape[1:]} of sequence is different from expected shape {inner}: "
                "all entries of "
                "`sequences` must hold arrays of one shape."
            )
        if not len(kept):
            continue
        if padding == "post":
            row[: len(kept)] = kept
        else:
            row[-len(kept) :] = kept
    return result
