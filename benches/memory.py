"""Memory of training steps: checkpointing by hand, and the budget of `compile()`.

For each case the planned temporaries (`model.memory()`), the largest resident memory of a process that trains so beyond
that of the same process before its first step, and the least time of a step. Each runs in a process of its own.

    python benches/memory.py                   # all cases
    python benches/memory.py residual gpt      # some of them
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

import rustdl as keras
from rustdl import layers, ops

STEPS = 3
BLOCKS, SEGMENTS, WIDTH, ROWS = 64, 8, 128, 2048


class Residual(layers.Layer):
    """x + W2 tanh(W1 x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = layers.Dense(width, activation="tanh")
        self.outer = layers.Dense(width)

    def call(self, x):
        """The block."""
        return x + self.outer(self.inner(x))


class ResidualNet(keras.Model):
    """64 blocks; with `remat` only the borders of eight segments are kept (Chen et al. 2016: the root of the depth).

    The last segment is left alone: its values are needed as soon as they are made.
    """

    def __init__(self, remat: bool) -> None:
        super().__init__()
        self.segments = [
            keras.Sequential([Residual(WIDTH) for _ in range(BLOCKS // SEGMENTS)], name=f"segment{i}")
            for i in range(SEGMENTS)
        ]
        self.head = layers.Dense(10)
        self.remat = remat

    def call(self, x):
        """All segments and the head."""
        for i, segment in enumerate(self.segments):
            run = keras.remat(segment) if self.remat and i < SEGMENTS - 1 else segment
            x = run(x)
        return self.head(x)


def residual(budget: int | None, remat: bool):
    """A residual MLP of 64 blocks, width 128, batch 2048, Adam."""
    model = ResidualNet(remat)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), memory_budget=budget)
    rng = np.random.default_rng(0)
    return model, rng.normal(size=(ROWS, WIDTH)).astype("float32"), rng.integers(0, 10, ROWS)


def resnet50(budget: int | None, remat: bool):
    """ResNet-50 on pictures of 128 x 128, batch 8, momentum."""
    model = keras.applications.ResNet50(weights=None, input_shape=(128, 128, 3), classes=100)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy", memory_budget=budget)
    rng = np.random.default_rng(0)
    return model, rng.uniform(size=(8, 128, 128, 3)).astype("float32"), rng.integers(0, 100, 8)


class Block(layers.Layer):
    """The decoder block of GPT-2: norm, causal attention, norm, MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = [layers.LayerNormalization(epsilon=1e-5) for _ in range(2)]
        self.attention = layers.MultiHeadAttention(heads, width // heads)
        self.up, self.down = layers.Dense(4 * width, activation="gelu"), layers.Dense(width)

    def call(self, x):
        """The block."""
        y = self.norms[0](x)
        x = x + self.attention(y, y, use_causal_mask=True)
        return x + self.down(self.up(self.norms[1](x)))


class GPT(keras.Model):
    """A decoder whose output projection is the embedding's transpose."""

    def __init__(self, vocabulary: int, length: int, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.tokens = layers.Embedding(vocabulary, width)
        self.places = layers.Embedding(length, width)
        self.blocks = [Block(width, heads) for _ in range(depth)]
        self.norm = layers.LayerNormalization(epsilon=1e-5)

    def call(self, x):
        """Logits of the next token at each place."""
        y = self.tokens(x) + self.places(ops.arange(x.shape[1]))
        for block in self.blocks:
            y = block(y)
        return ops.matmul(self.norm(y), ops.transpose(self.tokens.embeddings))


def _gpt(budget: int | None, batch: int, length: int, vocabulary: int, **sizes: int):
    model = GPT(vocabulary=vocabulary, length=length, **sizes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(3e-4), loss, memory_budget=budget)
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, vocabulary, (batch, length + 1))
    return model, tokens[:, :-1], tokens[:, 1:]


def gpt(budget: int | None, remat: bool):
    """GPT of 4 layers, width 128, 4 heads, 96 characters, batch 16 x 256, AdamW."""
    return _gpt(budget, 16, 256, 96, width=128, heads=4, depth=4)


def gpt2(budget: int | None, remat: bool):
    """GPT-2 small: 12 layers, width 768, 12 heads, 50,257 tokens, batch 2 x 256, AdamW."""
    return _gpt(budget, 2, 256, 50257, width=768, heads=12, depth=12)


CASES = {f.__name__: f for f in (residual, resnet50, gpt, gpt2)}


def measure(name: str, budget: int | None, remat: bool) -> dict:
    """The figures of one configuration, in this process."""
    keras.utils.set_random_seed(0)
    model, x, y = CASES[name](budget, remat)
    planned = model.memory(x, y)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    losses, best = [], float("inf")
    for _ in range(STEPS):
        begun = time.perf_counter()
        losses.append(float(model.train_on_batch(x, y)))
        best = min(best, time.perf_counter() - begun)
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return {"planned": planned.temporaries, "grown": grown, "seconds": best, "losses": losses}


def in_process(name: str, budget: int | None = None, remat: bool = False) -> dict:
    """The same in a process of its own."""
    request = json.dumps([name, budget, remat])
    done = subprocess.run([sys.executable, __file__, "--one", request], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def report(title: str, found: dict, plain: dict) -> None:
    """One line of the table."""
    same = np.allclose(found["losses"], plain["losses"], rtol=1e-4)
    print(
        f"  {title:<22} planned {found['planned'] / 2**20:8.1f} MiB ({found['planned'] / plain['planned']:.2f}), "
        f"grown {found['grown'] / 2**20:8.1f} MiB, {1e3 * found['seconds']:8.1f} ms "
        f"({found['seconds'] / plain['seconds']:.2f}), losses {'equal' if same else 'DIFFER'}",
        flush=True,
    )


def main() -> None:
    """Runs the cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", choices=[[], *CASES])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*json.loads(args.one))))
        return
    for name in args.cases or CASES:
        print(f"{name}: {CASES[name].__doc__}")
        plain = in_process(name)
        report("as it is", plain, plain)
        if name == "residual":
            report("keras.remat", in_process(name, remat=True), plain)
        report("memory_budget of half", in_process(name, budget=plain["planned"] // 2), plain)


if __name__ == "__main__":
    main()
