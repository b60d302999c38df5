"""A variational autoencoder on scikit-learn's digits (Kingma and Welling 2014).

The training step is an overridden `train_step`, compiled by `fit`. Prints the evidence lower bound of held-
out digits in nats, and with 200 importance samples the tighter bound of Burda et al. 2015; draws
reconstructions and a walk through the two-dimensional latent space.

    python examples/vae_digits.py
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

PIXELS, LATENT = 64, 2


class Vae(keras.Model):
    """Gaussian latent variables, Bernoulli pixels."""

    def __init__(self) -> None:
        super().__init__(name="vae")
        self.encoder = keras.Sequential([layers.Dense(128, activation="relu"), layers.Dense(2 * LATENT)])
        self.decoder = keras.Sequential([layers.Dense(128, activation="relu"), layers.Dense(PIXELS)])
        self.seeds = keras.random.SeedGenerator(0)

    def encode(self, x):
        """Means and log variances."""
        return ops.split(self.encoder(x), 2, axis=-1)

    def call(self, x):
        """Reconstructions at the means."""
        return ops.sigmoid(self.decoder(self.encode(x)[0]))

    def log_weights(self, x):
        """The logarithm of p(x, z) / q(z | x) for one z of each row: its mean is the evidence lower bound."""
        mean, log_variance = self.encode(x)
        noise = keras.random.normal(mean.shape, seed=self.seeds)
        z = mean + ops.exp(0.5 * log_variance) * noise
        logits = self.decoder(z)
        log_pixels = -ops.sum(ops.relu(logits) - logits * x + ops.softplus(-ops.abs(logits)), axis=-1)
        log_prior = -0.5 * ops.sum(z * z, axis=-1)
        log_posterior = -0.5 * ops.sum(noise * noise + log_variance, axis=-1)
        return log_pixels + log_prior - log_posterior

    def train_step(self, data):
        """Raises the bound."""
        x = data[0] if isinstance(data, tuple) else data

        def loss():
            return -ops.mean(self.log_weights(x))

        value, gradients = keras.value_and_grad(loss, variables=self.trainable_variables)()
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": value}


def grid(images: np.ndarray, rows: int) -> np.ndarray:
    """Digits in rows, with white between them."""
    cells = np.pad(images.reshape(rows, -1, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
    return cells.transpose(0, 2, 1, 3).reshape(10 * rows, -1)


def main() -> None:
    """Trains, prints the bounds, draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--out", type=Path, default=Path("out"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(0)
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.data))
    x = (digits.data[order] / 16.0).astype("float32")
    train, test, labels = x[:-360], x[-360:], digits.target[order][-360:]
    model = Vae()
    model.build((None, PIXELS))
    model.compile(keras.optimizers.Adam(2e-3))
    begun = time.perf_counter()
    model.fit(train, batch_size=64, epochs=args.epochs, verbose=0)
    print(f"{args.epochs} epochs in {time.perf_counter() - begun:.1f} s")

    log_weights = keras.jit(model.log_weights)
    samples = np.stack([np.asarray(log_weights(test)) for _ in range(200)])
    top = samples.max(axis=0)
    tighter = np.mean(top + np.log(np.mean(np.exp(samples - top), axis=0)))
    print(f"held-out digits: lower bound {samples.mean():.2f} nats, with 200 importance samples {tighter:.2f} nats")

    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    axes[0].imshow(grid(np.concatenate([test[:10], np.asarray(model(test[:10]))]), 2), cmap="gray_r")
    axes[0].set_title("held-out digits and their reconstructions")
    means = np.asarray(model.encode(test)[0])
    points = axes[1].scatter(means[:, 0], means[:, 1], c=labels, cmap="tab10", s=8)
    figure.colorbar(points, ax=axes[1])
    axes[1].set_title("where the digits lie")
    line = np.linspace(-2.5, 2.5, 12, dtype="float32")
    places = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    axes[2].imshow(grid(np.asarray(ops.sigmoid(model.decoder(places))), 12), cmap="gray_r")
    axes[2].set_title("a walk through the latent space")
    for axis in (axes[0], axes[2]):
        axis.axis("off")
    figure.savefig(args.out / "vae_digits.png", dpi=120)
    print(f"picture: {args.out / 'vae_digits.png'}")


if __name__ == "__main__":
    main()
