"""Runs cases in one library and writes what came out: a worker of the parity grid.

    python run.py (keras | rustdl) OUT [--only KIND ...] [--float64] [--keys FILE]

An array `<key of the case>|<name>` of `OUT.<digest>.npz` is a result; `<key>|error` says how a case was refused. Each
hundred cases are a file, so that a run that is stopped loses little.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from keras_parity.frame import load, run

PART = 100


def save(out: Path, results: dict[str, np.ndarray]) -> None:
    """Writes a part; what is there under its name is always complete."""
    digest = hashlib.sha256("\n".join(results).encode()).hexdigest()[:12]
    unfinished = out.with_name(f"unfinished.{digest}")
    with unfinished.open("wb") as file:
        np.savez(file, **results)
    unfinished.rename(out.with_name(f"{out.name}.{digest}.npz"))


def _plain(value: Any) -> np.ndarray:
    """An array that needs no pickle: text as text, not as objects."""
    array = np.asarray(value)
    return array.astype(str) if array.dtype == object else array


def main() -> None:
    """Runs the cases one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=("keras", "rustdl"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--float64", action="store_true")
    parser.add_argument("--keys", type=Path, help="a file with the keys of the cases to run, one a line")
    args = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if args.float64:
        os.environ["JAX_ENABLE_X64"] = "1"
    warnings.simplefilter("ignore")
    keras = importlib.import_module(args.library)
    keras.config.set_floatx("float64" if args.float64 else "float32")
    on_jax = args.library == "keras" and keras.config.backend() == "jax"
    if on_jax:
        import jax

        jax.config.update("jax_disable_most_optimizations", True)  # thousands of small programs: compiling is the cost
    cases, _ = load(args.only)
    if args.keys:
        wanted = set(args.keys.read_text().split("\n"))
        cases = [case for case in cases if case.key in wanted]
    out: dict[str, np.ndarray] = {}
    start = time.time()
    for number, case in enumerate(cases, 1):
        keras.utils.clear_session(free_memory=False)
        try:
            found = run(case, keras, args.float64)
        except Exception as error:  # what is refused is a result too
            found = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        out.update({f"{case.key}|{name}": _plain(value) for name, value in found.items()})
        if number % PART == 0 or number == len(cases):
            save(args.out, out)
            out.clear()
            print(f"{args.library}: {number} of {len(cases)} cases, {time.time() - start:.0f} s", file=sys.stderr)
        if on_jax and number % 400 == 0:
            jax.clear_caches()


if __name__ == "__main__":
    main()
