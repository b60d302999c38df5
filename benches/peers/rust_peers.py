"""Candle and burn: programs in Rust (`benches/peers/rust`, `make peers`) that answer one JSON object a line."""

import dataclasses
import json
import os
import subprocess
import tomllib
from pathlib import Path

from case import Case

PACKAGE = Path(__file__).resolve().parent / "rust"
PEERS = ("candle", "burn")


class RustPeer:
    """The process of one library, with the model of a case prepared.

    Attributes:
        parameters: How many numbers it trains.

    Raises:
        ImportError: If the program is not built, or has no such model.
    """

    def __init__(self, framework: str, case: Case) -> None:
        target = Path(os.environ.get("CARGO_TARGET_DIR", PACKAGE / "target"))
        program = target / "release" / f"peer-{framework}"
        if not program.exists():
            raise ImportError("not built, see `make peers`")
        threads = os.environ.get("PEER_THREADS", str(os.cpu_count() or 1))
        self.process = subprocess.Popen(
            [str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "RAYON_NUM_THREADS": threads},
        )
        answer = self._ask(prepare=dataclasses.asdict(case))
        if "missing" in answer:
            raise ImportError(answer["missing"])
        self.parameters: int = answer["parameters"]

    def _ask(self, **request) -> dict:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the program ended with status {self.process.wait()}")
        return json.loads(answer)

    def run(self, units: int) -> float:
        """Makes passes over the data, or calls; gives the loss of the last batch."""
        return self._ask(run=units)["loss"]


def versions() -> list[str]:
    """Names and versions of the libraries in the lock file, where it is there."""
    lock = PACKAGE / "Cargo.lock"
    packages = tomllib.loads(lock.read_text())["package"] if lock.exists() else []
    return [f"{p['name']} {p['version']}" for p in packages if p["name"] in {"candle-core", "burn"}]
