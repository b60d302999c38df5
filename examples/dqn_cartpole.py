"""DQN balances a pole: Q-learning with a replay memory and a slow copy of the net (Mnih et al. 2015).

The action of the next state is chosen by the net and valued by the copy (double Q-learning, van Hasselt et al. 2016);
the copy follows the net a little at each step. Learning is one compiled step, acting another. From time to time the
greedy policy plays some episodes; training ends when it keeps the pole up in all. Prints the mean return of 100 new
episodes, of which at least 475 counts as solved; draws the learning curve.

    python examples/dqn_cartpole.py
"""

import argparse
import time
from pathlib import Path

import numpy as np
from cartpole import ACTIONS, OBSERVATIONS, SOLVED, evaluate, make, plot_returns

import rustdl as keras
from rustdl import layers, ops

DISCOUNT, BATCH, FOLLOW = 0.99, 128, 0.005


def build(name: str) -> keras.Model:
    """Values of both actions."""
    return keras.Sequential(
        [
            keras.Input((OBSERVATIONS,)),
            layers.Dense(128, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.Dense(ACTIONS),
        ],
        name=name,
    )


class Agent:
    """The net, its slow copy, and the step that learns."""

    def __init__(self, steps: int) -> None:
        self.net, self.copy = build("net"), build("copy")
        self.copy.set_weights(self.net.get_weights())
        rate = keras.optimizers.schedules.PolynomialDecay(1e-3, steps, 1e-4)
        self.optimizer = keras.optimizers.Adam(rate, clipnorm=10.0)
        self.optimizer.build(self.net.trainable_variables)

    def best(self, seen):
        """The action of highest value."""
        return ops.argmax(self.net(seen), axis=-1)

    def step(self, seen, action, reward, then, fell):
        """One step of Q-learning on a batch of transitions."""
        value = ops.take_along_axis(self.copy(then), self.best(then)[:, None], axis=1)[:, 0]
        target = ops.stop_gradient(reward + DISCOUNT * (1.0 - fell) * value)

        def loss():
            chosen = ops.take_along_axis(self.net(seen), action[:, None], axis=1)[:, 0]
            return ops.mean(keras.losses.huber(target[:, None], chosen[:, None]))

        error, gradients = keras.value_and_grad(loss, variables=self.net.trainable_variables)()
        self.optimizer.apply(gradients, self.net.trainable_variables)
        for slow, fast in zip(self.copy.variables, self.net.variables, strict=True):
            slow.assign_add(FOLLOW * (fast - slow))
        return error


class Replay:
    """The last transitions, as arrays to draw batches from."""

    def __init__(self, size: int) -> None:
        self.count, self.size = 0, size
        shapes = {"seen": OBSERVATIONS, "action": (), "reward": (), "then": OBSERVATIONS, "fell": ()}
        self.columns = {
            name: np.zeros((size, *np.atleast_1d(shape).astype(int)), "int32" if name == "action" else "float32")
            for name, shape in shapes.items()
        }

    def add(self, *transition) -> None:
        """Overwrites the oldest."""
        for column, value in zip(self.columns.values(), transition, strict=True):
            column[self.count % self.size] = value
        self.count += 1

    def batch(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Some transitions."""
        rows = rng.integers(0, min(self.count, self.size), BATCH)
        return [column[rows] for column in self.columns.values()]


def main() -> None:
    """Plays and learns, evaluates, draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000, help="the most steps in the environment")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    agent, replay, pole = Agent(args.steps), Replay(20_000), make()
    learn, best = keras.jit(agent.step), keras.jit(agent.best)
    seen, _ = pole.reset(seed=args.seed)
    ends, returns, total = [], [], 0.0
    begun = time.perf_counter()
    for i in range(1, args.steps + 1):
        # Ever fewer random actions.
        curious = rng.random() < max(0.02, 1.0 - i / 10_000)
        action = int(rng.integers(ACTIONS)) if curious else int(best(seen[None])[0])
        then, reward, fell, over, _ = pole.step(action)
        replay.add(seen, action, reward, then, fell)
        total += reward
        seen = then
        if fell or over:
            ends.append(i)
            returns.append(total)
            total, (seen, _) = 0.0, pole.reset()
        if i >= 1000:
            learn(*replay.batch(rng))
        if i % 5000 == 0:
            played = evaluate(best, 30, seed=10_000)
            print(
                f"step {i}: return {np.mean(returns[-20:]):.0f} in training, {played.mean():.0f} greedy "
                f"({time.perf_counter() - begun:.0f} s)",
                flush=True,
            )
            if played.min() == 500:
                break
    seconds = time.perf_counter() - begun

    played = evaluate(best, 100, seed=20_000)
    plot_returns(ends, returns, args.out / "dqn_cartpole.png", "DQN on CartPole-v1")
    print(f"{i} steps in {seconds:.0f} s")
    print(
        f"mean return of 100 new episodes {played.mean():.1f} (lowest {played.min():.0f}): "
        f"{'solved' if played.mean() >= SOLVED else 'not solved'}"
    )
    print(f"picture: {args.out / 'dqn_cartpole.png'}")


if __name__ == "__main__":
    main()
