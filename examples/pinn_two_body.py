"""A physics-informed net solves the Kepler problem: two bodies that attract each other (Raissi et al. 2019).

In coordinates around the heavy body the orbit obeys r'' = -r / |r|^3. A net t -> r(t) is trained to obey it
at random times, with the start built in: r(t) = r0 + v0 t + t^2 net(t). The second derivative by time comes
from two nested `jvp`s, one Taylor step for all times at once. Prints the error against an orbit integrated by
a leapfrog of small steps, and how well energy is conserved.

    python examples/pinn_two_body.py
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np

import rustdl as keras
from rustdl import layers, ops

mpl.use("Agg")
import matplotlib.pyplot as plt

START, VELOCITY = np.array([1.0, 0.0], "float32"), np.array([0.0, 1.1], "float32")


def leapfrog(times: np.ndarray, steps: int = 20000) -> np.ndarray:
    """The orbit at these times by the velocity Verlet method."""
    h = times[-1] / steps
    r, v = START.astype("float64"), VELOCITY.astype("float64")
    orbit = [r.copy()]
    for _ in range(steps):
        v = v - 0.5 * h * r / np.linalg.norm(r) ** 3
        r = r + h * v
        v = v - 0.5 * h * r / np.linalg.norm(r) ** 3
        orbit.append(r.copy())
    grid = np.linspace(0, times[-1], steps + 1)
    return np.stack([np.interp(times, grid, np.array(orbit)[:, i]) for i in range(2)], axis=-1)


class Orbit:
    """The net, its derivatives by time, and the training step."""

    def __init__(self, end: float, steps: int) -> None:
        self.end = end
        self.net = keras.Sequential(
            [keras.Input((1,)), *[layers.Dense(48, activation="tanh") for _ in range(3)], layers.Dense(2)], name="orbit"
        )
        self.optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps))
        self.optimizer.build(self.net.trainable_variables)
        self.seeds = keras.random.SeedGenerator(0)

    def place(self, t):
        """Places at times (n, 1), with the start built in."""
        return START + VELOCITY * t + t * t * self.net(t / self.end) / self.end

    def motion(self, t):
        """Place, velocity and acceleration: each time is one row, so one direction serves all."""
        ones = ops.ones_like(t)
        moving = lambda t: keras.jvp(self.place, (t,), (ones,))  # noqa: E731
        (r, v), (_, a) = keras.jvp(moving, (t,), (ones,))
        return r, v, a

    def loss(self, t):
        """How far the net is from obeying the law of motion."""
        r, _, a = self.motion(t)
        distance = ops.sqrt(ops.sum(r * r, axis=1, keepdims=True) + 1e-6)
        return ops.mean((a + r / distance**3.0) ** 2.0)

    def step(self):
        """One step at random times."""
        # Times near the start are learnt first: the orbit grows from there.
        t = self.end * keras.random.uniform((128, 1), seed=self.seeds) ** 1.5
        value, gradients = keras.value_and_grad(lambda: self.loss(t), variables=self.net.trainable_variables)()
        self.optimizer.apply(gradients, self.net.trainable_variables)
        return value


def main() -> None:
    """Trains, compares, draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--end", type=float, default=4.0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(0)
    orbit = Orbit(args.end, args.steps)
    step = keras.jit(orbit.step)
    begun = time.perf_counter()
    for _ in range(args.steps):
        residual = step()
    seconds = time.perf_counter() - begun
    print(f"{args.steps} steps in {seconds:.1f} s; mean squared residual {float(residual):.2e}")

    times = np.linspace(0, args.end, 200)
    found, speed, _ = (np.asarray(part) for part in keras.jit(orbit.motion)(times.astype("float32")[:, None]))
    true = leapfrog(times)
    energy = 0.5 * np.sum(speed**2, axis=1) - 1 / np.linalg.norm(found, axis=1)
    print(f"largest distance from the integrated orbit {np.max(np.linalg.norm(found - true, axis=1)):.4f}")
    print(f"energy {energy[0]:.4f}, kept within {np.max(np.abs(energy - energy[0])):.4f}")

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    axes[0].plot(*true.T, label="integrated")
    axes[0].plot(*found.T, "--", label="net")
    axes[0].plot(0, 0, "ko")
    axes[0].axis("equal")
    axes[0].legend()
    axes[1].plot(times, energy)
    axes[1].set_xlabel("time")
    axes[1].set_ylabel("energy")
    figure.savefig(args.out / "pinn_two_body.png", dpi=120)
    print(f"picture: {args.out / 'pinn_two_body.png'}")


if __name__ == "__main__":
    main()
