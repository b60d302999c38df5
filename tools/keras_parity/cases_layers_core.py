"""Dense, EinsumDense, embeddings, activations as layers, regularizers and constraints, policies of dtypes."""

# ruff: noqa: E501  (tables read best as they are)
from __future__ import annotations

import numpy as np
from keras_parity.case import In, Make, Name, grid, layer

# One rounding to bfloat16 is 2^-9 of a number, to float16 2^-12; the products and sums of a layer round several times,
# and both compilers skip some of these roundings.
BFLOAT16, FLOAT16 = 4 * 2.0**-8, 4 * 2.0**-11

ACTIVATIONS = [
    "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus", "softsign", "softmax", "sigmoid",
    "tanh", "exponential", "hard_sigmoid", "hard_silu", "linear", "celu", "glu", "log_sigmoid", "log_softmax",
    "squareplus", "soft_shrink", "hard_shrink", "tanh_shrink", "sparse_plus", "sparse_sigmoid", "hard_tanh",
]  # fmt: skip
INDICES = np.array([[1, 4, 0, 2], [6, 6, 3, 0]], "int32")

LORA = (
    "`lora_alpha` of the constructor takes effect, as documented; Keras sets it back to the rank when it builds a layer"
)
OPEN = (
    "a bias along an axis that `output_shape` leaves open has the size that the axis has in the input; Keras refuses it"
)

DENSE = [
    *(
        layer("Dense", {"units": 6, **args}, shape)
        for shape in ((3, 4), (2, 3, 4))
        for args in grid(activation=[None, "relu", "gelu", "softmax"], use_bias=[True, False])
    ),
    *(layer("Dense", {"units": 6, "activation": name}, (3, 4)) for name in ACTIVATIONS if name not in {"relu", "gelu"}),
    layer("Dense", {"units": 1}, (5, 1)),
    layer("Dense", {"units": 3}, (1, 2, 2, 2, 4)),
    *(
        layer("Dense", {"units": 6, f"{what}_regularizer": regularizer, **extra}, (3, 4))
        for what in ("kernel", "bias", "activity")
        for regularizer in ("l1", "l2", Make("regularizers.L1L2", {"l1": 0.03, "l2": 0.2}))
        for extra in ({}, {"activation": "tanh"})
    ),
    *(
        layer("Dense", {"units": 6, "kernel_regularizer": regularizer}, (3, 4))
        for regularizer in (
            Make("regularizers.OrthogonalRegularizer", {"factor": 0.1, "mode": "rows"}),
            Make("regularizers.L2", {"l2": 0.3}),
            Make("regularizers.L1", {"l1": 0.3}),
        )
    ),
    *(
        layer("Dense", {"units": 6, f"{what}_constraint": constraint}, (3, 4))
        for what in ("kernel", "bias")
        for constraint in (
            "non_neg",
            *([] if what == "bias" else ["unit_norm", "max_norm"]),
            Make("constraints.MaxNorm", {"max_value": 0.4, "axis": 0}),
            Make("constraints.MinMaxNorm", {"min_value": 0.3, "max_value": 0.5, "rate": 0.7, "axis": 0}),
        )
    ),
    layer("Dense", {"units": 6, "lora_rank": 2}, (3, 4)),
    layer("Dense", {"units": 6, "lora_rank": 2, "lora_alpha": 5}, (3, 4), differs=LORA),
    layer("Dense", {"units": 6, "trainable": False}, (3, 4)),
    layer("Dense", {"units": 0}, (3, 4), refused=True),
    layer("Dense", {"units": -2}, (3, 4), refused=True),
    layer("Dense", {"units": 3, "activation": "no such"}, (3, 4), refused=True),
]

