"""Every model of `rustdl.applications` beside Keras': time to build, parameters, outputs with the same random weights.

    python tools/keras_applications.py build [NAME ...]      # seconds to build, parameters; needs no Keras
    python tools/keras_applications.py compare [NAME ...]    # outputs and parameters against Keras, one model at a time

`build` makes each model in its full size, in a new process each, so that nothing is warm. `compare` lets Keras make it
for small images with random weights and write them to a `.weights.h5` file, which rustdl loads; printed are the largest
difference of the outputs by the largest output, and how much outputs of different images differ (a network whose output
is constant would compare nothing). `--results FILE.json` collects what is found, for `keras_compatibility.py`.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
sys.path.insert(0, str(GOLDEN))
from applications_cases import GAINS, NAMES, weights_like  # noqa: E402

LIMIT = 1e-4  # of the largest output: float32 through hundreds of layers
BUILD_LIMIT = 10.0
# The smallest images that a family takes without being trivial.
SIZES = {"NASNet": 64, "Inception": 96, "Xception": 96}


def size_of(name: str) -> int:
    """Height and width of the images for the comparison."""
    return next((size for family, size in SIZES.items() if name.startswith(family)), 64)


def gain_of(name: str) -> float:
    """The scale of the kernels with which signals neither vanish nor overflow: that of the family's smallest model."""
    family = name.rstrip("0123456789").removesuffix("B")
    known = [gain for model, gain in GAINS.items() if model.startswith(family)]
    return GAINS.get(name, known[0] if known else 1.5)


def build(name: str) -> dict[str, Any]:
    """Seconds to build a model of rustdl in full size, and its parameters."""
    import rustdl

    begun, cpu = time.perf_counter(), time.process_time()
    model = getattr(rustdl.applications, name)(weights=None)
    return {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "parameters": model.count_params(),
    }


def steady_outputs(model: Any, images: Any, name: str, library: Any) -> Any:
    """Outputs with random weights, the largest with which the network does not magnify the rounding of its inputs.

    Gates that saturate make deep networks chaotic: Keras' own results in float32 and in float64 then differ altogether.
    """
    floats = [w for w in model.weights if "float" in str(w.dtype)]
    gain = gain_of(name)
    while True:
        values = weights_like([(w.name, tuple(w.shape)) for w in floats], gain)
        for weight, value in zip(floats, values, strict=True):
            weight.assign(value)
        inputs = (images, images * np.float32(1 + 1e-6))
        found, moved = (np.array(library.ops.convert_to_numpy(model(x, training=False))) for x in inputs)
        if np.abs(moved - found).max() < 1e-5 * np.abs(found).max():
            return found
        gain *= 0.9


def outputs(library: Any, name: str, folder: str) -> tuple[Any, int]:
    """Outputs of a model for three images, and its parameters; Keras makes the file of the weights, rustdl loads it."""
    size = size_of(name)
    model = getattr(library.applications, name)(weights=None, input_shape=(size, size, 3), classifier_activation=None)
    file = os.path.join(folder, "model.weights.h5")
    images = np.random.default_rng(1).uniform(0, 255, (3, size, size, 3)).astype("float32")
    if not name.startswith(("EfficientNet", "ConvNeXt", "MobileNetV3")):
        images = images / 127.5 - 1  # networks that do not rescale get the range that they expect
    if library.__name__ == "keras":
        found = steady_outputs(model, images, name, library)
        model.save_weights(file)
    else:
        model.load_weights(file)
        found = np.array(library.ops.convert_to_numpy(model(images, training=False)))
    return found, model.count_params()


def child(*arguments: str, **environment: str) -> dict[str, Any]:
    """What another process of this script returns."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:200] if done.stderr.strip() else str(done.returncode)}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def collect(results: Path | None, name: str, found: dict[str, Any]) -> None:
    """Adds to the file of results what was found of a model."""
    if results:
        known = json.loads(results.read_text()) if results.exists() else {}
        known.setdefault(name, {}).update(found)
        results.write_text(json.dumps(known, indent=1) + "\n")


def build_table(names: list[str], results: Path | None) -> bool:
    """Prints the times to build and whether the parameters are Keras'; says whether all is as it should be."""
    golden = json.loads((GOLDEN / "applications.json").read_text())
    good = 0
    print(f"{'model':22}{'seconds':>9}{'of CPU':>9}{'parameters':>14}  as Keras")
    for name in names:
        found = child("--build-one", name)
        if "error" in found:
            print(f"{name:22}  {found['error']}", flush=True)
            continue
        equal = found["parameters"] == golden[name]["parameters"]
        # A busy machine makes one wait, not work: what is less counts.
        good += equal and min(found["seconds"], found["cpu"]) < BUILD_LIMIT
        collect(results, name, {**found, "parameters of Keras": golden[name]["parameters"]})
        print(
            f"{name:22}{found['seconds']:9.2f}{found['cpu']:9.2f}{found['parameters']:14,}  {'yes' if equal else 'NO'}",
            flush=True,
        )
    print(f"{good} of {len(names)} built in under {BUILD_LIMIT:g} s with Keras' number of parameters")
    return good == len(names)


def compare(name: str) -> dict[str, Any]:
    """The difference of the outputs with the weights of one file, their spread, and whether parameters are as many."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for library in (importlib.import_module(module) for module in ("keras", "rustdl")):
            found.append(outputs(library, name, folder))
            library.utils.clear_session()
            gc.collect()
    (theirs, many), (ours, own) = found
    scale = np.abs(theirs).max()
    return {
        "pixels": size_of(name),
        "difference": float(np.abs(ours - theirs).max() / scale),
        "spread": float(theirs.std(axis=0).mean() / scale),
        "same parameters": own == many,
    }


def compare_table(names: list[str], results: Path | None) -> bool:
    """Prints the differences of the outputs; says whether all are within the limit."""
    good = 0
    print(f"{'model':22}{'pixels':>7}{'difference':>12}{'spread':>9}")
    for name in names:
        found = compare(name)
        fine = found["difference"] <= LIMIT and found["same parameters"] and found["spread"] > 1e-3
        good += fine
        collect(results, name, found)
        print(
            f"{name:22}{found['pixels']:7}{found['difference']:12.1e}{found['spread']:9.1e}"
            f"{'' if fine else '  NOT EQUAL'}",
            flush=True,
        )
    print(f"{good} of {len(names)} models equal within {LIMIT:g} of the largest output")
    return good == len(names)


def compare_all(names: list[str], results: Path | None) -> bool:
    """`compare_table` on Keras' PyTorch backend, the quickest for this; on JAX for NASNet, whose padding that lacks."""
    backend = os.environ.setdefault("KERAS_BACKEND", "torch")
    others = [name for name in names if backend == "torch" and name.startswith("NASNet")]
    good = compare_table([name for name in names if name not in others], results)
    if others:
        command = [sys.executable, __file__, "compare", *others, *(["--results", str(results)] if results else [])]
        good &= not subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "jax"}, check=False).returncode
    return good


def main() -> None:
    """Prints the table that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("build", "compare"), default="build")
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--results", type=Path, help="a JSON file to collect in what is found")
    parser.add_argument("--build-one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.build_one:
        print(json.dumps(build(args.build_one)))
    elif args.what == "build":
        raise SystemExit(not build_table(args.names or NAMES, args.results))
    else:
        raise SystemExit(not compare_all(args.names or NAMES, args.results))


if __name__ == "__main__":
    main()
