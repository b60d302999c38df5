"""Makes ops.npz: values and gradients of the calls in ops_cases.py by Keras on JAX.

Run as `KERAS_BACKEND=jax python tests/golden/make_ops.py`.
"""

from pathlib import Path

import jax
import keras
import numpy as np
from ops_cases import CASES, FLAT

found = {}
for name, (function, inputs) in {**CASES, **FLAT}.items():
    results = keras.tree.flatten(function(keras.ops, *inputs))
    for i, y in enumerate(results):
        found[f"{name}/y{i}"] = np.asarray(y)
    if name in FLAT:
        continue
    weights = [np.linspace(-1, 1, y.size, dtype="float32").reshape(y.shape) for y in results]

    def weighted(*x, function=function, weights=weights):
        results = keras.tree.flatten(function(keras.ops, *x))
        return sum(keras.ops.sum(y * w) for y, w in zip(results, weights, strict=True))

    gradients = jax.grad(weighted, argnums=tuple(range(len(inputs))))(*inputs)
    for i, g in enumerate(gradients):
        found[f"{name}/g{i}"] = np.asarray(g)

np.savez_compressed(Path(__file__).parent / "ops.npz", **found)
print(f"{len(CASES)} calls with gradients, {len(FLAT)} without: {len(found)} arrays")
