"""Dense, EinsumDense, Embedding and activations as layers."""

from __future__ import annotations

from keras_parity.case import grid, layer

CASES = [
    *(
        layer("Dense", {"units": 5, **args}, shape)
        for shape in ((3, 4), (2, 3, 4))
        for args in grid(activation=[None, "relu", "gelu"], use_bias=[True, False])
    ),
]
