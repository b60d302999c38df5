"""Every model of `rustdl.applications` beside Keras': time to build, parameters, outputs with the same random weights.

    python tools/keras_applications.py build [NAME ...]      # seconds to build, parameters; needs no Keras
    python tools/keras_applications.py compare [NAME ...]    # outputs and parameters against Keras, one process a model

`build` makes each model in its full size, in a new process each, so that nothing is warm. `compare` makes it for small
images, gives the same random weights to both, and prints the largest difference of the outputs by the largest output,
and how much outputs of different images differ (a network whose output is constant would compare nothing).
"""

from __future__ import annotations

import argparse
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


def outputs(library: str, name: str, file: str) -> dict[str, Any]:
    """Writes the outputs of a model with random weights for three images; returns the parameters of the full size."""
    module = importlib.import_module(library)
    size = size_of(name)
    make = getattr(module.applications, name)
    model = make(weights=None, input_shape=(size, size, 3), classifier_activation=None)
    floats = [w for w in model.weights if "float" in str(w.dtype)]
    for weight, value in zip(
        floats, weights_like([(w.name, tuple(w.shape)) for w in floats], gain_of(name)), strict=True
    ):
        weight.assign(value)
    images = np.random.default_rng(1).uniform(0, 255, (3, size, size, 3)).astype("float32")
    if not name.startswith(("EfficientNet", "ConvNeXt", "MobileNetV3")):
        images = images / 127.5 - 1  # networks that do not rescale get the range that they expect
    np.save(file, np.asarray(module.ops.convert_to_numpy(model(images, training=False))))
    return {"parameters": model.count_params()}


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


def build_table(names: list[str]) -> bool:
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
        print(
            f"{name:22}{found['seconds']:9.2f}{found['cpu']:9.2f}{found['parameters']:14,}  {'yes' if equal else 'NO'}",
            flush=True,
        )
    print(f"{good} of {len(names)} built in under {BUILD_LIMIT:g} s with Keras' number of parameters")
    return good == len(names)


def compare_table(names: list[str]) -> bool:
    """Prints the differences of the outputs; says whether all are within the limit."""
    good = 0
    print(f"{'model':22}{'pixels':>7}{'parameters':>14}{'difference':>12}{'spread':>9}")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            files = {library: os.path.join(folder, f"{library}.npy") for library in ("rustdl", "keras")}
            # NASNet's padding is not known to Keras' PyTorch backend.
            backend = "jax" if name.startswith("NASNet") else "torch"
            found = {
                library: child("--outputs-of", library, name, file, KERAS_BACKEND=backend)
                for library, file in files.items()
            }
            errors = [f"{library}: {f['error']}" for library, f in found.items() if "error" in f]
            if errors:
                print(f"{name:22}  {'; '.join(errors)}", flush=True)
                continue
            ours, theirs = np.load(files["rustdl"]), np.load(files["keras"])
        scale = np.abs(theirs).max()
        difference = float(np.abs(ours - theirs).max() / scale)
        spread = float(theirs.std(axis=0).mean() / scale)
        equal = found["rustdl"]["parameters"] == found["keras"]["parameters"]
        fine = difference <= LIMIT and equal and spread > 1e-3
        good += fine
        print(
            f"{name:22}{size_of(name):7}{found['rustdl']['parameters']:14,}{difference:12.1e}{spread:9.1e}"
            f"{'' if fine else '  NOT EQUAL'}",
            flush=True,
        )
    print(f"{good} of {len(names)} models equal within {LIMIT:g} of the largest output")
    return good == len(names)


def main() -> None:
    """Prints the table that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("build", "compare"), default="build")
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--build-one", help=argparse.SUPPRESS)
    parser.add_argument("--outputs-of", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.build_one:
        print(json.dumps(build(args.build_one)))
    elif args.outputs_of:
        print(json.dumps(outputs(*args.outputs_of)))
    else:
        table = build_table if args.what == "build" else compare_table
        raise SystemExit(not table(args.names or NAMES))


if __name__ == "__main__":
    main()
