"""The fully connected recurrent layer and its cell."""

from __future__ import annotations

from typing import Any

from rustdl.layers.input_spec import InputSpec
from rustdl.layers.rnn._cell_layer import CellLayer, of_cell
from rustdl.layers.rnn._recurrent_cell import RecurrentCell


class SimpleRNNCell(RecurrentCell):
    """One step of `SimpleRNN`: `h' = activation(x W + h U + b)` (Elman, 1990).

    Args:
        units: size n of output and state, > 0.
        activation: name or function, None for none.
        use_bias: whether there is a bias.
        kernel_initializer: initializer of W, of shape `(inputs, n)`.
        recurrent_initializer: initializer of U, of shape `(n, n)`.
        bias_initializer: initializer of b, of shape `(n,)`.
        kernel_regularizer: penalty on W.
        recurrent_regularizer: penalty on U.
        bias_regularizer: penalty on b.
        kernel_constraint: projection of W after each update.
        recurrent_constraint: projection of U after each update.
        bias_constraint: projection of b after each update.
        dropout: fraction of the inputs dropped in training, in [0, 1].
        recurrent_dropout: fraction of the state dropped in training, in [0, 1].
        seed: of the dropout masks.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> cell = rustdl.layers.SimpleRNNCell(4)
        >>> output, states = cell(rustdl.ops.ones((2, 3)), [rustdl.ops.zeros((2, 4))])
        >>> output.shape
        (2, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._set_cell_arguments(
            activation,
            use_bias,
            dropout,
            recurrent_dropout,
            seed,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )
        self._set_units(units, 2, self.recurrent_dropout)

    def step(self, projected: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        h = projected + self.recur(states[0], training)
        if self.activation is not None:
            h = self.activation(h)
        return h, [h]


class SimpleRNN(CellLayer):
    """A fully connected recurrent layer: `h[t] = activation(x[t] W + h[t-1] U + b)` (Elman, 1990).

    Args:
        units: size n of output and state, > 0.
        activation: name or function, None for none.
        use_bias: whether there is a bias.
        kernel_initializer: initializer of W, of shape `(inputs, n)`.
        recurrent_initializer: initializer of U, of shape `(n, n)`.
        bias_initializer: initializer of b, of shape `(n,)`.
        kernel_regularizer: penalty on W.
        recurrent_regularizer: penalty on U.
        bias_regularizer: penalty on b.
        activity_regularizer: penalty on the output.
        kernel_constraint: projection of W after each update.
        recurrent_constraint: projection of U after each update.
        bias_constraint: projection of b after each update.
        dropout: fraction of the inputs dropped in training, the same ones in all steps.
        recurrent_dropout: fraction of the state dropped in training, the same ones in all steps.
        return_sequences: whether to return the outputs of all steps, or of the last.
        return_state: whether to return the last state too.
        go_backwards: whether to begin at the last step; outputs then come in reverse.
        stateful: whether a batch begins with the last states of the batch before.
        unroll: whether the steps are written out instead of looped over.
        seed: of the dropout masks.
        **kwargs: arguments of `RNN`, such as `truncate_gradient`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.SimpleRNN(4)(rustdl.ops.ones((2, 5, 3))).shape
        (2, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        cell = SimpleRNNCell(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="simple_rnn_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=3)

    units = of_cell("units")
