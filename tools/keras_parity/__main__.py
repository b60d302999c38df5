"""The parity grid: every layer, loss, metric, ... with the same weights and inputs in Keras and in rustdl.

    python tools/keras_parity [--only layers losses ...] [--match TEXT] [--cache DIR ... [--known]]
        [--backend torch] [--results FILE.json] [--write]

Needs Keras 3.15 and JAX. Each library runs all cases in a process of its own; the results are compared within 1e-5 of
the largest entry of each array (in float32). Exits with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

import numpy as np  # noqa: E402
from keras_parity.compare import Outcome, Results, compare, read, settle  # noqa: E402
from keras_parity.frame import AnyCase, load  # noqa: E402
from keras_parity.kept import collect  # noqa: E402
from keras_parity.report import print_report, section, write_section  # noqa: E402


def worker(library: str, cases: list[AnyCase], out: Path, *flags: str, jobs: int = 1) -> None:
    """Runs cases in `jobs` processes of their own, which write files `<out>.<digest>.npz`."""
    running = []
    for job in range(jobs):
        share = cases[job::jobs]
        keys = out.with_name(f"{out.name}.{job}.keys")
        keys.write_text("\n".join(case.key for case in share))
        kinds = sorted({case.kind for case in share})
        command = [sys.executable, str(HERE / "run.py"), library, str(out), "--keys", str(keys), "--only", *kinds]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
        running.append(subprocess.Popen([*command, *flags], env=environment))
    codes = [process.wait() for process in running]
    if any(codes):
        raise RuntimeError(f"a worker of {library} has failed")


def written(outs: Sequence[Path], wanted: Iterable[str]) -> Results:
    """What workers wrote about some cases."""
    wanted, found = set(wanted), {}
    for file in (f for out in outs for f in sorted(out.parent.glob(f"{out.name}.*npz"))):
        found.update(read(file, wanted))
    return found


def kept_in(caches: Sequence[Path], *flags: str) -> list[Path]:
    """Where results of Keras are, for `written`."""
    backend = "" if os.environ["KERAS_BACKEND"] == "jax" else f"-{os.environ['KERAS_BACKEND']}"
    return [cache / f"keras{backend}{''.join(flags)}" for cache in caches]


def keras_results(cases: list[AnyCase], folder: Path, caches: Sequence[Path], *flags: str) -> Results:
    """Results of Keras; those of cases with a digest are read in all `caches`, and kept in the first."""
    outs = kept_in(caches or [folder], *flags)
    outs[0].parent.mkdir(parents=True, exist_ok=True)
    keys = [case.key for case in cases]
    known = written(outs, keys)
    missing = [case for case in cases if case.key not in known or not hasattr(case, "digest")]
    if not missing:
        return known
    worker("keras", missing, outs[0], *flags)
    return written(outs, keys)


def judge(cases: list[AnyCase], caches: Sequence[Path], jobs: int, theirs: Results | None) -> list[Outcome]:
    """Runs and compares; single precision that fails goes to double precision. `theirs`: of Keras, if known."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        theirs = keras_results(cases, folder, caches) if theirs is None else theirs
        worker("rustdl", cases, folder / "rustdl", jobs=jobs)
        ours = written([folder / "rustdl"], [case.key for case in cases])
        lost = {"error": np.array("the worker gave no result")}
        outcomes = [compare(c, ours.get(c.key, lost), theirs.get(c.key, lost)) for c in cases]
        doubtful = [o for o in outcomes if o.doubtful]
        if doubtful:
            exact = keras_results([o.case for o in doubtful], folder, caches, "--float64")
            for o in doubtful:
                settle(o, ours[o.case.key], theirs[o.case.key], exact.get(o.case.key, lost))
    return outcomes


def main(argv: list[str] | None = None) -> int:
    """Runs the grid; 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="kinds, such as layers or losses")
    parser.add_argument("--match", help="only cases whose line contains this text")
    parser.add_argument("--backend", default="jax", help="of Keras; `torch` is quicker and good to look for bugs")
    parser.add_argument(
        "--cache",
        type=Path,
        nargs="*",
        action="extend",
        default=[],
        help="folders with kept results of Keras; new ones go to the first",
    )
    parser.add_argument("--jobs", type=int, default=1, help="how many processes run the cases in rustdl")
    parser.add_argument("--known", action="store_true", help="only cases whose results of Keras are in the folders")
    parser.add_argument("--results", type=Path, help="a JSON file that collects the outcomes of runs over other kinds")
    parser.add_argument("--write", action="store_true", help="put the counts into docs/keras-compatibility.md")
    parser.add_argument("--limit", type=int, default=100, help="how many failures are printed")
    args = parser.parse_args(argv)
    os.environ["KERAS_BACKEND"] = args.backend
    cases, without = load(args.only)
    if args.match:
        cases = [case for case in cases if args.match in case.key]
    names = json.loads((ROOT / "tests" / "golden" / "keras_names.json").read_text())
    wanted, known = cases, None
    if args.known:
        known = written(kept_in(args.cache), [case.key for case in cases])
        cases = [case for case in cases if case.key in known]
    outcomes = judge(cases, args.cache, args.jobs, known)
    complete = not args.match
    failures = print_report(outcomes, without, names if complete else {}, args.limit)
    left = collections.Counter(case.kind for case in wanted) - collections.Counter(case.kind for case in cases)
    if complete:
        outcomes, without, left = collect(args.results, outcomes, without, left)
    if args.write and complete:
        write_section(section(outcomes, without, left))
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
