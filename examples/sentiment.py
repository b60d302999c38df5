"""Sentiment of film-review sentences (Pang & Lee, 2005) with three models.

Give the folder with rt-polarity.pos and rt-polarity.neg by --data; without it the set is
downloaded. A fifth of the 10,662 sentences is held out for the final accuracy, and a tenth of the
rest decides for how many epochs to train. Writes the learning curves of each model as PNG.

    python examples/sentiment.py --data PATH
"""

import argparse
import time
from pathlib import Path

import numpy as np
from curves import plot_learning_curves

import rustdl as keras
from rustdl import layers, ops

URL = "https://www.cs.cornell.edu/people/pabo/movie-review-data/rt-polaritydata.tar.gz"
WORDS = 12_000
LENGTH = 56


def load_data(folder: Path | None, seed: int) -> tuple[list[str], np.ndarray]:
    """Sentences in random order, and 1 for the positive ones."""
    if folder is None:
        folder = Path(keras.utils.get_file("rt-polaritydata.tar.gz", URL, extract=True)) / "rt-polaritydata"
    parts = []
    for kind in ("neg", "pos"):
        data = (folder / f"rt-polarity.{kind}").read_bytes()
        try:
            lines = data.decode("utf-8").split("\n")
        except UnicodeDecodeError:  # as it was published
            lines = data.decode("latin-1").split("\n")
        parts.append([line for line in lines if line])
    sentences = [*parts[0], *parts[1]]
    labels = np.repeat([0.0, 1.0], [len(parts[0]), len(parts[1])]).astype("float32")
    order = np.random.default_rng(seed).permutation(len(sentences))
    return [sentences[i] for i in order], labels[order, np.newaxis]


