"""Tables of `tests/golden`, whose stored results the test suite compares with, as calls of the grid."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"
sys.path.insert(0, str(GOLDEN))

from keras_parity.calls import Call, resolve  # noqa: E402

NAMES: dict[str, list[str]] = json.loads((GOLDEN / "keras_names.json").read_text())


def golden(name: str) -> Any:
    """A module of `tests/golden`."""
    return importlib.import_module(name)


def from_table(
    table: Mapping[str, Any], module: str, gradient: bool, inside: str = "", aliases: Mapping[str, str] | None = None
) -> list[Call]:
    """Calls of rows `key: (function, inputs)`, where the function takes Keras, or what of Keras is called `inside`.

    A key is a public name of `module` and what tells its rows apart: `relu_arguments` is a row of `relu`. `aliases`
    name the function of other keys.
    """
    calls = []
    for key, (function, inputs) in table.items():
        first = key.split(".")[0]
        owner = first if "." in key and f"keras.{first}" in NAMES else module
        name = _longest(key.removeprefix(f"{owner}."), owner, aliases or {})
        calls.append(
            Call(f"{owner}.{name}", f"table: {key}", tuple(inputs), {}, _Inside(function, inside), gradient=gradient)
        )
    return calls


class _Inside:
    """Calls a function of a table with the part of Keras that it wants."""

    def __init__(self, function: Any, inside: str) -> None:
        self.function, self.inside = function, inside

    def __call__(self, keras: Any, *inputs: Any) -> Any:
        return self.function(resolve(keras, self.inside) if self.inside else keras, *inputs)


def _longest(key: str, module: str, aliases: Mapping[str, str]) -> str:
    found = [
        n for n in [*NAMES[f"keras.{module}"], *aliases] if key == n or key.startswith((f"{n}_", f"{n}-", f"{n}/"))
    ]
    if not found:
        raise ValueError(f"tests/golden: which function of {module} is row {key!r} about?")
    name = max(found, key=len)
    return aliases.get(name, name)
