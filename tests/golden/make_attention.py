"""Makes `attention.npz`: outputs, scores and gradients of Keras' attention layers.

Run as `KERAS_BACKEND=jax python tests/golden/make_attention.py`.
"""

from __future__ import annotations

from pathlib import Path

import jax
import keras
import numpy as np
from attention_cases import CASES, arguments, cotangent, inputs, make, set_weights


def main() -> None:
    """Writes the file."""
    out = {}
    for case in range(len(CASES)):
        layer, x = make(keras.layers, case), inputs(case)
        positional, named = arguments(case, x)
        layer(*positional, **named)
        set_weights(layer)

        def loss(weights, x, layer=layer, case=case):
            positional, named = arguments(case, x)
            y, _ = layer.stateless_call(weights, [v.value for v in layer.non_trainable_variables], *positional, **named)
            y = y if isinstance(y, tuple) else (y,)
            return (y[0] * cotangent(y[0].shape)).sum(), y

        weights = [v.value for v in layer.trainable_variables]
        (dw, dx), y = jax.grad(loss, argnums=(0, 1), has_aux=True)(weights, x)
        for name, values in (("y", y), ("dw", dw), ("dx", dx)):
            for i, value in enumerate(values):
                out[f"{case}/{name}{i}"] = np.asarray(value)
    np.savez_compressed(Path(__file__).with_name("attention.npz"), **out)


if __name__ == "__main__":
    main()
