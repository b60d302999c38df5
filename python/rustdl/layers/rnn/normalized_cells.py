"""Cells with layer normalisation or batch normalisation; Keras has none. Use them as `RNN(LayerNormLSTMCell(...))`."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.normalization.batch_normalization import BatchNormalization
from rustdl.layers.normalization.layer_normalization import LayerNormalization
from rustdl.layers.rnn._recurrent_cell import RecurrentCell
from rustdl.layers.rnn.gru import GRUCell
from rustdl.layers.rnn.lstm import LSTMCell
from rustdl.layers.rnn.simple_rnn import SimpleRNNCell


class _LayerNormalized(RecurrentCell):
    """Mixin: `LN(x W) + LN(h U) + b` in place of `x W + h U + b` (Ba et al., 2016).

    Each of the two has a gain of its own; the bias of the cell serves for both.
    """

    def __init__(self, units: int, epsilon: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(units=units, **kwargs)
        self.epsilon = epsilon
        self.input_norm = self._norm("input_norm")
        self.recurrent_norm = self._norm("recurrent_norm")

    def _norm(self, name: str) -> LayerNormalization:
        return LayerNormalization(epsilon=self.epsilon, center=False, dtype=self.dtype_policy, name=name)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        for norm in (self.input_norm, self.recurrent_norm):
            norm.build((None, self.gates * self.units))

    def _product(self, inputs: Any, training: bool) -> Any:
        return self.input_norm(super()._product(inputs, training))

    def recur(self, h: Any, training: bool) -> Any:
        return self.recurrent_norm(super().recur(h, training))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}


class _BatchNormalized(RecurrentCell):
    """Mixin: `BN(x W) + h U + b` in place of `x W + h U + b` (Laurent et al., 2015).

    In an `RNN` the statistics are those of all steps of all sequences of the batch, masked ones included.
    """

    def __init__(self, units: int, momentum: float = 0.99, epsilon: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(units=units, **kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.input_norm = BatchNormalization(
            momentum=momentum, epsilon=epsilon, center=False, dtype=self.dtype_policy, name="input_norm"
        )

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.input_norm.build((None, self.gates * self.units))

    def _product(self, inputs: Any, training: bool) -> Any:
        product = super()._product(inputs, training)
        rows = self.input_norm(ops.reshape(product, (-1, product.shape[-1])), training=training)
        return ops.reshape(rows, product.shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}


class LayerNormSimpleRNNCell(_LayerNormalized, SimpleRNNCell):
    """`SimpleRNNCell` with layer normalisation (Ba et al., 2016): `activation(LN(x W) + LN(h U) + b)`.

    Args:
        units: Size of output and state.
        epsilon: Added to the variances.
        **kwargs: Arguments of `SimpleRNNCell`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RNN(rustdl.layers.LayerNormSimpleRNNCell(4))(rustdl.ops.ones((2, 5, 3))).shape
        (2, 4)
    """


class LayerNormLSTMCell(_LayerNormalized, LSTMCell):
    """`LSTMCell` with layer normalisation (Ba et al., 2016): of `x W`, of `h U`, and of c where h is made from it.

    `c' = s(f) c + s(i) a(g)` and `h' = s(o) a(LN(c'))`; this third normalisation has a bias.

    Args:
        units: Size of output and states.
        epsilon: Added to the variances.
        **kwargs: Arguments of `LSTMCell`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RNN(rustdl.layers.LayerNormLSTMCell(4))(rustdl.ops.ones((2, 5, 3))).shape
        (2, 4)
    """

    def __init__(self, units: int, epsilon: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(units=units, epsilon=epsilon, **kwargs)
        self.state_norm = LayerNormalization(epsilon=epsilon, dtype=self.dtype_policy, name="state_norm")

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.state_norm.build((None, self.units))

    def step(self, projected: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        h, c = states
        i, f, g, o = ops.split(projected + self.recur(h, training), 4, axis=-1)
        gate, activation = self.recurrent_activation, self.activation
        c = gate(f) * c + gate(i) * activation(g)
        h = gate(o) * activation(self.state_norm(c))
        return h, [h, c]


class LayerNormGRUCell(_LayerNormalized, GRUCell):
    """`GRUCell` with layer normalisation (Ba et al., 2016): of `x W` and of `h U`, all three parts together.

    Args:
        units: Size of output and state.
        epsilon: Added to the variances.
        **kwargs: Arguments of `GRUCell`; `reset_after` must be True.

    Raises:
        ValueError: `reset_after=False`: there is no product `h U` of all three parts then.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RNN(rustdl.layers.LayerNormGRUCell(4))(rustdl.ops.ones((2, 5, 3))).shape
        (2, 4)
    """

    def __init__(self, units: int, epsilon: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(units=units, epsilon=epsilon, **kwargs)
        if not self.reset_after:
            raise ValueError("LayerNormGRUCell: `reset_after` must be True: the product `h U` is normalised as a whole")


class BatchNormSimpleRNNCell(_BatchNormalized, SimpleRNNCell):
    """`SimpleRNNCell` with batch normalisation of `x W` (Laurent et al., 2015).

    In an `RNN` the statistics are those of all steps of the batch, masked ones included.

    Args:
        units: Size of output and state.
        momentum: Of the moving averages.
        epsilon: Added to the variances.
        **kwargs: Arguments of `SimpleRNNCell`.
    """


class BatchNormLSTMCell(_BatchNormalized, LSTMCell):
    """`LSTMCell` with batch normalisation of `x W` (Laurent et al., 2015).

    In an `RNN` the statistics are those of all steps of the batch, masked ones included.

    Args:
        units: Size of output and states.
        momentum: Of the moving averages.
        epsilon: Added to the variances.
        **kwargs: Arguments of `LSTMCell`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RNN(rustdl.layers.BatchNormLSTMCell(4))(rustdl.ops.ones((2, 5, 3))).shape
        (2, 4)
    """


class BatchNormGRUCell(_BatchNormalized, GRUCell):
    """`GRUCell` with batch normalisation of `x W` (Laurent et al., 2015).

    In an `RNN` the statistics are those of all steps of the batch, masked ones included.

    Args:
        units: Size of output and state.
        momentum: Of the moving averages.
        epsilon: Added to the variances.
        **kwargs: Arguments of `GRUCell`.
    """
