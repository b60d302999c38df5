"""`generate`: continues sequences of tokens with a decoder model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rustdl.random.seed_generator import make_default_seed
from rustdl.text.decoders import StatefulDecoder, StepDecoder, WindowDecoder, stateful_layers
from rustdl.text.sampling import filter_logits, log_softmax, sample


def generate(
    model: Callable[..., Any],
    prompt: Any,
    max_new_tokens: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    num_beams: int = 1,
    length_penalty: float = 0.0,
    stop_token: int | None = None,
    window: int | None = None,
    state: Any = None,
    seed: int | None = None,
) -> Any:
    """Continues prompts token by token.

    With `num_beams` > 1 it looks for the likeliest continuation by beam search: of all continuations of the beams the
    `num_beams` likeliest are kept; the best by `log p / ((5 + length) / 6) ** length_penalty` (Wu et al., 2016) is
    returned. Otherwise each token is drawn from the softmax of the logits, or with `temperature=0` is the likeliest.

    The model is called in one of three ways:

    - with `state`, as `logits, state = model(tokens, state)` on the tokens it has not seen: a key-value cache, or the
      states of a recurrent network;
    - a model with stateful recurrent layers, on the tokens it has not seen, after a reset of its states;
    - else on the last `window` tokens at a time, right-padded: it must be causal.

    Args:
        model: Integers `(batch, time)` -> logits `(batch, time, vocabulary)`, the last ones those of the next token.
        prompt: Tokens, at least one: a sequence, or a list of sequences (of different lengths only without state).
        max_new_tokens: At most so many tokens are added.
        temperature: At least 0; 0 takes the likeliest token.
        top_k: Draw from the k likeliest tokens only.
        top_p: Draw from the smallest set of tokens of at least this probability only.
        num_beams: 1 for sampling, more for beam search (which is then not random: the three above stay at their
            defaults).
        length_penalty: 0 for the likeliest sequence, larger values for longer ones.
        stop_token: A sequence ends with it.
        window: Length of the model's context; by default that of its input, else that of the longest result.
        state: A structure of tensors with the batch first (for beam search, of `batch * num_beams` rows), scalars, or
            caches of attention layers (`make_cache`).
        seed: Of the random numbers; by default one from Python's, which `set_random_seed` sets.

    Returns:
        The prompt and the new tokens as int64, an array for one sequence or a list of arrays.

    Raises:
        ValueError: An empty prompt, arguments out of range, logits of another rank or with NaN.

    Example:
        >>> import rustdl
        >>> count = lambda tokens: rustdl.ops.one_hot(tokens + 1, 10) * 50.0
        >>> generate(count, [1, 2], 3).tolist()
        [1, 2, 3, 4, 5]
    """
    rows, is_one = _rows(prompt)
    if max_new_tokens < 0:
        raise ValueError(f"generate: `max_new_tokens` must be at least 0, got {max_new_tokens}")
    if temperature < 0:
        raise ValueError(f"generate: `temperature` must be at least 0, got {temperature}")
    if num_beams < 1:
        raise ValueError(f"generate: `num_beams` must be at least 1, got {num_beams}")
    if num_beams > 1 and (temperature != 1.0 or top_k is not None or top_p is not None):
        raise ValueError("generate: beam search draws nothing; leave out `temperature`, `top_k` and `top_p`")
    if temperature > 0:
        filter_logits(np.zeros(2), temperature, top_k, top_p)  # refuses what is out of range before the model runs
    if max_new_tokens > 0:
        decoder = _decoder(model, rows, max_new_tokens, window, state)
        if num_beams > 1:
            rows = _beam_search(decoder, rows, max_new_tokens, num_beams, length_penalty, stop_token)
        else:
            rng = np.random.default_rng(make_default_seed() if seed is None else seed)
            rows = _draw(decoder, rows, max_new_tokens, stop_token, lambda x: sample(x, rng, temperature, top_k, top_p))
    return rows[0] if is_one else rows


def _rows(prompt: Any) -> tuple[list[np.ndarray], bool]:
    """The prompts as arrays, and whether there is one without a batch axis."""
    items = list(prompt)
    is_one = not items or np.ndim(items[0]) == 0
    rows = [np.asarray(row) for row in ([items] if is_one else items)]
    for row in rows:
        if row.ndim != 1 or row.size == 0 or row.dtype.kind not in "iu":
            raise ValueError(
                f"generate: a prompt must be a sequence of at least one integer token, got {row.dtype} of shape "
                f"{row.shape}"
            )
        if row.min() < 0:
            raise ValueError(f"generate: tokens must be at least 0, got {row.min()} in a prompt")
    return [row.astype("int64") for row in rows], is_one


def _decoder(model: Any, rows: list[np.ndarray], max_new_tokens: int, window: int | None, state: Any) -> Any:
    if state is not None:
        return StepDecoder(model, state)
    if stateful_layers(model):
        return StatefulDecoder(model)
    if window is None:
        shape = getattr(model, "input_shape", None)
        fixed = shape[1] if isinstance(shape, tuple) and len(shape) > 1 else None
        window = fixed or max(len(row) for row in rows) + max_new_tokens - 1
    if window < 1:
        raise ValueError(f"generate: `window` must be at least 1, got {window}")
    return WindowDecoder(model, window)


def _draw(
    decoder: Any, rows: list[np.ndarray], steps: int, stop_token: int | None, choose: Callable[..., np.ndarray]
) -> list[np.ndarray]:
    ends: list[int | None] = [None] * len(rows)
    for _ in range(steps):
        tokens = choose(decoder.logits(rows))
        rows = [np.append(row, token) for row, token in zip(rows, tokens, strict=True)]
        # Rows that have ended go on until all have, so that the batch keeps its size; what they add is cut off.
        ends = [
            len(row) if end is None and token == stop_token else end
            for row, end, token in zip(rows, ends, tokens, strict=True)
        ]
        if all(end is not None for end in ends):
            break
    return [row[:end] for row, end in zip(rows, ends, strict=True)]


class _Beams:
    """The beams of one prompt: unfinished rows with their log probabilities, and the best finished one."""

    def __init__(self, row: np.ndarray, count: int, length_penalty: float) -> None:
        self.rows = [row] * count
        # At the start the beams are equal: all but one are out.
        self.scores = np.where(np.arange(count) == 0, 0.0, -np.inf)
        self.best: tuple[float, np.ndarray] = (-np.inf, row)
        self._start = len(row)
        self._penalty = length_penalty

    def scaled(self, score: float, length: int) -> float:
        """The score by which sequences of different lengths are compared."""
        return float(score / ((5 + length) / 6) ** self._penalty)

    def _finish(self, score: float, row: np.ndarray) -> None:
        scaled = self.scaled(score, len(row) - self._start)
        if scaled > self.best[0]:
            self.best = (scaled, row)

    def advance(self, log_probabilities: np.ndarray, stop_token: int | None) -> np.ndarray:
        """Replaces the beams by their likeliest continuations; returns which beam each comes from."""
        count, vocabulary = log_probabilities.shape
        total = self.scores[:, np.newaxis] + log_probabilities
        if stop_token is not None:
            for beam in range(count):
                self._finish(total[beam, stop_token], np.append(self.rows[beam], stop_token))
            total[:, stop_token] = -np.inf
        order = np.argsort(-total.ravel(), kind="stable")[:count]
        self.scores = np.full(count, -np.inf)
        self.scores[: len(order)] = total.ravel()[order]
        order = np.resize(order, count)
        origin, tokens = order // vocabulary, order % vocabulary
        self.rows = [np.append(self.rows[b], t) for b, t in zip(origin, tokens, strict=True)]
        return np.asarray(origin)

    def result(self) -> np.ndarray:
        """The best sequence, finished or cut off by the number of tokens."""
        for row, score in zip(self.rows, self.scores, strict=True):
            self._finish(score, row)
        return self.best[1]


def _beam_search(
    decoder: Any,
    prompts: list[np.ndarray],
    steps: int,
    num_beams: int,
    length_penalty: float,
    stop_token: int | None,
) -> list[np.ndarray]:
    groups = [_Beams(row, num_beams, length_penalty) for row in prompts]
    for _ in range(steps):
        found = log_softmax(decoder.logits([row for beams in groups for row in beams.rows]))
        parts = found.reshape(len(groups), num_beams, -1)
        origins = [beams.advance(part, stop_token) for beams, part in zip(groups, parts, strict=True)]
        decoder.reorder(np.concatenate([i * num_beams + origin for i, origin in enumerate(origins)]))
        # Log probabilities only fall: without a length penalty nothing can overtake a better finished sequence.
        if length_penalty == 0 and all(beams.best[0] >= beams.scores.max() for beams in groups):
            break
    return [beams.result() for beams in groups]
