"""How `generate` asks a model for the next token's logits: over a window, with stateful layers, or step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rustdl import backend, ops, tree
from rustdl.layers.attention.cache import KeyValueCache


def _as_numpy(logits: Any) -> np.ndarray:
    found = np.asarray(ops.convert_to_numpy(ops.cast(logits, "float32")), "float64")
    if np.isnan(found).any():
        raise ValueError(
            "generate: the model returned logits with NaN: it has diverged, or read a token that its embedding does "
            "not have (compare the tokenizer's vocabulary size with `input_dim`)"
        )
    return found


class WindowDecoder:
    """Runs a causal model over the last `window` tokens for each new one.

    Rows are padded on the right to one shape, so that the model is compiled once. What stands on the right of a token
    does not change its logits in a causal model.

    Args:
        model: `(batch, window)` integers -> logits `(batch, window, vocabulary)`.
        window: The number of tokens.
    """

    def __init__(self, model: Callable[..., Any], window: int) -> None:
        self._window = window
        self._run = backend.jit(lambda tokens, last: ops.take_along_axis(_first(model(tokens)), last, axis=1)[:, 0])

    def logits(self, rows: list[np.ndarray]) -> np.ndarray:
        """The next token's logits for each row.

        Args:
            rows: The tokens so far.
        """
        tokens = np.zeros((len(rows), self._window), "int32")
        last = np.zeros((len(rows), 1, 1), "int32")
        for i, row in enumerate(rows):
            part = row[-self._window :]
            tokens[i, : len(part)] = part
            last[i] = len(part) - 1
        return _as_numpy(self._run(ops.convert_to_tensor(tokens), ops.convert_to_tensor(last)))

    def reorder(self, rows: np.ndarray) -> None:
        """Nothing is kept between calls."""


def _first(found: Any) -> Any:
    found = found[0] if isinstance(found, (list, tuple)) else found
    if len(found.shape) != 3:
        raise ValueError(
            "generate: the model must return logits of shape (batch, time, vocabulary), but returned "
            f"{tuple(found.shape)}; recurrent layers need return_sequences=True"
        )
    return found


class StepDecoder:
    """Runs a model on the tokens that it has not seen yet, and hands its state on.

    Args:
        step: `(tokens, state)` -> `(logits, state)`, with tokens `(batch, time)`, logits `(batch, time, vocabulary)` or
            `(batch, vocabulary)`, and a structure of tensors with the batch as first axis, scalars for all rows, or
            caches of attention layers.
        state: The state at the start.
    """

    def __init__(self, step: Callable[..., Any], state: Any) -> None:
        self._step = step
        self._state = state
        self._seen = 0

    def logits(self, rows: list[np.ndarray]) -> np.ndarray:
        """The next token's logits for each row.

        Args:
            rows: The tokens so far, of one length.
        """
        if len({len(row) for row in rows}) > 1:
            raise ValueError(
                "generate: with a state all prompts must have the same length; got lengths "
                f"{sorted({len(row) for row in rows})}. Call once for each length"
            )
        new = np.stack(rows)[:, self._seen :].astype("int32")
        self._seen = len(rows[0])
        found, self._state = self._step(ops.convert_to_tensor(new), self._state)
        return _as_numpy(found[:, -1] if len(found.shape) == 3 else found)

    def reorder(self, rows: np.ndarray) -> None:
        """Makes row i of the state what row `rows[i]` was.

        Args:
            rows: Numbers of rows.
        """
        index = ops.convert_to_tensor(rows.astype("int32"))

        def of(x: Any) -> Any:
            if isinstance(x, KeyValueCache):
                x.reorder(index)
                return x
            # Scalars, such as a position, are common to all rows.
            return ops.take(x, index, axis=0) if getattr(x, "shape", ()) else x

        self._state = tree.map_structure(of, self._state)


def stateful_layers(model: Any) -> list[Any]:
    """The layers of a model that keep their states between calls."""
    layers = model._flatten_layers() if hasattr(model, "_flatten_layers") else []
    return [layer for layer in layers if getattr(layer, "stateful", False) and hasattr(layer, "cell")]


class StatefulDecoder(StepDecoder):
    """Runs a model with stateful recurrent layers on the tokens that it has not seen yet.

    Args:
        model: The model, for the batch size that is generated.
    """

    def __init__(self, model: Any) -> None:
        self._layers = stateful_layers(model)
        for layer in self._layers:
            layer.reset_state()
        run = backend.jit(model)
        super().__init__(lambda tokens, state: (_first(run(tokens)), state), None)

    def reorder(self, rows: np.ndarray) -> None:
        """Makes row i of the layers' states what row `rows[i]` was."""
        for layer in self._layers:
            for variable in tree.flatten(layer.states):
                variable.assign(np.array(variable.numpy())[rows])