def log_count_ratios(tokens: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each word the log of how much likelier it is in positive sentences than in negative ones.

    The features of naive Bayes, which are hard to beat on short texts (Wang & Manning, 2012).
    """
    counts = np.ones((2, WORDS))
    for row, label in zip(tokens, labels[:, 0].astype(int), strict=True):
        np.add.at(counts[label], np.unique(row), 1)
    counts /= counts.sum(axis=1, keepdims=True)
    ratios = np.log(counts[1] / counts[0])
    ratios[:2] = 0  # padding and unknown words
    return ratios


def word_vectors(size: int, ratios: np.ndarray) -> np.ndarray:
    """Small random vectors to begin with, but with the log-count ratio, of both signs, in four places."""
    vectors = np.random.default_rng(0).uniform(-0.05, 0.05, (WORDS, size))
    vectors[:, :4] = 0.3 * np.outer(ratios, [1, -1, 1, -1])
    return vectors.astype("float32")


def embed(tokens: keras.KerasTensor, size: int, ratios: np.ndarray, mask: bool = True) -> keras.KerasTensor:
    """Vectors of words, of which in training whole words and single features are missing."""
    x = layers.Embedding(WORDS, size, mask_zero=mask, weights=word_vectors(size, ratios))(tokens)
    x = layers.Dropout(0.4, noise_shape=(None, LENGTH, 1))(x)
    return layers.Dropout(0.4)(x)


def bidirectional_lstm(tokens: keras.KerasTensor, ratios: np.ndarray) -> keras.KerasTensor:
    """Reads a sentence in both directions and takes the mean over its words."""
    x = layers.Bidirectional(layers.LSTM(32, return_sequences=True))(embed(tokens, 64, ratios))
    return layers.Dropout(0.5)(layers.GlobalAveragePooling1D()(x))


def convolutional(tokens: keras.KerasTensor, ratios: np.ndarray) -> keras.KerasTensor:
    """Windows of 1, 2 and 3 words, the strongest answer of each filter (Kim, 2014)."""
    x = embed(tokens, 100, ratios, mask=False)
    found = [layers.GlobalMaxPooling1D()(layers.Conv1D(64, n, activation="relu")(x)) for n in (1, 2, 3)]
    return layers.Dropout(0.5)(layers.Concatenate()(found))


class Positions(layers.Layer):
    """Adds a trainable vector for each position."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        """Makes the vectors."""
        self.positions = self.add_weight(input_shape[1:], initializer="uniform", name="positions")

    def call(self, inputs):
        """Adds them."""
        return inputs + self.positions


def transformer(tokens: keras.KerasTensor, ratios: np.ndarray) -> keras.KerasTensor:
    """One block of attention (Vaswani et al., 2017) and the mean over the words."""
    x = Positions()(embed(tokens, 32, ratios))
    y = layers.MultiHeadAttention(num_heads=4, key_dim=8, dropout=0.2)(x, x)
    x = layers.Add()([x, layers.Dropout(0.5)(y)])
    y = layers.Dense(64, activation="gelu")(layers.LayerNormalization()(x))
    x = layers.Add()([x, layers.Dropout(0.5)(layers.Dense(32)(y))])
    return layers.Dropout(0.5)(layers.GlobalAveragePooling1D()(x))


MODELS = {"bidirectional LSTM": bidirectional_lstm, "1-D convnet": convolutional, "transformer": transformer}


def build_model(name: str, ratios: np.ndarray) -> keras.Model:
    """A compiled model."""
    tokens = keras.Input((LENGTH,), dtype="int32")
    outputs = layers.Dense(1, activation="sigmoid")(MODELS[name](tokens, ratios))
    model = keras.Model(tokens, outputs, name=name.replace(" ", "_").replace("-", "_"))
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=1e-2), "binary_crossentropy", metrics=["accuracy"])
    return model


def train(name: str, data: dict[str, tuple[np.ndarray, np.ndarray]], epochs: int) -> tuple[np.ndarray, dict]:
    """Probabilities of the held-out sentences and the history.

    The number of epochs is that of the lowest validation loss; with it the model is trained again on all but the
    held-out sentences.
    """
    begun = time.perf_counter()
    stop = keras.callbacks.EarlyStopping("val_loss", patience=2)
    model = build_model(name, log_count_ratios(*data["train"]))
    history = model.fit(
        *data["train"], batch_size=64, epochs=epochs, validation_data=data["valid"], callbacks=[stop], verbose=2
    ).history
    best = int(np.argmin(history["val_loss"])) + 1
    x, y = (np.concatenate(part) for part in zip(data["train"], data["valid"], strict=True))
    model = build_model(name, log_count_ratios(x, y))
    model.fit(x, y, batch_size=64, epochs=best, verbose=0)
    print(f"{name}: {model.count_params():,} parameters, {best} epochs, {time.perf_counter() - begun:.0f} s in all")
    return model.predict(data["test"][0], batch_size=256, verbose=0), history


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with rt-polarity.pos and rt-polarity.neg")
    parser.add_argument("--out", type=Path, default=Path("out/sentiment"), help="folder for the pictures")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    sentences, labels = load_data(args.data, args.seed)
    held_out = len(sentences) // 5
    validation = held_out + (len(sentences) - held_out) // 10
    # The words are those of the training sentences alone.
    vectorize = layers.TextVectorization(WORDS, output_sequence_length=LENGTH)
    vectorize.adapt(sentences[validation:])
    tokens = np.asarray(ops.cast(vectorize(sentences), "int32"))
    cuts = {"test": slice(None, held_out), "valid": slice(held_out, validation), "train": slice(validation, None)}
    data = {name: (tokens[cut], labels[cut]) for name, cut in cuts.items()}
    print({name: len(x) for name, (x, _) in data.items()})

    found = {}
    for name in args.models:
        found[name], history = train(name, data, args.epochs)
        path = args.out / f"{name.replace(' ', '_')}.png"
        plot_learning_curves(history, path, ("loss", "accuracy"))
    if len(found) > 1:
        found["all together"] = np.mean(list(found.values()), axis=0)
    print(f"accuracy on {held_out:,} held-out sentences")
    for name, probabilities in found.items():
        print(f"  {name:>20}: {((probabilities > 0.5) == data['test'][1]).mean():.2%}")
    print(f"pictures in {args.out}")


if __name__ == "__main__":
    main()
