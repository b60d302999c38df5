"""Compares the results of two libraries case by case."""

from __future__ import annotations

import collections
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from keras_parity.frame import AnyCase, tolerance

# Inputs, weights and cotangents are of size one. Where sums of them cancel, an entry is what rounding left: some ulps
# of one (2^-23), whatever the largest entry of the array is. Ten steps add up ten of such roundings.
FLOOR = 2.0**-20
# Against double precision: results of rustdl may be as far from the truth as twice the error that Keras makes itself.
SHARE = 2.0
MISSING = "Keras has it, rustdl has not"

Results = Mapping[str, Mapping[str, np.ndarray]]


@dataclass
class Outcome:
    """What a comparison found: "equal", "by float64", "both refuse", "on purpose" or "differs".

    `doubtful`: numbers differ, which may be no more than rounding: for `settle`.
    """

    case: AnyCase
    verdict: str = "equal"
    doubtful: bool = False
    arrays: int = 0
    worst: float = 0.0
    problems: list[str] = field(default_factory=list)


def read(file: Path, wanted: Collection[str] | None = None) -> dict[str, dict[str, np.ndarray]]:
    """The results of a worker by case; of all cases unless some are wanted."""
    found: dict[str, dict[str, np.ndarray]] = collections.defaultdict(dict)
    with np.load(file) as arrays:
        for name in arrays.files:
            key, _, rest = name.rpartition("|")
            if wanted is None or key in wanted:
                found[key][rest] = arrays[name]
    return dict(found)


def compare(case: AnyCase, ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> Outcome:
    """Compares one case in single precision."""
    outcome = Outcome(case)
    if "error" in ours or "error" in theirs:
        _compare_errors(outcome, ours, theirs)
    else:
        for name in theirs.keys() - ours.keys():
            outcome.problems.append(f"{name}: {MISSING}")
        for name, b in _pairs(ours, theirs):
            outcome.arrays += 1
            error, problem = distance(ours[name], b, tolerance(case))
            outcome.worst = max(outcome.worst, error)
            if problem:
                outcome.problems.append(f"{name}: {problem}")
        outcome.doubtful = any(not _is_meant(case, p) for p in outcome.problems)
    if outcome.problems:
        outcome.verdict = "differs"
    if case.differs:
        unmeant = [p for p in outcome.problems if not _is_meant(case, p)]
        if outcome.problems and not unmeant:
            outcome.verdict = "on purpose"
        else:
            outcome.verdict = "differs"
            outcome.problems = unmeant or [f"no difference, though one is meant: {case.differs}"]
    return outcome


def _is_meant(case: AnyCase, problem: str) -> bool:
    """Whether a result (a problem begins with its name) may differ on purpose."""
    where = getattr(case, "where", ()) or ("",)
    return bool(case.differs) and any(part in problem.partition(": ")[0] for part in where)


def _pairs(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Names of our results with those of Keras; the compiled outputs face the same ones as the eager outputs."""
    pairs = []
    for name in ours:
        other = name.removeprefix("compiled ")
        if other in theirs:
            pairs.append((name, _foretold(name, ours[name], theirs[other])))
        else:
            pairs.append((name, np.array("Keras has no such result")))
    return pairs


def _compare_errors(outcome: Outcome, ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> None:
    if "error" in ours and "error" in theirs:
        outcome.verdict = "both refuse"
        if not getattr(outcome.case, "refused", False):
            outcome.problems.append(f"both refuse, unexpectedly; Keras: {theirs['error']}; rustdl: {ours['error']}")
    elif "error" in ours:
        outcome.problems.append(f"only rustdl refuses: {ours['error']}")
    else:
        outcome.problems.append(f"only Keras refuses: {theirs['error']}")


def distance(a: np.ndarray, b: np.ndarray, tolerance: float) -> tuple[float, str | None]:
    """The largest error relative to the largest entry of `b`, and what is wrong if anything is."""
    if a.shape != b.shape:
        return 0.0, f"shape {a.shape}, Keras {b.shape}"
    if {a.dtype.kind, b.dtype.kind} & set("USOb") or {a.dtype.kind, b.dtype.kind} <= set("iu"):
        return 0.0, _unequal(a, b)
    if a.size == 0:
        return 0.0, None
    finite = np.isfinite(a) & np.isfinite(b)
    special = ~finite & ~((a == b) | (np.isnan(a) & np.isnan(b)))
    if special.any():
        i = tuple(np.argwhere(special)[0])
        return np.inf, f"{int(special.sum())} entries; {a[i]} for {b[i]} at {list(map(int, i))}"
    if not finite.any():
        return 0.0, None
    a64, b64 = np.where(finite, a, 0).astype("float64"), np.where(finite, b, 0).astype("float64")
    error, largest = np.abs(a64 - b64), np.abs(b64).max()
    allowed = tolerance * largest + FLOOR
    relative = float(error.max() / largest) if largest > 0.05 else float(error.max())
    if error.max() <= allowed:
        return relative, None
    i = np.unravel_index(error.argmax(), error.shape)
    return relative, (
        f"{a[i]:.9g} for {b[i]:.9g} at {[int(j) for j in i]}, {relative:.2g} of the largest entry {largest:.4g}; "
        f"{int((error > allowed).sum())} of {error.size} entries are off"
    )


def _unequal(a: np.ndarray, b: np.ndarray) -> str | None:
    """What is wrong with integers, booleans or text that must be the same."""
    if (a.dtype.kind == b.dtype.kind or {a.dtype.kind, b.dtype.kind} <= set("iu")) and np.array_equal(a, b):
        return None
    ours, theirs = (np.array2string(x, threshold=6)[:150] for x in (a, b))
    return f"{ours}, Keras {theirs}"


def _foretold(name: str, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Shapes that Keras foretells, with the dimensions that it leaves open replaced by those that we know."""
    if not name.startswith("spec") or ours.shape != theirs.shape:
        return theirs
    filled = []
    for a, b in zip(ours.tolist(), theirs.tolist(), strict=True):
        x, y = a.split(" "), b.split(" ")
        is_open = len(x) == len(y)
        filled.append(" ".join(p if "None" in q else q for p, q in zip(x, y, strict=True)) if is_open else b)
    return np.array(filled)


def settle(
    outcome: Outcome, ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]
) -> None:
    """Lets Keras in double precision decide whether a difference is no more than the rounding of Keras itself."""
    if "error" in exact:
        return
    remaining = [f"{name}: {MISSING}" for name in theirs.keys() - ours.keys()]
    for name, b in _pairs(ours, theirs):
        _, problem = distance(ours[name], b, tolerance(outcome.case))
        if not problem or _is_meant(outcome.case, name):
            continue
        truth = exact.get(name.removeprefix("compiled "))
        if truth is None or truth.shape != ours[name].shape or truth.dtype.kind != "f" or b.shape != truth.shape:
            remaining.append(f"{name}: {problem}")
            continue
        own, reference = np.abs(ours[name] - truth).max(), np.abs(b - truth).max()
        if not own <= max(SHARE * reference, outcome.case.tolerance * np.abs(truth).max() + FLOOR):
            remaining.append(f"{name}: {problem}; error against float64: rustdl {own:.2g}, Keras {reference:.2g}")
    outcome.problems = remaining
    outcome.verdict = "differs" if remaining else "on purpose" if outcome.case.differs else "by float64"
