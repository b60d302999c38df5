"""Writes docs/keras-compatibility.md: which public names of Keras are here, and how all that was compared fares.

    python tools/keras_compatibility.py [--suite FROZEN.json.gz --log LOG.jsonl ...] [--files FILE.json]
        [--applications FILE.json] [--parity SECTION.md]

`--suite` is the frozen list of Keras' own tests and `--log` what their runner writes, `--files` and `--applications`
are what `keras_files.py` and `keras_applications.py` collect with `--results`, `--parity` is what
`tools/keras_parity --write` hands over. A section for which nothing is given stays as it is.
"""

# ruff: noqa: E501  (the table of reasons)
from __future__ import annotations

import argparse
import datetime
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import keras_suite

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
PAGE = ROOT / "docs" / "keras-compatibility.md"
FILES_LIMIT = 1e-4  # as in `keras_files.py`
APPLICATIONS_LIMIT = 1e-4  # as in `keras_applications.py`

# Names that exist and raise an error which says what to use instead.
REFUSED = {
    "distribution": "one machine: all its cores are used by themselves",
    "layers.FlaxLayer": "no JAX inside",
    "layers.JaxLayer": "no JAX inside",
    "layers.TFSMLayer": "no TensorFlow inside",
    "layers.TorchModuleWrapper": "no PyTorch inside",
    "export.ExportArchive": "writes TensorFlow's SavedModel",
    "callbacks.OrbaxCheckpoint": "checkpoints are `.keras` files: `ModelCheckpoint`, `BackupAndRestore`",
}

# Where we mean to differ, mostly because Keras 3.15 on JAX does not do what it documents.
DIFFERENCES = (
    "There are no complex tensors: transforms take and give pairs of real ones; `polar`, `view_as_complex` and complex `eig` give numpy arrays.",
    "Rows of attention that see no key give 0 with zero gradient, not the mean of all values.",
    "`attn_logits_soft_cap` works on every machine; `MultiHeadAttention` honours an explicit `query_mask`.",
    "`sparsemax` gives rows that sum to 1.",
    "A recurrent layer honours an attached mask beside an initial state; `zero_output_for_mask` works with `unroll`.",
    "`TimeDistributed` folds time into the batch for layers that work row by row, so its random numbers are others.",
    "`RandomCrop` crops the centre at inference, as documented, and moves boxes along both axes; `AutoContrast` honours `channels_first`; "
    "`RandomRotation` and `RandomPerspective` convert box formats; displacements of `RandomElasticTransform` along x and y are independent.",
    "`stateful=True` carries states, and `SpectralNormalization` keeps its normalised kernel, through compiled steps too; Keras on JAX forgets both there.",
    "Lookup layers give multi-hot and count vectors in `floatx`, as documented.",
    "`warm_start` and `fit_kwargs` of the scikit-learn wrappers take effect.",
    "`LogitsDistillation('kl_divergence')` applies the softmax to the logits (Hinton et al., 2015).",
    "`fit`, `evaluate` and `predict` take arrays of strings where a layer of the model turns them into numbers (Keras on JAX refuses them); such steps run eagerly.",
    "Metrics honour the mask of a prediction in `fit` too, where Keras on JAX has lost it; `SwapEMAWeights` leaves the averages in the model also after an early stop.",
    "`compile` without `metrics` forgets those of an earlier `compile`; a generator that has run dry ends `fit` instead of giving its first batch again.",
    "`Model.quantize` with GPTQ or AWQ prepares and quantizes the layers of the given blocks, and leaves all others in floats; Keras prepares them all. Files have the zero points, which Keras 3.15 leaves out of those of GPTQ, so that it cannot read them again.",
)


def names() -> dict[str, list[str]]:
    """Public names of Keras 3.15 by module."""
    return json.loads((GOLDEN / "keras_names.json").read_text())


def refusal(path: str) -> str | None:
    """The reason why a name is refused; None for names that work."""
    for name, reason in REFUSED.items():
        if path == name or path.startswith(name + "."):
            return reason
    return None


def presence() -> tuple[list[str], list[tuple[str, str]], int]:
    """Missing names, refused names with reasons, and the number of all."""
    missing, refused, total = [], [], 0
    for module, members in names().items():
        for member in members:
            total += 1
            path = f"{module}.{member}".removeprefix("keras.")
            try:
                found = hasattr(importlib.import_module("rustdl" + module.removeprefix("keras")), member)
            except ImportError:
                found = False
            if not found:
                missing.append(path)
            elif (reason := refusal(path)) is not None:
                refused.append((path, reason))
    return missing, refused, total


def golden_counts() -> list[tuple[str, int]]:
    """Comparisons with values of Keras that lie in tests/golden, by file."""
    import numpy as np

    counts = []
    for file in sorted(GOLDEN.glob("*.npz")):
        with np.load(file) as arrays:
            counts.append((file.stem, len(arrays.files)))
    for file in sorted(GOLDEN.glob("*.json")):
        if file.stem != "keras_names":
            counts.append((file.stem, len(json.loads(file.read_text()))))
    return counts


