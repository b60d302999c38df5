"""Convolution over volumes."""

from __future__ import annotations

from typing import Any

from rustdl.layers.convolutional.base_conv import BaseConv


class Conv3D(BaseConv):
    """Convolution of `(batch, depth, height, width, channels)` inputs with a learnt kernel: see `BaseConv`.

    Args:
        filters: channels of the output.
        kernel_size: int or 3 ints.
        strides: int or 3 ints.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        dilation_rate: int or 3 ints; more than 1 only with strides of 1.
        groups: groups of channels that are convolved apart.
        activation: name or function, None for none.
        use_bias: whether a bias is added.
        kernel_initializer: initializer of the kernel.
        bias_initializer: initializer of the bias.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        kernel_constraint: projection of the kernel after each update.
        bias_constraint: projection of the bias after each update.
        **kwargs: arguments of `Layer`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Conv3D(4, 3)(rustdl.ops.ones((1, 8, 8, 8, 2))).shape
        (1, 6, 6, 6, 4)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1, 1),
        groups: int = 1,
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
            data_format=data_format,
            dilation_rate=dilation_rate,
            groups=groups,
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
