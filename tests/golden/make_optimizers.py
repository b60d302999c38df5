"""Makes `optimizers.npz`: variables and slots after ten steps of Keras' optimizers, and values of its schedules.

Run as `KERAS_BACKEND=jax python tests/golden/make_optimizers.py`.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from optimizer_cases import CASES, SCHEDULES, STEPS, gradients, make, start


def main() -> None:
    """Writes the file."""
    out = {}
    for i, (name, arguments) in enumerate(CASES):
        variables = [keras.Variable(v) for v in start()]
        optimizer = make(keras, name, arguments)
        optimizer.build(variables)
        values, state = [v.value for v in variables], [v.value for v in optimizer.variables]
        # The functional form: the scaling of losses has no other one outside of `fit` on JAX.
        for step in range(STEPS):
            found = [keras.ops.convert_to_tensor(g) for g in gradients(step)]
            values, state = optimizer.stateless_apply(state, found, values)
        for j, value in enumerate([*values, *state]):
            out[f"{i}/{j}"] = np.asarray(value)
    for i, (name, arguments) in enumerate(SCHEDULES):
        schedule = getattr(keras.optimizers.schedules, name)(**arguments)
        out[f"schedule/{i}"] = np.array([float(schedule(step)) for step in range(25)])
    np.savez_compressed(Path(__file__).with_name("optimizers.npz"), **out)


if __name__ == "__main__":
    main()
