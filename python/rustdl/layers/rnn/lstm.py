"""Long short-term memory: the layer and its cell."""

from __future__ import annotations

from typing import Any

from rustdl import activations, ops
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.rnn._cell_layer import FusedLayer, of_cell
from rustdl.layers.rnn._recurrent_cell import RecurrentCell, forget_gate_of_one


class LSTMCell(RecurrentCell):
    """One step of `LSTM` (Hochreiter & Schmidhuber, 1997; with forget gates: Gers et al., 2000).

    `i, f, g, o` are the four parts of `x W + h U + b`, s is `recurrent_activation` and a is `activation`:
    `c' = s(f) c + s(i) a(g)` and `h' = s(o) a(c')`.

    Args:
        units: size n of the output and of the two states h and c, > 0.
        activation: name or function a, None for none.
        recurrent_activation: name or function s of the gates, None for none.
        use_bias: whether there is a bias.
        kernel_initializer: initializer of W, of shape `(inputs, 4 n)`.
        recurrent_initializer: initializer of U, of shape `(n, 4 n)`.
        bias_initializer: initializer of b, of shape `(4 n,)`.
        unit_forget_bias: whether the forget gate's bias begins with ones (Jozefowicz et al., 2015).
        kernel_regularizer: penalty on W.
        recurrent_regularizer: penalty on U.
        bias_regularizer: penalty on b.
        kernel_constraint: projection of W after each update.
        recurrent_constraint: projection of U after each update.
        bias_constraint: projection of b after each update.
        dropout: fraction of the inputs dropped in training, in [0, 1].
        recurrent_dropout: fraction of the state h dropped in training, in [0, 1].
        seed: of the dropout masks.
        **kwargs: arguments of `Layer`; `implementation=1` draws one dropout mask for each gate.

    Example:
        >>> import rustdl
        >>> cell = rustdl.layers.LSTMCell(4)
        >>> output, states = cell(rustdl.ops.ones((2, 3)), cell.get_initial_state(2))
        >>> output.shape, len(states)
        ((2, 4), 2)
    """

    gates = 4

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
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
        implementation = kwargs.pop("implementation", 2)
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
        self._set_units(units, implementation, self.recurrent_dropout)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [self.units, self.units]

    def _bias_initializer(self) -> Any:
        return forget_gate_of_one(self.bias_initializer, self.units) if self.unit_forget_bias else None

    def step(self, projected: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        h, c = states
        i, f, g, o = ops.split(projected + self.recur(h, training), 4, axis=-1)
        gate, activation = self.recurrent_activation, self.activation
        c = gate(f) * c + gate(i) * activation(g)
        h = gate(o) * activation(c)
        return h, [h, c]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "unit_forget_bias": self.unit_forget_bias,
        }


class LSTM(FusedLayer):
    """Long short-term memory (Hochreiter & Schmidhuber, 1997; with forget gates: Gers et al., 2000).

    `i, f, g, o` are the four parts of `x[t] W + h[t-1] U + b`, s is `recurrent_activation` and a is `activation`:
    `c[t] = s(f) c[t-1] + s(i) a(g)` and `h[t] = s(o) a(c[t])`. The output is h.

    Args:
        units: size n of the output and of the two states h and c, > 0.
        activation: name or function a, None for none.
        recurrent_activation: name or function s of the gates, None for none.
        use_bias: whether there is a bias.
        kernel_initializer: initializer of W, of shape `(inputs, 4 n)`.
        recurrent_initializer: initializer of U, of shape `(n, 4 n)`.
        bias_initializer: initializer of b, of shape `(4 n,)`.
        unit_forget_bias: whether the forget gate's bias begins with ones (Jozefowicz et al., 2015).
        kernel_regularizer: penalty on W.
        recurrent_regularizer: penalty on U.
        bias_regularizer: penalty on b.
        activity_regularizer: penalty on the output.
        kernel_constraint: projection of W after each update.
        recurrent_constraint: projection of U after each update.
        bias_constraint: projection of b after each update.
        dropout: fraction of the inputs dropped in training, the same ones in all steps.
        recurrent_dropout: fraction of the state h dropped in training, the same ones in all steps.
        seed: of the dropout masks.
        return_sequences: whether to return the outputs of all steps, or of the last.
        return_state: whether to return the last states h and c too.
        go_backwards: whether to begin at the last step; outputs then come in reverse.
        stateful: whether a batch begins with the last states of the batch before.
        unroll: whether the steps are written out instead of looped over.
        use_cudnn: `"auto"`: the fused kernel where it can be used (see `fused_reason`); False: never; True: always,
            or ValueError. The name is Keras'; there is no GPU in it.
        **kwargs: arguments of `RNN`, such as `truncate_gradient`; `implementation=1` draws one dropout mask for each
            gate.

    Example:
        >>> import rustdl
        >>> layer = rustdl.layers.LSTM(4, return_sequences=True, return_state=True)
        >>> outputs, h, c = layer(rustdl.ops.ones((2, 5, 3)))
        >>> outputs.shape, h.shape, c.shape
        ((2, 5, 4), (2, 4), (2, 4))
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        cell = LSTMCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
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
            name="lstm_cell",
            implementation=kwargs.pop("implementation", 2),
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            use_cudnn=use_cudnn,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=3)

    units = of_cell("units")
    recurrent_activation = of_cell("recurrent_activation")
    unit_forget_bias = of_cell("unit_forget_bias")
