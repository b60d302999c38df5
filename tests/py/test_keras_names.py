"""Every public name of Keras 3.15 is here."""

import importlib
import json
from pathlib import Path

import pytest

NAMES = json.loads((Path(__file__).parents[1] / "golden" / "keras_names.json").read_text())


@pytest.mark.parametrize("module", NAMES)
def test_names_are_here(module: str) -> None:
    found = importlib.import_module("rustdl" + module.removeprefix("keras"))
    missing = [name for name in NAMES[module] if not hasattr(found, name)]
    assert not missing
