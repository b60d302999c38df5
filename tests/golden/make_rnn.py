"""Makes `rnn.npz`: outputs, gradients and trained weights of Keras' recurrent layers.

Run as `KERAS_BACKEND=jax python tests/golden/make_rnn.py`.
"""

from __future__ import annotations

from pathlib import Path

import jax
import keras
import numpy as np
from rnn_cases import CASES, RATE, STEPS, TRAINED, call_arguments, listed, make, set_weights, values


def main() -> None:
    """Writes the file."""
    out = {}
    for i, (_, _, shape, _) in enumerate(CASES):
        layer, x, call = make(keras.layers, i), values(shape, 0), call_arguments(i)
        outputs = listed(layer(x, **call))
        set_weights(layer)
        fixed = [v.value for v in layer.non_trainable_variables]

        def loss(weights, x, layer=layer, call=call, fixed=fixed):
            outputs, _ = layer.stateless_call(weights, fixed, x, **call)
            return sum((y * y).sum() for y in listed(outputs))

        weights = [v.value for v in layer.trainable_variables]
        outputs, _ = layer.stateless_call(weights, fixed, x, **call)
        for j, y in enumerate(listed(outputs)):
            out[f"{i}/y{j}"] = np.asarray(y)
        gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
        by_weights, by_input = gradient(weights, x)
        out[f"{i}/dx"] = np.asarray(by_input)
        for j, g in enumerate(by_weights):
            out[f"{i}/dw{j}"] = np.asarray(g)
        if i in TRAINED:
            for _ in range(STEPS):
                weights = [w - RATE * g for w, g in zip(weights, gradient(weights, x)[0], strict=True)]
            for j, w in enumerate(weights):
                out[f"{i}/t{j}"] = np.asarray(w)
    np.savez_compressed(Path(__file__).with_name("rnn.npz"), **out)


if __name__ == "__main__":
    main()