def files_section(results: Path) -> list[str]:
    """What came of moving models between the libraries by files."""
    found = json.loads(results.read_text())
    rows, equal, total = [], 0, 0
    for case, transfers in found.items():
        good = [d for d in transfers.values() if d is not None and max(d) <= FILES_LIMIT]
        equal, total = equal + len(good), total + len(transfers)
        worst = [f"{max(column):.0e}" for column in zip(*good, strict=True)] or ["", "", ""]
        rows.append(f"| {case} | {len(good)} of {len(transfers)} | {' | '.join(worst)} |")
    return [
        "## Files both ways",
        "",
        "`python tools/keras_files.py`: one library makes and trains a model and writes it (`.keras`, `.weights.h5`, and",
        "weights in shards), the other one reads it; both predict, and both go on training for six steps. Largest differences",
        f"by the largest number of the array; {equal} of {total} transfers are equal within {FILES_LIMIT:g}.",
        "",
        "| model or optimizer | equal | predictions | losses | weights |",
        "|---|---:|---:|---:|---:|",
        *rows,
    ]


def applications_section(results: Path) -> list[str]:
    """Time to build, parameters and differences of the outputs of every application."""
    found = json.loads(results.read_text())
    compared = [row for row in found.values() if "difference" in row]
    good = [row for row in compared if row["difference"] <= APPLICATIONS_LIMIT and row["same parameters"]]
    lines = [
        "## Applications",
        "",
        "`python tools/keras_applications.py`: seconds to build the model in full size in a new process (of CPU where that is",
        "less: the machine was shared); parameters, equal to Keras' to the digit where there is no other number; largest",
        "difference of the outputs by the largest output, with the weights of a `.weights.h5` file that Keras wrote, on small",
        "images.",
        "",
        f"{len(found)} models built, {len(compared)} compared so far, {len(good)} of them equal within {APPLICATIONS_LIMIT:g}.",
        "",
        "| model | parameters | seconds | difference |",
        "|---|---:|---:|---:|",
    ]
    for name in sorted(found):
        row = found[name]
        parameters = f"{row['parameters']:,}"
        if row["parameters"] != row["parameters of Keras"]:
            parameters += f" (Keras: {row['parameters of Keras']:,})"
        difference = f"{row['difference']:.1e}" if "difference" in row else "not compared"
        lines.append(f"| {name} | {parameters} | {min(row['cpu'], row['seconds']):.1f} | {difference} |")
    return lines


def kept_section(page: str, title: str) -> list[str]:
    """A section of the page as it is."""
    start = page.find(f"## {title}")
    end = page.find("\n## ", start + 1)
    return page[start : end if end >= 0 else None].rstrip().splitlines() if start >= 0 else []


def main(argv: list[str] | None = None) -> int:
    """Writes the page; returns 1 if names are missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", type=Path)
    parser.add_argument("--log", type=Path, nargs="+")
    parser.add_argument("--files", type=Path)
    parser.add_argument("--applications", type=Path)
    parser.add_argument("--parity", type=Path)
    args = parser.parse_args(argv)
    missing, refused, total = presence()
    here = total - len(missing) - len(refused)
    lines: list[Any] = [
        "# Compatibility with Keras 3.15",
        "",
        "Made by `python tools/keras_compatibility.py`.",
        "",
        "## Public names",
        "",
        f"{total} public names: {here} present ({100 * here / total:.1f} %), {len(refused)} refused with a reason, "
        f"{len(missing)} missing.",
        "",
    ]
    if refused:
        lines += ["| refused | because |", "|---|---|", *(f"| `{name}` | {reason} |" for name, reason in refused), ""]
    if missing:
        lines += ["Missing: " + ", ".join(f"`{name}`" for name in missing), ""]
    counts = golden_counts()
    lines += [
        "## Values compared with Keras",
        "",
        "Arrays made by Keras (on JAX) that the tests compare with, with the scripts that make them in `tests/golden`: "
        "outputs, gradients, weights after training steps.",
        "",
        "| what | arrays |",
        "|---|---:|",
        *(f"| {name} | {count} |" for name, count in counts),
        f"| all | {sum(count for _, count in counts)} |",
        "",
    ]
    lines += ["## Where we differ", "", *(f"- {text}" for text in DIFFERENCES), ""]
    page = PAGE.read_text() if PAGE.exists() else ""
    today = f"{datetime.date.today():%Y-%m-%d}"
    made = {
        "The parity grid": args.parity.read_text().rstrip().splitlines() if args.parity else None,
        "Files both ways": files_section(args.files) if args.files else None,
        "Applications": applications_section(args.applications) if args.applications else None,
        "Keras' own tests": keras_suite.section(args.suite, args.log, today) if args.suite and args.log else None,
    }
    for title, section in made.items():
        section = kept_section(page, title) if section is None else section
        lines += [*section, ""] if section else []
    PAGE.write_text("\n".join(lines).rstrip() + "\n")
    print(
        f"{here} present, {len(refused)} refused, {len(missing)} missing of {total}; written: {PAGE.relative_to(ROOT)}"
    )
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
