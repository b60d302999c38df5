"""Datasets of image files."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustdl import backend, ops
from rustdl.utils.directory_utils import check_directory_arguments, check_format, datasets_of, index_directory
from rustdl.utils.image_utils import load_img, pillow, smart_resize

ALLOWLIST_FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_CHANNELS = {"rgb": 3, "rgba": 4, "grayscale": 1}
_INTERPOLATIONS = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")
_ONLY_TENSORFLOW = ("area", "gaussian", "mitchellcubic")


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Any = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """A dataset of the image files of a folder, which are read when their batch is wanted. Needs Pillow.

    Args:
        directory: the folder; where labels are inferred, each sub-folder holds the images of one class.
        labels: `"inferred"`; a list of class numbers, one for each file in alphabetical order; or `None`.
        label_mode: `"int"` (int32), `"categorical"` (one-hot), `"binary"` (float32, `[batch, 1]`), or `None` for images
            alone.
        class_names: the sub-folders to take, in the order of their class numbers.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        batch_size: images in a batch, the last one being smaller; `None` for single images.
        image_size: `(height, width)`, to which images are resized.
        shuffle: whether files are in a random order; else they are in alphabetical order.
        seed: of the order.
        validation_split: share of the files that are held out.
        subset: `"training"`, `"validation"`, or `"both"` for a list of the two datasets.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        follow_links: whether to enter folders that are links.
        crop_to_aspect_ratio: whether images are cut to the proportions of `image_size`, not distorted.
        pad_to_aspect_ratio: whether images are padded to the proportions of `image_size`.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        format: `"tf"`, where each pass over shuffled files has an order of its own, or `"grain"`, where all have one.
        verbose: whether to print how many files were found.

    Returns:
        A `PyDataset` of `(images, labels)` or images (float32), with a length, `class_names`, `file_paths`, and the
        methods `map`, `take`, `skip`, `cache` and `prefetch`. Set its `workers` to read in threads while training.

    Raises:
        ValueError: arguments that do not fit together, or no images.
        ImportError: Pillow is missing.
    """
    check_directory_arguments(labels, label_mode, class_names, validation_split, subset, shuffle, seed, "image")
    check_format(format)
    if color_mode not in _CHANNELS:
        raise ValueError(
            f'`color_mode` must be one of {{"rgb", "rgba", "grayscale"}}. Received: color_mode={color_mode}'
        )
    if isinstance(image_size, int):
        image_size = (image_size, image_size)
    if not isinstance(image_size, list | tuple) or len(image_size) != 2:
        raise ValueError(f"Invalid `image_size` value. Expected a tuple of 2 integers. Received: {image_size=}")
    interpolation = interpolation.lower()
    if interpolation in _ONLY_TENSORFLOW:
        raise ValueError(
            f"interpolation={interpolation!r} exists in TensorFlow only; the nearest here are 'bilinear' and 'bicubic'."
        )
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(
            f"Argument `interpolation` should be one of {_INTERPOLATIONS}. Received: interpolation={interpolation}"
        )
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("Only one of `pad_to_aspect_ratio`, `crop_to_aspect_ratio` can be set to `True`.")
    pillow("image_dataset_from_directory")
    if labels is None or label_mode is None:
        labels = label_mode = None
    seed = int(np.random.default_rng().integers(10**6)) if seed is None else seed
    files = index_directory(directory, labels, ALLOWLIST_FORMATS, class_names, shuffle, seed, follow_links, verbose)
    first = (data_format or backend.image_data_format()) == "channels_first"

    def load(path: str) -> Any:
        image = np.asarray(load_img(path, color_mode=color_mode))
        image = (image if image.ndim == 3 else image[..., None]).astype("float32")
        image = _resized(image, tuple(image_size), interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio)
        return image.transpose(2, 0, 1) if first else image

    return datasets_of(
        files,
        load,
        "image",
        directory,
        label_mode,
        batch_size,
        shuffle and format == "tf",
        seed,
        validation_split,
        subset,
    )


def _resized(image: Any, size: tuple[int, int], interpolation: str, crop: bool, pad: bool) -> Any:
    if crop:
        return smart_resize(image, size, interpolation=interpolation, data_format="channels_last")
    if image.shape[:2] == size:
        return image
    resized = ops.image.resize(
        image, size, interpolation=interpolation, pad_to_aspect_ratio=pad, data_format="channels_last"
    )
    return np.asarray(resized)
