"""Translation with a transformer (Vaswani et al., 2017) between two languages of a small grammar.

English sentences are generated and translated into French by rule: articles and adjectives agree
with the noun, adjectives stand behind it, verbs agree with the subject, and a negation wraps the
verb. No sentence is generated twice; a tenth is held out. Prints how many of the held-out
sentences come out exactly, word for word, and writes the learning curves and the attention of the
decoder to the English words as PNG.

    python examples/translation.py
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from curves import plot_learning_curves

import rustdl as keras
from rustdl import layers, ops, text

mpl.use("Agg")
import matplotlib.pyplot as plt

# English singular and plural, French singular and plural, feminine?
NOUNS = [
    ("dog", "dogs", "chien", "chiens", False),
    ("cat", "cats", "chat", "chats", False),
    ("horse", "horses", "cheval", "chevaux", False),
    ("bird", "birds", "moineau", "moineaux", False),
    ("teacher", "teachers", "professeur", "professeurs", False),
    ("child", "children", "garçon", "garçons", False),
    ("house", "houses", "maison", "maisons", True),
    ("car", "cars", "voiture", "voitures", True),
    ("woman", "women", "femme", "femmes", True),
    ("girl", "girls", "fille", "filles", True),
    ("mouse", "mice", "souris", "souris", True),
    ("table", "tables", "table", "tables", True),
]
# English; French for masculine and feminine, singular; the plural adds s where there is none.
ADJECTIVES = [
    ("big", "énorme", "énorme"),
    ("green", "vert", "verte"),
    ("black", "noir", "noire"),
    ("white", "blanc", "blanche"),
    ("slow", "lent", "lente"),
    ("happy", "heureux", "heureuse"),
    ("red", "rouge", "rouge"),
    ("grey", "gris", "grise"),
]
# English base, third person and past; French present singular and plural, past participle.
VERBS = [
    ("see", "sees", "saw", "voit", "voient", "vu"),
    ("like", "likes", "liked", "préfère", "préfèrent", "préféré"),
    ("find", "finds", "found", "trouve", "trouvent", "trouvé"),
    ("follow", "follows", "followed", "suit", "suivent", "suivi"),
    ("lose", "loses", "lost", "perd", "perdent", "perdu"),
    ("choose", "chooses", "chose", "choisit", "choisissent", "choisi"),
]
LENGTH = 26
START, END = "<start>", "<end>"


def noun_phrase(rng: np.random.Generator, depth: int) -> tuple[list[str], list[str], bool]:
    """A noun with article and perhaps adjectives and a relative clause, in both languages; and whether it is plural."""
    singular, plural, fr_singular, fr_plural, feminine = NOUNS[rng.integers(len(NOUNS))]
    many, definite = bool(rng.integers(2)), bool(rng.integers(2))
    chosen = [ADJECTIVES[i] for i in rng.choice(len(ADJECTIVES), rng.integers(3), replace=False)]
    article = "the" if definite else ("some" if many else "a")
    if many:
        fr_article = "les" if definite else "des"
    else:
        fr_article = ("la" if feminine else "le") if definite else ("une" if feminine else "un")
    english = [article, *(a[0] for a in chosen), plural if many else singular]
    french = [fr_article, fr_plural if many else fr_singular]
    # The last English adjective stands next to the noun: in French it comes first.
    for _, masculine, form in reversed(chosen):
        word = form if feminine else masculine
        french.append(word + "s" if many and word[-1] not in "sx" else word)
    if depth > 0 and rng.random() < 0.25:
        clause, fr_clause = verb_phrase(rng, many, depth - 1)
        english, french = [*english, "that", *clause], [*french, "qui", *fr_clause]
    return english, french, many


def verb_phrase(rng: np.random.Generator, many: bool, depth: int) -> tuple[list[str], list[str]]:
    """A verb in one of two tenses, perhaps negated, and its object."""
    base, third, past, one, several, participle = VERBS[rng.integers(len(VERBS))]
    in_past, negated = bool(rng.integers(2)), rng.random() < 0.3
    if negated:
        verb = ["did" if in_past else ("do" if many else "does"), "not", base]
    else:
        verb = [past if in_past else (base if many else third)]
    first = ("ont" if many else "a") if in_past else (several if many else one)
    french = ["ne", first, "pas"] if negated else [first]
    english_object, french_object, _ = noun_phrase(rng, depth)
    return [*verb, *english_object], [*french, *([participle] if in_past else []), *french_object]


def make_sentences(count: int, seed: int) -> tuple[list[str], list[str]]:
    """English sentences, no one twice, and their translations."""
    rng = np.random.default_rng(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        english, french, many = noun_phrase(rng, 1)
        verb, fr_verb = verb_phrase(rng, many, 1)
        if len(french) + len(fr_verb) < LENGTH:
            found[" ".join([*english, *verb])] = " ".join([*french, *fr_verb])
    return list(found), list(found.values())


class Embed(layers.Layer):
    """Vectors of words plus sines of their positions; 0 is padding."""

    def __init__(self, vocabulary: int, width: int, **kwargs):
        super().__init__(**kwargs)
        self.words = layers.Embedding(vocabulary, width, mask_zero=True)
        self.positions = layers.SinePositionEncoding()
        self.scale = width**0.5

    def call(self, tokens):
        """Vectors `(batch, length, width)`."""
        x = self.words(tokens) * self.scale
        return x + self.positions(x)

    def compute_mask(self, tokens, mask=None):
        """Which places hold words."""
        return self.words.compute_mask(tokens)


def feed_forward(x: keras.KerasTensor, width: int, dropout: float) -> keras.KerasTensor:
    """Two dense layers around a residual connection."""
    y = layers.Dense(width)(layers.Dense(4 * width, activation="relu")(layers.LayerNormalization()(x)))
    return layers.Add()([x, layers.Dropout(dropout)(y)])


def build_model(
    english: int, french: int, width: int, blocks: int, heads: int = 4, dropout: float = 0.1
) -> tuple[keras.Model, keras.Model]:
    """English words and French words so far -> logits of the next; and the same -> attention to the English words."""
    source, target = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")

    def attend(x, others, causal=False):
        y = layers.LayerNormalization()(x)
        attention = layers.MultiHeadAttention(heads, width // heads)
        y = attention(y, y if others is None else others, use_causal_mask=causal)
        return layers.Add()([x, layers.Dropout(dropout)(y)])

    x = Embed(english, width)(source)
    for _ in range(blocks):
        x = feed_forward(attend(x, None), width, dropout)
    encoded = layers.LayerNormalization()(x)
    y = Embed(french, width)(target)
    for _ in range(blocks - 1):
        y = feed_forward(attend(attend(y, None, causal=True), encoded), width, dropout)
    # The last block's attention is kept by name, for its map.
    y = attend(y, None, causal=True)
    looked, maps = layers.MultiHeadAttention(heads, width // heads)(
        layers.LayerNormalization()(y), encoded, return_attention_scores=True
    )
    y = feed_forward(layers.Add()([y, layers.Dropout(dropout)(looked)]), width, dropout)
    logits = layers.Dense(french)(layers.LayerNormalization()(y))
    return keras.Model([source, target], logits), keras.Model([source, target], maps)


def translate(model: keras.Model, source: np.ndarray, start: int, end: int) -> list[np.ndarray]:
    """The likeliest next word, again and again."""
    given = ops.convert_to_tensor(source)
    starts = [[start]] * len(source)
    return text.generate(
        lambda words: model([given, words]), starts, LENGTH, temperature=0, stop_token=end, window=LENGTH
    )


def plot_attention(maps: np.ndarray, english: list[str], french: list[str], path: Path) -> None:
    """One panel for each head: row = the French word that is written, column = the English word looked at."""
    figure, axes = plt.subplots(1, len(maps), figsize=(3.6 * len(maps), 4), layout="constrained", sharey=True)
    for head, (axis, scores) in enumerate(zip(axes, maps, strict=True)):
        axis.imshow(scores[: len(french), : len(english)], cmap="viridis", vmin=0, vmax=1)
        axis.set(title=f"head {head + 1}", xticks=range(len(english)), yticks=range(len(french)))
        axis.set_xticklabels(english, rotation=90)
        axis.set_yticklabels(french)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/translation"), help="folder for the pictures")
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    english, french = make_sentences(args.sentences, args.seed)
    held_out = args.sentences // 10
    for row in range(3):
        print(f"  {english[row]}  ->  {french[row]}")
    vectorize = [layers.TextVectorization(standardize=None, output_sequence_length=n) for n in (LENGTH, LENGTH + 1)]
    answers = [f"{START} {s} {END}" for s in french]
    # The words are those of the training sentences alone.
    source, target = (
        np.asarray(ops.cast(v.adapt(s[held_out:]) or v(s), "int32"))
        for v, s in zip(vectorize, (english, answers), strict=True)
    )
    words = [v.get_vocabulary() for v in vectorize]
    print(f"{args.sentences:,} sentences, {len(words[0])} English and {len(words[1])} French words")

    model, looking = build_model(len(words[0]), len(words[1]), args.width, args.blocks)
    model.summary()
    steps = args.epochs * -(-(args.sentences - held_out) // 64)
    schedule = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=2e-3, warmup_steps=200)
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-2, clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    x, y, known = [source, target[:, :-1]], target[:, 1:], (target[:, 1:] != 0).astype("float32")
    test, train = slice(None, held_out), slice(held_out, None)
    begun = time.perf_counter()
    history = model.fit(
        [part[train] for part in x],
        y[train],
        sample_weight=known[train],
        batch_size=64,
        epochs=args.epochs,
        validation_data=([part[test] for part in x], y[test], known[test]),
        verbose=2,
    ).history
    seconds = time.perf_counter() - begun

    start, end = words[1].index(START), words[1].index(END)
    found = translate(model, source[test], start, end)
    written = [" ".join(words[1][t] for t in row[1:] if t != end) for row in found]
    right = np.array([a == b for a, b in zip(written, french[test], strict=True)])
    print(f"{args.sentences - held_out:,} sentences, {args.epochs} epochs in {seconds:.0f} s")
    print(f"exact on {held_out:,} held-out sentences: {right.mean():.2%}")
    for row in (*range(3), *np.flatnonzero(~right)[:3]):
        print(f"  {english[row]}  ->  {written[row]}{'' if right[row] else f'  (wrong: {french[row]})'}")

    plot_learning_curves(history, args.out / "learning_curves.png", ("loss", "accuracy"))
    row = int(np.argmax([len(s.split()) if ok else 0 for s, ok in zip(english, right, strict=False)]))
    maps = looking.predict([part[row : row + 1] for part in x], verbose=0)[0]
    plot_attention(maps, english[row].split(), [*french[row].split(), END], args.out / "attention.png")
    print(f"pictures in {args.out}")


if __name__ == "__main__":
    main()
