"""Makes models that Keras 3 has begun to train, and what becomes of them: `keras_train_*.keras`, `keras_training.npz`.

Run as `KERAS_BACKEND=jax python tests/golden/make_keras_training.py`. The archive holds, for each file, predictions and
then the losses and weights of two more epochs over the same batches in order.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers, optimizers

HERE = Path(__file__).parent
OPTIMIZERS = {
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.05, clipnorm=1.0),
    "amsgrad": lambda: optimizers.Adam(optimizers.schedules.CosineDecay(0.02, 20), amsgrad=True),
    "sgd": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True, gradient_accumulation_steps=2),
    "rmsprop": lambda: optimizers.RMSprop(0.003, momentum=0.5, centered=True),
    "nadam": lambda: optimizers.Nadam(0.01),
    "ftrl": lambda: optimizers.Ftrl(0.05, l1_regularization_strength=0.001),
    "muon": lambda: optimizers.Muon(0.01),
    "scaled": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.01), initial_scale=256.0),
}


def mlp() -> keras.Model:
    """Dense layers with a regularizer and batch normalisation."""
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, activation="tanh", kernel_regularizer="l2"),
            layers.BatchNormalization(momentum=0.8),
            layers.Dense(3),
        ]
    )


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


def main() -> None:
    """Writes the files."""
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(5)
    vectors, sequences = (rng.normal(size=(16, *shape)).astype("float32") for shape in ((4,), (6, 4)))
    words, y = rng.integers(0, 10, (16, 6)).astype("int32"), rng.normal(size=(16, 3)).astype("float32")
    cases = {
        "attention": (attention, sequences, OPTIMIZERS["adamw"]),
        "recurrent": (recurrent, words, OPTIMIZERS["amsgrad"]),
        **{name: (mlp, vectors, make) for name, make in OPTIMIZERS.items()},
    }
    out = {"y": y}
    for name, (make, x, optimizer) in cases.items():
        model = make()
        model.compile(optimizer(), "mse")
        arguments = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
        model.fit(x, y, **arguments)
        model.save(HERE / f"keras_train_{name}.keras")
        out[f"{name}/x"], out[f"{name}/predictions"] = x, model.predict(x, verbose=0)
        out[f"{name}/losses"] = np.array(model.fit(x, y, **arguments).history["loss"])
        for i, weight in enumerate(model.get_weights()):
            out[f"{name}/weight{i}"] = weight
        np.savez_compressed(HERE / "keras_training.npz", **out)


if __name__ == "__main__":
    main()
