"""Checks and steps that all convolution layers share."""

from __future__ import annotations

from typing import Any

from rustdl import activations, backend, ops
from rustdl.layers.input_spec import InputSpec
from rustdl.layers.layer import Layer
from rustdl.utils.argument_validation import standardize_padding, standardize_tuple


class WindowLayer(Layer):
    """A layer with a sliding window: `set_window_arguments` sets these."""

    rank: int
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation_rate: tuple[int, ...]
    padding: str
    data_format: str
    activation: Any
    use_bias: bool
    bias: Any


def set_window_arguments(
    layer: Any,
    rank: int,
    kernel_size: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    dilation_rate: Any,
    activation: Any,
    use_bias: bool,
    allow_causal: bool = False,
) -> None:
    """Checks and sets the arguments of the sliding window, the activation and the bias flag."""
    layer.rank = rank
    layer.kernel_size = standardize_tuple(kernel_size, rank, "kernel_size")
    layer.strides = standardize_tuple(strides, rank, "strides")
    layer.dilation_rate = standardize_tuple(dilation_rate, rank, "dilation_rate")
    layer.padding = standardize_padding(padding, allow_causal=allow_causal)
    layer.data_format = backend.standardize_data_format(data_format)
    layer.activation = activations.get(activation)
    layer.use_bias = use_bias
    layer.input_spec = InputSpec(min_ndim=rank + 2)


def check_positive(name: str, value: Any) -> None:
    """Raises ValueError unless `value` is None or positive."""
    if value is not None and value <= 0:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected a strictly positive value. Received {name}={value}."
        )


def check_strides_or_dilation(layer: Any) -> None:
    """Raises ValueError when both strides and dilation exceed 1."""
    if max(layer.strides) > 1 and max(layer.dilation_rate) > 1:
        raise ValueError(
            "`strides > 1` not supported in conjunction with `dilation_rate > 1`. Received: "
            f"strides={layer.strides} and dilation_rate={layer.dilation_rate}"
        )


def input_channels(layer: Any, input_shape: Any) -> int:
    """Size of the channel axis, and an input spec that fixes it."""
    axis = -1 if layer.data_format == "channels_last" else 1
    channels = input_shape[axis]
    if channels is None:
        raise ValueError(
            f"Layer {layer.name}: the channel dimension of the inputs must be known. Received: "
            f"input_shape={tuple(input_shape)}, data_format={layer.data_format!r}"
        )
    layer.input_spec = InputSpec(min_ndim=layer.rank + 2, axes={axis: channels})
    return int(channels)


def add_bias_and_activate(layer: Any, outputs: Any) -> Any:
    """`activation(outputs + bias)`, the bias along the channel axis."""
    if layer.use_bias:
        bias = layer.bias
        if layer.data_format != "channels_last":
            bias = ops.reshape(bias, (1, -1, *(1,) * layer.rank))
        outputs = ops.add(outputs, bias)
    return layer.activation(outputs) if layer.activation is not None else outputs


def window_config(layer: Any) -> dict[str, Any]:
    """The config entries that `set_window_arguments` is for."""
    return {
        "kernel_size": layer.kernel_size,
        "strides": layer.strides,
        "padding": layer.padding,
        "data_format": layer.data_format,
        "dilation_rate": layer.dilation_rate,
        "activation": activations.serialize(layer.activation),
        "use_bias": layer.use_bias,
    }
