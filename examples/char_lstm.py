"""A character-level LSTM on the plays of Shakespeare (Karpathy, 2015: char-rnn).

Give the text file by --data; without it tinyshakespeare (1.1 MB) is downloaded. The last tenth of
the text is held out. Prints its loss in nats and in bits per character and a sample, and writes
the learning curve as PNG.

    python examples/char_lstm.py --data PATH
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
from curves import plot_learning_curves

import rustdl as keras
from rustdl import layers, text

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"


def windows(tokens: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The text cut into pieces, and the same one character later."""
    count = (len(tokens) - 1) // length
    cut = tokens[: count * length + 1]
    return cut[:-1].reshape(count, length), cut[1:].reshape(count, length)


def build_model(vocabulary: int, units: int, batch: int | None = None, dropout: float = 0.0) -> keras.Model:
    """Embedding, LSTM, logits; with a batch size one that keeps its states between calls."""
    return keras.Sequential(
        [
            keras.Input(batch_shape=(batch, None), dtype="int32"),
            layers.Embedding(vocabulary, 64),
            layers.LSTM(units, return_sequences=True, stateful=batch is not None),
            layers.Dropout(dropout),
            layers.Dense(vocabulary),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a text file")
    parser.add_argument("--out", type=Path, default=Path("out/char_lstm"), help="folder for the picture")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--length", type=int, default=64, help="characters in a training sequence")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    path = args.data or keras.utils.get_file("tinyshakespeare.txt", URL)
    corpus = Path(path).read_text(encoding="utf-8")
    tokenizer = text.CharTokenizer(corpus)
    tokens = tokenizer.encode(corpus)
    held_out = len(tokens) // 10
    train = windows(tokens[:-held_out], args.length)
    # Longer pieces when measuring: less of the text is read without what stands before it.
    test = windows(tokens[-held_out:], 4 * args.length)

    model = build_model(tokenizer.vocabulary_size, args.units, dropout=0.2)
    model.summary()
    steps = args.epochs * math.ceil(len(train[0]) / 64)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(4e-3, steps), clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    begun = time.perf_counter()
    history = model.fit(*train, batch_size=64, epochs=args.epochs, validation_data=test, verbose=2)
    seconds = time.perf_counter() - begun
    loss = model.evaluate(*test, batch_size=64, verbose=0)
    print(f"{len(tokens) - held_out:,} characters, {args.epochs} epochs in {seconds:.0f} s")
    print(f"held-out loss on {held_out:,} characters: {loss:.3f} nats = {loss / math.log(2):.3f} bits per character")

    writer = build_model(tokenizer.vocabulary_size, args.units, batch=1)
    writer.set_weights(model.get_weights())
    written = text.generate(writer, tokenizer.encode("ROMEO:\n"), 400, temperature=0.7, seed=args.seed)
    print("-" * 60, tokenizer.decode(written), "-" * 60, sep="\n")
    plot_learning_curves(history.history, args.out / "learning_curves.png")
    print(f"picture: {args.out / 'learning_curves.png'}")


if __name__ == "__main__":
    main()
