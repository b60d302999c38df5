"""Transposed convolution over volumes."""

from __future__ import annotations

from typing import Any

from rustdl.layers.convolutional.base_conv_transpose import BaseConvTranspose


class Conv3DTranspose(BaseConvTranspose):
    """The map whose transpose is `Conv3D` with the same arguments.

    Inputs have the shape `(batch, depth, height, width, channels)`.

    Args:
        filters: channels of the output.
        kernel_size: int or 3 ints.
        strides: int or 3 ints.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        output_padding: extra length of the output, less than the strides; None for the default.
        dilation_rate: int or 3 ints; more than 1 only with strides of 1.
        activation: name or function, None for none.
        use_bias: whether a bias is added.
        kernel_initializer: initializer of the kernel, of shape `(*kernel_size, filters, channels)`.
        bias_initializer: initializer of the bias.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        kernel_constraint: projection of the kernel after each update.
        bias_constraint: projection of the bias after each update.
        **kwargs: arguments of `Layer`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        dilation_rate: Any = (1, 1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            rank=3,
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            output_padding=output_padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
