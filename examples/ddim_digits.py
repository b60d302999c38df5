"""Diffusion on scikit-learn's digits, drawn from in many steps (DDPM) and in few (DDIM).

A net learns to tell the noise in a noisy digit of a given class (Ho et al. 2020), sometimes without being told the
class, so that the class can be stressed when drawing (Ho and Salimans 2022). One sampler serves both papers: with
eta = 1 and all noise levels it is the ancestral one, with eta = 0 the implicit one (Song et al. 2021), which may leave
out most levels. The loop over the levels is `ops.scan`, so drawing is one compiled plan. A convnet trained on real
digits judges: how often it sees the class that was asked for, and how far the statistics of its features are from
those of real digits (Frechet distance, Heusel et al. 2017).

    python examples/ddim_digits.py
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits

import rustdl as keras
from rustdl import layers, ops

mpl.use("Agg")
import matplotlib.pyplot as plt

PIXELS, CLASSES, LEVELS, WIDTH, BLOCKS = 64, 10, 200, 256, 4
HELD_OUT = 360
# What is left of the signal's variance after each number of noising steps (Nichol and Dhariwal 2021).
ANGLES = (np.arange(LEVELS + 1) / LEVELS + 0.008) / 1.008 * np.pi / 2
KEPT = np.clip(np.cos(ANGLES) ** 2 / np.cos(ANGLES[0]) ** 2, 1e-4, 1.0).astype("float32")


class Denoiser(keras.Model):
    """Residual dense blocks that are told the noise level and the class; trained by `fit`."""

    def __init__(self) -> None:
        super().__init__(name="denoiser")
        self.level = layers.Dense(WIDTH, activation="silu")
        # One class more: "not told".
        self.label = layers.Embedding(CLASSES + 1, WIDTH)
        self.enter = layers.Dense(WIDTH)
        self.norms = [layers.LayerNormalization() for _ in range(BLOCKS + 1)]
        self.first = [layers.Dense(WIDTH) for _ in range(BLOCKS)]
        self.told = [layers.Dense(WIDTH) for _ in range(BLOCKS)]
        self.second = [layers.Dense(WIDTH, kernel_initializer="zeros") for _ in range(BLOCKS)]
        self.leave = layers.Dense(PIXELS, kernel_initializer="zeros")
        self.seeds = keras.random.SeedGenerator(0)
        self.error = keras.metrics.Mean(name="loss")

    def call(self, inputs):
        """The noise in images (batch, 64), given the kept variance (batch, 1) and the class (batch,)."""
        x, kept, label = inputs
        # The level as waves of its angle, as positions are told to a transformer.
        angle = ops.arccos(ops.sqrt(kept)) * 2.0 ** np.arange(6, dtype="float32")
        told = self.level(ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=-1)) + self.label(label)
        h = self.enter(x)
        for norm, first, tell, second in zip(self.norms, self.first, self.told, self.second, strict=False):
            h = h + second(ops.silu(first(norm(h)) + tell(told)))
        return self.leave(self.norms[-1](h))

    def train_step(self, data):
        """Lowers the error of the noise that is found."""
        x, label = data
        rows = x.shape[0]
        level = keras.random.randint((rows, 1), 1, LEVELS + 1, seed=self.seeds)
        kept = ops.take(KEPT, level)
        noise = keras.random.normal(x.shape, seed=self.seeds)
        told = keras.random.uniform((rows,), seed=self.seeds) > 0.1
        label = ops.where(told, label, CLASSES)

        def loss():
            noisy = ops.sqrt(kept) * x + ops.sqrt(1.0 - kept) * noise
            return ops.mean((self([noisy, kept, label], training=True) - noise) ** 2.0)

        value, gradients = keras.value_and_grad(loss, variables=self.trainable_variables)()
        self.optimizer.apply(gradients, self.trainable_variables)
        self.error.update_state(value)
        return {"loss": self.error.result()}

    def draw(self, label, steps: int, eta: float, guidance: float):
        """Images of these classes: equation 12 of Song et al. for a subset of `steps` of the noise levels."""
        rows = label.shape[0]
        levels = np.linspace(LEVELS, 0, steps + 1).round().astype(int)
        untold = ops.full((rows,), CLASSES, dtype=label.dtype)

        def less_noise(x, step):
            kept, then, draw = step
            both = [ops.concatenate([x, x]), ops.full((2 * rows, 1), 1.0) * kept, ops.concatenate([label, untold])]
            given, free = ops.split(self(both), 2)
            noise = given + guidance * (given - free)
            # Pixels lie in [-1, 1]; the noise is what is left then.
            clean = ops.clip((x - ops.sqrt(1.0 - kept) * noise) / ops.sqrt(kept), -1.0, 1.0)
            noise = (x - ops.sqrt(kept) * clean) / ops.sqrt(1.0 - kept)
            spread = eta * ops.sqrt((1.0 - then) / (1.0 - kept) * (1.0 - kept / then))
            x = ops.sqrt(then) * clean + ops.sqrt(1.0 - then - spread**2.0) * noise + spread * draw
            return x, None

        start = keras.random.normal((rows, PIXELS), seed=self.seeds)
        draws = keras.random.normal((steps, rows, PIXELS), seed=self.seeds)
        x, _ = ops.scan(less_noise, start, (KEPT[levels[:-1]], KEPT[levels[1:]], draws))
        return x


def build_judge() -> tuple[keras.Model, keras.Model]:
    """A convnet that gives logits, and its last hidden features."""
    images = keras.Input((PIXELS,))
    x = layers.Reshape((8, 8, 1))(images)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(layers.Conv2D(64, 3, padding="same", activation="relu")(x))
    features = layers.Dense(32, activation="relu")(layers.Dropout(0.5)(layers.Flatten()(x)))
    return keras.Model(images, layers.Dense(CLASSES)(features), name="judge"), keras.Model(images, features)


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """The Frechet distance of two Gaussians with the means and covariances of these rows."""
    one, other = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # The eigenvalues of a product of covariances are real and not negative, but for rounding.
    roots = np.sqrt(np.maximum(np.linalg.eigvals(one @ other).real, 0))
    return float(np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(one) + np.trace(other) - 2 * roots.sum())


def save_grid(rows: dict[str, np.ndarray], path: Path) -> None:
    """Two digits of each class for each way of drawing."""
    figure, axes = plt.subplots(len(rows), 1, figsize=(9, 0.75 * len(rows)), layout="constrained")
    for axis, (name, images) in zip(axes, rows.items(), strict=True):
        axis.imshow(images.reshape(-1, 8, 8).transpose(1, 0, 2).reshape(8, -1), cmap="gray_r", vmin=-1, vmax=1)
        axis.set(xticks=[], yticks=[])
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Trains denoiser and judge, draws in several ways, prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=600)
    parser.add_argument("--guidance", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=Path("out"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(0)
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.data))
    x, y = (digits.data[order] / 8.0 - 1.0).astype("float32"), digits.target[order].astype("int32")
    train, test = (x[:-HELD_OUT], y[:-HELD_OUT]), (x[-HELD_OUT:], y[-HELD_OUT:])

    judge, features = build_judge()
    judge.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    judge.fit(*train, epochs=40, batch_size=32, verbose=0)
    real = features.predict(train[0], verbose=0)

    model = Denoiser()
    model([train[0][:2], KEPT[1:3, None], train[1][:2]])
    steps = args.epochs * -(-len(train[0]) // 128)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=0.999))

    def report(epoch, logs):
        if (epoch + 1) % (args.epochs // 5) == 0:
            print(f"epoch {epoch + 1}: error of the noise {logs['loss']:.4f}", flush=True)

    progress = keras.callbacks.LambdaCallback(on_epoch_end=report)
    begun = time.perf_counter()
    # At the end `fit` puts the moving averages in the place of the weights.
    model.fit(*train, batch_size=128, epochs=args.epochs, verbose=0, callbacks=[progress])
    print(f"{steps} steps in {time.perf_counter() - begun:.1f} s")

    def figures(images, labels):
        agrees = np.mean(judge.predict(images, verbose=0).argmax(-1) == labels)
        distance = frechet(features.predict(images, verbose=0), real)
        return f"judge agrees in {agrees:6.1%}, Frechet distance {distance:.2f}"

    print(f"{'held-out digits':>20}: {figures(*test)}")
    draw = keras.jit(model.draw)
    wanted = np.repeat(np.arange(CLASSES, dtype="int32"), 100)
    shown = {"real": np.concatenate([test[0][test[1] == c][:2] for c in range(CLASSES)])}
    for steps in (LEVELS, 50, 20, 10, 5):
        ancestral = steps == LEVELS
        name = f"{'DDPM' if ancestral else 'DDIM'}, {steps} steps"
        begun = time.perf_counter()
        images = np.asarray(draw(wanted, steps, float(ancestral), args.guidance))
        seconds = time.perf_counter() - begun
        shown[name] = images.reshape(CLASSES, 100, PIXELS)[:, :2]
        print(f"{name:>20}: {figures(images, wanted)}; {len(images)} digits in {seconds:.1f} s")
    save_grid(shown, args.out / "ddim_digits.png")
    print(f"picture: {args.out / 'ddim_digits.png'}")


if __name__ == "__main__":
    main()
