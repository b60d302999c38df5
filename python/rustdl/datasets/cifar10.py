"""Small colour photographs of ten classes (Krizhevsky, 2009): 50,000 training and 10,000 test images of 32 x 32."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from rustdl.datasets._cifar import finished, load_batch
from rustdl.utils.file_utils import get_file


def load_data(path: str | None = None) -> Any:
    """Loads CIFAR-10.

    Args:
        path: a local folder with `data_batch_1` ... and `test_batch`; default the cache folder.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, uint8; images `(n, 32, 32, 3)`, labels `(n, 1)`.
    """
    if path is None:
        folder = get_file(
            "cifar-10-batches-py-target",
            origin="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            extract=True,
            file_hash="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        )
        path = os.path.join(folder, "cifar-10-batches-py")
    batches = [load_batch(os.path.join(path, f"data_batch_{i}")) for i in range(1, 6)]
    x_train = np.concatenate([images for images, _ in batches])
    y_train = np.concatenate([np.asarray(labels, dtype="uint8") for _, labels in batches])
    x_test, y_test = load_batch(os.path.join(path, "test_batch"))
    return finished(x_train, y_train), finished(x_test, np.asarray(y_test, dtype="uint8"))
