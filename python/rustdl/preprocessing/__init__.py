"""Loaders of data and helpers for images and sequences, under their older names; see `rustdl.utils`."""

from rustdl._lazy import attach

_EXPORTS = {
    "image": "rustdl.preprocessing.image:",
    "image_dataset_from_directory": "rustdl.utils.image_dataset_utils",
    "sequence": "rustdl.preprocessing.sequence:",
    "text_dataset_from_directory": "rustdl.utils.text_dataset_utils",
    "timeseries_dataset_from_array": "rustdl.utils.timeseries_dataset_utils",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
