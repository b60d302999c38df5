"""Small colour photographs of a hundred classes (Krizhevsky, 2009): 50,000 training and 10,000 test images."""

from __future__ import annotations

import os
from typing import Any

from rustdl.datasets._cifar import finished, load_batch
from rustdl.utils.file_utils import get_file


def load_data(label_mode: str = "fine", path: str | None = None) -> Any:
    """Loads CIFAR-100.

    Args:
        label_mode: `"fine"` (100 classes) or `"coarse"` (20).
        path: a local folder with `train` and `test`; default the cache folder.

    Returns:
        `((x_train, y_train), (x_test, y_test))`; images `(n, 32, 32, 3)` uint8, labels `(n, 1)`.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f'`label_mode` must be one of `"fine"`, `"coarse"`. Received: label_mode={label_mode}.')
    if path is None:
        folder = get_file(
            "cifar-100-python-target",
            origin="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
            extract=True,
            file_hash="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        )
        path = os.path.join(folder, "cifar-100-python")
    key = f"{label_mode}_labels"
    train, test = (load_batch(os.path.join(path, part), key) for part in ("train", "test"))
    return finished(*train), finished(*test)
