"""Peak memory of the training steps of `benches/peers/compare.py`, in rustdl and in PyTorch.

Each case and framework has a process of its own. It imports the framework, trains a tiny model once (so that thread
pools and lazily imported modules are there), makes the data, and gives freed memory back to the system. Then the
kernel's high-water mark of resident memory is set back (5 written to /proc/self/clear_refs), the model is built and
trained for a few passes, and

    peak = VmHWM at the end - VmRSS when the mark was set back - growth of RssFile

is reported: weights, optimizer state, gradients, activations, workspaces, and what compiling leaves behind. RssFile are
the pages of shared libraries that are read from the disk when their code first runs; the largest such growth is printed
below the table. Linux only.

    python benches/peak_memory.py [--cases convnet ...] [--repeats 3] [--out benches/results/peak-memory.md]
"""

import argparse
import ctypes
import gc
import json
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "peers"))

from case import Case, make_data  # noqa: E402
from compare import machine  # noqa: E402
from models import CASES, build_keras, build_torch  # noqa: E402

FRAMEWORKS = {
    "rustdl": "rustdl",
    "eager": "PyTorch",
    "channels_last": "PyTorch, channels_last",
}
TRAINED = [name for name, case in CASES.items() if case.unit == "step"]
BATCHES = 4  # of the data set; a step's peak does not depend on it
PASSES = 3
MIB = 1024  # /proc counts in KiB
TINY = replace(CASES["mlp_small"], batch_size=8, batches=1)


def status() -> dict[str, int]:
    """Fields of /proc/self/status in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {key: int(value.split()[0]) for key, value in (line.split(":") for line in lines) if value.endswith("kB")}


def reset_peak() -> dict[str, int]:
    """Gives freed memory back, sets VmHWM to VmRSS, and returns the fields as they are then."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return status()


def rustdl_trainer(case: Case):
    """Data of the case, and a function that builds the model and trains it; it gives the planned memory."""
    import rustdl

    x, y = make_data(case)

    def train() -> dict[str, float]:
        model = build_keras(rustdl, case)
        model.fit(x, y, batch_size=case.batch_size, epochs=PASSES, verbose=0)
        end = status()
        planned = model.memory(x[: case.batch_size], y[: case.batch_size])
        state = planned.variables + planned.optimizer
        return {**end, "temporaries": planned.temporaries / 2**20, "state": state / 2**20}

    return train


def torch_trainer(case: Case, style: str):
    """The same for PyTorch."""
    import torch

    x, y = make_data(case)
    inputs = torch.from_numpy(np.moveaxis(x, -1, -3).copy() if x.ndim >= 4 else x)
    labels = torch.from_numpy(y).long()
    if case.vocabulary:  # logits of all tokens in one list
        labels = labels.flatten()
    if style == "channels_last":
        inputs = inputs.to(memory_format=torch.channels_last)
    labels_of_batch = len(labels) // case.batches
    batches = list(zip(inputs.split(case.batch_size), labels.split(labels_of_batch), strict=True))

    def train() -> dict[str, float]:
        model, optimizer = build_torch(torch, case)
        if style == "channels_last":
            model = model.to(memory_format=torch.channels_last)
        loss_of = torch.nn.CrossEntropyLoss()
        model.train()
        for _ in range(PASSES):
            for batch, target in batches:
                optimizer.zero_grad(set_to_none=True)
                loss_of(model(batch), target).backward()
                optimizer.step()
        return status()

    return train


def measure(framework: str, name: str) -> dict[str, float]:
    """The figures of one framework in this process, in MiB."""

    def trainer(case: Case, style: str):
        return rustdl_trainer(case) if framework == "rustdl" else torch_trainer(case, style)

    trainer(replace(TINY, optimizer=CASES[name].optimizer), "eager")()
    train = trainer(replace(CASES[name], batches=min(BATCHES, CASES[name].batches)), framework)
    before = reset_peak()
    after = train()
    code = after["RssFile"] - before["RssFile"]
    found = {"peak": (after["VmHWM"] - before["VmRSS"] - code) / MIB, "code": code / MIB}
    return {**found, **{key: after[key] for key in ("temporaries", "state") if key in after}}


def in_process(framework: str, name: str, repeats: int) -> dict[str, float]:
    """The median of each figure over processes of their own."""
    found = []
    for _ in range(repeats):
        command = [sys.executable, __file__, "--one", framework, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return {key: statistics.median(one[key] for one in found) for key in found[0]}


def row(name: str, repeats: int) -> tuple[str, float]:
    """A line of the table, and the growth of the pages of code."""
    own, torch = in_process("rustdl", name, repeats), in_process("eager", name, repeats)
    image = len(CASES[name].shape) == 3
    last = in_process("channels_last", name, repeats) if image else None
    others = [torch["peak"], *([last["peak"]] if last else [])]
    cells = [
        CASES[name].name,
        f"{own['peak']:.1f}",
        f"{torch['peak']:.1f}",
        f"{last['peak']:.1f}" if last else "",
        f"{own['peak'] / min(others):.2f}",
        f"{own['state']:.1f}",
        f"{own['temporaries']:.1f}",
    ]
    code = max(found["code"] for found in (own, torch, last) if found)
    return "| " + " | ".join(cells) + " |", code


def main() -> None:
    """Runs the cases and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=TRAINED, choices=TRAINED)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="file for the table")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*args.one)))
        return
    head = [*FRAMEWORKS.values(), "rustdl / the least of PyTorch", "weights and optimizer state", "planned temporaries"]
    table = ["| MiB | " + " | ".join(head) + " |", "|---|" + "---:|" * len(head)]
    print("\n".join(table), flush=True)
    largest = 0.0
    for name in args.cases:
        line, code = row(name, args.repeats)
        print(line, flush=True)
        table.append(line)
        largest = max(largest, code)
    lines = [
        "# Peak memory of training steps",
        "",
        "Resident memory beyond that of the process after import, a tiny model and the data, at its peak: weights,",
        f"optimizer state, gradients, activations, workspaces. Medians of {args.repeats} processes. Made by",
        "`python benches/peak_memory.py`, whose first lines say what is counted.",
        "",
        *machine(),
        "",
        *table,
        "",
        f"Not counted: pages of the libraries' code, read while training; at most {largest:.0f} MiB.",
    ]
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")
        print(f"written: {args.out}")


if __name__ == "__main__":
    main()
