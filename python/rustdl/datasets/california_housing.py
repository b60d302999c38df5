"""Median house values of 20,640 districts of California, 8 features (Pace and Barry, 1997)."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl.datasets._files import BASE, locate, shuffled_split


def load_data(
    version: str = "large", path: str = "california_housing.npz", test_split: float = 0.2, seed: int = 113
) -> Any:
    """Loads the California housing data.

    Args:
        version: `"large"` (all) or `"small"` (the first 600 districts).
        path: a local .npz file with `x` and `y`, or the name in the cache folder.
        test_split: fraction of the test set, in [0, 1).
        seed: seed of the shuffle.

    Returns:
        `((x_train, y_train), (x_test, y_test))`.
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"Invalid `test_split` argument: {test_split}. It must be between 0 and 1 (exclusive of 1).")
    if version not in ("small", "large"):
        raise ValueError(f"Argument `version` must be one of 'small', 'large'. Received: version={version}")
    found = locate(
        path, BASE + "california_housing.npz", "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"
    )
    with np.load(found, allow_pickle=False) as data:
        x, y = data["x"], data["y"]
    rows = 600 if version == "small" else len(x)
    return shuffled_split(x[:rows], y[:rows], test_split, seed)
