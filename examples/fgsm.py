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


def attack_of(model, size: float, **options):
    """`attack` as a function of images and labels alone."""
    return lambda x, y: attack(model, x, y, size, **options)


def predicted(model, images) -> np.ndarray:
    """The classes that the net sees."""
    return np.asarray(model(images)).argmax(-1)


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
    parser.add_argument("--size", type=float, default=0.2)
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

    x, y = test
    target = (y + 1) % CLASSES
    rows = {"digits": (x, usual)}
    for name, model in (("usual", usual), ("hardened", hardened.net)):
        found = {
            "no attack": (x, y),
            "one step": (keras.jit(attack_of(model, args.size))(x, y), y),
            "ten steps": (keras.jit(attack_of(model, args.size, steps=10))(x, y), y),
            "one step to a target": (keras.jit(attack_of(model, args.size, sign=-1.0))(x, target), target),
            "ten steps to a target": (keras.jit(attack_of(model, args.size, steps=10, sign=-1.0))(x, target), target),
        }
        print(f"{name} net")
        for kind, (images, aim) in found.items():
            taken = predicted(model, images)
            hit = f", taken for the target {np.mean(taken == aim):6.1%}" if aim is target else ""
            print(f"{kind:>24}: accuracy {np.mean(taken == y):6.1%}{hit}")
        rows |= {f"{kind} ({name})": (found[kind][0], model) for kind in ("ten steps", "ten steps to a target")}

    figure, axes = plt.subplots(len(rows), 1, figsize=(9, 5.2), layout="constrained")
    for axis, (name, (images, model)) in zip(axes, rows.items(), strict=True):
        shown = np.asarray(images)[:12, ..., 0]
        axis.imshow(shown.transpose(1, 0, 2).reshape(8, 96), cmap="gray_r", vmin=0, vmax=1)
        axis.set_xticks(8 * np.arange(12) + 3.5, predicted(model, images)[:12])
        axis.set_yticks([])
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
        axis.tick_params(length=0)
    figure.suptitle("below each digit: what the net takes it for")
    figure.savefig(args.out / "fgsm.png", dpi=120)
    print(f"picture: {args.out / 'fgsm.png'}")


if __name__ == "__main__":
    main()
