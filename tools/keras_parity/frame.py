"""What all kinds of cases have in common, and where they are found.

A file `cases_<anything>.py` has a list `CASES`, and perhaps a dictionary `WITHOUT` of public names that have no case
with the reason. A case is an object with

    kind: what it is counted under, such as "layers";
    name: the public name below `keras`, such as "layers.Dense";
    key: a line that describes it, unique;
    differs: a reason if the results differ on purpose, else "";
    rounding: a reason if single precision cannot be compared within 1e-5, else "";
    tolerance (optional): another one than 1e-5;
    digest (optional): changes with whatever changes the results of Keras, so that they may be kept between runs.

A new type of cases needs a line in `run`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

HERE = Path(__file__).parent
TOLERANCE = 1e-5


class AnyCase(Protocol):
    """What every case has."""

    @property
    def kind(self) -> str:
        """What it is counted under."""

    @property
    def name(self) -> str:
        """The public name below `keras`."""

    @property
    def key(self) -> str:
        """A line that describes the case, unique."""

    @property
    def differs(self) -> str:
        """Why it differs on purpose."""

    @property
    def rounding(self) -> str:
        """Why single precision is not enough."""


def load(only: list[str] | None = None) -> tuple[list[AnyCase], dict[str, str]]:
    """All cases of the wanted kinds, and the public names without cases with their reasons."""
    cases: list[AnyCase] = []
    without: dict[str, str] = {}
    # Layers have files of their own; the others take seconds to make their cases.
    for file in sorted(HERE.glob("cases_layers_*.py" if only == ["layers"] else "cases_*.py")):
        module = importlib.import_module(f"keras_parity.{file.stem}")
        cases += [case for case in module.CASES if not only or case.kind in only]
        without.update(getattr(module, "WITHOUT", {}))
    seen: set[str] = set()
    for case in cases:
        if case.key in seen:
            raise ValueError(f"the same case twice: {case.key}")
        if "\n" in case.key:
            raise ValueError(f"the key of a case is not one line: {case.key}")
        seen.add(case.key)
    return cases, without


def run(case: Any, keras: Any, wide: bool) -> dict[str, Any]:
    """Results of a case by name; `wide`: in float64."""
    from keras_parity import calls, runner_layers
    from keras_parity.case import Case

    return runner_layers.run(case, keras, wide) if isinstance(case, Case) else calls.run(case, keras, wide)


def tolerance(case: AnyCase) -> float:
    """Error allowed, relative to the largest entry."""
    return float(getattr(case, "tolerance", TOLERANCE))
