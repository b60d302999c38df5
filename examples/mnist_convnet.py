"""Keras' MNIST convnet on real MNIST digits.

Give the folder with the four (or the two t10k) IDX files of MNIST, gzipped or not, by --data. With
the 10,000 images of the test set alone they are split 8,000 / 2,000 in file order. Without --data
the set is downloaded as `rustdl.datasets.mnist` does. Writes the learning curves as PNG.

    python examples/mnist_convnet.py --data PATH
"""

import argparse
import gzip
import time
from pathlib import Path

import numpy as np
from curves import plot_learning_curves

import rustdl as keras
from rustdl import layers

TRAIN_OF_T10K = 8000


def read_idx(folder: Path, name: str) -> np.ndarray | None:
    """An array in the IDX format: magic number, sizes, then bytes; None if the file is not there."""
    for path, opener in ((folder / f"{name}.gz", gzip.open), (folder / name, open)):
        if path.exists():
            with opener(path, "rb") as file:
                data = file.read()
            rank = data[3]
            shape = np.frombuffer(data, ">u4", count=rank, offset=4)
            return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
    return None


def load_data(folder: Path | None) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Training and test images as float32 in [0, 1] with a channel axis, and labels."""
    if folder is None:
        (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    else:
        x_test, y_test = read_idx(folder, "t10k-images-idx3-ubyte"), read_idx(folder, "t10k-labels-idx1-ubyte")
        x_train, y_train = read_idx(folder, "train-images-idx3-ubyte"), read_idx(folder, "train-labels-idx1-ubyte")
        if x_test is None or y_test is None:
            raise SystemExit(f"{folder}: no t10k-images-idx3-ubyte(.gz) and t10k-labels-idx1-ubyte(.gz)")
        if x_train is None or y_train is None:
            x_train, x_test = x_test[:TRAIN_OF_T10K], x_test[TRAIN_OF_T10K:]
            y_train, y_test = y_test[:TRAIN_OF_T10K], y_test[TRAIN_OF_T10K:]

    def scale(images: np.ndarray) -> np.ndarray:
        return (images[..., np.newaxis] / 255.0).astype("float32")

    return (scale(x_train), y_train.astype("int32")), (scale(x_test), y_test.astype("int32"))


def build_model() -> keras.Model:
    """Two convolutions, each with pooling, and one dense layer."""
    return keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with IDX files")
    parser.add_argument("--out", type=Path, default=Path("out/mnist"), help="folder for the picture")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    (x_train, y_train), (x_test, y_test) = load_data(args.data)
    model = build_model()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    begun = time.perf_counter()
    history = model.fit(x_train, y_train, batch_size=128, epochs=args.epochs, validation_data=(x_test, y_test))
    seconds = time.perf_counter() - begun
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"{len(x_train)} images, {args.epochs} epochs in {seconds:.1f} s")
    print(f"accuracy on {len(x_test)} held-out images: {accuracy:.2%}")
    plot_learning_curves(history.history, args.out / "learning_curves.png", ("loss", "accuracy"))
    print(f"picture: {args.out / 'learning_curves.png'}")


if __name__ == "__main__":
    main()
