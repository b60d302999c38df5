"""Forecasts next year's number of sunspots from the years before it with a GRU.

The series (1700 to 2008) comes as a file with statsmodels (pip install statsmodels). The last 60
years are held out and forecast one year ahead each; the mean absolute error is compared with that
of the naive forecast (as this year) and of the naive cycle (as eleven years before).

    python examples/forecast.py
"""

import argparse
import importlib.util
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from curves import plot_learning_curves

import rustdl as keras
from rustdl import layers

mpl.use("Agg")
import matplotlib.pyplot as plt

HELD_OUT = 60
CYCLE = 11


def load_series(path: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Years and sunspot numbers, from a CSV file with a header line."""
    if path is None:
        found = importlib.util.find_spec("statsmodels")
        if found is None or not found.submodule_search_locations:
            raise SystemExit("the series comes with statsmodels: pip install statsmodels, or give a CSV file by --data")
        path = Path(found.submodule_search_locations[0]) / "datasets" / "sunspots" / "sunspots.csv"
    table = np.genfromtxt(path, delimiter=",", skip_header=1)
    return table[:, 0], table[:, 1]


def build_model(window: int) -> keras.Model:
    """A recurrent layer and the forecast."""
    return keras.Sequential([keras.Input((window, 1)), layers.GRU(32), layers.Dropout(0.2), layers.Dense(1)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="CSV file: year, number; default the one of statsmodels")
    parser.add_argument("--out", type=Path, default=Path("out/forecast"), help="folder for the pictures")
    parser.add_argument("--window", type=int, default=33, help="years that a forecast sees")
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    years, series = load_series(args.data)
    # The square root makes the spread alike at high and low numbers; scaled by the training years alone.
    root = np.sqrt(series)
    mean, spread = root[:-HELD_OUT].mean(), root[:-HELD_OUT].std()
    scaled = ((root - mean) / spread).astype("float32")
    x = np.lib.stride_tricks.sliding_window_view(scaled[:-1], args.window)[..., np.newaxis].copy()
    y = scaled[args.window :, np.newaxis]

    model = build_model(args.window)
    model.summary()
    steps = args.epochs * -(-(len(x) - HELD_OUT) // 16)
    model.compile(keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(3e-3, steps), weight_decay=0.01), "mse")
    begun = time.perf_counter()
    history = model.fit(
        x[:-HELD_OUT],
        y[:-HELD_OUT],
        batch_size=16,
        epochs=args.epochs,
        validation_data=(x[-HELD_OUT:], y[-HELD_OUT:]),
        verbose=0,
    )
    seconds = time.perf_counter() - begun

    true, found = (
        series[-HELD_OUT:],
        np.square(np.maximum(model.predict(x[-HELD_OUT:], verbose=0)[:, 0] * spread + mean, 0)),
    )
    forecasts = {
        "GRU": found,
        "as this year": series[-HELD_OUT - 1 : -1],
        f"as {CYCLE} years before": series[-HELD_OUT - CYCLE : -CYCLE],
    }
    print(f"{len(x) - HELD_OUT} windows of {args.window} years, {args.epochs} epochs in {seconds:.1f} s")
    for name, values in forecasts.items():
        print(f"mean absolute error of {name:>19}: {np.abs(values - true).mean():.1f} sunspots")

    plot_learning_curves(history.history, args.out / "learning_curves.png")
    figure, axis = plt.subplots(figsize=(9, 3.5), layout="constrained")
    axis.plot(years[-HELD_OUT:], true, "k-", label="counted")
    axis.plot(years[-HELD_OUT:], found, label="forecast a year ahead")
    axis.set(xlabel="year", ylabel="sunspots")
    axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(args.out / "forecast.png", dpi=120)
    plt.close(figure)
    print(f"pictures: {args.out / 'learning_curves.png'}, {args.out / 'forecast.png'}")


if __name__ == "__main__":
    main()
