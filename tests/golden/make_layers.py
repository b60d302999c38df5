"""Makes `layers.npz`: outputs, and weights after the call, of Keras' layers.

Run as `KERAS_BACKEND=jax python tests/golden/make_layers.py`.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from layer_cases import CASES, inputs, make, set_weights


def main() -> None:
    """Writes the file."""
    out = {}
    for i, (_, _, _, call) in enumerate(CASES):
        layer = make(keras.layers, i)
        x = inputs(i)
        layer(x)
        set_weights(layer)
        out[f"{i}/y"] = np.asarray(layer(x, **call))
        if call.get("training"):
            for j, w in enumerate(layer.weights):
                out[f"{i}/w{j}"] = np.asarray(w.value)
    np.savez_compressed(Path(__file__).with_name("layers.npz"), **out)


if __name__ == "__main__":
    main()
