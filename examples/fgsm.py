"""Adversarial examples: the fast gradient sign method, targeted and iterated, and training against it.

Goodfellow et al. 2015 ("Explaining and Harnessing Adversarial Examples") and Madry et al. 2018. A convnet on
scikit-learn's digits; prints its accuracy on held-out digits before and after each attack, and that of a net
trained on attacked digits.

    python examples/fgsm.py
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits

import rustdl as keras
from rustdl import layers, ops

mpl.use("Agg")
import matplotlib.pyplot as plt

CLASSES = 10


def build(seed: int) -> keras.Model:
    """A small convnet that gives logits."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(CLASSES),
        ]
    )


LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def attack(model, x, y, size: float, steps: int = 1, sign: float = 1.0):
    """Moves each pixel by at most `size` up the loss of `y` (down with sign = -1, towards a target)."""
    moved = x
    for _ in range(steps):
        slope = keras.grad(lambda z: LOSS(y, model(z)))(moved)
        moved = moved + sign * (size / steps if steps == 1 else 1.5 * size / steps) * ops.sign(slope)
        moved = ops.clip(ops.minimum(ops.maximum(moved, x - size), x + size), 0.0, 1.0)
    return ops.stop_gradient(moved)


class Hardened(keras.Model):
    """A net whose training step sees attacked images too."""

    def __init__(self, net, size: float) -> None:
        super().__init__()
        self.net, self.size = net, size

    def call(self, x):
        """The net's logits."""
        return self.net(x)

    def train_step(self, data):
        """Half of the loss is that of attacked images."""
        x, y = data

        def loss():
            attacked = attack(self.net, x, y, self.size)
            return 0.5 * LOSS(y, self.net(x)) + 0.5 * LOSS(y, self.net(attacked))

        value, gradients = keras.value_and_grad(loss, variables=self.trainable_variables)()
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": value}


def main() -> None:
    """Trains both nets, attacks them, draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=float, default=0.15)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--out", type=Path, default=Path("out"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    x = (digits.images[order] / 16.0).astype("float32")[..., None]
    y = digits.target[order].astype("int32")
    train, test = (x[:-360], y[:-360]), (x[-360:], y[-360:])
    usual = build(0)
    usual.compile(keras.optimizers.Adam(2e-3), LOSS)
    usual.fit(*train, epochs=args.epochs, batch_size=64, verbose=0)
    hardened = Hardened(build(0), args.size)
    hardened.compile(keras.optimizers.Adam(2e-3), LOSS)
    hardened.fit(*train, epochs=args.epochs, batch_size=64, verbose=0)

    target = ((test[1] + 1) % CLASSES).astype("int32")
    pictures = {}
    for name, model in (("usual", usual), ("hardened", hardened.net)):
        right = lambda images, model=model: np.asarray(model(images)).argmax(-1)  # noqa: E731
        one = keras.jit(lambda x, y, model=model: attack(model, x, y, args.size))(*test)
        many = keras.jit(lambda x, y, model=model: attack(model, x, y, args.size, steps=10))(*test)
        aimed = keras.jit(lambda x, y, model=model: attack(model, x, y, args.size, steps=10, sign=-1.0))(
            test[0], target
        )
        pictures[name] = np.asarray(many)
        print(
            f"{name}: accuracy {np.mean(right(test[0]) == test[1]):.1%}, after one step "
            f"{np.mean(right(one) == test[1]):.1%}, after ten {np.mean(right(many) == test[1]):.1%}; "
            f"taken for the wrong digit aimed at {np.mean(right(aimed) == target):.1%}"
        )

    rows = np.concatenate([test[0][:12], pictures["usual"][:12], pictures["hardened"][:12]])[..., 0]
    grid = rows.reshape(3, 12, 8, 8).transpose(0, 2, 1, 3).reshape(24, 96)
    figure, axis = plt.subplots(figsize=(9, 2.6), layout="constrained")
    axis.imshow(grid, cmap="gray_r", vmin=0, vmax=1)
    axis.set_yticks([4, 12, 20], ["digits", "attacked", "attacked (hardened)"])
    axis.set_xticks([])
    figure.savefig(args.out / "fgsm.png", dpi=120)
    print(f"picture: {args.out / 'fgsm.png'}")


if __name__ == "__main__":
    main()