EINSUM = [
    *(
        layer("EinsumDense", {"equation": equation, "output_shape": shape, "bias_axes": bias, **extra}, inputs,
              differs=OPEN if bias == "bd" and shape[0] is None else "")
        for equation, shape, biases, inputs in (
            ("ab,bc->ac", 6, (None, "c"), (3, 4)),
            ("abc,cd->abd", (None, 6), (None, "d", "bd"), (2, 3, 4)),
            ("abc,cde->abde", (None, 2, 3), (None, "de", "e"), (2, 5, 4)),
            ("abc,cd->abd", (5, 6), ("d", "bd"), (2, 5, 4)),
            ("...x,xy->...y", 4, (None, "y"), (2, 3, 5)),
            ("ab...,bcd->acd...", (2, 3, 4), (None, "cd"), (2, 5, 4)),
            ("abc,acd->abd", (5, 6), (None, "d"), (2, 5, 4)),
            ("abcd,cde->abe", (None, 6), (None, "e"), (2, 3, 2, 4)),
            ("abc,dc->abd", (None, 6), ("d",), (2, 3, 4)),
        )
        for bias in biases
        for extra in ({}, {"activation": "tanh"})
        if not (bias == "cd" and extra)
    ),
    layer("EinsumDense", {"equation": "ab,bc->ac", "output_shape": 6, "lora_rank": 2}, (3, 4)),
    layer("EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 6), "bias_axes": "d", "kernel_regularizer": "l2"}, (2, 3, 4)),
    layer("EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 6), "bias_axes": "x"}, (2, 3, 4), refused=True),
    layer("EinsumDense", {"equation": "abc cd->abd", "output_shape": (None, 6)}, (2, 3, 4), refused=True),
]  # fmt: skip

EMBEDDING = [
    *(
        layer("Embedding", {"input_dim": 7, "output_dim": 3, **args}, indices)
        for indices in (INDICES, INDICES[0], INDICES.astype("float32"), INDICES[None])
        for args in grid(mask_zero=[False, True], embeddings_regularizer=[None, "l2"])
    ),
    layer("Embedding", {"input_dim": 7, "output_dim": 3, "embeddings_constraint": "unit_norm"}, INDICES),
    layer("Embedding", {"input_dim": 7, "output_dim": 3, "lora_rank": 2}, INDICES),
    layer("Embedding", {"input_dim": 7, "output_dim": 3, "activity_regularizer": "l1"}, INDICES),
    *(
        layer("ReversibleEmbedding", {"input_dim": 7, "output_dim": 3, **args}, INDICES)
        for args in grid(tie_weights=[True, False], mask_zero=[False, True])
    ),
    *(
        layer("ReversibleEmbedding", {"input_dim": 7, "output_dim": 3, **args}, (2, 4, 3), {"reverse": True})
        for args in grid(tie_weights=[True, False], logit_soft_cap=[None, 0.7])
    ),
]

ACTIVATION = [
    *(layer("Activation", {"activation": name}, shape) for name in ACTIVATIONS for shape in ((3, 4), (2, 3, 2, 4))),
    layer("Activation", {"activation": Name("ops.sin")}, (3, 4)),
    *(
        layer("ReLU", args, (3, 20))
        for args in grid(max_value=[None, 0.8], negative_slope=[0.0, 0.2], threshold=[0.0, 0.4])
    ),
    *(layer("ReLU", args, (3, 4), refused=True) for args in ({"max_value": -1.0}, {"negative_slope": -0.1}, {"threshold": -1.0})),
    *(layer("LeakyReLU", args, (3, 20)) for args in ({}, {"negative_slope": 0.0}, {"negative_slope": 0.7})),
    layer("LeakyReLU", {"negative_slope": -0.1}, (3, 4), refused=True),
    *(layer("ELU", args, (3, 20)) for args in ({}, {"alpha": 0.3}, {"alpha": 2.0})),
    *(
        layer("PReLU", args, (2, 3, 4, 2))
        for args in (*grid(shared_axes=[None, [1], [1, 2], [1, 2, 3]]), {"alpha_regularizer": "l2"}, {"alpha_constraint": "non_neg"})
    ),
    *(layer("Softmax", args, (2, 3, 4), call) for args in ({}, {"axis": 1}, {"axis": (1, 2)}, {"axis": [-1, -2]}) for call in ({}, {"mask": np.arange(24).reshape(2, 3, 4) % 5 > 1})),
    layer("Softmax", {}, (2, 4), {"mask": np.array([[1, 0, 0, 1], [0, 0, 1, 0]], bool)}),
    *(layer("Identity", {}, inputs) for inputs in ((3, 4), [(3, 4), (2, 2)], {"a": (3, 4), "b": (2, 2)})),
    *(layer("ActivityRegularization", args, (3, 4)) for args in grid(l1=[0.0, 0.1], l2=[0.0, 0.2])),
    *(layer("Lambda", {"function": Name(f"ops.{name}"), **extra}, (3, 4)) for name in ("tanh", "sum", "square", "transpose") for extra in ({}, {"output_shape": None}) if name != "sum" or not extra),
    layer("Lambda", {"function": Name("ops.sum"), "arguments": {"axis": 1, "keepdims": True}}, (3, 4)),
    layer("Lambda", {"function": Name("ops.concatenate"), "arguments": {"axis": 1}}, [(3, 4), (3, 2)]),
    *(layer("Masking", args, In((2, 4, 3), scale=1.0)) for args in ({}, {"mask_value": 0.5})),
    layer("Masking", {"mask_value": 2.0}, np.array([[[2, 2], [1, 2], [0, 3]]], "float32")),
]  # fmt: skip

POLICIES = [
    layer(name, {**args, "dtype": policy}, inputs, tolerance=BFLOAT16 if "bfloat16" in policy else FLOAT16, steps=False)
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16")
    for name, args, inputs in (
        ("Dense", {"units": 6}, (3, 4)),
        ("Dense", {"units": 6, "activation": "tanh", "kernel_regularizer": "l2"}, (3, 4)),
        ("EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 6), "bias_axes": "d"}, (2, 3, 4)),
        ("Embedding", {"input_dim": 7, "output_dim": 3}, INDICES),
        ("ReversibleEmbedding", {"input_dim": 7, "output_dim": 3}, INDICES),
        ("Activation", {"activation": "gelu"}, (3, 4)),
        ("Softmax", {}, (3, 4)),
        ("PReLU", {}, (3, 4)),
        ("Conv1D", {"filters": 3, "kernel_size": 2}, (2, 5, 3)),
        ("Conv2D", {"filters": 3, "kernel_size": 2, "padding": "same"}, (1, 4, 3, 2)),
        ("Conv2DTranspose", {"filters": 3, "kernel_size": 2, "strides": 2}, (1, 4, 3, 2)),
        ("DepthwiseConv2D", {"kernel_size": 2}, (1, 4, 3, 2)),
        ("BatchNormalization", {}, (2, 4, 3)),
        ("LayerNormalization", {}, (2, 4, 3)),
        ("GroupNormalization", {"groups": 2}, (2, 4, 4)),
        ("RMSNormalization", {}, (2, 4, 3)),
        ("UnitNormalization", {}, (2, 4, 3)),
        ("MaxPooling2D", {"pool_size": 2}, (1, 4, 4, 2)),
        ("AveragePooling2D", {"pool_size": 2}, (1, 4, 4, 2)),
        ("GlobalAveragePooling2D", {}, (1, 4, 4, 2)),
        ("Add", {}, [(3, 4), (3, 4)]),
        ("Dot", {"axes": 1}, [(3, 4), (3, 4)]),
        ("Rescaling", {"scale": 0.3, "offset": 0.1}, (3, 4)),
        ("LSTM", {"units": 3}, (2, 4, 3)),
        ("GRU", {"units": 3, "return_sequences": True}, (2, 4, 3)),
        ("SimpleRNN", {"units": 3}, (2, 4, 3)),
        ("UpSampling2D", {}, (1, 3, 2, 2)),
        ("Flatten", {}, (1, 3, 2, 2)),
    )
]

CASES = [*DENSE, *EINSUM, *EMBEDDING, *ACTIVATION, *POLICIES]
