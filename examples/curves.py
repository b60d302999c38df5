"""Learning curves as a picture: shared by the examples."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt


def plot_learning_curves(history: Mapping[str, Sequence[float]], path: Path, keys: Sequence[str] = ("loss",)) -> None:
    """One panel for each key of the history, training and held out over the epochs."""
    figure, axes = plt.subplots(1, len(keys), figsize=(4.5 * len(keys), 3.5), layout="constrained", squeeze=False)
    for axis, key in zip(axes[0], keys, strict=True):
        epochs = range(1, len(history[key]) + 1)
        axis.plot(epochs, history[key], label="training")
        if f"val_{key}" in history:
            axis.plot(epochs, history[f"val_{key}"], label="held out")
        axis.set(xlabel="epoch", ylabel=key.replace("_", " "))
        axis.grid(alpha=0.3)
        axis.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
