"""The layers that `make_layers.py` runs in Keras and `test_layers_golden.py` runs here."""

from __future__ import annotations

from typing import Any

import numpy as np

S = (2, 7, 3)  # a sequence
I = (2, 6, 5, 4)  # an image
V = (1, 4, 5, 4, 2)  # a volume
# Class, arguments, shape of the input or list of shapes, call arguments.
CASES: list[tuple[str, dict[str, Any], Any, dict[str, Any]]] = [
    ("Dense", {"units": 5, "activation": "gelu"}, (3, 4), {}),
    ("Dense", {"units": 5, "use_bias": False}, (2, 3, 4), {}),
    ("EinsumDense", {"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "bias_axes": "de"}, (2, 5, 4), {}),
    ("EinsumDense", {"equation": "...x,xy->...y", "output_shape": 4, "bias_axes": "y"}, (2, 3, 5), {}),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "strides": 2}, S, {}),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, S, {}),
    ("Conv1D", {"filters": 6, "kernel_size": 2, "groups": 3, "padding": "same"}, S, {}),
    ("Conv2D", {"filters": 3, "kernel_size": 3, "activation": "relu"}, I, {}),
    ("Conv2D", {"filters": 4, "kernel_size": (3, 2), "strides": (2, 1), "padding": "same", "groups": 2}, I, {}),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "data_format": "channels_first"}, I, {}),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "dilation_rate": 2, "padding": "same"}, I, {}),
    ("Conv3D", {"filters": 3, "kernel_size": 2, "padding": "same", "strides": 2}, V, {}),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2}, S, {}),
    ("DepthwiseConv2D", {"kernel_size": 3, "padding": "same", "strides": 2}, I, {}),
    ("SeparableConv1D", {"filters": 4, "kernel_size": 3}, S, {}),
    ("SeparableConv2D", {"filters": 5, "kernel_size": 3, "depth_multiplier": 2, "padding": "same"}, I, {}),
    ("Conv1DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2}, S, {}),
    ("Conv1DTranspose", {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 1}, S, {}),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, I, {}),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": (2, 4), "strides": (3, 1)}, I, {}),
    ("Conv3DTranspose", {"filters": 2, "kernel_size": 2, "strides": 2}, V, {}),
    *(
        (f"{kind}Pooling{rank}D", {"pool_size": 2, **extra}, shape, {})
        for kind in ("Max", "Average")
        for rank, shape in ((1, S), (2, I), (3, V))
        for extra in ({}, {"padding": "same", "strides": 1})
    ),
    *(
        (f"Global{kind}Pooling{rank}D", {"keepdims": keep}, shape, {})
        for kind in ("Max", "Average")
        for rank, shape in ((1, S), (2, I), (3, V))
        for keep in (False, True)
    ),
    ("GlobalAveragePooling1D", {}, S, {"mask": np.array([[1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1]], bool)}),
    ("Flatten", {}, I, {}),
    ("Flatten", {"data_format": "channels_first"}, I, {}),
    ("Reshape", {"target_shape": (10, -1)}, I, {}),
    ("Permute", {"dims": (3, 1, 2)}, I, {}),
    ("RepeatVector", {"n": 3}, (2, 4), {}),
    ("Cropping1D", {"cropping": (1, 2)}, S, {}),
    ("Cropping2D", {"cropping": ((1, 0), (0, 2))}, I, {}),
    ("Cropping3D", {"cropping": 1}, V, {}),
    ("ZeroPadding1D", {"padding": (1, 2)}, S, {}),
    ("ZeroPadding2D", {"padding": ((1, 0), (0, 2)), "data_format": "channels_first"}, I, {}),
    ("ZeroPadding3D", {"padding": 1}, V, {}),
    ("UpSampling1D", {"size": 3}, S, {}),
    ("UpSampling2D", {"size": (2, 3)}, I, {}),
    ("UpSampling3D", {"size": 2}, V, {}),
    ("BatchNormalization", {}, I, {"training": True}),
    ("BatchNormalization", {"axis": 1, "scale": False}, I, {"training": False}),
    ("BatchNormalization", {}, S, {"training": True, "mask": np.arange(14).reshape(2, 7) % 3 > 0}),
    ("BatchNormalization", {"renorm": True, "renorm_clipping": {"rmax": 2.0, "dmax": 1.0}}, I, {"training": True}),
    ("LayerNormalization", {}, I, {}),
    ("LayerNormalization", {"axis": [1, 2], "center": False}, I, {}),
    ("GroupNormalization", {"groups": 2}, I, {}),
    ("GroupNormalization", {"groups": -1, "axis": 1}, I, {}),
    ("RMSNormalization", {}, I, {}),
    ("UnitNormalization", {"axis": [1, 2]}, I, {}),
    ("SpectralNormalization", {"power_iterations": 2}, (3, 4), {"training": True}),
    ("ReLU", {"max_value": 1.5, "negative_slope": 0.1, "threshold": 0.5}, I, {}),
    ("LeakyReLU", {}, I, {}),
    ("ELU", {"alpha": 0.7}, I, {}),
    ("PReLU", {"shared_axes": [1, 2]}, I, {}),
    ("Softmax", {"axis": (1, 2)}, I, {}),
    ("Softmax", {}, (2, 3), {"mask": np.array([[1, 0, 1], [0, 0, 0]], bool)}),
    ("Rescaling", {"scale": 2.0, "offset": [1.0, 2.0, 3.0]}, S, {}),
    ("ActivityRegularization", {"l1": 0.1}, S, {}),
    *((name, {}, [S, S], {}) for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")),
    ("Add", {}, [S, (2, 3)], {}),
    ("Concatenate", {"axis": 1}, [S, (2, 2, 3)], {}),
    ("Dot", {"axes": (2, 1)}, [S, (2, 3, 4)], {}),
    ("Dot", {"axes": 1, "normalize": True}, [(2, 3), (2, 3)], {}),
]


def make(layers: Any, case: int) -> Any:
    """The layer of a case, of either library."""
    name, arguments, _, _ = CASES[case]
    if name == "SpectralNormalization":
        return layers.SpectralNormalization(layers.Dense(5), **arguments)
    return getattr(layers, name)(**arguments)


def values(shape: Any, seed: int) -> np.ndarray:
    """Smooth numbers of both signs."""
    return np.sin(np.arange(int(np.prod(shape))) * 0.73 + seed).reshape(shape).astype("float32") * 1.5


def inputs(case: int) -> Any:
    """What the layer of a case is called with."""
    shape = CASES[case][2]
    return [values(s, i) for i, s in enumerate(shape)] if isinstance(shape, list) else values(shape, 0)


def set_weights(layer: Any) -> None:
    """Weights that follow a formula; variances stay positive."""
    new = []
    for i, w in enumerate(layer.weights):
        value = values(w.shape, 10 + i) * 0.5
        new.append(np.abs(value) + 0.5 if "variance" in w.name or "stddev" in w.name else value)
    layer.set_weights(new)
