"""`RNN`: a recurrent layer over any cell."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend, ops, tree
from rustdl.backend.keras_tensor import KerasTensor
from rustdl.layers.call_spec import call_info
from rustdl.layers.layer import Layer
from rustdl.layers.rnn._recurrent_cell import HoistingCell
from rustdl.layers.rnn.dropout_rnn_cell import DropoutRNNCell
from rustdl.layers.rnn.recurrence import Recurrence, rnn, swap_time_and_batch
from rustdl.layers.rnn.stacked_rnn_cells import StackedRNNCells, output_size_of, zero_states
from rustdl.ops.loops import truncation_window
from rustdl.ops.operation import Operation
from rustdl.saving import serialization_lib


class RNN(Layer):
    """Carries a cell along the time axis.

    A cell has `call(inputs, states)`, which returns `(output, states)`, and `state_size`: an int, or a list of ints
    (one for each state) or of lists. It may have `output_size` (by default the first state size) and
    `get_initial_state(batch_size)` (by default zeros).

    With `truncate_gradient=k` backpropagation through time is truncated (Williams & Peng, 1990): the time steps form
    windows of k, counted from the first step that is run (the last of the sequence with `go_backwards`), and the states
    with which a window begins are constants for the gradient. Outputs and states are the same as without it, and the
    initial state has the gradient of the first window. Masked steps count too: where a whole window is padding, what
    comes out of it has no gradient.

    Args:
        cell: The cell, or a list of cells to be stacked.
        return_sequences: Whether to return the outputs of all steps, or of the last.
        return_state: Whether to return the last states too.
        go_backwards: Whether to begin at the last step; outputs then come in reverse.
        stateful: Whether a batch begins with the last states of the batch before; needs a fixed batch size.
        unroll: Whether the steps are written out instead of looped over.
        zero_output_for_mask: Whether masked steps put out zeros, or the output before; with `return_sequences` only.
        truncate_gradient: The number of time steps of a window, >= 1; by default the gradient goes through all steps.
            Not in Keras: the configuration names it only where it is set.
        **kwargs: Arguments of `Layer`.

    Call arguments:
        sequences: `(batch, time, ...)`.
        initial_state: A tensor or list of tensors; by default the cell's initial state.
        mask: `(batch, time)`; False marks steps to be skipped.
        training: Whether the cell is to run in training mode.

    Returns:
        `(batch, output)`, or with `return_sequences` `(batch, time, output)`; with `return_state` a tuple of that and
        the states.

    Raises:
        ValueError: A cell without `call` or `state_size`; states of a wrong number or shape; no time steps; a batch
            size that is not the stateful one; `truncate_gradient` below 1.
        TypeError: `truncate_gradient` that is no integer.

    Example:
        >>> import rustdl
        >>> layer = rustdl.layers.RNN([rustdl.layers.LSTMCell(4), rustdl.layers.GRUCell(3)])
        >>> layer(rustdl.ops.ones((2, 5, 6))).shape
        (2, 3)
        >>> layer = rustdl.layers.RNN(rustdl.layers.GRUCell(3), truncate_gradient=2)
        >>> slopes = rustdl.grad(lambda x: rustdl.ops.sum(layer(x)))(rustdl.ops.ones((1, 5, 6)))
        >>> rustdl.ops.any(slopes != 0, axis=-1).tolist()  # the last output stands in the window of step 5 alone
        [[False, False, False, False, True]]
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        truncate_gradient: int | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        if not hasattr(cell, "call"):
            raise ValueError(f"Argument `cell` should have a `call` method. Received: cell={cell}")
        size = getattr(cell, "state_size", None)
        if size is None:
            raise ValueError(
                "The RNN cell should have a `state_size` attribute (single integer or list of integers, one integer "
                f"per RNN state). Received: cell={cell}"
            )
        if not isinstance(size, (list, tuple, int)):
            raise ValueError(
                "state_size must be an integer, or a list/tuple of integers (one for each state tensor). Received: "
                f"state_size={size}"
            )
        super().__init__(**kwargs)
        self.zero_output_for_mask = zero_output_for_mask
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.truncate_gradient = truncation_window(type(self).__name__, truncate_gradient)
        self.supports_masking = True
        self.states: Any = None
        self._expected_batch_size: int | None = None
        self.single_state = isinstance(size, int)
        self.state_size: Any = [size] if isinstance(size, int) else list(size)

    # --- shapes ---

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        batch, steps = sequences_shape[:2]
        size = output_size_of(self.cell)
        output = (batch, steps, size) if self.return_sequences else (batch, size)
        if not self.return_state:
            return output
        sizes = [[(batch, s) for s in n] if isinstance(n, (list, tuple)) else (batch, n) for n in self.state_size]
        return (output, *sizes)

    def compute_output_spec(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False
    ) -> Any:
        """The outputs as `KerasTensor`s, found by tracing one time step."""
        self._check_unroll(sequences.shape)
        batches = {x.shape[0] for x in tree.flatten((sequences, initial_state)) if x is not None} - {None}
        # A state of a known batch size fixes that of the sequences too.
        batch = batches.pop() if len(batches) == 1 else sequences.shape[0]

        def one_step(x: Any) -> Any:
            steps = 1 if x.shape[1] is None else min(1, x.shape[1])
            return KerasTensor((batch, steps, *x.shape[2:]), dtype=x.dtype)

        kwargs = {"mask": None if mask is None else one_step(mask), "training": training}
        found = Operation.compute_output_spec(self, one_step(sequences), initial_state=initial_state, **kwargs)
        if not self.return_sequences:
            return found
        output, *states = found if self.return_state else (found,)
        output = KerasTensor((output.shape[0], sequences.shape[1], *output.shape[2:]), dtype=output.dtype)
        return (output, *states) if self.return_state else output

    def compute_mask(self, _: Any, mask: Any) -> Any:
        """The mask of the sequences for the sequences that come out; states have none."""
        mask = tree.flatten(mask)[0]
        output_mask = mask if self.return_sequences else None
        return [output_mask, *(None for _ in self.state_size)] if self.return_state else output_mask

    # --- state ---

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
            self.cell.built = True
        if self.stateful:
            if self.states is not None:
                self.reset_state()
                return
            if sequences_shape[0] is None:
                raise ValueError(
                    "When using `stateful=True` in a RNN, the batch size must be static. Found dynamic batch size: "
                    f"sequence.shape={tuple(sequences_shape)}. Give `batch_size` (or `batch_shape`) to the `Input`."
                )
            self._create_state_variables(sequences_shape[0])

    def _create_state_variables(self, batch_size: int) -> None:
        with self._open_name_scope():
            # The states are no weights: nothing tracks them.
            states = tree.map_structure(
                lambda x: backend.Variable(x, trainable=False, dtype=self.variable_dtype, name="rnn_state"),
                self.get_initial_state(batch_size),
            )
        object.__setattr__(self, "states", states)
        self._expected_batch_size = batch_size

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states before the first step.

        Args:
            batch_size: The number of sequences.
        """
        initial = zero_states(self.cell, batch_size, self.compute_dtype)
        return list(initial) if tree.is_nested(initial) else [initial]

    def reset_states(self) -> None:
        """The same as `reset_state`."""
        self.reset_state()

    def reset_state(self, states: Any = None) -> None:
        """Sets the states of a stateful layer to zero, or to given values.

        Args:
            states: Arrays in the structure of the states, or `None`.

        Raises:
            ValueError: `states` given to a layer without states, or of another number or shapes.
        """
        if self.states is None:
            if states is not None:
                raise ValueError(f"Layer {self.name} has no states to set: it is not stateful, or not built yet")
            return
        own = tree.flatten(self.states)
        values = [np.zeros(v.shape) for v in own] if states is None else tree.flatten(states)
        if [tuple(np.shape(x)) for x in values] != [tuple(v.shape) for v in own]:
            raise ValueError(
                f"Layer {self.name} has states of the shapes {[tuple(v.shape) for v in own]}, but was given "
                f"{[tuple(np.shape(x)) for x in values]}"
            )
        for variable, value in zip(own, values, strict=True):
            variable.assign(ops.cast(value, variable.dtype))

    def _initial_state(self, given: Any, batch: int) -> Any:
        """The states to begin with, in the cell's compute dtype."""
        if given is None:
            given = self.states if self.stateful else self.get_initial_state(batch)
        given = list(given) if tree.is_nested(given) else [given]
        given = tree.map_structure(lambda x: backend.convert_to_tensor(x, dtype=self._cell_dtype()), given)
        wanted = self.get_initial_state(batch)
        shapes = [tuple(x.shape) for x in tree.flatten(given)]
        expected = [tuple(x.shape) for x in tree.flatten(wanted)]
        if shapes != expected:
            raise ValueError(
                f"Layer {self.name}: `initial_state` must be {len(expected)} tensor(s) of the shapes {expected} "
                f"(batch size first). Received: {len(shapes)} tensor(s) of the shapes {shapes}"
            )
        return tree.pack_sequence_as(wanted, tree.flatten(given))

    def _cell_dtype(self) -> str:
        return self.cell.compute_dtype if isinstance(self.cell, Layer) else self.compute_dtype

    # --- computation ---

    def _check_unroll(self, shape: Any) -> None:
        if self.unroll and shape[1] is None:
            raise ValueError(
                "Cannot unroll a RNN if the time dimension is undefined. \n- If using a Sequential model, specify the "
                "time dimension by passing an `Input()` as your first layer.\n- If using the functional API, specify "
                "the time dimension by passing a `shape` or `batch_shape` argument to your `Input()`."
            )

    def _check_batch(self, batch: int) -> None:
        if self.stateful and self._expected_batch_size not in (None, batch):
            raise ValueError(
                "If an RNN is stateful, the batch size of the input sequences must be the same as the batch size of "
                f"the initial state. \n- Expected batch size: {self._expected_batch_size}\n"
                f"- Received batch size: {batch}"
            )

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        batch = sequences.shape[0]
        self._check_batch(batch)
        if sequences.shape[1] == 0:
            raise ValueError(f"Layer {self.name}: the sequences have 0 time steps: shape={tuple(sequences.shape)}")
        states = self._initial_state(initial_state, batch)
        if mask is None:  # beside an initial state, `Layer` does not see whose mask it is
            mask = backend.get_keras_mask(sequences)
        try:
            _prepare_dropout_masks(self.cell, sequences[:, 0], states, training)
            last, outputs, states = self.inner_loop(sequences, states, _first(mask), training=training)
        finally:
            _reset_dropout_masks(self.cell)
        output = ops.cast(outputs if self.return_sequences else last, self.compute_dtype)
        states = tree.map_structure(lambda x: ops.cast(x, self.compute_dtype), states)
        if self.stateful:
            for variable, value in zip(tree.flatten(self.states), tree.flatten(states), strict=True):
                variable.assign(value)
        return (output, *states) if self.return_state else output

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Recurrence:
        """Runs the cell over the time axis.

        Args:
            sequences: `(batch, time, ...)`.
            initial_state: The list of states.
            mask: `(batch, time)` or `None`.
            training: Whether the cell is to run in training mode.
        """
        from rustdl.layers.rnn._fused import fused_reason, run_fused

        use_fused = getattr(self, "use_cudnn", "auto")
        reason = fused_reason(self, training) if use_fused else "use_cudnn=False"
        if reason is None:
            return run_fused(self, sequences, initial_state, _as_mask(mask), training)
        if use_fused is True:
            raise ValueError(
                f"Layer {self.name}: use_cudnn=True was specified, but this layer cannot run as one fused operation: "
                f"{reason}. Pass use_cudnn='auto' to fall back to the loop over a cell."
            )
        step, time_major = self._step_function(training), False
        if self._hoists():
            sequences, time_major = self.cell.project(swap_time_and_batch(sequences), training), True
            mask = mask if mask is None else swap_time_and_batch(_as_mask(mask))
        found = rnn(
            step,
            sequences,
            initial_state,
            go_backwards=self.go_backwards,
            mask=mask,
            unroll=self.unroll,
            time_major=time_major,
            zero_output_for_mask=self.zero_output_for_mask,
            return_all_outputs=self.return_sequences,
            truncate_gradient=self.truncate_gradient,
        )
        return found._replace(outputs=swap_time_and_batch(found.outputs)) if time_major else found

    def _hoists(self) -> bool:
        """Whether the part of the cell that depends on the inputs alone is taken out of the loop."""
        cell = self.cell
        return isinstance(cell, HoistingCell) and cell.hoists() and cell.dtype_policy == self.dtype_policy

    def _step_function(self, training: bool) -> Any:
        cell = self.cell
        if self._hoists():
            return lambda x, states: cell.step(x, states, training)
        call = cell if callable(cell) else cell.call
        kwargs = {"training": training} if isinstance(cell, Layer) and "training" in call_info(cell.call).names else {}

        def step(x: Any, states: Any) -> tuple[Any, Any]:
            output, after = call(x, states, **kwargs)
            return output, after if tree.is_nested(after) else [after]

        return step

    def get_config(self) -> dict[str, Any]:
        config = {
            **super().get_config(),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
            "cell": serialization_lib.serialize_keras_object(self.cell),
        }
        if self.truncate_gradient is not None:  # Keras, which does not know it, loads what does not name it
            config["truncate_gradient"] = self.truncate_gradient
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        config = dict(config)
        cell = serialization_lib.deserialize_keras_object(config.pop("cell"), custom_objects=custom_objects)
        return cls(cell, **config)


