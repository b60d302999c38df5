"""Makes image.npz: values and gradients of the calls in image_cases.py by Keras on JAX.

Run as `KERAS_BACKEND=jax python tests/golden/make_image.py`.
"""

from pathlib import Path

import jax
import keras
import numpy as np
from image_cases import CASES, FLAT

found = {}
for name, (function, inputs) in FLAT.items():
    found[f"flat/{name}/y"] = np.asarray(function(keras.ops, *inputs))

for name, (function, inputs) in CASES.items():
    y = function(keras.ops, *inputs)
    found[f"case/{name}/y"] = np.asarray(y)
    weights = np.linspace(-1, 1, y.size, dtype="float32").reshape(y.shape)
    gradients = jax.grad(
        lambda *x, function=function, weights=weights: keras.ops.sum(function(keras.ops, *x) * weights),
        argnums=tuple(range(len(inputs))),
    )(*inputs)
    for i, g in enumerate(gradients):
        found[f"case/{name}/g{i}"] = np.asarray(g)

np.savez_compressed(Path(__file__).parent / "image.npz", **found)
print(f"{len(CASES)} calls with gradients, {len(FLAT)} without: {len(found)} arrays")
