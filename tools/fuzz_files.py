"""Loads thousands of damaged model files: each loads or raises an ordinary error; none may crash, hang, or half-load.

    python tools/fuzz_files.py [--count 3000] [--seconds 10] [--seed 0] [--keep FOLDER]

Of a good `.keras` archive, a `.weights.h5` file, a `.safetensors` file and a file in Keras' older form (`.h5`), copies
are made with some bytes overwritten, cut out, doubled, or the end missing. Half of the archives are damaged inside: in
their JSON or weights, with the check sums of the archive made right again. A child process loads them under a time
limit, so that a crash is seen as one. Weights that raise must leave the model as it was.
"""

from __future__ import annotations

import argparse
import collections
import io
import multiprocessing
import os
import signal
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

import rustdl
from rustdl import layers

KINDS = ("keras", "weights.h5", "safetensors", "h5")


def make_model() -> Any:
    """A small compiled model with several kinds of state."""
    rustdl.utils.set_random_seed(0)
    inputs = rustdl.Input((4,))
    x = layers.Dense(5, activation="relu", kernel_regularizer="l2")(inputs)
    x = layers.BatchNormalization()(x)
    model = rustdl.Model(inputs, layers.Dense(2)(layers.Dropout(0.1)(x)))
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.ones((8, 4), "float32"), np.ones((8, 2), "float32"), verbose=0)
    return model


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """A copy with one kind of damage at a random place."""
    kind, place = rng.integers(6), int(rng.integers(max(1, len(data))))
    size = int(rng.integers(1, 17))
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[:place] + data[place + size :]
    if kind == 2:
        return data[:place] + data[place : place + size] * 2 + data[place + size :]
    if kind == 3:
        return data[:place] + bytes(size) + data[place + size :]
    if kind == 4:
        return data[:place] + b"\xff" * size + data[place + size :]
    changed = bytearray(data)
    for i in rng.integers(len(data), size=size):
        changed[int(i)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def damaged_inside(data: bytes, rng: np.random.Generator) -> bytes:
    """An archive that is whole, with a damaged member."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        names = source.namelist()
        hit = names[int(rng.integers(len(names)))]
        for name in names:
            content = source.read(name)
            target.writestr(name, damaged(content, rng) if name == hit else content)
    return out.getvalue()


class TooLongError(BaseException):
    """Loading took more than the time limit."""


def load(path: Path, kind: str, model: Any) -> str:
    """Loads a file; returns what came of it."""
    before = [w.numpy().copy() for w in model.weights]
    try:
        if kind in ("keras", "h5"):
            loaded = rustdl.saving.load_model(path)
            loaded.predict(np.ones((2, *loaded.input_shape[1:]), "float32"), verbose=0)
        else:
            model.load_weights(path)
        for weight, value in zip(model.weights, before, strict=True):
            weight.assign(value)
    except TooLongError:
        return "HANGS"
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        MemoryError,
        OSError,
        RuntimeError,
        NotImplementedError,
    ) as e:
        same = all(np.array_equal(w.numpy(), b) for w, b in zip(model.weights, before, strict=True))
        return type(e).__name__ if same else "HALF LOADED"
    except Exception as e:
        return f"OTHER {type(e).__name__}: {str(e)[:100]}"
    return "loads"


def child(kind: str, good: bytes, numbers: range, seed: int, seconds: int, folder: Path, connection: Any) -> None:
    """Loads the damaged files with these numbers, and sends what came of each."""

    def too_long(*_: Any) -> None:
        raise TooLongError

    signal.signal(signal.SIGPROF, too_long)
    warnings.simplefilter("ignore")
    model = make_model()
    for number in numbers:
        rng = np.random.default_rng((seed, KINDS.index(kind), number))
        inside = kind == "keras" and number % 2
        path = folder / f"damaged.{kind}"
        path.write_bytes(damaged_inside(good, rng) if inside else damaged(good, rng))
        connection.send((number, None))
        signal.setitimer(signal.ITIMER_PROF, seconds)  # of the processor's time: the machine may be busy
        result = load(path, kind, model)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send((number, result))


def fuzz(
    kind: str, good: bytes, count: int, seed: int, seconds: int, folder: Path, keep: Path | None
) -> collections.Counter:
    """Counts of what came of the files of one kind."""
    counts: collections.Counter[str] = collections.Counter()
    first, context = 0, multiprocessing.get_context("spawn")
    while first < count:
        ours, theirs = context.Pipe(False)
        process = context.Process(target=child, args=(kind, good, range(first, count), seed, seconds, folder, theirs))
        process.start()
        theirs.close()
        number, result, spent = first, None, 0.0
        while True:
            try:
                if not ours.poll(5):
                    if cpu_seconds(process.pid) - spent < seconds + 30:
                        continue
                    process.kill()  # the alarm was not heard: stuck in a library
                    result = "HANGS IN C"
                    break
                number, result = ours.recv()
                spent = cpu_seconds(process.pid)
            except EOFError:
                break
            if result is not None:
                counts[result] += 1
                if result[0].isupper() and result.split()[0].isupper():
                    print(f"  {kind} number {number}: {result}", flush=True)
                    _keep(keep, folder, kind, number)
        process.join()
        if number == count - 1 and result is not None:
            break
        counts[result or f"CRASH {process.exitcode}"] += 1
        print(f"  {kind} number {number}: {result or 'CRASH'} (exit {process.exitcode})", flush=True)
        _keep(keep, folder, kind, number)
        first = number + 1
    return counts


def cpu_seconds(pid: int | None) -> float:
    """The processor's time that a process has used (on Linux)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _keep(keep: Path | None, folder: Path, kind: str, number: int) -> None:
    if keep is not None and (folder / f"damaged.{kind}").exists():
        keep.mkdir(exist_ok=True, parents=True)
        (keep / f"{number}.{kind}").write_bytes((folder / f"damaged.{kind}").read_bytes())


def main() -> None:
    """Makes the files, loads them, and prints the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=3000, help="files of each kind")
    parser.add_argument("--seconds", type=int, default=10, help="time limit of one file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=KINDS)
    parser.add_argument("--keep", type=Path, help="folder for the files that misbehave")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    model, bad = make_model(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in args.kinds:
            path = folder / f"good.{kind}"
            if kind in ("keras", "h5"):
                model.save(path)
            else:
                model.save_weights(path)
            counts = fuzz(kind, path.read_bytes(), args.count, args.seed, args.seconds, folder, args.keep)
            print(f"{kind:12} {dict(counts.most_common())}", flush=True)
            bad += sum(n for result, n in counts.items() if result.split()[0].isupper())
    print(f"{bad} misbehaved")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
