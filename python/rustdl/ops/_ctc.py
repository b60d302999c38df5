"""Connectionist temporal classification with Keras' arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend
from rustdl._rustdl import ops as engine
from rustdl.ops._symbolic import symbolic


def _ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[Any, Any]:
    """The label sequences that a model trained with `ctc_loss` predicts.

    Args:
        inputs: Logits of shape `(batch, frames, classes)`.
        sequence_lengths: How many frames of each sequence count, of shape `(batch,)`.
        strategy: `"greedy"` takes the likeliest class of each frame; `"beam_search"` sums over the alignments of the
            likeliest prefixes (Hannun et al. 2014).
        beam_width: How many prefixes are followed.
        top_paths: How many sequences are returned by `"beam_search"`.
        merge_repeated: Whether repetitions without a blank between them are one label; `"beam_search"` always merges.
        mask_index: The class of the blank; the last one with `None`.

    Returns:
        Pair of labels (`int32`, shape `(1 or top_paths, batch, frames)`, -1 behind the last) and scores: minus the sum
        of the likeliest logits, shape `(batch, 1)`, or log-probabilities of the sequences, shape `(batch, top_paths)`.

    Example:
        >>> from rustdl import ops
        >>> logits = ops.one_hot([[1, 1, 0, 2]], 3)
        >>> ops.ctc_decode(logits, [4])[0].tolist()
        [[[1, 2, -1, -1]]]
    """
    if strategy not in ("greedy", "beam_search"):
        raise ValueError(f"Invalid strategy {strategy}. Supported values are 'greedy' and 'beam_search'.")
    inputs = backend.convert_to_tensor(inputs)
    lengths = backend.convert_to_tensor(sequence_lengths, dtype="int32")
    if inputs.ndim != 3 or tuple(lengths.shape) != (inputs.shape[0],):
        raise ValueError(
            "ctc_decode: needs `inputs` of shape (batch, frames, classes) and `sequence_lengths` of shape (batch,). "
            f"Received shapes: {tuple(inputs.shape)}, {tuple(lengths.shape)}"
        )
    if inputs.dtype != "float64":
        inputs = backend.cast(inputs, "float32")
    blank = inputs.shape[2] - 1 if mask_index is None else mask_index
    if strategy == "greedy":
        return _greedy(inputs, lengths, merge_repeated, blank)
    labels, scores = engine.ctc_beam_search(inputs, lengths, beam_width, top_paths, blank)
    return labels, scores


def _greedy(inputs: Any, lengths: Any, merge_repeated: bool, blank: int) -> tuple[Any, Any]:
    frames = inputs.shape[1]
    places = np.arange(frames, dtype="int32")[None]
    behind = engine.greater_equal(places, engine.expand_dims(lengths, 1))
    labels = engine.where_(behind, blank, engine.argmax(inputs, -1))
    scores = engine.where_(behind, 0.0, engine.max(inputs, -1))
    if merge_repeated and frames > 1:
        repeated = engine.equal(labels[:, 1:], labels[:, :-1])
        labels = engine.concatenate([labels[:, :1], engine.where_(repeated, blank, labels[:, 1:])], 1)
    dropped = engine.equal(labels, blank)
    # Labels move to the front in their order: dropped ones sort behind all others.
    order = engine.argsort(engine.where_(dropped, frames, places), 1)
    labels = engine.take_along_axis(engine.where_(dropped, -1, labels), order, 1)
    labels = backend.cast(engine.expand_dims(labels, 0), "int32")
    return labels, engine.negative(engine.sum(scores, 1, True))


ctc_decode: Any = symbolic(_ctc_decode, "ctc_decode")
