"""Train Keras' small convnet on 1,797 real handwritten digits and look at the result.

The images (8 x 8 pixels) come with scikit-learn, so nothing is downloaded. The script trains,
saves the model, reloads it, checks that the copy predicts the same bits, and writes the learning
curves and a confusion matrix as PNG.

    python examples/digits_convnet.py --out out/demo
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits

import rustdl as keras
from rustdl import layers

mpl.use("Agg")
import matplotlib.pyplot as plt

HELD_OUT = 360
CLASSES = 10


def load_data(seed: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The digits as images in [0, 1], shuffled, with the last 360 held out."""
    digits = load_digits()
    images = (digits.images / 16.0).astype("float32")[..., np.newaxis]
    order = np.random.default_rng(seed).permutation(len(images))
    images, labels = images[order], digits.target[order].astype("int32")
    return (images[:-HELD_OUT], labels[:-HELD_OUT]), (images[-HELD_OUT:], labels[-HELD_OUT:])


def build_model() -> keras.Model:
    """Two blocks of convolution and pooling, then one dense layer."""
    return keras.Sequential(
        [
            keras.Input(shape=(8, 8, 1)),
            layers.Conv2D(32, kernel_size=(3, 3), padding="same", activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), padding="same", activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(CLASSES, activation="softmax"),
        ],
        name="digits",
    )


def plot_learning_curves(history: dict[str, list[float]], path: Path) -> None:
    """Loss and accuracy over the epochs, training and validation."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axis, key in zip(axes, ("loss", "accuracy"), strict=True):
        epochs = range(1, len(history[key]) + 1)
        axis.plot(epochs, history[key], label="training")
        axis.plot(epochs, history[f"val_{key}"], label="held out")
        axis.set(xlabel="epoch", ylabel=key)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_confusion_matrix(labels: np.ndarray, predicted: np.ndarray, path: Path) -> None:
    """How often each digit was taken for each other."""
    counts = np.zeros((CLASSES, CLASSES), dtype=int)
    np.add.at(counts, (labels, predicted), 1)
    figure, axis = plt.subplots(figsize=(5, 4.5), layout="constrained")
    image = axis.imshow(counts, cmap="Blues")
    for true in range(CLASSES):
        for guess in range(CLASSES):
            if counts[true, guess]:
                color = "white" if counts[true, guess] > counts.max() / 2 else "black"
                axis.text(guess, true, counts[true, guess], ha="center", va="center", color=color)
    axis.set(xlabel="predicted digit", ylabel="true digit", xticks=range(CLASSES), yticks=range(CLASSES))
    figure.colorbar(image, shrink=0.8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for model and pictures")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(args.seed)
    (x_train, y_train), (x_test, y_test) = load_data(args.seed)
    model = build_model()
    model.summary()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

    begun = time.perf_counter()
    history = model.fit(x_train, y_train, batch_size=32, epochs=args.epochs, validation_data=(x_test, y_test))
    seconds = time.perf_counter() - begun
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"trained in {seconds:.1f} s; accuracy on {HELD_OUT} held-out digits: {accuracy:.2%}")

    path = args.out / "digits.keras"
    model.save(path)
    reloaded = keras.models.load_model(path)
    probabilities = model.predict(x_test, verbose=0)
    if not np.array_equal(probabilities, reloaded.predict(x_test, verbose=0)):
        raise SystemExit("the reloaded model predicts something else")
    print(f"saved {path} and reloaded it: predictions are bit-identical")

    plot_learning_curves(history.history, args.out / "learning_curves.png")
    plot_confusion_matrix(y_test, probabilities.argmax(axis=1), args.out / "confusion_matrix.png")
    print(f"pictures: {args.out / 'learning_curves.png'}, {args.out / 'confusion_matrix.png'}")


if __name__ == "__main__":
    main()
