"""Articles of clothing (Xiao et al., 2017): 60,000 training and 10,000 test images of 28 x 28 grey levels."""

from __future__ import annotations

import gzip
import os
from typing import Any

import numpy as np

from rustdl.datasets._files import BASE
from rustdl.utils.file_utils import get_file


def load_data(path: str | None = None) -> Any:
    """Loads Fashion-MNIST.

    Args:
        path: a local folder with the four `*-ubyte.gz` files; default the cache folder.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, uint8; images of shape `(n, 28, 28)`.
    """
    return _part("train", path), _part("t10k", path)


def _part(name: str, folder: str | None) -> tuple[Any, Any]:
    labels = np.frombuffer(_bytes(f"{name}-labels-idx1-ubyte.gz", folder), np.uint8, offset=8)
    images = np.frombuffer(_bytes(f"{name}-images-idx3-ubyte.gz", folder), np.uint8, offset=16)
    return images.reshape(len(labels), 28, 28), labels


def _bytes(name: str, folder: str | None) -> bytes:
    if folder is not None:
        found = os.path.join(folder, name)
    else:
        found = get_file(name, origin=BASE + name, cache_subdir=os.path.join("datasets", "fashion-mnist"))
    with gzip.open(found, "rb") as file:
        return file.read()
