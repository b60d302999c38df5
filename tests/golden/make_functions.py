"""Makes functions.npz: values and gradients of the calls in function_cases.py by Keras on JAX.

Run as `KERAS_BACKEND=jax python tests/golden/make_functions.py`. Calls that Keras itself refuses are named.
"""

from pathlib import Path

import jax
import keras
import numpy as np
from function_cases import FLAT, SMOOTH

found = {}
for name, (function, inputs) in {**SMOOTH, **FLAT}.items():
    try:
        results = keras.tree.flatten(function(keras, *inputs))
        for i, y in enumerate(results):
            found[f"{name}/y{i}"] = np.asarray(y)
        if name in FLAT:
            continue
        weights = [np.linspace(-1, 1, y.size, dtype="float32").reshape(y.shape) for y in results]

        def weighted(*x, function=function, weights=weights):
            results = keras.tree.flatten(function(keras, *x))
            return sum(keras.ops.sum(y * w) for y, w in zip(results, weights, strict=True))

        gradients = jax.grad(weighted, argnums=tuple(range(len(inputs))))(*inputs)
        for i, g in enumerate(gradients):
            found[f"{name}/g{i}"] = np.asarray(g)
    except Exception as error:
        print("Keras refuses", name, type(error).__name__, str(error)[:150])

np.savez_compressed(Path(__file__).parent / "functions.npz", **found)
print(f"{len(SMOOTH)} calls with gradients, {len(FLAT)} without: {len(found)} arrays")
