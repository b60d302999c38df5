"""Makes models that Keras 3 has begun to train, and what becomes of them: `keras_train_*.keras`, `keras_training.npz`.

Run as `KERAS_BACKEND=jax python tests/golden/make_keras_training.py`. The archive holds, for each file, inputs and
targets, what Keras predicts once it has loaded it, and the losses and weights of two more epochs over the same batches.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, optimizers

HERE = Path(__file__).parent
ROWS = 16
RNG = np.random.default_rng(5)


def numbers(*shape: int) -> np.ndarray:
    """Normal numbers, one row a sample."""
    return RNG.normal(size=(ROWS, *shape)).astype("float32")


def words(*shape: int) -> np.ndarray:
    """Integers below ten."""
    return RNG.integers(0, 10, (ROWS, *shape)).astype("int32")


# -------------------------------------------------------------------------------------------------------------- models


def sequential() -> keras.Model:
    """Dense layers with a regularizer and a constraint."""
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, activation="tanh", kernel_regularizer="l2"),
            layers.Dense(4, activation="gelu", kernel_constraint=keras.constraints.MaxNorm(2.0)),
            layers.Dense(3),
        ]
    )


def batch_norm() -> keras.Model:
    """Convolutions with batch normalisation."""
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(momentum=0.8),
            layers.Activation("relu"),
            layers.DepthwiseConv2D(2, use_bias=False),
            layers.BatchNormalization(scale=False),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )


def branches() -> keras.Model:
    """Two inputs, branches that split and join, two outputs."""
    image, extra = keras.Input((6, 6, 2), name="image"), keras.Input((3,), name="extra")
    a = layers.Conv2D(3, 3, padding="same", activation="relu")(image)
    b = layers.SeparableConv2D(3, 3, padding="same")(image)
    x = layers.MaxPooling2D()(layers.Multiply()([layers.Add()([a, b]), a]))
    x = layers.Concatenate()([layers.Flatten()(x), layers.Dense(4)(extra)])
    return keras.Model([image, extra], [layers.Dense(2, name="one")(x), layers.Dense(1, name="two")(x)])


def nested() -> keras.Model:
    """A model in a model in a model, used twice."""
    deepest = keras.Sequential([layers.Dense(4, activation="elu")], name="deepest")
    inputs = keras.Input((6, 4))
    inner = keras.Model(inputs, layers.Add()([deepest(inputs), inputs]), name="inner")
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Conv1D(4, 3, padding="causal")(layers.Embedding(10, 4)(inputs))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(inner(inner(x)))))


def attention() -> keras.Model:
    """Attention without biases, whose gradient of zero adaptive optimizers would turn into noise."""
    inputs = keras.Input((6, 4))
    x = layers.MultiHeadAttention(2, 3, use_bias=False)(inputs, inputs, use_causal_mask=True)
    x = skip = layers.LayerNormalization()(layers.Add()([x, inputs]))
    x = layers.EinsumDense("btf,fo->bto", (None, 4), activation="gelu")(x)
    x = layers.RMSNormalization()(layers.Add()([x, skip]))
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


def recurrent() -> keras.Model:
    """A masked LSTM and a bidirectional GRU."""
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Embedding(10, 4, mask_zero=True)(inputs)
    x = layers.LSTM(3, return_sequences=True)(x)
    return keras.Model(inputs, layers.Dense(3)(layers.Bidirectional(layers.GRU(2))(x)))


# --------------------------------------------------------------------------------------------------------------- cases

# Name, model, inputs, shapes of targets, optimizer.
Made = tuple[Callable[[], keras.Model], list[np.ndarray], list[int], Any]
CASES: dict[str, Made] = {
    "attention": (attention, [numbers(6, 4)], [3], optimizers.AdamW(0.01, weight_decay=0.05, clipnorm=1.0)),
    "recurrent": (
        recurrent,
        [words(6)],
        [3],
        optimizers.Adam(optimizers.schedules.CosineDecay(0.02, 20), amsgrad=True),
    ),
    "batch_norm": (
        batch_norm,
        [numbers(6, 6, 2)],
        [3],
        optimizers.SGD(0.05, momentum=0.9, nesterov=True, gradient_accumulation_steps=2),
    ),
    "branches": (
        branches,
        [numbers(6, 6, 2), numbers(3)],
        [2, 1],
        optimizers.RMSprop(0.003, momentum=0.5, centered=True),
    ),
    "nested": (
        nested,
        [words(6)],
        [3],
        optimizers.Nadam(0.01, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3),
    ),
    **{
        name: (sequential, [numbers(4)], [3], optimizer)
        for name, optimizer in {
            "adafactor": optimizers.Adafactor(0.01),
            "ftrl": optimizers.Ftrl(0.05, l1_regularization_strength=0.001),
            "lamb": optimizers.Lamb(0.01),
            "muon": optimizers.Muon(0.01),
            "scaled": optimizers.LossScaleOptimizer(optimizers.Adam(0.01), initial_scale=256.0),
            "schedule_free": optimizers.ScheduleFreeAdamW(0.01),
        }.items()
    },
}


def main() -> None:
    """Writes the files."""
    keras.utils.set_random_seed(3)
    out = {}
    for name, (make, x, widths, optimizer) in CASES.items():
        keras.utils.clear_session()
        model, y = make(), [numbers(width) for width in widths]
        alone = x if len(x) > 1 else x[0]
        model.compile(optimizer, "mse")
        arguments = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
        model.fit(alone, y, **arguments)
        model.save(HERE / f"keras_train_{name}.keras")
        # Loaded, since Keras on JAX can't go on with averaged weights: it has given their buffers away.
        model = keras.saving.load_model(HERE / f"keras_train_{name}.keras")
        predictions = keras.tree.flatten(model.predict(alone, verbose=0))
        out[f"{name}/losses"] = np.array(model.fit(alone, y, **arguments).history["loss"])
        lists = {"x": x, "y": y, "predictions": predictions, "weights": model.get_weights()}
        out |= {f"{name}/{key}{i}": array for key, arrays in lists.items() for i, array in enumerate(arrays)}
        print(name, out[f"{name}/losses"], flush=True)
    np.savez_compressed(HERE / "keras_training.npz", **out)


if __name__ == "__main__":
    main()
