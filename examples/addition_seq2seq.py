"""Addition as a translation of characters: an encoder and a decoder LSTM (Sutskever et al., 2014).

"535+61" becomes "596". The sums are generated, each pair of numbers once; a tenth is held out.
Both are read from the last digit on, as one adds by hand. Prints how many of the held-out sums
come out exactly, and writes the learning curves as PNG.

    python examples/addition_seq2seq.py
"""

import argparse
import time
from pathlib import Path

import numpy as np
from curves import plot_learning_curves

import rustdl as keras
from rustdl import layers, ops, text

UNITS = 128
# Spaces fill up sums that are shorter than the longest; ^ begins an answer.
TOKENIZER = text.CharTokenizer(" +0123456789^")
VOCABULARY = TOKENIZER.vocabulary_size
START = TOKENIZER.token_to_id("^")


def encode(texts: list[str], length: int) -> np.ndarray:
    """Texts, reversed, as rows of numbers."""
    return np.stack([TOKENIZER.encode(t.rjust(length)[::-1]) for t in texts])


def make_sums(count: int, digits: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Questions and answers, no pair twice, with short numbers as often as long ones."""
    rng = np.random.default_rng(seed)
    pairs: dict[tuple[int, int], None] = {}
    while len(pairs) < count:
        a, b = (int(rng.integers(10 ** int(rng.integers(1, digits + 1)))) for _ in range(2))
        pairs[a, b] = None
    questions = encode([f"{a}+{b}" for a, b in pairs], 2 * digits + 1)
    return questions, encode([str(a + b) for a, b in pairs], digits + 1)


def build_model() -> tuple[keras.Model, keras.Model, keras.Model]:
    """The model for training, the encoder, and one step of the decoder; with the same weights."""
    question, answer = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    embedding = layers.Embedding(VOCABULARY, 32)
    _, *states = layers.LSTM(UNITS, return_state=True)(embedding(question))
    decoder = layers.LSTM(UNITS, return_sequences=True, return_state=True)
    output = layers.Dense(VOCABULARY)
    decoded, *_ = decoder(embedding(answer), initial_state=states)
    given = [keras.Input((UNITS,)), keras.Input((UNITS,))]
    step, *after = decoder(embedding(answer), initial_state=given)
    return (
        keras.Model([question, answer], output(decoded)),
        keras.Model(question, states),
        keras.Model([answer, *given], [output(step), *after]),
    )


def exact(questions: np.ndarray, answers: np.ndarray, encoder: keras.Model, decoder: keras.Model) -> np.ndarray:
    """Which sums come out exactly, decoded character by character."""

    @keras.jit
    def step(tokens, state):
        logits, *state = decoder([tokens, *state])
        return logits, state

    state = [ops.convert_to_tensor(s) for s in encoder.predict(questions, batch_size=512, verbose=0)]
    starts = [[START]] * len(questions)
    found = text.generate(step, starts, answers.shape[1], temperature=0, state=state)
    return (np.stack(found)[:, 1:] == answers).all(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/addition"), help="folder for the picture")
    parser.add_argument("--digits", type=int, default=3)
    parser.add_argument("--sums", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    questions, answers = make_sums(args.sums, args.digits, args.seed)
    held_out = args.sums // 10
    shifted = np.concatenate([np.full((len(answers), 1), START), answers[:, :-1]], axis=1).astype("int32")
    train, test = slice(None, -held_out), slice(-held_out, None)

    model, encoder, decoder = build_model()
    model.summary()
    steps = args.epochs * -(-(args.sums - held_out) // 128)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(4e-3, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    begun = time.perf_counter()
    history = model.fit(
        [questions[train], shifted[train]],
        answers[train],
        batch_size=128,
        epochs=args.epochs,
        validation_data=([questions[test], shifted[test]], answers[test]),
        verbose=2,
    )
    seconds = time.perf_counter() - begun
    right = exact(questions[test], answers[test], encoder, decoder)
    print(f"{args.sums - held_out:,} sums, {args.epochs} epochs in {seconds:.0f} s")
    print(f"exact on {held_out:,} held-out sums: {right.mean():.2%}")
    for row in range(5):
        question = TOKENIZER.decode(questions[test][row])[::-1].strip()
        answer = TOKENIZER.decode(answers[test][row])[::-1].strip()
        print(f"  {question} = {answer} {'found' if right[row] else 'missed'}")
    plot_learning_curves(history.history, args.out / "learning_curves.png", ("loss", "accuracy"))
    print(f"picture: {args.out / 'learning_curves.png'}")


if __name__ == "__main__":
    main()
