"""What the transposed convolution layers of all ranks share."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers._weights import add_weight, set_weight_arguments, weight_config
from rustdl.layers.convolutional._arguments import (
    WindowLayer,
    add_bias_and_activate,
    check_positive,
    check_strides_or_dilation,
    input_channels,
    set_window_arguments,
    window_config,
)
from rustdl.layers.convolutional._shapes import transposed_output_shape
from rustdl.utils.argument_validation import standardize_tuple


class BaseConvTranspose(WindowLayer):
    """Transposed convolution of any rank: scatters `in[x] * kernel` to `x * stride + k`, then bias and activation.

    Args:
        rank: number of spatial axes.
        filters: channels of the output.
        kernel_size: int or `rank` ints.
        strides: int or `rank` ints.
        padding: `"valid"` or `"same"`.
        output_padding: extra length of the output, less than the strides; None for the default.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: int or `rank` ints.
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
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        set_window_arguments(
            self, rank, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias
        )
        self.filters = filters
        self.output_padding = (
            None
            if output_padding is None
            else standardize_tuple(output_padding, rank, "output_padding", allow_zero=True)
        )
        set_weight_arguments(
            self,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        check_positive("filters", filters)
        if self.output_padding is not None:
            for i, (extra, stride) in enumerate(zip(self.output_padding, self.strides, strict=True)):
                if extra >= stride:
                    raise ValueError(
                        "`output_padding` must be strictly less than `strides` for all dimensions. At dimension "
                        f"{i}, `output_padding` is {extra} but `strides` is {stride}. Received: "
                        f"output_padding={self.output_padding}, strides={self.strides}"
                    )
        check_strides_or_dilation(self)

    def build(self, input_shape: Any) -> None:
        channels = input_channels(self, input_shape)
        self.kernel = add_weight(self, "kernel", (*self.kernel_size, self.filters, channels))
        self.bias = add_weight(self, "bias", (self.filters,)) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        outputs = ops.conv_transpose(
            inputs,
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        return add_bias_and_activate(self, outputs)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return transposed_output_shape(
            input_shape,
            self.filters,
            self.kernel_size,
            self.strides,
            self.padding,
            self.output_padding,
            self.data_format,
            self.dilation_rate,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "output_padding": self.output_padding,
            **window_config(self),
            **weight_config(self, "kernel", "bias"),
        }
