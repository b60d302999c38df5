"""Recurrent layers as functions: LSTM, GRU and the simple recurrence over whole sequences.

Each is one operation of the engine with its own gradient; the layers call them where activations and options are the
usual ones, and `scan` over a cell otherwise. All three share these arguments:

- `x`: `[batch, time, features]`;
- `kernel`: `[features, gates * units]`, `recurrent_kernel`: `[units, gates * units]`, gates in Keras' order;
- `initial_state`: `None` for zeros, or the state(s), each `[batch, units]`;
- `mask`: `None`, or booleans `[batch, time]`: a step where it is false leaves the state as it was;
- `go_backwards`: whether to begin with the last step; outputs are in the order in which they were computed;
- `zero_output_for_mask`: whether a masked step gives zeros instead of the state that it keeps.

The outputs are those of all steps, `[batch, time, units]`; the final states come beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustdl import _rustdl, backend
from rustdl.ops._symbolic import symbolic


def _state(name: str, given: Any, x: Any, units: int) -> Any:
    from rustdl import ops

    if given is None:
        return ops.zeros((x.shape[0], units), dtype=x.dtype)
    state = backend.cast(given, x.dtype)
    if tuple(state.shape) != (x.shape[0], units):
        raise ValueError(
            f"{name}: the initial state has shape {tuple(state.shape)}, but for `x` of shape {tuple(x.shape)} and "
            f"{units} units it must be {(x.shape[0], units)}"
        )
    return state


def _check(name: str, x: Any, kernel: Any, recurrent_kernel: Any, mask: Any, gates: int) -> int:
    units = recurrent_kernel.shape[0]
    if len(x.shape) != 3:
        raise ValueError(f"{name}: `x` must be [batch, time, features], but has shape {tuple(x.shape)}")
    if tuple(kernel.shape) != (x.shape[2], gates * units):
        raise ValueError(
            f"{name}: `kernel` must be {(x.shape[2], gates * units)} for {x.shape[2]} features and {units} units, "
            f"but has shape {tuple(kernel.shape)}"
        )
    if tuple(recurrent_kernel.shape) != (units, gates * units):
        raise ValueError(
            f"{name}: `recurrent_kernel` must be {(units, gates * units)}, but has shape "
            f"{tuple(recurrent_kernel.shape)}"
        )
    if mask is not None and tuple(mask.shape) != tuple(x.shape[:2]):
        raise ValueError(
            f"{name}: `mask` must be {tuple(x.shape[:2])} for `x` of shape {tuple(x.shape)}, but has shape "
            f"{tuple(mask.shape)}"
        )
    return int(units)


def _recurrence(
    step: Callable[..., tuple[Any, ...]],
    projected: Any,
    states: tuple[Any, ...],
    mask: Any,
    go_backwards: bool,
    zero_output_for_mask: bool,
) -> tuple[Any, ...]:
    """`states = step(x_t, *states)` over time; the first state is the output."""
    from rustdl import ops

    over_time = [ops.transpose(projected, (1, 0, 2))]
    if mask is not None:
        over_time.append(ops.expand_dims(ops.transpose(backend.cast(mask, "bool")), -1))
    if go_backwards:
        over_time = [ops.flip(x, axis=0) for x in over_time]

    def body(carry: Any, slices: Any) -> Any:
        after = step(slices[0], *carry)
        if mask is None:
            return after, after[0]
        after = tuple(ops.where(slices[1], new, old) for new, old in zip(after, carry, strict=True))
        output = ops.where(slices[1], after[0], ops.zeros_like(after[0])) if zero_output_for_mask else after[0]
        return after, output

    states, outputs = ops.scan(body, tuple(states), tuple(over_time))
    return (ops.transpose(outputs, (1, 0, 2)), *states)


# The dtypes of the engine's recurrence; others go step by step through `scan`.
_FUSED_DTYPES = ("float32", "float64")


def _fused(
    cell: str,
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    biases: tuple[Any, Any],
    states: tuple[Any, ...],
    mask: Any,
    modes: tuple[bool, bool],
) -> tuple[Any, ...]:
    """All steps in one operation, after the product of the inputs of all steps with their weights."""
    from rustdl import ops

    if mask is not None:
        mask = backend.cast(mask, "bool")
    projected = ops.matmul(x, kernel)
    return tuple(_rustdl.ops.recurrence(projected, recurrent_kernel, list(states), cell, *biases, mask, *modes))


def _operands(x: Any, *others: Any) -> list[Any]:
    x = backend.convert_to_tensor(x)
    return [x, *(None if w is None else backend.cast(w, x.dtype) for w in others)]


def _lstm(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> tuple[Any, Any, Any]:
    from rustdl import ops

    x, kernel, recurrent_kernel, bias = _operands(x, kernel, recurrent_kernel, bias)
    units = _check("lstm", x, kernel, recurrent_kernel, mask, 4)
    h, c = (None, None) if initial_state is None else initial_state
    h, c = _state("lstm", h, x, units), _state("lstm", c, x, units)
    if x.dtype in _FUSED_DTYPES:
        modes = (go_backwards, zero_output_for_mask)
        outputs, h, c = _fused("lstm", x, kernel, recurrent_kernel, (bias, None), (h, c), mask, modes)
        return outputs, h, c
    projected = ops.matmul(x, kernel)
    if bias is not None:
        projected = projected + bias

    def step(z: Any, h: Any, c: Any) -> tuple[Any, Any]:
        i, f, g, o = ops.split(z + ops.matmul(h, recurrent_kernel), 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(c), c

    outputs, h, c = _recurrence(step, projected, (h, c), mask, go_backwards, zero_output_for_mask)
    return outputs, h, c


_symbolic_lstm: Any = symbolic(_lstm, "lstm")


def lstm(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> tuple[Any, Any, Any]:
    """Long short-term memory (Hochreiter and Schmidhuber 1997) over a sequence, all steps in one operation.

    With `z = x_t kernel + h recurrent_kernel + bias`, split into `i, f, g, o`:
    `c = sigmoid(f) c + sigmoid(i) tanh(g)`, `h = sigmoid(o) tanh(c)`.

    Args:
        x: `[batch, time, features]`.
        kernel: `[features, 4 units]`.
        recurrent_kernel: `[units, 4 units]`.
        bias: `[4 units]`, or `None`.
        initial_state: `(h, c)`, each `[batch, units]`; zeros by default.
        mask: Booleans `[batch, time]`: false keeps the state.
        go_backwards: Whether to begin with the last step.
        zero_output_for_mask: Whether masked steps give zeros.

    Returns:
        `(outputs, h, c)`: `[batch, time, units]` and the final states.

    Raises:
        ValueError: Shapes that do not fit each other.

    Example:
        >>> import numpy as np
        >>> y, h, c = lstm(np.ones((2, 5, 3), "float32"), np.ones((3, 16)), np.ones((4, 16)))
        >>> y.shape, h.shape, c.shape
        ((2, 5, 4), (2, 4), (2, 4))
    """
    found: tuple[Any, Any, Any] = _symbolic_lstm(
        x, kernel, recurrent_kernel, bias, initial_state, mask, go_backwards, zero_output_for_mask
    )
    return found


def _gru(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    reset_after: bool = True,
) -> tuple[Any, Any]:
    from rustdl import ops

    x, kernel, recurrent_kernel, bias = _operands(x, kernel, recurrent_kernel, bias)
    units = _check("gru", x, kernel, recurrent_kernel, mask, 3)
    want = (2, 3 * units) if reset_after else (3 * units,)
    if bias is not None and tuple(bias.shape) != want:
        raise ValueError(
            f"gru: with reset_after={reset_after} `bias` must be {want}, but has shape {tuple(bias.shape)}"
        )
    h = _state("gru", initial_state, x, units)
    if x.dtype in _FUSED_DTYPES:
        modes = (go_backwards, zero_output_for_mask)
        biases = (bias[0], bias[1]) if bias is not None and reset_after else (bias, None)
        cell = "gru" if reset_after else "gru_reset_before"
        outputs, h = _fused(cell, x, kernel, recurrent_kernel, biases, (h,), mask, modes)
        return outputs, h
    projected = ops.matmul(x, kernel)
    recurrent_bias = bias[1] if bias is not None and reset_after else None
    if bias is not None:
        projected = projected + (bias[0] if reset_after else bias)

    def step(xz: Any, h: Any) -> tuple[Any]:
        x_z, x_r, x_h = ops.split(xz, 3, axis=-1)
        if reset_after:
            inner = ops.matmul(h, recurrent_kernel)
            if recurrent_bias is not None:
                inner = inner + recurrent_bias
            h_z, h_r, h_h = ops.split(inner, 3, axis=-1)
            z, r = ops.sigmoid(x_z + h_z), ops.sigmoid(x_r + h_r)
            candidate = ops.tanh(x_h + r * h_h)
        else:
            h_z, h_r = ops.split(ops.matmul(h, recurrent_kernel[:, : 2 * units]), 2, axis=-1)
            z, r = ops.sigmoid(x_z + h_z), ops.sigmoid(x_r + h_r)
            candidate = ops.tanh(x_h + ops.matmul(r * h, recurrent_kernel[:, 2 * units :]))
        return (z * h + (1 - z) * candidate,)

    outputs, h = _recurrence(step, projected, (h,), mask, go_backwards, zero_output_for_mask)
    return outputs, h


_symbolic_gru: Any = symbolic(_gru, "gru")


def gru(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    reset_after: bool = True,
) -> tuple[Any, Any]:
    """Gated recurrent units (Cho et al. 2014) over a sequence, all steps in one operation.

    `z` and `r` are sigmoids of `x_t kernel + h recurrent_kernel + bias`; the candidate is
    `tanh(x_h + r * (h recurrent_h))` with `reset_after`, else `tanh(x_h + (r * h) recurrent_h)`;
    `h = z h + (1 - z) candidate`.

    Args:
        x: `[batch, time, features]`.
        kernel: `[features, 3 units]`, gates in the order z, r, h.
        recurrent_kernel: `[units, 3 units]`.
        bias: With `reset_after` `[2, 3 units]` (input, recurrent), else `[3 units]`; or `None`.
        initial_state: `[batch, units]`; zeros by default.
        mask: Booleans `[batch, time]`: false keeps the state.
        go_backwards: Whether to begin with the last step.
        zero_output_for_mask: Whether masked steps give zeros.
        reset_after: Where the reset gate acts.

    Returns:
        `(outputs, h)`: `[batch, time, units]` and the final state.

    Raises:
        ValueError: Shapes that do not fit each other.

    Example:
        >>> import numpy as np
        >>> y, h = gru(np.ones((2, 5, 3), "float32"), np.ones((3, 12)), np.ones((4, 12)))
        >>> y.shape, h.shape
        ((2, 5, 4), (2, 4))
    """
    found: tuple[Any, Any] = _symbolic_gru(
        x, kernel, recurrent_kernel, bias, initial_state, mask, go_backwards, zero_output_for_mask, reset_after
    )
    return found


def _simple_rnn(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    activation: str = "tanh",
) -> tuple[Any, Any]:
    from rustdl import ops

    if activation not in ("tanh", "relu", "linear"):
        raise ValueError(f"simple_rnn: `activation` must be 'tanh', 'relu' or 'linear', not {activation!r}; use `scan`")
    x, kernel, recurrent_kernel, bias = _operands(x, kernel, recurrent_kernel, bias)
    units = _check("simple_rnn", x, kernel, recurrent_kernel, mask, 1)
    h = _state("simple_rnn", initial_state, x, units)
    if x.dtype in _FUSED_DTYPES:
        modes = (go_backwards, zero_output_for_mask)
        outputs, h = _fused(activation, x, kernel, recurrent_kernel, (bias, None), (h,), mask, modes)
        return outputs, h
    projected = ops.matmul(x, kernel)
    if bias is not None:
        projected = projected + bias

    def step(z: Any, h: Any) -> tuple[Any]:
        z = z + ops.matmul(h, recurrent_kernel)
        return (z if activation == "linear" else getattr(ops, activation)(z),)

    outputs, h = _recurrence(step, projected, (h,), mask, go_backwards, zero_output_for_mask)
    return outputs, h


_symbolic_simple_rnn: Any = symbolic(_simple_rnn, "simple_rnn")


def simple_rnn(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    activation: str = "tanh",
) -> tuple[Any, Any]:
    """The simple recurrence (Elman 1990) `h = activation(x_t kernel + h recurrent_kernel + bias)` over a sequence.

    Args:
        x: `[batch, time, features]`.
        kernel: `[features, units]`.
        recurrent_kernel: `[units, units]`.
        bias: `[units]`, or `None`.
        initial_state: `[batch, units]`; zeros by default.
        mask: Booleans `[batch, time]`: false keeps the state.
        go_backwards: Whether to begin with the last step.
        zero_output_for_mask: Whether masked steps give zeros.
        activation: `"tanh"`, `"relu"` or `"linear"`.

    Returns:
        `(outputs, h)`: `[batch, time, units]` and the final state.

    Raises:
        ValueError: Shapes that do not fit each other, or another activation.

    Example:
        >>> import numpy as np
        >>> y, h = simple_rnn(np.ones((2, 5, 3), "float32"), np.ones((3, 4)), np.ones((4, 4)))
        >>> y.shape, h.shape
        ((2, 5, 4), (2, 4))
    """
    found: tuple[Any, Any] = _symbolic_simple_rnn(
        x, kernel, recurrent_kernel, bias, initial_state, mask, go_backwards, zero_output_for_mask, activation
    )
    return found
