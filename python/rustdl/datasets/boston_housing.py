"""House prices in 506 districts of Boston, 13 features (Harrison and Rubinfeld, 1978)."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl.datasets._files import BASE, locate, shuffled_split


def load_data(path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113) -> Any:
    """Loads the Boston housing data.

    Args:
        path: a local .npz file with `x` and `y`, or the name in the cache folder.
        test_split: fraction of the test set, in [0, 1).
        seed: seed of the shuffle.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, float64.
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"Invalid `test_split` argument: {test_split}. It must be between 0 and 1 (exclusive of 1).")
    found = locate(
        path, BASE + "boston_housing.npz", "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"
    )
    with np.load(found, allow_pickle=False) as data:
        return shuffled_split(data["x"], data["y"], test_split, seed)
