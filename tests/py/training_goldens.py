"""The values of tests/golden/training.*, made by tests/golden/make_training.py with Keras."""

import json
from pathlib import Path

import numpy as np

_FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN = json.loads((_FOLDER / "training.json").read_text())
with np.load(_FOLDER / "training.npz") as _file:
    ARRAYS = {name: _file[name] for name in _file.files}


def pair(kind):
    """Targets and predictions of a kind."""
    return ARRAYS[f"{kind}_0"], ARRAYS[f"{kind}_1"]


WEIGHTS = np.linspace(0, 2, 24).astype("float32")
