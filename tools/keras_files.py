"""Files both ways between Keras and rustdl: load, predict equally, and go on training equally.

    KERAS_BACKEND=jax python tools/keras_files.py [--only NAME ...] [--verbose]

Each case is a model, an optimizer and data. One library makes and trains the model and writes it; the other one reads
the file. Both then predict, and both train on with the same batches in the same order. Compared are the predictions,
the losses of the further epochs, and all weights after them. Needs keras 3 and one of its backends.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras_file_cases import CASES, Case

import rustdl

LIMIT = 1e-4  # of the largest number of the array: float32 after twelve steps of adaptive optimizers
LIBRARIES = {"keras": keras, "rustdl": rustdl}


class Found(NamedTuple):
    """The largest relative differences of predictions, losses and weights."""

    predictions: float
    losses: float
    weights: float


def difference(a: Any, b: Any) -> float:
    """The largest difference of two arrays, by the largest number in them."""
    a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
    if a.shape != b.shape:
        return np.inf
    return float(np.abs(a - b).max(initial=0) / max(np.abs(a).max(initial=0), 1e-12))


def train(model: Any, case: Case, epochs: int) -> list[float]:
    """Losses of some epochs over the data in their order."""
    x, y = case.data()
    history = model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return list(history.history["loss"])


def build(library: Any, case: Case) -> Any:
    """The model of a case, compiled."""
    library.utils.clear_session()
    library.utils.set_random_seed(0)
    model = case.model(library)
    x, _ = case.data()
    if not model.built:
        model(library.tree.map_structure(lambda a: a[:1], x))
    model.compile(optimizer=case.optimizer(library), loss=case.loss, **case.compile_arguments)
    return model


def predictions(library: Any, model: Any, x: Any) -> list[Any]:
    """All outputs for the data."""
    return list(library.tree.flatten(model.predict(x, verbose=0)))


def write(model: Any, path: Path) -> None:
    """Saves the model or its weights, by the ending of the path; weights in JSON as shards."""
    if path.suffix == ".keras":
        model.save(path)
    else:
        model.save_weights(path, **({"max_shard_size": 3e-6} if path.suffix == ".json" else {}))


def read(library: Any, case: Case, path: Path) -> Any:
    """The model of a file, ready to train."""
    if path.suffix == ".keras":
        return library.saving.load_model(path)
    model = build(library, case)
    model.optimizer.build(model.trainable_variables)
    model.load_weights(path)
    return model


def transfer(case: Case, source: str, target: str, kind: str, folder: Path) -> Found:
    """Makes a model in one library, moves it by a file to the other, and trains on in both."""
    ours, theirs = LIBRARIES[source], LIBRARIES[target]
    model = build(ours, case)
    train(model, case, 2)
    path = folder / f"{case.name}.{kind}"
    write(model, path)
    moved = read(theirs, case, path)
    if case.reload:
        model = read(ours, case, path)
    x, _ = case.data()
    pairs = zip(predictions(ours, model, x), predictions(theirs, moved, x), strict=True)
    first = max(difference(a, b) for a, b in pairs)
    losses = difference(train(model, case, 2), train(moved, case, 2))
    weights = max(difference(a, b) for a, b in zip(model.get_weights(), moved.get_weights(), strict=True))
    return Found(first, losses, weights)


def report(run: Callable[[], Found], label: str, verbose: bool) -> Found | None:
    """Runs one transfer, prints what came of it, and returns it; None if it failed."""
    try:
        found = run()
    except Exception as error:
        print(f"{label}  FAILED  {type(error).__name__}: {str(error)[:300]}", flush=True)
        return None
    equal = max(found) <= LIMIT
    if verbose or not equal:
        print(f"{label}  {'  '.join(f'{v:9.1e}' for v in found)}{'' if equal else '  DIFFERENT'}", flush=True)
    return found


def collect(results: Path | None, case: str, transfer: str, found: Found | None) -> None:
    """Adds to the file of results what came of one transfer: three differences, or null if it failed."""
    if results:
        known = json.loads(results.read_text()) if results.exists() else {}
        known.setdefault(case, {})[transfer] = found
        results.write_text(json.dumps(known, indent=1) + "\n")


def main() -> None:
    """Runs all cases, kinds of files and directions, and prints the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="names of cases")
    parser.add_argument("--kinds", nargs="*", default=["keras", "weights.h5", "weights.json"])
    parser.add_argument(
        "--verbose", action="store_true", help="a line for each transfer, not only for the unequal ones"
    )
    parser.add_argument("--results", type=Path, help="a JSON file to collect in what is found")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    print(f"{'case':28}{'from':9}{'kind':14}{'predict':>9}  {'losses':>9}  {'weights':>9}")
    equal, total = 0, 0
    for case, source, target, kind in transfers(args.only, args.kinds):
        with tempfile.TemporaryDirectory() as folder:
            found = report(
                lambda c=case, s=source, t=target, k=kind, f=folder: transfer(c, s, t, k, Path(f)),
                f"{case.name:28}{source:9}{kind:14}",
                args.verbose,
            )
        collect(args.results, case.name, f"{source} {kind}", found)
        equal += found is not None and max(found) <= LIMIT
        total += 1
    print(f"{equal} of {total} transfers equal, within {LIMIT:g} of the largest number of each array")
    raise SystemExit(equal != total)


def transfers(only: list[str] | None, kinds: list[str]) -> Iterator[tuple[Case, str, str, str]]:
    """Cases, with the library that writes, the one that reads, and the kind of the file."""
    for case in CASES:
        if only and case.name not in only:
            continue
        for source, target in (("keras", "rustdl"), ("rustdl", "keras")):
            for kind in kinds:
                if kind != "keras" or not case.weights_only:
                    yield case, source, target, kind


if __name__ == "__main__":
    main()
