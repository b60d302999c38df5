"""Makes keras_legacy.h5 (a compiled model in the older form, trained one step) and keras_legacy.npz, by Keras 3."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
import numpy as np

FOLDER = os.path.dirname(os.path.abspath(__file__))


def main() -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6, 4), name="sequence")
    x = keras.layers.Bidirectional(keras.layers.LSTM(3, name="lstm"), name="both")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    inner = keras.Sequential(
        [keras.layers.Dense(5, activation="relu", kernel_regularizer="l2", name="hidden")], name="inner"
    )
    y = inner(x)
    outputs = keras.layers.Dense(2, name="outputs")(keras.layers.Concatenate(name="joined")([x, y]))
    model = keras.Model(inputs, outputs)
    loss = keras.losses.MeanSquaredError()
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=[keras.metrics.RootMeanSquaredError()])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 6, 4)).astype("float32"), rng.normal(size=(8, 2)).astype("float32")
    model.fit(x, y, verbose=0, shuffle=False)
    model.save(os.path.join(FOLDER, "keras_legacy.h5"))
    before = model.predict(x, verbose=0)
    model.fit(x, y, verbose=0, shuffle=False)
    after = model.predict(x, verbose=0)
    np.savez_compressed(os.path.join(FOLDER, "keras_legacy.npz"), x=x, y=y, before=before, after=after)


if __name__ == "__main__":
    main()
