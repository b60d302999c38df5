"""What the depthwise convolution layers share."""

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
from rustdl.layers.convolutional._shapes import window_output_shape


class BaseDepthwiseConv(WindowLayer):
    """Convolution of each channel with `depth_multiplier` kernels of its own; output channel `c * multiplier + m`.

    Args:
        rank: number of spatial axes.
        depth_multiplier: outputs of each channel.
        kernel_size: int or `rank` ints.
        strides: int or `rank` ints.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: int or `rank` ints.
        activation: name or function, None for none.
        use_bias: whether a bias is added.
        depthwise_initializer: initializer of the kernel, of shape `(*kernel_size, channels, depth_multiplier)`.
        bias_initializer: initializer of the bias.
        depthwise_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        depthwise_constraint: projection of the kernel after each update.
        bias_constraint: projection of the bias after each update.
        **kwargs: arguments of `Layer`.
    """

    def __init__(
        self,
        rank: int,
        depth_multiplier: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        set_window_arguments(
            self, rank, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias
        )
        self.depth_multiplier = depth_multiplier
        set_weight_arguments(
            self,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
        )
        check_positive("depth_multiplier", depth_multiplier)
        check_strides_or_dilation(self)

    def build(self, input_shape: Any) -> None:
        channels = input_channels(self, input_shape)
        self.compute_output_shape(input_shape)  # raises where the window does not fit
        self.kernel = add_weight(self, "kernel", (*self.kernel_size, channels, self.depth_multiplier), "depthwise")
        self.bias = add_weight(self, "bias", (channels * self.depth_multiplier,)) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        outputs = ops.depthwise_conv(
            inputs,
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        return add_bias_and_activate(self, outputs)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        channels = input_shape[-1 if self.data_format == "channels_last" else 1]
        return window_output_shape(
            input_shape,
            None if channels is None else channels * self.depth_multiplier,
            self.kernel_size,
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
            layer=self.name,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "depth_multiplier": self.depth_multiplier,
            **window_config(self),
            **weight_config(self, "depthwise", "bias"),
        }
