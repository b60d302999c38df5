"""The gated recurrent unit: the layer and its cell."""

from __future__ import annotations

from typing import Any

from rustdl import activations, ops
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.rnn._cell_layer import FusedLayer, of_cell
from rustdl.layers.rnn._recurrent_cell import RecurrentCell, masked_product


class GRUCell(RecurrentCell):
    """One step of `GRU` (Cho et al., 2014).

    With s for `recurrent_activation` and a for `activation`, and the kernels W, U and the bias b in three parts each:
    `z = s(x Wz + h Uz + bz)`, `r = s(x Wr + h Ur + br)`, `g = a(x Wh + (r h) Uh + bh)` and `h' = z h + (1 - z) g`.
    With `reset_after`, `g = a(x Wh + bh + r (h Uh + b'h))`, and z and r have a second bias b' too.

    Args:
        units: size n of output and state, > 0.
        activation: name or function a, None for none.
        recurrent_activation: name or function s of the gates, None for none.
        use_bias: whether there is a bias.
        kernel_initializer: initializer of W, of shape `(inputs, 3 n)`.
        recurrent_initializer: initializer of U, of shape `(n, 3 n)`.
        bias_initializer: initializer of the bias, of shape `(2, 3 n)` with `reset_after`, else `(3 n,)`.
        kernel_regularizer: penalty on W.
        recurrent_regularizer: penalty on U.
        bias_regularizer: penalty on the bias.
        kernel_constraint: projection of W after each update.
        recurrent_constraint: projection of U after each update.
        bias_constraint: projection of the bias after each update.
        dropout: fraction of the inputs dropped in training, in [0, 1].
        recurrent_dropout: fraction of the state dropped in training, in [0, 1].
        reset_after: whether r is applied after the product with Uh, or before it.
        seed: of the dropout masks.
        **kwargs: arguments of `Layer`; `implementation=1` draws one dropout mask for each gate.

    Example:
        >>> import rustdl
        >>> cell = rustdl.layers.GRUCell(4)
        >>> output, states = cell(rustdl.ops.ones((2, 3)), cell.get_initial_state(2))
        >>> output.shape
        (2, 4)
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
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
        self.reset_after = reset_after

    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def _input_bias(self) -> Any:
        return self.bias if self.bias is None or not self.reset_after else self.bias[0]

    def step(self, projected: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        h, n = states[0], self.units
        xz, xr, xh = ops.split(projected, 3, axis=-1)
        if self.reset_after:
            inner = self.recur(h, training)
            if self.bias is not None:
                inner = inner + self.bias[1]
            hz, hr, hh = ops.split(inner, 3, axis=-1)
            z, r = self.recurrent_activation(xz + hz), self.recurrent_activation(xr + hr)
            g = self.activation(xh + r * hh)
        else:
            masks = self._state_masks(h, training)
            gate_masks, candidate_mask = (None, 1.0) if masks is None else (masks[:2], masks[2])
            inner = masked_product(ops.matmul, h, gate_masks, self.recurrent_kernel[:, : 2 * n])
            hz, hr = ops.split(inner, 2, axis=-1)
            z, r = self.recurrent_activation(xz + hz), self.recurrent_activation(xr + hr)
            g = self.activation(xh + ops.matmul(r * (h * candidate_mask), self.recurrent_kernel[:, 2 * n :]))
        h = z * h + (1 - z) * g
        return h, [h]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "reset_after": self.reset_after,
        }


class GRU(FusedLayer):
    """Gated recurrent units (Cho et al., 2014).

    With s for `recurrent_activation` and a for `activation`, and the kernels W, U and the bias b in three parts each:
    `z = s(x Wz + h Uz + bz)`, `r = s(x Wr + h Ur + br)`, `g = a(x Wh + (r h) Uh + bh)` and `h' = z h + (1 - z) g`.
    With `reset_after`, `g = a(x Wh + bh + r (h Uh + b'h))`, and z and r have a second bias b' too.

    Args:
        units: size n of output and state, > 0.
        activation: name or function a, None for none.
        recurrent_activation: name or function s of the gates, None for none.
        use_bias: whether there is a bias.
        kernel_initializer: initializer of W, of shape `(inputs, 3 n)`.
        recurrent_initializer: initializer of U, of shape `(n, 3 n)`.
        bias_initializer: initializer of the bias, of shape `(2, 3 n)` with `reset_after`, else `(3 n,)`.
        kernel_regularizer: penalty on W.
        recurrent_regularizer: penalty on U.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        kernel_constraint: projection of W after each update.
        recurrent_constraint: projection of U after each update.
        bias_constraint: projection of the bias after each update.
        dropout: fraction of the inputs dropped in training, the same ones in all steps.
        recurrent_dropout: fraction of the state dropped in training, the same ones in all steps.
        seed: of the dropout masks.
        return_sequences: whether to return the outputs of all steps, or of the last.
        return_state: whether to return the last state too.
        go_backwards: whether to begin at the last step; outputs then come in reverse.
        stateful: whether a batch begins with the last states of the batch before.
        unroll: whether the steps are written out instead of looped over.
        reset_after: whether r is applied after the product with Uh, or before it.
        use_cudnn: `"auto"`: the fused kernel where it can be used (see `fused_reason`); False: never; True: always,
            or ValueError. The name is Keras'; there is no GPU in it.
        **kwargs: arguments of `RNN`, such as `truncate_gradient`; `implementation=1` draws one dropout mask for each
            gate.

    Example:
        >>> import rustdl
        >>> rustdl.layers.GRU(4, return_sequences=True)(rustdl.ops.ones((2, 5, 3))).shape
        (2, 5, 4)
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
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        cell = GRUCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
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
            reset_after=reset_after,
            seed=seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="gru_cell",
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
    reset_after = of_cell("reset_after")
