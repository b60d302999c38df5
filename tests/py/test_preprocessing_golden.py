"""Preprocessing layers over grids of arguments: equal to Keras'."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from rustdl import layers

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
from preprocessing_cases import FAMILIES  # noqa: E402

EXPECTED = json.loads((GOLDEN / "preprocessing.json").read_text())


@pytest.mark.parametrize("family", FAMILIES)
def test_equal_to_keras(family):
    expected = EXPECTED[family]
    found = dict(FAMILIES[family](layers))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if "vocabulary" in name:
            assert found[name] == value, name
        else:
            np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
