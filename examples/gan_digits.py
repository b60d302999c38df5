"""GAN, conditional GAN and WGAN-GP on scikit-learn's digits: steps of two models and two optimizers.

The step is a plain Python function of `rustdl.value_and_grad` and `optimizer.apply`, compiled by
`rustdl.jit`; with `--loss wgan-gp` it holds a gradient of a gradient (Gulrajani et al. 2017). The figure that
it prints is the accuracy of a classifier, trained on real digits, on what the conditional generator draws.

    python examples/gan_digits.py --loss gan --conditional
    python examples/gan_digits.py --loss wgan-gp
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import rustdl as keras
from rustdl import layers, ops

mpl.use("Agg")
import matplotlib.pyplot as plt

LATENT, CLASSES, BATCH = 16, 10, 128


def build(inputs: int, outputs: int, activation: str | None, name: str) -> keras.Model:
    """Three dense layers."""
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            layers.Dense(128, activation="leaky_relu"),
            layers.Dense(128, activation="leaky_relu"),
            layers.Dense(outputs, activation=activation),
        ],
        name=name,
    )


class Game:
    """Generator and critic with their losses."""

    def __init__(self, loss: str, conditional: bool) -> None:
        self.wasserstein = loss == "wgan-gp"
        extra = CLASSES if conditional else 0
        self.conditional = conditional
        self.generator = build(LATENT + extra, 64, "sigmoid", "generator")
        self.critic = build(64 + extra, 1, None, "critic")
        rate, beta = (2e-4, 0.5)
        self.generator_optimizer = keras.optimizers.Adam(5 * rate, beta_1=beta, beta_2=0.9)
        self.critic_optimizer = keras.optimizers.Adam(5 * rate, beta_1=beta, beta_2=0.9)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.critic_optimizer.build(self.critic.trainable_variables)
        self.seeds = keras.random.SeedGenerator(1)

    def draw(self, labels):
        """Images for one-hot labels."""
        noise = keras.random.normal((labels.shape[0], LATENT), seed=self.seeds)
        return self.generator(ops.concatenate([noise, labels], axis=1) if self.conditional else noise)

    def judge(self, images, labels):
        """The critic's score."""
        return self.critic(ops.concatenate([images, labels], axis=1) if self.conditional else images)

    def critic_loss(self, real, labels):
        """Large where the critic errs."""
        fake = ops.stop_gradient(self.draw(labels))
        on_real, on_fake = self.judge(real, labels), self.judge(fake, labels)
        if not self.wasserstein:
            return ops.mean(ops.softplus(-on_real)) + ops.mean(ops.softplus(on_fake))
        mix = keras.random.uniform((real.shape[0], 1), seed=self.seeds)
        between = mix * real + (1.0 - mix) * fake
        slope = keras.grad(lambda x: ops.sum(self.judge(x, labels)))(between)
        norms = ops.sqrt(ops.sum(slope * slope, axis=1) + 1e-12)
        return ops.mean(on_fake) - ops.mean(on_real) + 10.0 * ops.mean((norms - 1.0) ** 2.0)

    def generator_loss(self, labels):
        """Large where the critic sees through the generator."""
        score = self.judge(self.draw(labels), labels)
        return -ops.mean(score) if self.wasserstein else ops.mean(ops.softplus(-score))

    def step(self, real, labels):
        """One step of both."""
        for _ in range(3 if self.wasserstein else 1):
            critic, gradients = keras.value_and_grad(
                lambda: self.critic_loss(real, labels), variables=self.critic.trainable_variables
            )()
            self.critic_optimizer.apply(gradients, self.critic.trainable_variables)
        generator, gradients = keras.value_and_grad(
            lambda: self.generator_loss(labels), variables=self.generator.trainable_variables
        )()
        self.generator_optimizer.apply(gradients, self.generator.trainable_variables)
        return critic, generator


def save_grid(images: np.ndarray, path: Path) -> None:
    """Ten rows of digits, with white between them."""
    cells = np.pad(images.reshape(10, -1, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
    grid = cells.transpose(0, 2, 1, 3).reshape(100, -1)
    plt.imsave(path, grid.repeat(6, axis=0).repeat(6, axis=1), cmap="gray_r", vmin=0, vmax=1)


def main() -> None:
    """Trains, prints the losses and the figure, writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loss", choices=["gan", "wgan-gp"], default="gan")
    parser.add_argument("--conditional", action="store_true")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--out", type=Path, default=Path("out"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(0)
    digits = load_digits()
    images = (digits.data / 16.0).astype("float32")
    one_hot = np.eye(CLASSES, dtype="float32")[digits.target]
    game = Game(args.loss, args.conditional)
    step = keras.jit(game.step)
    rng = np.random.default_rng(0)
    begun = time.perf_counter()
    for i in range(args.steps):
        rows = rng.integers(0, len(images), BATCH)
        critic, generator = step(images[rows], one_hot[rows])
        if (i + 1) % (args.steps // 5) == 0:
            print(f"step {i + 1}: critic {float(critic):.3f}, generator {float(generator):.3f}")
    print(f"{1e6 * (time.perf_counter() - begun) / args.steps:.0f} us a step")

    wanted = np.repeat(np.arange(CLASSES), 100)
    drawn = np.asarray(game.draw(keras.convert(np.eye(CLASSES, dtype="float32")[wanted])))
    name = f"{args.loss}{'_conditional' if args.conditional else ''}.png"
    save_grid(drawn[::10], args.out / name)
    seen = LogisticRegression(max_iter=2000).fit(images, digits.target).predict(drawn)
    if args.conditional:
        print(f"a classifier of real digits agrees with the label in {np.mean(seen == wanted):.1%}")
    else:
        shares = np.bincount(seen, minlength=CLASSES) / len(seen)
        print(f"classes drawn: {np.sum(shares > 0)} of {CLASSES}; the rarest in {shares.min():.1%} of the pictures")
    print(f"picture: {args.out / name}")


if __name__ == "__main__":
    main()