def _first(mask: Any) -> Any:
    return mask if mask is None else tree.flatten(mask)[0]


def _as_mask(mask: Any) -> Any:
    """Booleans `(batch, time)`: further axes are joined by "any"."""
    if mask is None:
        return None
    mask = ops.cast(mask, "bool")
    return ops.any(mask, axis=tuple(range(2, len(mask.shape)))) if len(mask.shape) > 2 else mask


def _prepare_dropout_masks(cell: Any, inputs: Any, states: Any, training: bool) -> None:
    """Draws the masks outside of the loop, so that all steps have the same."""
    if isinstance(cell, DropoutRNNCell) and training:
        cell.get_dropout_mask(inputs)
        cell.get_recurrent_dropout_mask(tree.flatten(states)[0])
    if isinstance(cell, StackedRNNCells):
        for inner, state in zip(cell.cells, states, strict=True):
            _prepare_dropout_masks(inner, inputs, state, training)
            inputs = ops.ones((inputs.shape[0], output_size_of(inner)), dtype=inputs.dtype)


def _reset_dropout_masks(cell: Any) -> None:
    if isinstance(cell, DropoutRNNCell):
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()
    if isinstance(cell, StackedRNNCells):
        for inner in cell.cells:
            _reset_dropout_masks(inner)
