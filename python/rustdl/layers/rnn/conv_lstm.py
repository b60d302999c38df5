"""LSTM with convolutions: the cell and the base class of `ConvLSTM1D`, `ConvLSTM2D` and `ConvLSTM3D`."""

from __future__ import annotations

from typing import Any

from rustdl import activations, backend, ops, tree
from rustdl.layers._weights import add_weight
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.rnn._cell_layer import CellLayer, of_cell
from rustdl.layers.rnn._recurrent_cell import HoistingCell, forget_gate_of_one, masked_product
from rustdl.utils.argument_validation import standardize_padding, standardize_tuple


class ConvLSTMCell(HoistingCell):
    """One step of `ConvLSTM1D`, `ConvLSTM2D` or `ConvLSTM3D` (Shi et al., 2015, without peepholes).

    As `LSTMCell`, with convolutions in place of the products. That of the state has stride 1 and "same" padding.

    Args:
        rank: Number of spatial axes, 1 to 3.
        filters: Number of channels of output and states.
        kernel_size: int, or one for each spatial axis.
        strides: of the convolution of the inputs.
        padding: `"valid"` or `"same"`, of the convolution of the inputs.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: of the convolution of the inputs.
        activation: name or function, None for none.
        recurrent_activation: name or function of the gates, None for none.
        use_bias: whether there is a bias.
        kernel_initializer: initializer of the kernel, of shape `(*kernel_size, channels, 4 * filters)`.
        recurrent_initializer: initializer of the recurrent kernel, `(*kernel_size, filters, 4 * filters)`.
        bias_initializer: initializer of the bias, of shape `(4 * filters,)`.
        unit_forget_bias: whether the forget gate's bias begins with ones.
        kernel_regularizer: penalty on the kernel.
        recurrent_regularizer: penalty on the recurrent kernel.
        bias_regularizer: penalty on the bias.
        kernel_constraint: projection of the kernel after each update.
        recurrent_constraint: projection of the recurrent kernel after each update.
        bias_constraint: projection of the bias after each update.
        dropout: fraction of the inputs dropped in training, with a mask for each gate.
        recurrent_dropout: fraction of the state dropped in training, with a mask for each gate.
        seed: of the dropout masks.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: `rank` above 3, both strides and dilation, or spatial sizes that are not known.
    """

    dropout_mask_count = 4

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        if rank not in (1, 2, 3):
            raise ValueError(f"Rank {rank} convolutions are not currently implemented. Received: rank={rank}")
        super().__init__(**kwargs)
        self.rank = rank
        self.filters = filters
        self.kernel_size = standardize_tuple(kernel_size, rank, "kernel_size")
        self.strides = standardize_tuple(strides, rank, "strides")
        self.padding = standardize_padding(padding)
        self.data_format = backend.standardize_data_format(data_format)
        self.dilation_rate = standardize_tuple(dilation_rate, rank, "dilation_rate")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "Specifying `strides > 1` is not compatible with `dilation_rate > 1`. Received: "
                f"strides={self.strides} and dilation_rate={self.dilation_rate}"
            )
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
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.input_spec = InputSpec(ndim=rank + 2)
        # The states have the shape of the convolved inputs, known at `build`.
        self.state_size = -1
        self._input_shape: tuple[int | None, ...] | None = None

    @property
    def _channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else 1

    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        shape = tuple(inputs_shape)
        if None in shape[1:]:
            raise ValueError(
                "ConvLSTM layers only support static input shapes for the spatial dimension and the channels. "
                f"Received invalid input shape: input_shape={shape}"
            )
        self._input_shape = (None, *shape[1:])
        self.input_spec = InputSpec(shape=self._input_shape)
        n, channels = self.filters, shape[self._channel_axis]
        self.kernel = add_weight(self, "kernel", (*self.kernel_size, channels, 4 * n))
        self.recurrent_kernel = add_weight(self, "recurrent_kernel", (*self.kernel_size, n, 4 * n), kind="recurrent")
        self.bias = None
        if self.use_bias:
            initializer = forget_gate_of_one(self.bias_initializer, n) if self.unit_forget_bias else None
            self.bias = add_weight(self, "bias", (4 * n,), initializer=initializer)

    def _convolve(self, x: Any, kernel: Any) -> Any:
        return ops.conv(
            x,
            kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def project(self, inputs: Any, training: bool = False) -> Any:
        masks = self._input_masks(inputs, training, self.rank + 2)
        if len(inputs.shape) == self.rank + 2:
            return self._project_batch(inputs, masks)
        steps, batch = inputs.shape[:2]
        if masks is not None:
            masks = [ops.tile(mask, (steps, *(1,) * (self.rank + 1))) for mask in masks]
        projected = self._project_batch(ops.reshape(inputs, (steps * batch, *inputs.shape[2:])), masks)
        return ops.reshape(projected, (steps, batch, *projected.shape[1:]))

    def _project_batch(self, inputs: Any, masks: Any) -> Any:
        projected = self._convolve_gates(self._convolve, inputs, masks, self.kernel)
        if self.bias is None:
            return projected
        if self.data_format == "channels_last":
            return projected + self.bias
        return projected + ops.reshape(self.bias, (1, -1, *(1,) * self.rank))

    def _convolve_gates(self, convolve: Any, x: Any, masks: Any, kernel: Any) -> Any:
        """All gates' convolutions, joined along the channels."""
        if masks is None or self.data_format == "channels_last":
            return masked_product(convolve, x, masks, kernel)
        parts = ops.split(kernel, len(masks), axis=-1)
        return ops.concatenate([convolve(x * m, k) for m, k in zip(masks, parts, strict=True)], axis=1)

    def step(self, projected: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        h, c = states

        def convolve(x: Any, kernel: Any) -> Any:
            return ops.conv(x, kernel, strides=1, padding="same", data_format=self.data_format)

        inner = self._convolve_gates(convolve, h, self._state_masks(h, training), self.recurrent_kernel)
        i, f, g, o = ops.split(projected + inner, 4, axis=self._channel_axis)
        gate, activation = self.recurrent_activation, self.activation
        c = gate(f) * c + gate(i) * activation(g)
        h = gate(o) * activation(c)
        return h, [h, c]

    def compute_output_shape(self, inputs_shape: Any, states_shape: Any = None) -> Any:
        kernel = backend.KerasTensor((*self.kernel_size, inputs_shape[self._channel_axis], self.filters))
        found = backend.compute_output_spec(self._convolve, backend.KerasTensor(inputs_shape), kernel).shape
        return found, [found, found]

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Two tensors of zeros of the shape of the convolved inputs.

        Args:
            batch_size: The number of sequences.
        """
        if self._input_shape is None:
            raise ValueError(f"Layer {self.name} must be built before the shape of its states is known")
        shape = self.compute_output_shape((batch_size, *self._input_shape[1:]))[0]
        return [ops.zeros(shape, dtype=self.compute_dtype) for _ in range(2)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "unit_forget_bias": self.unit_forget_bias,
            "rank": self.rank,
            **self._cell_config(),
        }


class ConvLSTM(CellLayer):
    """Base class of the convolutional LSTM layers.

    Args:
        rank: Number of spatial axes.
        return_sequences: Whether to return the outputs of all steps, or of the last.
        return_state: Whether to return the last states h and c too.
        go_backwards: Whether to begin at the last step; outputs then come in reverse.
        stateful: Whether a batch begins with the last states of the batch before.
        **kwargs: Arguments of `ConvLSTMCell` and of `RNN`, such as `truncate_gradient`.
    """

    def __init__(
        self,
        rank: int,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        of_layer = (
            "activity_regularizer",
            "unroll",
            "zero_output_for_mask",
            "truncate_gradient",
            "name",
            "autocast",
            "trainable",
        )
        layer_arguments = {name: kwargs.pop(name) for name in of_layer if name in kwargs}
        dtype = kwargs.pop("dtype", None)
        trainable = layer_arguments.get("trainable", True)
        cell = ConvLSTMCell(rank=rank, name="conv_lstm_cell", dtype=dtype, trainable=trainable, **kwargs)
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            dtype=dtype,
            **layer_arguments,
        )
        self.input_spec = InputSpec(ndim=rank + 3)

    filters = of_cell("filters")
    kernel_size = of_cell("kernel_size")
    strides = of_cell("strides")
    padding = of_cell("padding")
    data_format = of_cell("data_format")
    dilation_rate = of_cell("dilation_rate")
    recurrent_activation = of_cell("recurrent_activation")
    unit_forget_bias = of_cell("unit_forget_bias")

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        batch, steps = sequences_shape[:2]
        state = self.cell.compute_output_shape((batch, *sequences_shape[2:]))[0]
        output = (batch, steps, *state[1:]) if self.return_sequences else state
        return (output, state, state) if self.return_state else output

    def compute_mask(self, _: Any, mask: Any) -> Any:
        """The mask of the sequences for the sequences that come out; states have none."""
        mask = tree.flatten(mask)[0] if self.return_sequences else None
        return [mask, None, None] if self.return_state else mask

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["rank"]
        return config
