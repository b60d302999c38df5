"""LSTM with convolutions over three spatial axes."""

from __future__ import annotations

from typing import Any

from rustdl.layers.rnn.conv_lstm import ConvLSTM


class ConvLSTM3D(ConvLSTM):
    """An LSTM layer with convolutions over three spatial axes in place of its products (Shi et al., 2015).

    Inputs have the shape `(batch, time, depth, rows, columns, channels)`, or with `"channels_first"`
    `(batch, time, channels, depth, rows, columns)`. See `ConvLSTMCell` for the formula.

    Args:
        filters: number of channels of output and states.
        kernel_size: int, or one for each spatial axis.
        strides: of the convolution of the inputs.
        padding: `"valid"` or `"same"`, of the convolution of the inputs; that of the states is "same".
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: of the convolution of the inputs.
        activation: name or function, None for none.
        recurrent_activation: name or function of the gates, None for none.
        use_bias: whether there is a bias.
        kernel_initializer: initializer of the kernel, of shape `(*kernel_size, channels, 4 * filters)`.
        recurrent_initializer: initializer of the recurrent kernel, `(*kernel_size, filters, 4 * filters)`.
        bias_initializer: initializer of the bias, of shape `(4 * filters,)`.
        unit_forget_bias: whether the forget gate's bias begins with ones (Jozefowicz et al., 2015).
        kernel_regularizer: penalty on the kernel.
        recurrent_regularizer: penalty on the recurrent kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        kernel_constraint: projection of the kernel after each update.
        recurrent_constraint: projection of the recurrent kernel after each update.
        bias_constraint: projection of the bias after each update.
        dropout: fraction of the inputs dropped in training, the same ones in all steps.
        recurrent_dropout: fraction of the state dropped in training, the same ones in all steps.
        seed: of the dropout masks.
        return_sequences: whether to return the outputs of all steps, or of the last.
        return_state: whether to return the last states h and c too.
        go_backwards: whether to begin at the last step; outputs then come in reverse.
        stateful: whether a batch begins with the last states of the batch before.
        **kwargs: arguments of `RNN`, such as `truncate_gradient`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.ConvLSTM3D(5, 3)(rustdl.ops.ones((1, 2, 5, 5, 5, 3))).shape
        (1, 3, 3, 3, 5)
    """

    def __init__(
        self,
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
        **kwargs: Any,
    ) -> None:
        super().__init__(
            rank=3,
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
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
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            **kwargs,
        )
