"""Makes small files as Keras 3 writes them, with inputs and predictions: `keras_*.keras`, `keras_files.npz`.

Run as `KERAS_BACKEND=jax python tests/golden/make_keras_files.py`.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers

HERE = Path(__file__).parent


def dense() -> keras.Model:
    """A compiled and trained MLP with batch normalisation and an optimizer with state."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax", name="head"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(1)
    model.fit(rng.normal(size=(16, 4)), rng.integers(0, 3, 16), verbose=0)
    return model


def image() -> keras.Model:
    """Convolutions of several kinds in a graph with a branch and a merge."""
    x = inputs = keras.Input((8, 8, 2), name="image")
    x = layers.Rescaling(0.5, offset=0.1)(x)
    a = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    b = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    x = layers.Add()([a, b])
    x = layers.MaxPooling2D()(x)
    y = layers.SeparableConv2D(4, 3, padding="same")(x)
    x = layers.Concatenate()([x, y])
    x = layers.Conv2DTranspose(3, 3, strides=2, padding="same")(x)
    x = layers.LayerNormalization()(x)
    x = layers.LeakyReLU(negative_slope=0.1)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2)(x))


def nested() -> keras.Model:
    """A model in a model, an embedding, two outputs."""
    inner = keras.Sequential([layers.Dense(4, activation="gelu"), layers.Dense(4)], name="inner")
    inputs = keras.Input((6,), dtype="int32", name="words")
    x = layers.Embedding(10, 4)(inputs)
    x = layers.Conv1D(4, 3, padding="causal")(x)
    x = inner(x)
    first = layers.Dense(1, name="first")(layers.Flatten()(x))
    second = layers.Dense(2, name="second")(layers.GlobalMaxPooling1D()(x))
    return keras.Model(inputs, {"first": first, "second": second})


def recurrent() -> keras.Model:
    """Recurrent layers of all kinds over words, one with the states of another."""
    inputs = keras.Input((None,), dtype="int32", name="words")
    x = layers.Embedding(10, 4)(inputs)
    x, h, c = layers.LSTM(3, return_sequences=True, return_state=True, recurrent_dropout=0.1)(x)
    x = layers.LSTM(3, return_sequences=True, dropout=0.2, seed=1)(x, initial_state=[h, c])
    x = layers.Bidirectional(layers.GRU(2, return_sequences=True), merge_mode="concat")(x)
    x = layers.RNN([layers.LSTMCell(3), layers.GRUCell(4, reset_after=False)], return_sequences=True)(x)
    x = layers.TimeDistributed(layers.Dense(6, activation="tanh"))(x)
    y = layers.Reshape((-1, 3, 2, 1))(x)
    y = layers.ConvLSTM2D(2, 2, padding="same")(y)
    x = layers.SimpleRNN(3, go_backwards=True)(x)
    return keras.Model(inputs, [x, layers.Flatten()(y)])


def main() -> None:
    """Writes the files."""
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(5)
    inputs = {
        "dense": rng.normal(size=(3, 4)).astype("float32"),
        "image": rng.normal(size=(2, 8, 8, 2)).astype("float32"),
        "nested": rng.integers(0, 10, (2, 6)).astype("int32"),
        "recurrent": rng.integers(0, 10, (2, 6)).astype("int32"),
    }
    out: dict[str, np.ndarray] = {}
    for make in (dense, image, nested, recurrent):
        name = make.__name__
        model = make()
        model.save(HERE / f"keras_{name}.keras")
        model.save_weights(HERE / f"keras_{name}.weights.h5")
        out[f"{name}/x"] = inputs[name]
        for i, y in enumerate(keras.tree.flatten(model.predict(inputs[name], verbose=0))):
            out[f"{name}/y{i}"] = y
    np.savez_compressed(HERE / "keras_files.npz", **out)


if __name__ == "__main__":
    main()
