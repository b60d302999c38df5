"""Reading the batches of CIFAR."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend
from rustdl.datasets._files import ListUnpickler


def load_batch(path: str, label_key: str = "labels") -> tuple[Any, Any]:
    """Images `(n, 3, 32, 32)` and labels of one batch file."""
    with open(path, "rb") as file:
        data = {key.decode("utf8"): value for key, value in ListUnpickler(file, encoding="bytes").load().items()}
    images = data["data"]
    return images.reshape(images.shape[0], 3, 32, 32), data[label_key]


def finished(images: Any, labels: Any) -> tuple[Any, Any]:
    """Images in the configured layout, labels of shape `(n, 1)`."""
    if backend.image_data_format() == "channels_last":
        images = images.transpose(0, 2, 3, 1)
    return images, np.reshape(np.asarray(labels), (len(labels), 1))
