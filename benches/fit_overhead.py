"""What `fit` costs beyond its compiled steps, for the MLP 784-128-10 with SGD and batches of 32.

    python benches/fit_overhead.py [--rounds 30] [--rows 60000]

Both run the same compiled step over the same batches: `fit(epochs=1, verbose=0)`, and the plan of the step alone, which
the engine drives over the arrays in one call, without any other Python. They take turns in one process, so that what
else the machine does falls on both; the median is that of the ratios of neighbours. With `shuffle`, both gather
shuffled rows: the order is drawn in `fit`, and handed to the bare steps.
"""

import argparse
import statistics
import time

import numpy as np

import rustdl as keras
from rustdl import layers
from rustdl.trainers.data_adapters import get_data_adapter

BATCH = 32


def main() -> None:
    """Takes the times and prints them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--rows", type=int, default=60_000, help="a multiple of 32; MNIST has 60,000")
    parser.add_argument("--metrics", action="store_true", help="with accuracy")
    args = parser.parse_args()
    steps = args.rows // BATCH
    rng = np.random.default_rng(0)
    x = rng.random((steps * BATCH, 784), dtype="float32")
    y = rng.integers(0, 10, steps * BATCH).astype("int32")
    model = keras.Sequential([keras.Input((784,)), layers.Dense(128, activation="relu"), layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss, metrics=["accuracy"] if args.metrics else None)
    model.fit(x, y, batch_size=BATCH, verbose=0)
    adapter = get_data_adapter(x, y, batch_size=BATCH)
    plan = model.train_function.compiled(adapter.pack([a[:BATCH] for a in adapter.arrays])).plan
    print(f"{steps} steps an epoch, {keras.num_threads()} threads")
    print(f"{'':12}{'fit, us a step':>16}{'bare, us a step':>18}{'least':>8}{'median':>8}   (fit / bare - 1)")
    for shuffle in (False, True):
        rows = keras.ops.convert_to_tensor(rng.permutation(len(x)).astype("int32")) if shuffle else None
        fits, bare = [], []
        for _ in range(args.rounds):
            begun = time.perf_counter()
            model.fit(x, y, batch_size=BATCH, shuffle=shuffle, verbose=0)
            middle = time.perf_counter()
            plan.run_batches(adapter.arrays, rows, BATCH, 0, steps)
            fits.append((middle - begun) / steps * 1e6)
            bare.append((time.perf_counter() - middle) / steps * 1e6)
        median = statistics.median(a / b for a, b in zip(fits, bare, strict=True)) - 1
        print(
            f"{'shuffled' if shuffle else 'in order':12}{min(fits):16.2f}{min(bare):18.2f}"
            f"{100 * (min(fits) / min(bare) - 1):7.2f}%{100 * median:7.2f}%"
        )


if __name__ == "__main__":
    main()
