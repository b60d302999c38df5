"""MAML: a net that learns sine waves from ten points (Finn et al. 2017).

The meta-loss is what is left after a gradient step on each task, so its gradient is a gradient through a
gradient; tasks are independent and batched by `vmap`. Prints the loss on new waves before and after adapting,
against a net that was trained on all waves at once.

    python examples/maml_sine.py
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np

import rustdl as keras
from rustdl import ops

mpl.use("Agg")
import matplotlib.pyplot as plt

TASKS, SHOTS, WIDTH, RATE = 25, 10, 40, 0.01


def predict(params, x):
    """A net of two hidden layers as a function of its weights."""
    h = ops.relu(x @ params["w1"] + params["b1"])
    h = ops.relu(h @ params["w2"] + params["b2"])
    return h @ params["w3"] + params["b3"]


def loss(params, x, y):
    """Mean squared error."""
    return ops.mean((predict(params, x) - y) ** 2.0)


def adapted(params, x, y, steps=1, rate=RATE):
    """The weights after gradient steps on one task."""
    for _ in range(steps):
        gradients = keras.grad(loss)(params, x, y)
        params = {name: params[name] - rate * gradients[name] for name in params}
    return params


def meta_loss(params, tasks):
    """What adapted weights do wrong on other points of the same waves."""
    x, y, x_new, y_new = tasks
    each = keras.vmap(lambda a, b, c, d: loss(adapted(params, a, b), c, d))
    return ops.mean(each(x, y, x_new, y_new))


def joint_loss(params, tasks):
    """Without adapting."""
    return ops.mean(keras.vmap(lambda c, d: loss(params, c, d))(tasks[2], tasks[3]))


def waves(rng: np.random.Generator, tasks: int) -> list[np.ndarray]:
    """Points of sine waves of random height and phase: x, y, and as many others."""
    height, phase = rng.uniform(0.1, 5, (tasks, 1, 1)), rng.uniform(0, np.pi, (tasks, 1, 1))
    found = []
    for _ in range(2):
        x = rng.uniform(-5, 5, (tasks, SHOTS, 1))
        found += [x.astype("float32"), (height * np.sin(x - phase)).astype("float32")]
    return found


class Learner:
    """Weights as Variables, their optimizer, and the training step for an objective."""

    def __init__(self, objective, seed: int) -> None:
        rng = np.random.default_rng(seed)
        sizes = {"w1": (1, WIDTH), "b1": (WIDTH,), "w2": (WIDTH, WIDTH), "b2": (WIDTH,), "w3": (WIDTH, 1), "b3": (1,)}
        self.objective = objective
        self.params = {
            name: keras.Variable((rng.normal(size=s) * np.sqrt(2 / s[0]) * (len(s) > 1)).astype("float32"), name=name)
            for name, s in sizes.items()
        }
        self.variables = list(self.params.values())
        self.optimizer = keras.optimizers.Adam(1e-3)
        self.optimizer.build(self.variables)

    def step(self, tasks):
        """One step of Adam on the objective."""
        value, gradients = keras.value_and_grad(
            lambda: self.objective({name: v.value for name, v in self.params.items()}, tasks), variables=self.variables
        )()
        self.optimizer.apply(gradients, self.variables)
        return value


def train(objective, steps: int, seed: int) -> dict[str, np.ndarray]:
    """Weights that were trained on fresh waves."""
    rng = np.random.default_rng(seed)
    learner = Learner(objective, seed)
    step = keras.jit(learner.step)
    for _ in range(steps):
        step(waves(rng, TASKS))
    return {name: np.array(v) for name, v in learner.params.items()}


def main() -> None:
    """Trains both, adapts to new waves, draws one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=15000)
    parser.add_argument("--out", type=Path, default=Path("out"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    begun = time.perf_counter()
    nets = {"MAML": train(meta_loss, args.steps, 0), "trained on all waves": train(joint_loss, args.steps, 0)}
    print(f"trained in {time.perf_counter() - begun:.1f} s")
    counts, rates = (0, 1, 5, 10), (RATE, RATE / 3, RATE / 10, RATE / 30)

    @keras.jit
    def errors(params, tasks, rate):
        """The mean error on new points after each count of steps."""
        found = []
        for k in counts:
            each = keras.vmap(lambda a, b, c, d, k=k: loss(adapted(params, a, b, k, rate), c, d))
            found.append(ops.mean(each(*tasks)))
        return ops.stack(found)

    tuning, tasks = waves(np.random.default_rng(6), 500), waves(np.random.default_rng(7), 500)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained", sharey=True)
    highest = int(np.argmax(np.abs(tasks[1]).max(axis=(1, 2))))
    x, y = tasks[0][highest], tasks[1][highest]
    line = np.linspace(-5, 5, 200, dtype="float32")[:, None]
    for axis, (name, params) in zip(axes, nets.items(), strict=True):
        # Each net gets the step size that serves it best on other waves.
        rate = min(rates, key=lambda r: float(errors(params, tuning, keras.convert(r))[-1]))
        after = np.asarray(errors(params, tasks, keras.convert(rate)))
        print(f"{name}, steps of {rate:.4f}: error after 0, 1, 5, 10 steps: " + ", ".join(f"{e:.2f}" for e in after))
        for k in (0, 1, 10):
            axis.plot(line, predict(adapted(params, x, y, k, rate), line), label=f"{k} steps")
        axis.plot(x, y, "k^", label="ten points")
        axis.set_title(name)
        axis.legend()
    figure.savefig(args.out / "maml_sine.png", dpi=120)
    print(f"picture: {args.out / 'maml_sine.png'}")


if __name__ == "__main__":
    main()
