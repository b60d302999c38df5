"""Compares rustdl with Keras on JAX, a jitted JAX step, Keras on TensorFlow, PyTorch, candle and burn.

Each framework lives in its own process. The processes take turns, round after round, and only one of them works at a
time, so that whatever else the machine does falls on all of them alike. The table gives the time of a step as the
minimum and the median of the rounds, and how many times rustdl is faster.

    python benches/peers/compare.py [--quick] [--rounds 10] [--out benches/results/peers.md]
"""

import argparse
import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import rust_peers

HERE = Path(__file__).resolve().parent
FRAMEWORKS = {
    "rustdl": ("rustdl", "rustdl, `fit` / `predict_on_batch`", ("rustdl",)),
    "keras-jax": ("keras", "Keras on JAX, `fit` / `predict_on_batch`", ("keras", "jax")),
    "jax": ("keras", "JAX, jitted step of the Keras model", ("jax",)),
    "keras-tensorflow": ("keras", "Keras on TensorFlow, `fit` / `predict_on_batch`", ("tensorflow", "tensorflow-cpu")),
    "torch": ("torch", "PyTorch, eager", ("torch",)),
    "torch-channels_last": ("torch", "PyTorch, eager, channels_last", ("torch",)),
    "torch-compile": ("torch", "PyTorch, torch.compile", ("torch",)),
    "candle": ("candle", "candle", ("candle",)),
    "burn": ("burn", "burn, backend Flex", ("burn",)),
}

# Seconds between two turns: OpenMP's threads spin for 0.2 s after their last work, on a core that the next one needs.
SETTLE = 0.4


class Worker:
    """The process of one framework."""

    def __init__(self, framework: str) -> None:
        self.framework = framework
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), framework],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **request) -> dict:
        """Sends a request and waits for the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        return json.loads(answer) if answer else {"error": "the process ended"}

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it may have crashed
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def measure(case: str, frameworks: list[str], rounds: int, seconds: float) -> dict[str, list[float] | str]:
    """Seconds a step of each round, by framework; a text where there are none."""
    results: dict[str, list[float] | str] = {}
    workers = []
    for framework in frameworks:
        worker = Worker(framework)
        answer = worker.ask(prepare=case, seconds=seconds)
        if "units" in answer:
            workers.append(worker)
            results[framework] = []
            continue
        results[framework] = f"not installed ({answer['missing']})" if "missing" in answer else answer["error"]
        worker.close()
    for _ in range(rounds):
        for worker in workers:
            time.sleep(SETTLE)
            taken, answer = results[worker.framework], worker.ask(go=True)
            if isinstance(taken, list) and "seconds" in answer:
                taken.append(answer["seconds"])
            elif "error" in answer:
                results[worker.framework] = answer["error"]
    for worker in workers:
        worker.close()
    return results


def table(title: str, unit: str, results: dict[str, list[float] | str]) -> list[str]:
    """One case as Markdown."""
    lines = [
        f"## {title}",
        "",
        f"| | best, µs a {unit} | median, µs a {unit} | {unit}s a second | rustdl faster by (best) | (median) |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    skipped = []
    own = results.get("rustdl")
    for framework, taken in results.items():
        label = FRAMEWORKS[framework][1]
        if isinstance(taken, str):
            skipped.append(f"{label}: skipped, {taken}.")
            continue
        best, median = min(taken), statistics.median(taken)
        ratios = "| |"
        if framework != "rustdl" and isinstance(own, list):
            ratios = f"| {best / min(own):.2f}x | {median / statistics.median(own):.2f}x |"
        lines.append(f"| {label} | {best * 1e6:,.0f} | {median * 1e6:,.0f} | {1 / median:,.0f} {ratios}")
    return [*lines, "", *skipped, *([""] if skipped else [])]


def machine() -> list[str]:
    """Processor, cores, versions and date: what a figure means nothing without."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    versions = []
    for name in ("rustdl", "keras", "jax", "tensorflow", "tensorflow-cpu", "torch", "numpy"):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    versions += rust_peers.versions()
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    now = datetime.datetime.now(datetime.UTC)
    return [
        f"- Processor: {model}, {os.cpu_count()} cores; load average when the run began: {load}",
        f"- {platform.system()} {platform.machine()}, Python {platform.python_version()}, {', '.join(versions)}",
        f"- Date: {now:%Y-%m-%d %H:%M} UTC",
    ]


def main() -> None:
    """Runs all cases and writes the table."""
    from models import CASES

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short rounds: a smoke test, not a measurement")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=None, help="aim of a round")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--frameworks", nargs="+", default=list(FRAMEWORKS), choices=list(FRAMEWORKS))
    parser.add_argument("--out", type=Path, default=None, help="file for the table (default: benches/results/peers.md)")
    args = parser.parse_args()
    rounds = args.rounds or (2 if args.quick else 12)
    seconds = args.seconds or (0.05 if args.quick else 0.4)
    lines = [
        "# rustdl against its peers",
        "",
        f"Interleaved: the frameworks take turns, {rounds} rounds of about {seconds} s each, one process working at a",
        "time. Data in memory, float32, loss but no metrics. Made by `python benches/peers/compare.py`.",
        "",
        *machine(),
        "",
    ]
    for name in args.cases:
        print(f"{CASES[name].name} ...", flush=True)
        section = table(CASES[name].name, CASES[name].unit, measure(name, args.frameworks, rounds, seconds))
        print("\n".join(section[2:]), flush=True)
        lines += section
    out = args.out or (None if args.quick else HERE.parent / "results" / "peers.md")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("\n".join(lines).rstrip() + "\n")
        print(f"written: {out}")


if __name__ == "__main__":
    main()
