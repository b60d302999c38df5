"""Normalisation, dropout and noise (where nothing is drawn), and wrappers of weights."""

# ruff: noqa: E501  (tables read best as they are)
from __future__ import annotations

import numpy as np
from keras_parity.case import Make, grid, layer

S, I = (3, 5, 4), (2, 4, 3, 4)
MASK = np.arange(15).reshape(3, 5) % 4 > 0

KEPT = {
    "differs": "the normalised kernel is kept in training steps as in eager calls; compiled steps on JAX forget what a layer assigns to trainable weights",
    "where": ("after steps",),
}

BATCH = [
    *(
        layer("BatchNormalization", {**args, "momentum": 0.8}, inputs, {"training": training})
        for inputs, axes in (((5, 4), [-1]), (S, [-1, 1]), (I, [-1, 1, 2]))
        for args in grid(axis=axes, center=[True, False], scale=[True, False])
        for training in (True, False)
    ),
    *(
        layer("BatchNormalization", {"epsilon": epsilon, "momentum": momentum}, S, {"training": True})
        for epsilon in (1e-5, 0.1)
        for momentum in (0.0, 0.99, 1.0)
    ),
    *(layer("BatchNormalization", {"axis": a}, S, {"training": t, "mask": MASK}) for a in (-1, 1) for t in (True, False) if a == -1),
    *(
        layer("BatchNormalization", {"renorm": True, "renorm_momentum": 0.7, **args}, inputs, {"training": training})
        for inputs in (S, I)
        for args in (
            {},
            {"renorm_clipping": {"rmax": 1.5, "rmin": 0.7, "dmax": 0.5}},
            {"renorm_clipping": {"rmax": 1.2}},
            {"scale": False},
        )
        for training in (True, False)
    ),
    layer("BatchNormalization", {"gamma_regularizer": "l2", "beta_regularizer": "l1", "gamma_constraint": "non_neg"}, S, {"training": True}),
    layer("BatchNormalization", {"trainable": False}, S, {"training": True}),
    layer("BatchNormalization", {"momentum": 0.6}, S, {"training": True}, calls=3),
]  # fmt: skip

OTHERS = [
    *(
        layer("LayerNormalization", args, inputs)
        for inputs, axes in (((5, 4), [-1]), (S, [-1, 1, [1, 2]]), (I, [-1, 3, [1, 2], [1, 2, 3], [-1, -2]]))
        for args in grid(axis=axes, center=[True, False], scale=[True, False])
    ),
    *(layer("LayerNormalization", {"epsilon": e}, S) for e in (1e-6, 0.5)),
    layer("LayerNormalization", {"gamma_regularizer": "l2", "beta_constraint": "non_neg"}, S),
    *(
        layer("GroupNormalization", args, inputs)
        for inputs in ((5, 4), S, I)
        for args in grid(groups=[1, 2, 4, -1], center=[True, False], scale=[True, False])
        if args["center"] or args["scale"] or args["groups"] == 2
    ),
    *(layer("GroupNormalization", {"groups": g, "axis": 1, "epsilon": 0.1}, (2, 4, 3, 5)) for g in (1, 2, 4, -1)),
    layer("GroupNormalization", {"groups": 3}, S, refused=True),
    layer("GroupNormalization", {}, S, refused=True),
    *(layer("RMSNormalization", args, inputs) for inputs in ((5, 4), S, I) for args in grid(axis=[-1], epsilon=[1e-6, 0.2])),
    layer("RMSNormalization", {"axis": 1}, S, differs="scales may belong to any axis, as documented; Keras multiplies along the last, which does not fit"),
    layer("RMSNormalization", {"axis": [1, 2]}, S),
    *(layer("UnitNormalization", {"axis": axis}, I) for axis in (-1, 1, [1, 2], [1, 2, 3])),
    *(
        layer("SpectralNormalization", {"layer": wrapped, "power_iterations": n}, inputs, {"training": training}, **(KEPT if training else {}))
        for wrapped, inputs in (
            (Make("layers.Dense", {"units": 5}), (3, 4)),
            (Make("layers.Conv2D", {"filters": 3, "kernel_size": 2}), I),
            (Make("layers.Conv1D", {"filters": 3, "kernel_size": 2, "activation": "relu"}), S),
            (Make("layers.EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 6), "bias_axes": "d"}), S),
        )
        for n in (1, 3)
        for training in (True, False)
    ),
    layer("SpectralNormalization", {"layer": Make("layers.Embedding", {"input_dim": 5, "output_dim": 3})}, np.array([[1, 2], [0, 4]]), {"training": True}, differs="rows of a normalised embedding are floats; Keras casts them to the dtype of the indices"),
    layer("SpectralNormalization", {"layer": Make("layers.Dense", {"units": 5}), "power_iterations": 0}, (3, 4), refused=True),
]  # fmt: skip

NOISE = [
    *(
        layer(name, {argument: value}, inputs, {"training": training})
        for name, argument, inputs in (
            ("Dropout", "rate", (3, 4)),
            ("AlphaDropout", "rate", (3, 4)),
            ("GaussianDropout", "rate", (3, 4)),
            ("GaussianNoise", "stddev", (3, 4)),
            ("SpatialDropout1D", "rate", (2, 3, 4)),
            ("SpatialDropout2D", "rate", (2, 3, 2, 4)),
            ("SpatialDropout3D", "rate", (2, 3, 2, 2, 4)),
        )
        for value, training in ((0.0, True), (0.0, False), (0.4, False))
    ),
    *(layer(name, {"rate": rate}, (3, 4), refused=True) for name in ("Dropout", "AlphaDropout", "GaussianDropout") for rate in (-0.1, 1.5)),
    layer("Dropout", {"rate": 1.0}, (3, 4), {"training": True}),
    layer("GaussianNoise", {"stddev": -0.1}, (3, 4), refused=True),
]  # fmt: skip

CASES = [*BATCH, *OTHERS, *NOISE]
