"""Handwritten digits (LeCun et al., 1998): 60,000 training and 10,000 test images of 28 x 28 grey levels."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl.datasets._files import BASE, locate


def load_data(path: str = "mnist.npz") -> Any:
    """Loads MNIST.

    Args:
        path: a local .npz file with `x_train`, `y_train`, `x_test`, `y_test`, or the name in the cache folder.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, uint8; images of shape `(n, 28, 28)`.
    """
    found = locate(path, BASE + "mnist.npz", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1")
    with np.load(found, allow_pickle=False) as data:
        return (data["x_train"], data["y_train"]), (data["x_test"], data["y_test"])
