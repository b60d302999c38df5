"""Decoding one token with the key-value cache: GPT-2 small (124M parameters, random weights), against memory.

Each token reads all weights once, so a token takes at least the bytes of the weights (and of the cached keys and
values) by the bandwidth of reading. The bandwidth is measured here too: numpy's sum and maximum over an array of 1 GiB,
a part for each thread, the best of all runs.

    python benches/decode.py [--context 64] [--tokens 32]
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import rustdl as keras
from rustdl import layers, ops

BLOCKS, WIDTH, HEADS, POSITIONS, VOCABULARY = 12, 768, 12, 1024, 50_257


class GPT2(keras.Model):
    """The decoder, for new tokens after those in the caches."""

    def __init__(self):
        super().__init__()
        self.tokens = layers.ReversibleEmbedding(VOCABULARY, WIDTH)
        self.positions = layers.Embedding(POSITIONS, WIDTH)
        self.attentions = [layers.MultiHeadAttention(HEADS, WIDTH // HEADS) for _ in range(BLOCKS)]
        self.norms = [layers.LayerNormalization(epsilon=1e-5) for _ in range(2 * BLOCKS + 1)]
        self.wide = [layers.Dense(4 * WIDTH, activation="gelu") for _ in range(BLOCKS)]
        self.narrow = [layers.Dense(WIDTH) for _ in range(BLOCKS)]

    def call(self, tokens):
        """Builds the layers; logits of all tokens."""
        return self._logits(tokens, ops.arange(tokens.shape[1]), lambda i, y: self.attentions[i](y, y))

    def step(self, tokens, caches, position):
        """Logits of the next token; the caches are written."""
        places = ops.arange(tokens.shape[1], dtype="int32") + position
        return self._logits(tokens, places, lambda i, y: self.attentions[i].decode(y, caches[i], position)[0])[:, -1]

    def _logits(self, tokens, places, attend):
        x = self.tokens(tokens) + self.positions(places)
        for i in range(BLOCKS):
            x = x + attend(i, self.norms[2 * i](x))
            x = x + self.narrow[i](self.wide[i](self.norms[2 * i + 1](x)))
        return self.tokens(self.norms[-1](x), reverse=True)


def read_bandwidth() -> float:
    """Bytes a second of reading from memory."""
    parts = np.array_split(np.ones(1 << 28, "float32"), keras.num_threads())
    best = 0.0
    with ThreadPoolExecutor(len(parts)) as pool:
        for reduce in (np.sum, np.max):
            for _ in range(5):
                begun = time.perf_counter()
                list(pool.map(reduce, parts))
                best = max(best, sum(p.nbytes for p in parts) / (time.perf_counter() - begun))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--context", type=int, default=64, help="tokens before the first that is timed")
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="print the time of each step of the plan")
    args = parser.parse_args()

    model = GPT2()
    model(np.zeros((1, 2), "int32"))
    caches = [a.make_cache(1, POSITIONS) for a in model.attentions]
    step = keras.jit(lambda tokens, position: model.step(tokens, caches, position))
    token = np.ones((1, 1), "int32")
    model.step(np.ones((1, args.context), "int32"), caches, 0)
    step(token, np.int32(args.context))

    times = []
    for _ in range(args.rounds):
        for i in range(args.tokens):
            begun = time.perf_counter()
            np.asarray(step(token, np.int32(args.context + i)))
            times.append(time.perf_counter() - begun)
    # One row of the tables is read, and of the token table all rows by the last layer.
    weights = sum(v.numpy().nbytes for v in model.weights) - POSITIONS * WIDTH * 4
    cached = 2 * 4 * BLOCKS * WIDTH * (args.context + args.tokens // 2)
    bandwidth = read_bandwidth()
    bound = (weights + cached) / bandwidth
    best, median = min(times), sorted(times)[len(times) // 2]
    print(f"{model.count_params():,} parameters, {keras.num_threads()} threads, context {args.context}")
    print(
        f"{weights / 1e6:.0f} MB of weights and {cached / 1e6:.1f} MB of cache a token; read {bandwidth / 1e9:.1f} GB/s"
    )
    print(f"bound {1e3 * bound:.2f} ms; a token {1e3 * best:.2f} ms (best), {1e3 * median:.2f} ms (median)")
    print(f"{best / bound:.2f} times the bound (best), {median / bound:.2f} (median)")
    if args.profile:
        print(keras.profile(step, token, np.int32(args.context), repeats=5))


if __name__ == "__main__":
    main()
