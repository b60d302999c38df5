"""What runs over some kinds of cases found, in one file: the page on compatibility is written from all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from keras_parity.compare import Outcome
from keras_parity.frame import tolerance


@dataclass(frozen=True)
class KeptCase:
    """What a report says about a case."""

    kind: str
    name: str
    key: str
    differs: str
    rounding: str
    tolerance: float


def collect(
    file: Path | None, outcomes: list[Outcome], without: Mapping[str, str], left: Mapping[str, int]
) -> tuple[list[Outcome], dict[str, str], dict[str, int]]:
    """Puts the kinds of a run into `file`, in place of what it had of them; gives all that the file has then.

    Args:
        file: A JSON file, made if it is not there; with `None` the run itself comes back.
        outcomes: What the run found.
        without: Names without cases, with the reasons.
        left: How many cases of each kind were not run.
    """
    if file is None:
        return outcomes, dict(without), dict(left)
    pages = json.loads(file.read_text()) if file.exists() else {}
    for kind in {o.case.kind for o in outcomes}:
        pages[kind] = {
            "outcomes": [{**vars(o), "case": asdict(_plain(o))} for o in outcomes if o.case.kind == kind],
            "without": {name: reason for name, reason in without.items() if name.rpartition(".")[0] == kind},
            "left": left.get(kind, 0),
        }
    file.write_text(json.dumps(pages))
    found, reasons = [], {}
    for page in pages.values():
        found += [Outcome(**{**o, "case": KeptCase(**o["case"])}) for o in page["outcomes"]]
        reasons.update(page["without"])
    return found, reasons, {kind: page["left"] for kind, page in pages.items()}


def _plain(outcome: Outcome) -> KeptCase:
    case = outcome.case
    return KeptCase(case.kind, case.name, case.key, str(case.differs), str(case.rounding), tolerance(case))
