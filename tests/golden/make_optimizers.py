"""Makes `optimizers.npz`: variables and slots after ten steps of Keras' optimizers, and values of its schedules.

Run as `KERAS_BACKEND=jax python tests/golden/make_optimizers.py`.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from optimizer_cases import CASES, SCHEDULES, STEPS, gradients, start


def main() -> None:
    """Writes the file."""
    out = {}
    for i, (name, arguments) in enumerate(CASES):
        variables = [keras.Variable(v) for v in start()]
        optimizer = getattr(keras.optimizers, name)(**arguments)
        for step in range(STEPS):
            optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients(step)], variables)
        for j, v in enumerate([*variables, *optimizer.variables]):
            out[f"{i}/{j}"] = np.asarray(v.value)
    for i, (name, arguments) in enumerate(SCHEDULES):
        schedule = getattr(keras.optimizers.schedules, name)(**arguments)
        out[f"schedule/{i}"] = np.array([float(schedule(step)) for step in range(25)])
    np.savez_compressed(Path(__file__).with_name("optimizers.npz"), **out)


if __name__ == "__main__":
    main()
