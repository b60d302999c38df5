"""CartPole in Gymnasium: what the examples of reinforcement learning share."""

from collections.abc import Callable, Sequence
from pathlib import Path

import gymnasium
import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

OBSERVATIONS, ACTIONS, SOLVED = 4, 2, 475.0


def make() -> gymnasium.Env:
    """A pole to balance for 500 steps."""
    return gymnasium.make("CartPole-v1")


def evaluate(act: Callable[[np.ndarray], np.ndarray], episodes: int, seed: int) -> np.ndarray:
    """The return of each episode; `act` gives actions for a batch of observations, as all are played side by side."""
    poles = [make() for _ in range(episodes)]
    seen = np.stack([pole.reset(seed=seed + i)[0] for i, pole in enumerate(poles)])
    returns, going = np.zeros(episodes), np.ones(episodes, bool)
    while going.any():
        actions = np.asarray(act(seen))
        for i in np.flatnonzero(going):
            seen[i], reward, fell, over, _ = poles[i].step(int(actions[i]))
            returns[i] += reward
            going[i] = not (fell or over)
    return returns


def plot_returns(steps: Sequence[int], returns: Sequence[float], path: Path, title: str) -> None:
    """The return of each training episode over the steps played, and its running mean."""
    figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
    axis.plot(steps, returns, ".", ms=3, alpha=0.4, label="episode")
    mean = [np.mean(returns[max(0, i - 19) : i + 1]) for i in range(len(returns))]
    axis.plot(steps, mean, label="mean of 20")
    axis.axhline(SOLVED, ls="--", lw=1, color="grey", label="solved")
    axis.set(xlabel="steps in the environment", ylabel="return", title=title)
    axis.legend(loc="upper left")
    figure.savefig(path, dpi=120)
    plt.close(figure)
