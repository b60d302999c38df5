"""What the convolution layers of all ranks share."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers._weights import LowRankAdaptation, add_weight, set_weight_arguments, weight_config
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


class BaseConv(LowRankAdaptation, WindowLayer):
    """Convolution of any rank.

    `out[n, x, f] = activation(sum_{k, c} in[n, x * stride + k, c] * kernel[k, c, f] + bias[f])`.

    Args:
        rank: number of spatial axes.
        filters: channels of the output.
        kernel_size: int or `rank` ints.
        strides: int or `rank` ints.
        padding: `"valid"`, `"same"`, or, for rank 1, `"causal"`.
        data_format: `"channels_last"` or `"channels_first"`, default the configured one.
        dilation_rate: int or `rank` ints.
        groups: groups of channels that are convolved apart.
        activation: name or function, None for none.
        use_bias: whether a bias is added.
        kernel_initializer: initializer of the kernel, of shape `(*kernel_size, channels / groups, filters)`.
        bias_initializer: initializer of the bias.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        kernel_constraint: projection of the kernel after each update.
        bias_constraint: projection of the bias after each update.
        lora_rank: rank of a low-rank adaptation, None for none.
        lora_alpha: its scale times the rank.
        **kwargs: arguments of `Layer`.
    """

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        set_window_arguments(
            self, rank, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, rank == 1
        )
        self.filters = filters
        self.groups = groups
        set_weight_arguments(
            self,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self._init_lora(lora_rank, lora_alpha)
        check_positive("filters", filters)
        if groups <= 0:
            raise ValueError(f"The number of groups must be a positive integer. Received: groups={groups}.")
        if filters is not None and filters % groups != 0:
            raise ValueError(
                "The number of filters must be evenly divisible by the number of groups. Received: "
                f"groups={groups}, filters={filters}."
            )
        check_strides_or_dilation(self)

    def build(self, input_shape: Any) -> None:
        channels = input_channels(self, input_shape)
        if channels % self.groups != 0:
            raise ValueError(
                "The number of input channels must be evenly divisible by the number of groups. Received "
                f"groups={self.groups}, but the input has {channels} channels (full input shape is {input_shape})."
            )
        self.compute_output_shape(input_shape)  # raises where the window does not fit
        self._kernel = add_weight(self, "kernel", (*self.kernel_size, channels // self.groups, self.filters))
        self.bias = add_weight(self, "bias", (self.filters,)) if self.use_bias else None
        self.built = True
        if self.lora_rank:
            self.enable_lora(self.lora_rank, lora_alpha=self.lora_alpha)

    @property
    def kernel(self) -> Any:
        """The kernel in use, with the low-rank term if there is one."""
        return self._lora_merged()

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The convolution itself; override to change it."""
        return ops.conv(
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )

    def call(self, inputs: Any) -> Any:
        return add_bias_and_activate(self, self.convolution_op(inputs, self.kernel))

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
            "filters": self.filters,
            "groups": self.groups,
            **window_config(self),
            **weight_config(self, "kernel", "bias"),
            **self._lora_config(),
        }
