"""Tables of what the grid found."""

from __future__ import annotations

import collections
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from keras_parity.compare import Outcome
from keras_parity.frame import TOLERANCE, tolerance

VERDICTS = ("equal", "by float64", "both refuse", "on purpose", "differs")


def tally(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """Cases by verdict, arrays, and the worst error of those that are equal."""
    row: dict[str, float] = dict.fromkeys(("cases", "arrays", *VERDICTS), 0)
    row["worst"] = 0.0
    for outcome in outcomes:
        row["cases"] += 1
        row["arrays"] += outcome.arrays
        row[outcome.verdict] += 1
        if outcome.verdict == "equal" and tolerance(outcome.case) <= TOLERANCE:
            row["worst"] = max(row["worst"], outcome.worst)
    return row


def groups(outcomes: Iterable[Outcome], by_name: bool) -> dict[str, list[Outcome]]:
    """Outcomes by kind, or by kind and name."""
    found: dict[str, list[Outcome]] = collections.defaultdict(list)
    for outcome in outcomes:
        found[outcome.case.name if by_name else outcome.case.kind].append(outcome)
    return dict(sorted(found.items()))


def uncovered(outcomes: Iterable[Outcome], without: Mapping[str, str], names: Mapping[str, list[str]]) -> list[str]:
    """Public names of the compared kinds that have neither cases nor a reason."""
    covered = groups(outcomes, by_name=True)
    missing = []
    for kind in groups(outcomes, by_name=False):
        for name in names.get(f"keras.{kind}", []):
            path = f"{kind}.{name}"
            if path not in covered and path not in without:
                missing.append(path)
    return missing


def print_report(
    outcomes: list[Outcome], without: Mapping[str, str], names: Mapping[str, list[str]], limit: int
) -> int:
    """Prints the tables and everything that differs; returns the number of failures."""
    failed = [o for o in outcomes if o.problems and o.verdict in {"differs", "both refuse"}]
    for o in failed[:limit]:
        print(f"DIFFERS {o.case.key}")
        for problem in o.problems[:6]:
            print(f"    {problem}")
        if len(o.problems) > 6:
            print(f"    ... and {len(o.problems) - 6} more")
    if len(failed) > limit:
        print(f"... and {len(failed) - limit} cases more")
    header = f"{'':44}{'cases':>7}{'arrays':>8}{'equal':>7}{'by f64':>7}{'refuse':>7}{'meant':>7}{'differ':>7}  worst"
    for by_name in (True, False):
        print(header)
        for name, members in groups(outcomes, by_name).items():
            row = tally(members)
            counts = "".join(f"{int(row[v]):7}" for v in VERDICTS)
            print(f"{name:44}{int(row['cases']):7}{int(row['arrays']):8}{counts}  {row['worst']:.1e}")
    meant = [o for o in outcomes if o.verdict == "on purpose"]
    for reason, members in sorted(_by_reason(meant).items()):
        print(f"on purpose ({len(members)} cases, {', '.join(sorted({o.case.name for o in members}))}): {reason}")
    settled = [o for o in outcomes if o.verdict == "by float64"]
    for o in settled:
        print(f"by float64: {o.case.key}")
    missing = uncovered(outcomes, without, names)
    kinds = groups(outcomes, by_name=False)
    for name, reason in sorted(without.items()):
        if name.split(".")[0] in kinds and names:
            print(f"no case: {name}: {reason}")
    for name in missing:
        print(f"NO CASE AND NO REASON: {name}")
    print(f"{len(outcomes)} cases, {sum(o.arrays for o in outcomes)} arrays, {len(failed)} cases differ")
    return len(failed) + len(missing)


def _by_reason(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = collections.defaultdict(list)
    for outcome in outcomes:
        found[str(outcome.case.differs)].append(outcome)
    return found


def section(outcomes: list[Outcome], without: Mapping[str, str], left: Mapping[str, int]) -> list[str]:
    """The section of the page on compatibility; `left`: how many cases of each kind were not run."""
    lines = [
        "## The parity grid",
        "",
        "`python tools/keras_parity` makes the same calls, with the same weights and inputs, in Keras 3.15 (on",
        "JAX) and here, over a grid of argument values. It compares outputs (eager and compiled), foretold shapes",
        "and dtypes, gradients by inputs and weights, penalties and moving state; for layers, losses and",
        "optimizers also what ten training steps make of the weights. *Equal*: within 1e-5 of the largest entry of",
        "each array and a millionth (inputs are of size one) in float32, or a few roundings of the half precision",
        "that a case asks for. *By float64*:",
        "single precision is not good to 1e-5 there, and we are at most twice as far as Keras from what Keras",
        "computes in float64. *Both refuse*: calls that must raise an error. *On purpose*: listed below. The worst",
        "error is that of the equal cases.",
        "",
        "| kind | names | cases | arrays | equal | by float64 | both refuse | on purpose | differ | worst error |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, members in groups(outcomes, by_name=False).items():
        row = tally(members)
        counts = " | ".join(str(int(row[v])) for v in VERDICTS)
        names = len({o.case.name for o in members})
        lines.append(
            f"| {kind} | {names} | {int(row['cases'])} | {int(row['arrays'])} | {counts} | {row['worst']:.1e} |"
        )
    row = tally(outcomes)
    counts = " | ".join(str(int(row[v])) for v in VERDICTS)
    names = len({o.case.name for o in outcomes})
    lines += [f"| all | {names} | {int(row['cases'])} | {int(row['arrays'])} | {counts} | {row['worst']:.1e} |", ""]
    if any(left.values()):
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(left.items()) if count)
        lines += [f"Cases that were not run in Keras yet: {counts}.", ""]
    lines += ["| kind | cases by name |", "|---|---|"]
    for kind, members in groups(outcomes, by_name=False).items():
        counts = ", ".join(f"`{n.rpartition('.')[2]}` {len(c)}" for n, c in groups(members, by_name=True).items())
        lines.append(f"| {kind} | {counts} |")
    lines.append("")
    meant = _by_reason([o for o in outcomes if o.verdict == "on purpose"])
    if meant:
        lines += ["| differs on purpose | cases | because |", "|---|---:|---|"]
        for reason, members in sorted(meant.items()):
            names = ", ".join(f"`{n}`" for n in sorted({o.case.name for o in members}))
            lines.append(f"| {names} | {len(members)} | {reason} |")
        lines.append("")
    failed = [o for o in outcomes if o.verdict == "differs"]
    if failed:
        lines += ["| differs | what |", "|---|---|"]
        lines += [f"| `{_cell(o.case.key)}` | {_cell(o.problems[0])} |" for o in failed]
        lines.append("")
    by_reason: dict[str, list[str]] = collections.defaultdict(list)
    for name, reason in without.items():
        by_reason[reason].append(name)
    if by_reason:
        lines += ["| without cases | because |", "|---|---|"]
        lines += [
            f"| {', '.join(f'`{n}`' for n in sorted(found))} | {reason} |"
            for reason, found in sorted(by_reason.items())
        ]
        lines.append("")
    return lines


def _cell(text: str) -> str:
    """A short text that fits in a cell of a table."""
    return " ".join(text.split())[:160].replace("|", "/").replace("`", "'")


def write_section(lines: list[str]) -> None:
    """Hands the section to the tool that makes the page."""
    tool = Path(__file__).resolve().parents[1] / "keras_compatibility.py"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parity.md"
        file.write_text("\n".join(lines))
        environment = {**os.environ, "PYTHONPATH": str(tool.parents[1] / "python")}
        subprocess.run([sys.executable, str(tool), "--parity", str(file)], check=True, env=environment)
