"""SIREN: a net with sine activations fits a photograph, and its gradient too (Sitzmann et al. 2020).

The photograph is the flower that scikit-learn carries. The net maps a place (x, y) to a grey level. After
training its derivative by the place, found for all pixels at once, is compared with the differences of the
photograph. Prints the PSNR of the image, and the correlation of the gradients.

    python examples/siren.py
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_sample_image

import rustdl as keras
from rustdl import layers, ops

mpl.use("Agg")
import matplotlib.pyplot as plt

OMEGA = 30.0


class Siren(keras.Model):
    """Dense layers with sin(omega (W x + b)); weights as in the paper, so that activations keep their spread."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__(name="siren")
        first = keras.initializers.RandomUniform(-1 / 2, 1 / 2, seed=0)
        bound = float(np.sqrt(6 / width) / OMEGA)
        self.hidden = [
            layers.Dense(
                width,
                kernel_initializer=first if i == 0 else keras.initializers.RandomUniform(-bound, bound, seed=i),
            )
            for i in range(depth)
        ]
        self.out = layers.Dense(1, kernel_initializer=keras.initializers.RandomUniform(-bound, bound, seed=99))

    def call(self, x):
        """Places to grey levels."""
        for layer in self.hidden:
            x = ops.sin(OMEGA * layer(x))
        return self.out(x)


def photograph(size: int) -> np.ndarray:
    """The middle of the flower as `size` x `size` grey levels in [-1, 1]."""
    grey = load_sample_image("flower.jpg").astype("float32").mean(axis=2)
    side = min(grey.shape)
    top, left = (grey.shape[0] - side) // 2, (grey.shape[1] - side) // 2
    square = grey[top : top + side, left : left + side]
    block = side // size
    small = square[: block * size, : block * size].reshape(size, block, size, block).mean(axis=(1, 3))
    return small / 127.5 - 1.0


def main() -> None:
    """Fits, compares, draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path("out"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    image = photograph(args.size)
    line = np.linspace(-1, 1, args.size, dtype="float32")
    places = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    target = image.reshape(-1, 1)
    model = Siren(width=96, depth=3)
    model.build((None, 2))
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, args.steps))
    optimizer.build(model.trainable_variables)

    @keras.jit
    def step(x, y):
        loss, gradients = keras.value_and_grad(
            lambda: ops.mean((model(x) - y) ** 2.0), variables=model.trainable_variables
        )()
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    begun = time.perf_counter()
    for _ in range(args.steps):
        loss = step(places, target)
    psnr = 10 * np.log10(4.0 / float(loss))
    print(f"{args.steps} steps in {time.perf_counter() - begun:.1f} s; PSNR {psnr:.1f} dB")

    slope = np.asarray(keras.jit(keras.grad(lambda x: ops.sum(model(x))))(places)).reshape(args.size, args.size, 2)
    fitted = np.asarray(model(places)).reshape(args.size, args.size)
    true = np.stack(np.gradient(image, 2 / (args.size - 1)), axis=-1)
    correlation = np.corrcoef(slope.ravel(), true.ravel())[0, 1]
    print(f"correlation of its gradient with the photograph's differences: {correlation:.3f}")

    figure, axes = plt.subplots(1, 4, figsize=(12, 3.3), layout="constrained")
    shown = [image, fitted, np.hypot(*np.moveaxis(true, -1, 0)), np.hypot(*np.moveaxis(slope, -1, 0))]
    for axis, picture, title in zip(
        axes, shown, ["photograph", "net", "its differences", "the net's gradient"], strict=True
    ):
        axis.imshow(picture, cmap="gray")
        axis.set_title(title)
        axis.axis("off")
    figure.savefig(args.out / "siren.png", dpi=120)
    print(f"picture: {args.out / 'siren.png'}")


if __name__ == "__main__":
    main()
