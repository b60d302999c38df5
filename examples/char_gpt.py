"""A character-level GPT on the plays of Shakespeare (Radford et al., 2019; Karpathy, 2022: nanoGPT).

Give the text file by --data; without it tinyshakespeare (1.1 MB) is downloaded. The last tenth of
the text is held out. Prints its loss in nats and in bits per character and a sample, and writes
the learning curve and the attention of the last block's heads as PNG.

    python examples/char_gpt.py --data PATH
"""

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
from curves import plot_learning_curves

import rustdl as keras
from rustdl import layers, ops, text

mpl.use("Agg")
import matplotlib.pyplot as plt

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
CURVE_POINTS = 10


class Block(layers.Layer):
    """Attention and two dense layers, each around a residual connection and after a norm."""

    def __init__(self, width: int, heads: int, dropout: float, **kwargs):
        super().__init__(**kwargs)
        self.norms = [layers.LayerNormalization(epsilon=1e-5) for _ in range(2)]
        self.attention = layers.MultiHeadAttention(heads, width // heads)
        self.wide = layers.Dense(4 * width, activation="gelu")
        self.narrow = layers.Dense(width)
        self.dropout = layers.Dropout(dropout)

    def call(self, x, training=False, maps=False):
        """The block's output; with `maps` also who looks at whom: `(batch, heads, queries, keys)`."""
        y = self.norms[0](x)
        y = self.attention(y, y, use_causal_mask=True, return_attention_scores=maps)
        y, scores = y if maps else (y, None)
        x = x + self.dropout(y, training=training)
        y = self.narrow(self.wide(self.norms[1](x)))
        x = x + self.dropout(y, training=training)
        return (x, scores) if maps else x


class GPT(keras.Model):
    """Characters with their positions, blocks, and the logits of each next character."""

    def __init__(self, vocabulary: int, length: int, width: int, heads: int, blocks: int, dropout: float):
        super().__init__()
        self.characters = layers.Embedding(vocabulary, width)
        self.positions = layers.Embedding(length, width)
        self.blocks = [Block(width, heads, dropout) for _ in range(blocks)]
        self.norm = layers.LayerNormalization(epsilon=1e-5)
        self.logits = layers.Dense(vocabulary)

    def call(self, tokens, training=False):
        """Logits `(batch, length, vocabulary)` of characters `(batch, length)`."""
        x = self.characters(tokens) + self.positions(ops.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x, training=training)
        return self.logits(self.norm(x))

    def attention_maps(self, tokens):
        """What each head of the last block looks at."""
        x = self.characters(tokens) + self.positions(ops.arange(tokens.shape[1]))
        for block in self.blocks[:-1]:
            x = block(x)
        return self.blocks[-1](x, maps=True)[1]


def windows(tokens: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The text cut into pieces, and the same one character later."""
    count = (len(tokens) - 1) // length
    cut = tokens[: count * length + 1]
    return cut[:-1].reshape(count, length), cut[1:].reshape(count, length)


def random_batches(tokens: np.ndarray, length: int, batch: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pieces from anywhere in the text, and the same one character later, for ever."""
    rng = np.random.default_rng(seed)
    while True:
        starts = rng.integers(len(tokens) - length, size=(batch, 1))
        yield tokens[starts + np.arange(length)], tokens[starts + np.arange(1, length + 1)]


def plot_attention(maps: np.ndarray, characters: str, path: Path) -> None:
    """One panel for each head: row = the character that looks, column = the one that is looked at."""
    figure, axes = plt.subplots(1, len(maps), figsize=(4.2 * len(maps), 4.4), layout="constrained")
    labels = ["⏎" if c == "\n" else "␣" if c == " " else c for c in characters]
    for head, (axis, scores) in enumerate(zip(axes, maps, strict=True)):
        axis.imshow(scores, cmap="viridis", vmin=0, vmax=1)
        axis.set(title=f"head {head + 1}", xticks=range(len(labels)), yticks=range(len(labels)))
        axis.set_xticklabels(labels, fontsize=6)
        axis.set_yticklabels(labels, fontsize=6)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a text file")
    parser.add_argument("--out", type=Path, default=Path("out/char_gpt"), help="folder for the pictures")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--length", type=int, default=64, help="characters that the model sees")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    path = args.data or keras.utils.get_file("tinyshakespeare.txt", URL)
    corpus = Path(path).read_text(encoding="utf-8")
    tokenizer = text.CharTokenizer(corpus)
    tokens = tokenizer.encode(corpus)
    held_out = len(tokens) // 10
    train, test = tokens[:-held_out], windows(tokens[-held_out:], args.length)

    model = GPT(tokenizer.vocabulary_size, args.length, args.width, 4, args.blocks, args.dropout)
    model(test[0][:1])
    model.summary()
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, args.steps - args.steps // 20, warmup_target=args.rate, warmup_steps=args.steps // 20
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=0.1, beta_2=0.99, clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    begun = time.perf_counter()
    history = model.fit(
        random_batches(train, args.length, args.batch, args.seed),
        steps_per_epoch=max(1, args.steps // CURVE_POINTS),
        epochs=CURVE_POINTS,
        validation_data=test,
        validation_batch_size=256,
        verbose=2,
    ).history
    seconds = time.perf_counter() - begun
    loss = model.evaluate(*test, batch_size=256, verbose=0)
    print(f"{model.count_params():,} parameters, {args.steps} steps of {args.batch} pieces in {seconds:.0f} s")
    print(f"held-out loss on {held_out:,} characters: {loss:.3f} nats = {loss / math.log(2):.3f} bits per character")

    prompt = tokenizer.encode("ROMEO:\n")
    written = text.generate(model, prompt, 400, temperature=0.8, top_k=20, window=args.length, seed=args.seed)
    print("-" * 60, tokenizer.decode(written), "-" * 60, sep="\n")
    plot_learning_curves(history, args.out / "learning_curves.png")
    seen = written[-min(40, args.length) :]
    maps = np.asarray(model.attention_maps(ops.convert_to_tensor(seen[np.newaxis].astype("int32"))))[0]
    plot_attention(maps, tokenizer.decode(seen), args.out / "attention.png")
    print(f"pictures in {args.out}")


if __name__ == "__main__":
    main()
