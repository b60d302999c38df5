"""SIREN: a net with sine activations fits a photograph, or its gradient alone (Sitzmann et al. 2020).

The photograph is the flower that scikit-learn carries. The net maps a place (x, y) to a grey level. One net learns the
grey levels: prints its PSNR, and how its derivative by the place, found for all pixels at once, agrees with the
differences of the photograph. Another net sees these differences only, so its loss holds a gradient and its training
step a gradient of a gradient: prints the PSNR of the photograph that comes out, up to a constant.

    python examples/siren.py
"""

import argparse
import time
from collections.abc import Callable
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

    def __init__(self, width: int = 96, depth: int = 3) -> None:
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
        last = keras.initializers.RandomUniform(-bound, bound, seed=depth)
        # Without a bias: the gradient of the photograph does not determine it.
        self.out = layers.Dense(1, use_bias=False, kernel_initializer=last)
        self.build((None, 2))

    def call(self, x):
        """Places to grey levels."""
        for layer in self.hidden:
            x = ops.sin(OMEGA * layer(x))
        return self.out(x)

    def slope(self, x):
        """The derivative of each grey level by its place."""
        return keras.grad(lambda x: ops.sum(self(x)))(x)


def fits_image(model: Siren, places, grey):
    """The mean squared error of the grey levels."""
    return ops.mean((model(places) - grey) ** 2.0)


def fits_slope(model: Siren, places, slope):
    """The mean squared error of the derivatives."""
    return ops.mean((model.slope(places) - slope) ** 2.0)


def make_step(model: Siren, loss: Callable, steps: int) -> Callable:
    """A training step for one of the losses."""
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps))
    optimizer.build(model.trainable_variables)

    def step(places, wanted):
        value, gradients = keras.value_and_grad(
            lambda: loss(model, places, wanted), variables=model.trainable_variables
        )()
        optimizer.apply(gradients, model.trainable_variables)
        return value

    return step


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
    """Fits both nets, compares, draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64, help="pixels along a side")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("out"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    image = photograph(args.size)
    line = np.linspace(-1, 1, args.size, dtype="float32")
    places = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    differences = np.stack(np.gradient(image, 2 / (args.size - 1)), axis=-1).astype("float32")
    nets = {}
    for name, loss, wanted in [
        ("grey levels", fits_image, image.reshape(-1, 1)),
        ("differences", fits_slope, differences.reshape(-1, 2)),
    ]:
        net = Siren()
        step = keras.jit(make_step(net, loss, args.steps))
        begun = time.perf_counter()
        for i in range(args.steps):
            error = step(places, wanted)
            if (i + 1) % (args.steps // 5) == 0:
                print(f"{name}, step {i + 1}: mean squared error {float(error):.2e}", flush=True)
        seconds = time.perf_counter() - begun
        found = np.asarray(net(places)).reshape(args.size, args.size)
        slope = np.asarray(keras.jit(net.slope)(places)).reshape(differences.shape)
        if loss is fits_slope:
            found = found - found.mean() + image.mean()
        nets[name] = found, slope
        psnr = 10 * np.log10(4.0 / np.mean((found - image) ** 2))
        correlation = np.corrcoef(slope.ravel(), differences.ravel())[0, 1]
        print(
            f"{args.steps} steps on the {name} in {seconds:.1f} s: PSNR {psnr:.1f} dB, "
            f"correlation of the gradient with the photograph's differences {correlation:.3f}"
        )

    figure, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
    shown = {"photograph": (image, differences)} | {f"net that saw the {name}": net for name, net in nets.items()}
    for column, (name, (grey, slope)) in zip(axes.T, shown.items(), strict=True):
        column[0].imshow(grey, cmap="gray", vmin=-1, vmax=1)
        column[0].set_title(name)
        column[1].imshow(np.hypot(*np.moveaxis(slope, -1, 0)), cmap="gray", vmin=0, vmax=float(differences.max()))
        column[1].set_title("size of its gradient")
        for axis in column:
            axis.axis("off")
    figure.savefig(args.out / "siren.png", dpi=120)
    print(f"picture: {args.out / 'siren.png'}")


if __name__ == "__main__":
    main()
