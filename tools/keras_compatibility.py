"""Writes docs/keras-compatibility.md: which public names of Keras are here, and how Keras' own tests fare.

    python tools/keras_compatibility.py [--suite OUT.json --log LOG.jsonl] [--parity SECTION.md]

`--suite` and `--log` are what the runner of Keras' test suite writes, `--parity` is what `tools/keras_parity --write`
hands over; without them the sections of these names are kept as they are.
"""

# ruff: noqa: E501  (the table of reasons)
from __future__ import annotations

import argparse
import collections
import datetime
import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
PAGE = ROOT / "docs" / "keras-compatibility.md"

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

# Why groups of Keras' own tests fail: a pattern of the message or of the test's id, and the reason.
REASONS = (
    (r"complex64", "there is no complex dtype: complex numbers are pairs (real, imaginary), as in `ops.fft`"),
    (
        r"is int64, not int32|is uint64",
        "mixed unsigned and signed integers promote as in numpy; JAX without 64 bits stops at 32",
    ),
    (r"float8|gptq|GPTQ|awq|AWQ", "quantization by float8, GPTQ and AWQ is not offered: int8 and int4 are"),
    (
        r"has no attribute '_|has no attribute 'inputs_quantizer'|_quantizer'|symbolic_call|_convert_to_tensor",
        "looks at private attributes",
    ),
    (r"[Oo]rbax", "Orbax is a format of JAX: `ModelCheckpoint` and `BackupAndRestore` write `.keras` files"),
    (
        r"[Tt]ensorboardX|TensorBoard",
        "TensorBoard goes through tensorboardX, an optional package that was not installed",
    ),
    (r"TFSM|SavedModel|ExportArchive|litert|tf\.", "TensorFlow's formats are not written"),
    (r"[Tt]ensorflow|[Tt]orch|jax", "about another framework's tensors"),
    (r"Could not locate class", "the class is registered under the module's name in Keras' own tree"),
    (r"remat", "counts calls of JAX's rematerialisation"),
)

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
    "Quantization: `int8` and `int4`; `float8` has its functions but no layers; GPTQ and AWQ have configurations but no algorithm.",
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


def suite_section(out: Path, log: Path) -> list[str]:
    """The score on Keras' own tests, and why the groups that fail do."""
    result = json.loads(out.read_text())
    suite = result["suite"]
    lines = [
        "## Keras' own tests",
        "",
        f"Keras {result['keras']}, run on {datetime.date.today():%Y-%m-%d} against a frozen list of tests that Keras itself",
        "passes under the same conditions.",
        "",
        "| needs | passed | of | |",
        "|---|---:|---:|---:|",
    ]
    for need, row in {"all": suite["total"], **suite["by_need"]}.items():
        passed, total = row["passed"], row["of"]
        lines.append(f"| {need} | {passed} | {total} | {100 * passed / max(total, 1):.1f} % |")
    groups: dict[tuple[str, str], int] = collections.Counter()
    for text in log.read_text().splitlines():
        row = json.loads(text)
        if row["outcome"] in ("failed", "error", "absent", "crash", "timeout"):
            file = row["id"].split("keras/src/")[-1].split("::")[0]
            groups[file, reason_of(f"{row['id']} {row.get('why') or ''}")] += 1
    lines += ["", "| file | failing | why |", "|---|---:|---|"]
    for (file, why), count in sorted(groups.items(), key=lambda item: (-item[1], item[0])):
        lines.append(f"| {file} | {count} | {why} |")
    return lines


def reason_of(text: str) -> str:
    """The reason that fits a failing test, else the beginning of its message."""
    for pattern, reason in REASONS:
        if re.search(pattern, text):
            return reason
    # Paths are those of the machine that ran the suite.
    message = re.sub(r"(?:/[\w.+-]+){2,}/", "", text.split(" ", 1)[-1])
    message = re.sub(r"\s+", " ", message)[:110]
    return message.replace("|", "/") or "no message"


def kept_section(page: str, title: str) -> list[str]:
    """A section of the page as it is."""
    start = page.find(f"## {title}")
    end = page.find("\n## ", start + 1)
    return page[start : end if end >= 0 else None].rstrip().splitlines() if start >= 0 else []


def main(argv: list[str] | None = None) -> int:
    """Writes the page; returns 1 if names are missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", type=Path)
    parser.add_argument("--log", type=Path)
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
    parity = args.parity.read_text().rstrip().splitlines() if args.parity else kept_section(page, "The parity grid")
    suite = suite_section(args.suite, args.log) if args.suite and args.log else kept_section(page, "Keras' own tests")
    lines += [*parity, "", *suite] if parity else suite
    PAGE.write_text("\n".join(lines).rstrip() + "\n")
    print(
        f"{here} present, {len(refused)} refused, {len(missing)} missing of {total}; written: {PAGE.relative_to(ROOT)}"
    )
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
