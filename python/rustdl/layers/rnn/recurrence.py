"""`rnn`: a step function carried along the time axis, with masks. What all recurrent layers stand on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from rustdl import backend, ops, tree
from rustdl.backend.keras_tensor import KerasTensor


class Recurrence(NamedTuple):
    """What a recurrence gives.

    Attributes:
        last_output: The output of the last step, masked steps skipped.
        outputs: The outputs of all steps in the order in which they were computed, or of the last alone.
        states: The states after the last step.
    """

    last_output: Any
    outputs: Any
    states: Any


def swap_time_and_batch(x: Any) -> Any:
    """`(batch, time, ...)` as `(time, batch, ...)`, and the reverse."""
    return ops.transpose(x, (1, 0, *range(2, len(x.shape))))


def rnn(
    step_function: Callable[..., Any],
    inputs: Any,
    initial_states: Any,
    go_backwards: bool = False,
    mask: Any = None,
    constants: Any = None,
    unroll: bool = False,
    input_length: int | None = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
    truncate_gradient: int | None = None,
) -> Recurrence:
    """Runs `output, states = step_function(input, states)` over the time axis.

    A masked step leaves the states as they were; its output is the previous one (before the first step: the state that
    the output is, or zeros where the output is not one of the states), or zero.

    Args:
        step_function: Takes the inputs and the states of one step, without the time axis; returns the output and the
            new states.
        inputs: A tensor `(batch, time, ...)`, or a structure of them.
        initial_states: A structure of tensors `(batch, ...)`.
        go_backwards: Whether to begin at the last step. Outputs come in the order of computation.
        mask: `(batch, time)` (further axes are joined by "any"); False marks steps to be skipped.
        constants: Tensors passed to each step after the states.
        unroll: Whether the steps are written out instead of looped over.
        input_length: The number of steps, to be checked.
        time_major: Whether inputs, mask and outputs have the time axis first.
        zero_output_for_mask: Whether masked steps put out zeros, with `return_all_outputs`.
        return_all_outputs: Whether all outputs are wanted, or the last alone (with a time axis of size 1).
        truncate_gradient: The number of steps of the windows between which no gradient flows, as for `ops.scan`.

    Raises:
        ValueError: No steps, inputs or a mask of other sizes, or a step that changes the states' structure or shapes.

    Example:
        >>> import rustdl
        >>> x = rustdl.ops.ones((1, 3, 2))
        >>> running = lambda x, states: (x + states[0], [x + states[0]])
        >>> rnn(running, x, [rustdl.ops.zeros((1, 2))]).last_output.tolist()
        [[3.0, 3.0]]
    """
    if not time_major:
        inputs = tree.map_structure(swap_time_and_batch, inputs)
    steps, batch = _sizes(tree.flatten(inputs), input_length)
    # Lists of one or no tensor: parts of the loop's structures that may be missing.
    keep = [] if mask is None else [_time_major_mask(mask, time_major, steps, batch)]
    constants = list(constants or ())

    def step(x: Any, states: Any) -> tuple[Any, Any]:
        output, after = step_function(x, [*states, *constants] if constants else states)
        return output, _like(states, after)

    position: int | None = None
    previous: list[Any] = []
    if keep or not return_all_outputs:
        position, previous = _output_among_states(step, inputs, initial_states)

    def body(carry: Any, x: Any) -> tuple[Any, Any]:
        (states, previous), (x, keep) = carry, x
        output, after = step(x, states)
        kept = output
        if keep:
            after = tree.map_structure(lambda new, old: _where(keep[0], new, old), after, states)
            kept = tree.flatten(after)[position] if position is not None else _where(keep[0], output, previous[0])
            output = _where(keep[0], output, ops.zeros_like(output)) if zero_output_for_mask else kept
        return (after, [kept] if previous else []), [output] if return_all_outputs else []

    (states, last), found = ops.scan(
        body,
        (initial_states, previous),
        (inputs, keep),
        length=steps,
        reverse=go_backwards,
        unroll=True if unroll else 1,
        truncate_gradient=truncate_gradient,
    )
    outputs = [] if found is None else tree.flatten(found)
    if go_backwards:
        outputs = [ops.flip(y, axis=0) for y in outputs]
    if outputs:
        return Recurrence(outputs[0][-1], outputs[0] if time_major else swap_time_and_batch(outputs[0]), states)
    last = last[0] if position is None else tree.flatten(states)[position]
    return Recurrence(last, ops.expand_dims(last, 0 if time_major else 1), states)


def _sizes(flat: list[Any], input_length: int | None) -> tuple[int, int]:
    """The number of steps and the batch size of time-major inputs."""
    steps, batch = flat[0].shape[:2]
    for x in flat:
        if tuple(x.shape[:2]) != (steps, batch):
            raise ValueError(
                f"rnn: the inputs must have the same time and batch sizes, but have (time, batch) = "
                f"{[tuple(x.shape[:2]) for x in flat]}"
            )
    if input_length is not None and input_length != steps:
        raise ValueError(f"rnn: input_length={input_length}, but the inputs have {steps} time steps")
    if steps == 0:
        raise ValueError("rnn: the inputs have 0 time steps, so there is no output; give at least one step")
    return steps, batch


def _time_major_mask(mask: Any, time_major: bool, steps: int, batch: int) -> Any:
    mask = ops.cast(mask, "bool")
    while len(mask.shape) > 2:
        mask = ops.any(mask, axis=-1)
    if not time_major and len(mask.shape) == 2:
        mask = swap_time_and_batch(mask)
    if tuple(mask.shape) != (steps, batch):
        raise ValueError(
            f"rnn: the mask must have the shape (batch, time) = {(batch, steps)} of the inputs, but has "
            f"{tuple(reversed(mask.shape))}"
        )
    return mask


def _where(keep: Any, a: Any, b: Any) -> Any:
    """`a` in the rows to keep, `b` in the others."""
    return ops.where(ops.reshape(keep, (*keep.shape, *(1,) * (len(a.shape) - 1))), a, b)


def _like(before: Any, after: Any) -> Any:
    """The new states in the structure and the dtypes of the old ones."""
    old, new = tree.flatten(before), tree.flatten(after)
    if [tuple(x.shape) for x in old] != [tuple(x.shape) for x in new]:
        raise ValueError(
            f"rnn: a step must return states of the shapes that it was given, {[tuple(x.shape) for x in old]}, but "
            f"returned {[tuple(x.shape) for x in new]}; see the cell's `state_size` and the shape of `initial_state`"
        )
    return tree.pack_sequence_as(before, [ops.cast(n, o.dtype) for n, o in zip(new, old, strict=True)])


def _output_among_states(step: Callable[..., Any], inputs: Any, states: Any) -> tuple[int | None, list[Any]]:
    """Which of the states a step's output is, else zeros of its shape: found by tracing one step."""
    position = None

    def run(x: Any, states: Any) -> Any:
        nonlocal position
        output, after = step(x, states)
        position = next((i for i, state in enumerate(tree.flatten(after)) if state is output), None)
        return output

    first = tree.map_structure(lambda x: KerasTensor(x.shape[1:], x.dtype), inputs)
    spec = backend.compute_output_spec(run, first, tree.map_structure(lambda s: KerasTensor(s.shape, s.dtype), states))
    return position, [ops.zeros(spec.shape, dtype=spec.dtype)] if position is None else []
