"""The parts that both versions of EfficientNet are made of."""

from __future__ import annotations

from typing import Any

from rustdl import layers
from rustdl.applications._application import channel_axis

# Truncated normal by the fan-out, as in the reference implementation.
CONVOLUTION_INITIALIZER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 2.0, "mode": "fan_out", "distribution": "truncated_normal"},
}
DENSE_INITIALIZER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1.0 / 3.0, "mode": "fan_out", "distribution": "uniform"},
}
ACTIVATION = "swish"
MOMENTUM_V1 = 0.99
MOMENTUM_V2 = 0.9


def convolution(
    x: Any, filters: int, kernel: int, name: str, strides: int = 1, padding: str = "same", **arguments: Any
) -> Any:
    """A convolution, without bias unless said otherwise."""
    return layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding=padding,
        kernel_initializer=CONVOLUTION_INITIALIZER,
        name=name,
        **{"use_bias": False, **arguments},
    )(x)


def normalize(x: Any, prefix: str, momentum: float, active: bool = True) -> Any:
    """Batch normalization, and swish."""
    x = layers.BatchNormalization(axis=channel_axis(), momentum=momentum, name=f"{prefix}bn")(x)
    return layers.Activation(ACTIVATION, name=f"{prefix}activation")(x) if active else x


def depthwise(x: Any, kernel: int, strides: int, padding: str, name: str) -> Any:
    """A convolution of each channel by itself."""
    return layers.DepthwiseConv2D(
        kernel,
        strides=strides,
        padding=padding,
        use_bias=False,
        depthwise_initializer=CONVOLUTION_INITIALIZER,
        name=name,
    )(x)


def squeeze_excite(x: Any, reduced: int, prefix: str) -> Any:
    """Each channel times a gate computed from the means of all (Hu et al., 2018).

    Args:
        x: Maps of features.
        reduced: Width of the layer between means and gates.
        prefix: Of the layers' names.
    """
    channels = x.shape[channel_axis()]
    shape = (channels, 1, 1) if channel_axis() == 1 else (1, 1, channels)
    gate = layers.GlobalAveragePooling2D(name=f"{prefix}se_squeeze")(x)
    gate = layers.Reshape(shape, name=f"{prefix}se_reshape")(gate)
    gate = convolution(gate, reduced, 1, f"{prefix}se_reduce", activation=ACTIVATION, use_bias=True)
    gate = convolution(gate, channels, 1, f"{prefix}se_expand", activation="sigmoid", use_bias=True)
    return layers.Multiply(name=f"{prefix}se_excite")([x, gate])


def add_residual(x: Any, inputs: Any, drop_rate: float, prefix: str) -> Any:
    """Adds the inputs; in training some samples skip the block (stochastic depth, Huang et al., 2016)."""
    if drop_rate:
        x = layers.Dropout(drop_rate, noise_shape=(None, 1, 1, 1), name=f"{prefix}drop")(x)
    return layers.Add(name=f"{prefix}add")([x, inputs])


def top(options: Any, x: Any, dropout_rate: float) -> Any:
    """Mean, dropout and classifier, or the pooling that was asked for."""
    if not options.include_top:
        return options.pool(x, named=True)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if dropout_rate > 0:
        x = layers.Dropout(dropout_rate, name="top_dropout")(x)
    return options.dense(x, kernel_initializer=DENSE_INITIALIZER)


def block_prefix(group: int, repeat: int) -> str:
    """`block3b_` for the second block of the third group."""
    return f"block{group + 1}{chr(ord('a') + repeat)}_"
