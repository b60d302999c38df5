"""What `SimpleRNNCell`, `LSTMCell` and `GRUCell` share: weights, dropout, and the split of a step in two.

A step is `step(project(inputs), states)`. The first part does not depend on the states, so that `RNN` takes it out of
the loop: one product over all time steps instead of one a step.
"""

from __future__ import annotations

from typing import Any

from rustdl import activations, initializers, ops, random, tree
from rustdl.layers._weights import add_weight, set_weight_arguments, weight_config
from rustdl.layers.layer import Layer
from rustdl.layers.rnn.dropout_rnn_cell import DropoutRNNCell

WEIGHTS = ("kernel", "recurrent", "bias")


def clipped_rate(name: str, rate: Any) -> float:
    """A dropout rate, cut to [0, 1] as Keras does.

    Raises:
        ValueError: It is not a number.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise ValueError(f"`{name}` must be a number in [0, 1]. Received: {name}={rate!r}")
    return min(1.0, max(0.0, rate))


def masked_product(product: Any, x: Any, masks: Any, kernel: Any) -> Any:
    """`product(x * mask, kernel)`; with one mask a gate, each for its part of the kernel's last axis.

    Args:
        product: `matmul` or a convolution.
        x: The tensor.
        masks: `None`, a mask, or a list of masks.
        kernel: The weights of all gates.
    """
    if masks is None:
        return product(x, kernel)
    if not isinstance(masks, list):
        return product(x * masks, kernel)
    parts = ops.split(kernel, len(masks), axis=-1)
    return ops.concatenate([product(x * mask, part) for mask, part in zip(masks, parts, strict=True)], axis=-1)


def forget_gate_of_one(initializer: Any, units: int) -> Any:
    """An initializer of a bias in the order i, f, c, o: ones for the forget gate (Jozefowicz et al., 2015)."""

    def bias(_: Any, *args: Any, **kwargs: Any) -> Any:
        ones = initializers.get("ones")
        parts = (initializer((units,), *args, **kwargs), ones((units,), *args, **kwargs))
        return ops.concatenate([*parts, initializer((2 * units,), *args, **kwargs)])

    return bias


class HoistingCell(DropoutRNNCell, Layer):
    """A cell whose step is `step(project(inputs), states)`.

    Subclasses define `project`, which works with a time axis in front too, and `step`.
    """

    seed: Any
    use_bias: bool
    activation: Any
    bias: Any
    bias_initializer: Any

    def _set_cell_arguments(
        self, activation: Any, use_bias: bool, dropout: float, recurrent_dropout: float, seed: Any, **weights: Any
    ) -> None:
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        set_weight_arguments(self, **weights)
        self.dropout = clipped_rate("dropout", dropout)
        self.recurrent_dropout = clipped_rate("recurrent_dropout", recurrent_dropout)
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)

    def project(self, inputs: Any, training: bool = False) -> Any:
        """The part of a step that depends on the inputs alone.

        Args:
            inputs: `(batch, ...)` or `(time, batch, ...)`.
            training: Whether inputs are dropped.
        """
        raise NotImplementedError

    def step(self, projected: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        """The rest of a step.

        Args:
            projected: What `project` gave.
            states: The list of states.
            training: Whether the state is dropped.
        """
        raise NotImplementedError

    def hoists(self) -> bool:
        """Whether `RNN` may take `project` out of the loop: not where a subclass has a `call` of its own."""
        return type(self).call is HoistingCell.call and self.activity_regularizer is None

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        nested = tree.is_nested(states)
        output, after = self.step(self.project(inputs, training), list(states) if nested else [states], training)
        return output, after if nested else after[0]

    def _input_masks(self, inputs: Any, training: bool, ndim: int) -> Any:
        if not training or self.dropout == 0:
            return None
        return self.get_dropout_mask(inputs if len(inputs.shape) == ndim else inputs[0])

    def _state_masks(self, state: Any, training: bool) -> Any:
        return self.get_recurrent_dropout_mask(state) if training and self.recurrent_dropout > 0 else None

    def _cell_config(self) -> dict[str, Any]:
        config = {
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **weight_config(self, *WEIGHTS),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }
        del config["activity_regularizer"]
        return config


class RecurrentCell(HoistingCell):
    """A cell with dense products: `project(x) = x W + b`, and `recur(h) = h U`.

    Subclasses set `gates`, the number of parts of the kernels.
    """

    gates = 1
    units: int

    def _set_units(self, units: Any, implementation: Any, recurrent_dropout: float) -> None:
        if isinstance(units, bool) or not isinstance(units, int) or units <= 0:
            raise ValueError(
                f"Received an invalid value for argument `units`, expected a positive integer, got {units}."
            )
        if implementation not in (0, 1, 2):
            raise ValueError(f"`implementation` must be 0, 1 or 2. Received: implementation={implementation}")
        self.units = units
        # As in Keras: 1 draws one dropout mask for each gate, 0 and 2 one for all; a dropped state needs one for each.
        self.implementation = 1 if recurrent_dropout else implementation
        if self.implementation == 1 and self.gates > 1:
            self.dropout_mask_count = self.gates
        self.state_size: Any = units
        self.output_size = units

    def build(self, input_shape: Any) -> None:
        size = self.gates * self.units
        if input_shape[-1] is None:
            raise ValueError(
                f"Layer {self.name}: the last dimension of the inputs must be known. Received: "
                f"input_shape={tuple(input_shape)}"
            )
        self.kernel = add_weight(self, "kernel", (input_shape[-1], size))
        self.recurrent_kernel = add_weight(self, "recurrent_kernel", (self.units, size), kind="recurrent")
        self.bias = None
        if self.use_bias:
            self.bias = add_weight(self, "bias", self._bias_shape(), initializer=self._bias_initializer())

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def _bias_initializer(self) -> Any:
        return None

    def _input_bias(self) -> Any:
        return self.bias

    def _product(self, inputs: Any, training: bool) -> Any:
        return masked_product(ops.matmul, inputs, self._input_masks(inputs, training, 2), self.kernel)

    def project(self, inputs: Any, training: bool = False) -> Any:
        projected = self._product(inputs, training)
        bias = self._input_bias()
        return projected if bias is None else projected + bias

    def recur(self, h: Any, training: bool) -> Any:
        """The product of the state with the recurrent kernel."""
        return masked_product(ops.matmul, h, self._state_masks(h, training), self.recurrent_kernel)

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Zeros, one tensor `(batch_size, units)` for each state."""
        sizes = self.state_size if isinstance(self.state_size, (list, tuple)) else [self.state_size]
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "units": self.units, **self._cell_config()}
        if self.implementation == 1 and self.recurrent_dropout == 0:  # Keras leaves it out, but a copy needs it
            config["implementation"] = 1
        return config
