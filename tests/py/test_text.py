"""The text kit: sampling against probabilities, beam search against all sequences, decoders against one another."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops
from rustdl.text import (
    BPETokenizer,
    BucketedDataset,
    CharTokenizer,
    filter_logits,
    generate,
    sample,
)
from rustdl.text.sampling import log_softmax

VOCABULARY = 5
TABLE = np.random.default_rng(3).normal(size=(VOCABULARY, VOCABULARY)).astype("float32") * 2


def markov(tokens):
    """Logits that depend on the last token alone."""
    return ops.take(ops.convert_to_tensor(TABLE), tokens, axis=0)


def best_by_hand(start, steps, stop=None, penalty=0.0):
    """The best of all continuations."""
    log = log_softmax(TABLE)
    best, found = -np.inf, None
    for length in range(1, steps + 1):
        for tokens in itertools.product(range(VOCABULARY), repeat=length):
            if (stop in tokens[:-1]) or (length < steps and tokens[-1] != stop):
                continue
            score = sum(log[a, b] for a, b in itertools.pairwise((start, *tokens)))
            score /= ((5 + length) / 6) ** penalty
            if score > best:
                best, found = score, [start, *tokens]
    return found


def test_filters():
    logits = np.log([[0.4, 0.1, 0.3, 0.2]])
    np.testing.assert_allclose(log_softmax(filter_logits(logits, 0.5)), np.log([[16, 1, 9, 4]]) - np.log(30))
    assert np.isfinite(filter_logits(logits, top_k=2)).tolist() == [[True, False, True, False]]
    for p, kept in ((0.3, 1), (0.39, 1), (0.41, 2), (0.69, 2), (0.75, 3), (1.0, 4)):
        assert np.isfinite(filter_logits(logits, top_p=p)).sum() == kept, p
    assert np.isfinite(filter_logits(logits, top_k=3, top_p=0.9)).sum() == 3


def test_draws_follow_the_softmax():
    p = np.array([0.5, 0.3, 0.15, 0.05])
    rng = np.random.default_rng(0)
    drawn = sample(np.broadcast_to(np.log(p), (20000, 4)), rng)
    np.testing.assert_allclose(np.bincount(drawn) / 20000, p, atol=0.012)
    drawn = sample(np.broadcast_to(np.log(p), (20000, 4)), rng, top_k=2)
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 20000, [0.625, 0.375, 0, 0], atol=0.012)
    assert (sample(np.log(p)[None], rng, temperature=0) == 0).all()


def test_greedy_and_ragged_prompts():
    wanted = [2]
    for _ in range(6):
        wanted.append(int(TABLE[wanted[-1]].argmax()))
    assert generate(markov, [2], 6, temperature=0).tolist() == wanted
    found = generate(markov, [[2], [0, 1, 2]], 6, temperature=0)
    assert [row.tolist() for row in found] == [wanted, [0, 1, *wanted]]
    assert generate(markov, [0, 1, 2], 6, temperature=0, window=2).tolist() == [0, 1, *wanted]
    stop = wanted[3]
    cut = generate(markov, [2], 6, temperature=0, stop_token=stop).tolist()
    assert cut == wanted[: 2 + wanted[1:].index(stop)]
    assert generate(markov, [2], 0).tolist() == [2]


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("stop", [None, 4])
def test_beam_search_finds_the_best_sequence(stop, penalty):
    for start in range(4):
        found = generate(markov, [start], 3, num_beams=VOCABULARY**2, stop_token=stop, length_penalty=penalty)
        assert found.tolist() == best_by_hand(start, 3, stop, penalty), start


def test_beam_search_is_no_worse_than_greedy():
    log = log_softmax(TABLE)

    def score(row):
        return sum(log[a, b] for a, b in itertools.pairwise(row))

    for start in range(VOCABULARY):
        greedy = score(generate(markov, [start], 5, temperature=0))
        assert score(generate(markov, [start], 5, num_beams=3)) >= greedy - 1e-12


def recurrent(stateful, batch, length):
    shape = {"batch_shape": (batch, length), "dtype": "int32"}
    return rustdl.Sequential(
        [
            rustdl.Input(**shape),
            layers.Embedding(VOCABULARY, 6),
            layers.GRU(8, return_sequences=True, stateful=stateful),
            layers.LSTM(8, return_sequences=True, stateful=stateful),
            layers.Dense(VOCABULARY),
        ]
    )


@pytest.mark.parametrize("arguments", [{"seed": 1}, {"temperature": 0}, {"num_beams": 3}], ids=str)
def test_window_state_and_step_agree(arguments):
    rustdl.utils.set_random_seed(0)
    plain = recurrent(False, None, None)
    # Larger weights, so that what was read before matters.
    plain.set_weights([w * 3 for w in plain.get_weights()])
    prompts = [[0, 1, 2], [3, 3, 1]]
    rows = len(prompts) * arguments.get("num_beams", 1)
    kept = recurrent(True, rows, None)
    kept.set_weights(plain.get_weights())
    wanted = [row.tolist() for row in generate(plain, prompts, 7, **arguments)]
    assert [row.tolist() for row in generate(kept, prompts, 7, **arguments)] == wanted
    embed, gru, lstm, dense = plain.layers
    gru_step, lstm_step = (
        type(layer).from_config({**layer.get_config(), "return_state": True}) for layer in (gru, lstm)
    )
    for layer, copy in ((gru, gru_step), (lstm, lstm_step)):
        copy.build((None, None, 6 if layer is gru else 8))
        copy.set_weights(layer.get_weights())

    def step(tokens, state):
        y, a = gru_step(embed(tokens), initial_state=state[0])
        y, b, c = lstm_step(y, initial_state=state[1:])
        return dense(y), [a, b, c]

    state = [np.zeros((rows, 8), "float32")] * 3
    assert [row.tolist() for row in generate(step, prompts, 7, state=state, **arguments)] == wanted


@pytest.mark.parametrize("arguments", [{"seed": 2}, {"num_beams": 3}], ids=str)
def test_key_value_cache_and_window_agree(arguments):
    rustdl.utils.set_random_seed(1)
    embed, attention = layers.Embedding(VOCABULARY, 8), layers.MultiHeadAttention(2, 4)
    embed.build()
    embed.set_weights([embed.get_weights()[0] * 40])

    def plain(tokens):
        x = embed(tokens)
        return (x + attention(x, x, use_causal_mask=True))[..., :VOCABULARY]

    def step(tokens, state):
        cache, position = state
        y, cache = attention.decode(embed(tokens), cache, position)
        return (embed(tokens) + y)[..., :VOCABULARY], (cache, position + tokens.shape[1])

    prompts = [[0, 1, 2], [3, 3, 1]]
    wanted = generate(plain, prompts, 6, **arguments)
    rows = 2 * arguments.get("num_beams", 1)
    state = (attention.make_cache(rows, 9), ops.convert_to_tensor(0))
    found = generate(rustdl.jit(step), prompts, 6, state=state, **arguments)
    assert [row.tolist() for row in found] == [row.tolist() for row in wanted]


def test_char_tokenizer():
    tokenizer = CharTokenizer("to be or not", special_tokens=["<pad>", "<end>"])
    assert tokenizer.vocabulary_size == 2 + len(set("to be or not"))
    assert tokenizer.decode(tokenizer.encode("or to be")) == "or to be"
    assert tokenizer.token_to_id("<end>") == 1
    assert tokenizer.decode([0, *tokenizer.encode("no"), 1]) == "no"
    assert tokenizer.encode("").shape == (0,)


def test_bpe_tokenizer(tmp_path):
    pytest.importorskip("tokenizers")
    texts = ["the lower the better", "the lowest of the low", "better late than lower"] * 3
    tokenizer = BPETokenizer.train(texts, 290, special_tokens=["<pad>"])
    assert 257 < tokenizer.vocabulary_size <= 290
    assert tokenizer.token_to_id("<pad>") == 0
    for text in (*texts, "Größe, 深い and 🙂", ""):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode("the lower")) < len("the lower")
    tokenizer.save(tmp_path / "bpe.json")
    again = BPETokenizer.load(tmp_path / "bpe.json")
    np.testing.assert_array_equal(again.encode(texts[0]), tokenizer.encode(texts[0]))


def test_buckets():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 30, 100)
    sequences = [np.full(n, i + 1) for i, n in enumerate(lengths)]
    data = BucketedDataset(sequences, np.arange(100), batch_size=8, boundaries=[5, 15, 30], weights=True, seed=1)
    first = [data[i] for i in range(len(data))]
    seen = np.concatenate([y for _, y, _ in first])
    assert sorted(seen) == list(range(100))
    assert {x.shape[1] for x, _, _ in first} == {5, 15, 30}
    for x, y, w in first:
        assert len(x) <= 8
        np.testing.assert_array_equal(w.sum(1), lengths[y])
        np.testing.assert_array_equal(x, np.where(w > 0, y[:, None] + 1, 0))
    data.on_epoch_end()
    again = np.concatenate([data[i][1] for i in range(len(data))])
    assert sorted(again) == sorted(seen)
    assert again.tolist() != seen.tolist()
    with_targets = BucketedDataset([[1, 2], [3]], [[5, 6], [7]], pad_targets=True, target_padding=-1, shuffle=False)
    assert [y.tolist() for _, y in with_targets] == [[[5, 6], [7, -1]]]


def test_buckets_in_fit():
    sequences = [np.arange(1, n + 1) for n in (2, 3, 5, 6, 2, 4)]
    data = BucketedDataset(sequences, np.arange(6) % 2, batch_size=2, boundaries=[3, 6])
    model = rustdl.Sequential([layers.Embedding(8, 4, mask_zero=True), layers.LSTM(3), layers.Dense(1)])
    model.compile("adam", "mse")
    assert np.isfinite(model.fit(data, epochs=2, verbose=0).history["loss"]).all()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: generate(markov, [], 3), "prompt"),
        (lambda: generate(markov, [0.5], 3), "integer"),
        (lambda: generate(markov, [1], -1), "max_new_tokens"),
        (lambda: generate(markov, [1], 3, temperature=-1), "temperature"),
        (lambda: generate(markov, [1], 3, top_k=0), "top_k"),
        (lambda: generate(markov, [1], 3, top_p=1.5), "top_p"),
        (lambda: generate(markov, [1], 3, num_beams=0), "num_beams"),
        (lambda: generate(markov, [1], 3, num_beams=2, top_k=3), "beam search"),
        (lambda: generate(markov, [1], 3, window=0), "window"),
        (lambda: generate(lambda t: ops.one_hot(t, 5)[:, 0], [1], 3), "return_sequences"),
        (lambda: generate(lambda t, s: (markov(t), s), [[1], [1, 2]], 3, state=[]), "same length"),
        (lambda: generate(markov, [1, -1], 3), "at least 0, got -1"),
        (lambda: generate(lambda t: ops.one_hot(t, 5) * np.nan, [1], 3, temperature=0), "logits with NaN"),
        (lambda: generate(lambda t: ops.one_hot(t, 5) * np.nan, [1], 3, num_beams=2), "logits with NaN"),
        (lambda: filter_logits([np.nan, 1.0]), "NaN"),
        (lambda: CharTokenizer(""), "empty"),
        (lambda: CharTokenizer("ab").encode("abc"), "'c'"),
        (lambda: CharTokenizer("ab").decode([2]), "tokens must be"),
        (lambda: BucketedDataset([[1]], [[1, 2]], pad_targets=True)[0], "does not fit"),
        (lambda: BucketedDataset([[1, 2]], [1], boundaries=[1]), "boundaries"),
        (lambda: BucketedDataset([[1, 2]], [1, 2]), "targets"),
        (lambda: BucketedDataset(["ab", "c"], [1, 2]), "of numbers.*tokenizer"),
    ],
)
def test_mistakes_are_named(run, message):
    with pytest.raises(ValueError, match=message):
        run()
