"""Functions of `rustdl.ops` for neural networks."""

from __future__ import annotations

from typing import Any

_NAMES = frozenset(
    [
        "adaptive_average_pool",
        "adaptive_max_pool",
        "average_pool",
        "batch_normalization",
        "binary_crossentropy",
        "categorical_crossentropy",
        "celu",
        "conv",
        "conv_transpose",
        "ctc_decode",
        "ctc_loss",
        "depth_to_space",
        "depthwise_conv",
        "dot_product_attention",
        "elu",
        "fold",
        "gelu",
        "glu",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "hard_tanh",
        "layer_normalization",
        "leaky_relu",
        "linear_cross_entropy",
        "log_sigmoid",
        "log_softmax",
        "max_pool",
        "moments",
        "multi_hot",
        "normalize",
        "one_hot",
        "polar",
        "psnr",
        "relu",
        "relu6",
        "rms_normalization",
        "rotary_embedding",
        "selu",
        "separable_conv",
        "sigmoid",
        "silu",
        "sine_positions",
        "soft_shrink",
        "softmax",
        "softplus",
        "softsign",
        "space_to_depth",
        "sparse_categorical_crossentropy",
        "sparse_plus",
        "sparse_sigmoid",
        "sparsemax",
        "squareplus",
        "swish",
        "tanh_shrink",
        "threshold",
        "unfold",
    ]
)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rustdl import ops

    return getattr(ops, name)


def __dir__() -> list[str]:
    return sorted(_NAMES)
