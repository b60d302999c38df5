"""What the separable convolution layers share."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers._weights import add_weight, set_weight_arguments, weight_config
from rustdl.layers.convolutional._arguments import (
    WindowLayer,
    add_bias_and_activate,
    check_positive,
    input_channels,
    set_window_arguments,
    window_config,
)
from rustdl.layers.convolutional._shapes import window_output_shape


class BaseSeparableConv(WindowLayer):
    """Depthwise convolution, then a pointwise (1 x 1) one, bias and activation.

    Args:
        rank: number of spatial axes.
        depth_multiplier: outputs of each channel in the depthwise step.
        filters: channels of the output.
        kernel_size: int or `rank` ints.
        strides: int or `rank` ints.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: int or `rank` ints.
        activation: name or function, None for none.
        use_bias: whether a bias is added.
        depthwise_initializer: initializer of the kernel of shape `(*kernel_size, channels, depth_multiplier)`.
        pointwise_initializer: initializer of the kernel of shape `(1, ..., channels * depth_multiplier, filters)`.
        bias_initializer: initializer of the bias.
        depthwise_regularizer: penalty on the depthwise kernel.
        pointwise_regularizer: penalty on the pointwise kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        depthwise_constraint: projection of the depthwise kernel after each update.
        pointwise_constraint: projection of the pointwise kernel after each update.
        bias_constraint: projection of the bias after each update.
        **kwargs: arguments of `Layer`.
    """

    def __init__(
        self,
        rank: int,
        depth_multiplier: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        set_window_arguments(
            self, rank, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias
        )
        self.depth_multiplier = depth_multiplier
        self.filters = filters
        set_weight_arguments(
            self,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            bias_regularizer=bias_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
        )
        check_positive("depth_multiplier", depth_multiplier)
        check_positive("filters", filters)

    def build(self, input_shape: Any) -> None:
        channels = input_channels(self, input_shape)
        self.compute_output_shape(input_shape)  # raises where the window does not fit
        self.depthwise_kernel = add_weight(
            self, "depthwise_kernel", (*self.kernel_size, channels, self.depth_multiplier), "depthwise"
        )
        self.pointwise_kernel = add_weight(
            self,
            "pointwise_kernel",
            (*(1,) * self.rank, channels * self.depth_multiplier, self.filters),
            "pointwise",
        )
        self.bias = add_weight(self, "bias", (self.filters,)) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        outputs = ops.separable_conv(
            inputs,
            self.depthwise_kernel,
            self.pointwise_kernel,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        return add_bias_and_activate(self, outputs)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return window_output_shape(
            input_shape,
            self.filters,
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
            "filters": self.filters,
            **window_config(self),
            **weight_config(self, "depthwise", "pointwise", "bias"),
        }
