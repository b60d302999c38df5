"""The fast path: when a recurrent layer runs as one operation over all time steps, and the call of it."""

from __future__ import annotations

from typing import Any

from rustdl import activations, ops
from rustdl.layers.rnn.gru import GRUCell
from rustdl.layers.rnn.lstm import LSTMCell
from rustdl.layers.rnn.recurrence import Recurrence
from rustdl.layers.rnn.simple_rnn import SimpleRNNCell

_TANH = (activations.tanh, ops.tanh)
_SIGMOID = (activations.sigmoid, ops.sigmoid)
# Activations that `ops.simple_rnn` knows, by its names for them.
_SIMPLE = {activations.tanh: "tanh", activations.relu: "relu", activations.linear: "linear"}


def fused_reason(layer: Any, training: bool) -> str | None:
    """Why an `RNN` cannot run as `ops.lstm`, `ops.gru` or `ops.simple_rnn`; `None` where it can.

    It can where all of these hold:

    - the cell is an `LSTMCell`, `GRUCell` or `SimpleRNNCell`, not a subclass with a `call` of its own, without
      `activity_regularizer`, and of the layer's dtype policy;
    - the activation is tanh (for `SimpleRNNCell` also relu or linear) and the gates' is sigmoid;
    - `unroll` and, for a layer that has it, `use_cudnn=False` are not asked for;
    - in training, `recurrent_dropout` is 0, and `dropout` has one mask for all gates (`implementation=2`).

    Args:
        layer: The layer.
        training: Whether it runs in training mode.
    """
    cell = layer.cell
    if type(cell) not in (LSTMCell, GRUCell, SimpleRNNCell):
        return f"the cell is a {type(cell).__name__}, not an LSTMCell, GRUCell or SimpleRNNCell"
    if not layer._hoists():
        return "the cell has an activity regularizer or another dtype policy than the layer"
    if isinstance(cell, SimpleRNNCell):
        if cell.activation not in _SIMPLE:
            return f"the activation is {cell.activation}, not tanh, relu or linear"
    elif cell.activation not in _TANH or cell.recurrent_activation not in _SIGMOID:
        return (
            f"the activations are {cell.activation} and, of the gates, {cell.recurrent_activation}, not tanh and "
            "sigmoid"
        )
    if layer.unroll:
        return "unroll=True"
    if training and cell.recurrent_dropout > 0:
        return "recurrent_dropout > 0"
    if training and cell.dropout > 0 and getattr(cell, "dropout_mask_count", None):
        return "implementation=1 draws one dropout mask for each gate"
    return None


def run_fused(layer: Any, sequences: Any, states: Any, mask: Any, training: bool) -> Recurrence:
    """The recurrence as one operation, where `fused_reason` has no objection; as one a window of a truncated gradient.

    Args:
        layer: The layer.
        sequences: `(batch, time, features)`.
        states: The list of initial states.
        mask: Booleans `(batch, time)`, or `None`.
        training: Whether the inputs are dropped.
    """
    sequences = ops.cast(sequences, layer.compute_dtype)  # integers become floats, as in a product with the kernel
    if training and layer.cell.dropout > 0:
        sequences = sequences * ops.expand_dims(layer.cell.get_dropout_mask(sequences[:, 0]), 1)
    steps = sequences.shape[1]
    if layer.truncate_gradient is None or layer.truncate_gradient >= steps:
        return _run_kernel(layer, sequences, states, mask)
    outputs: list[Any] = []
    for window in _windows(steps, layer.truncate_gradient, layer.go_backwards):
        if outputs:
            states = [ops.stop_gradient(state) for state in states]
        found = _run_kernel(layer, sequences[:, window], states, None if mask is None else mask[:, window])
        outputs.append(found.outputs)
        states = found.states
    return found._replace(outputs=ops.concatenate(outputs, axis=1))


def _windows(steps: int, size: int, backwards: bool) -> list[slice]:
    """The windows of time in the order in which they are run; the last may be shorter."""
    starts = range(0, steps, size)
    if backwards:
        return [slice(max(steps - start - size, 0), steps - start) for start in starts]
    return [slice(start, min(start + size, steps)) for start in starts]


def _run_kernel(layer: Any, sequences: Any, states: Any, mask: Any) -> Recurrence:
    cell = layer.cell
    arguments: dict[str, Any] = {
        "bias": cell.bias,
        "mask": mask,
        "go_backwards": layer.go_backwards,
        "zero_output_for_mask": layer.zero_output_for_mask and layer.return_sequences,
    }
    operands = (sequences, cell.kernel, cell.recurrent_kernel)
    if isinstance(cell, LSTMCell):
        outputs, *after = ops.lstm(*operands, initial_state=tuple(states), **arguments)
    elif isinstance(cell, GRUCell):
        outputs, *after = ops.gru(*operands, initial_state=states[0], reset_after=cell.reset_after, **arguments)
    else:
        activation = _SIMPLE[cell.activation]
        outputs, *after = ops.simple_rnn(*operands, initial_state=states[0], activation=activation, **arguments)
    # The state after the last step is the last output that no mask skipped.
    return Recurrence(after[0], outputs, after)
