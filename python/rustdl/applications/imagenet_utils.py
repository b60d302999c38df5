"""What all ImageNet classifiers share: input ranges, names of the classes, and the rules for input shapes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from rustdl import activations, backend, ops
from rustdl.backend.dtypes import is_float_dtype

_CLASS_NAMES = (
    "imagenet_class_index.json",
    "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
    "c2c37ea517e94d9795004a39431a14cb",
)

# Means and deviations of ImageNet's channels: RGB in [0, 1], and BGR in [0, 255] for the weights of Caffe.
RGB_MEAN = (0.485, 0.456, 0.406)
RGB_DEVIATION = (0.229, 0.224, 0.225)
_BGR_MEAN = (103.939, 116.779, 123.68)


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Brings images into the range that a network was trained on.

    * `"tf"`: x / 127.5 - 1, so from -1 to 1;
    * `"torch"`: (x / 255 - mean) / deviation, with ImageNet's mean and deviation of each channel;
    * `"caffe"`: RGB becomes BGR, and ImageNet's mean of each channel is subtracted.

    Args:
        x: Images of shape `(..., height, width, 3)`, or channels first, rank 3 or 4, values from 0 to 255. A float
            NumPy array is changed in place; integers are converted to `floatx()` first.
        data_format: `"channels_last"`, `"channels_first"`, or None for the configured one.
        mode: `"caffe"`, `"tf"` or `"torch"`.

    Returns:
        An array where `x` is one, else a tensor.

    Raises:
        ValueError: An unknown mode or data format.

    Example:
        >>> import numpy as np
        >>> preprocess_input(np.full((1, 1, 3), 255.0), mode="tf").tolist()
        [[[1.0, 1.0, 1.0]]]
    """
    if mode not in {"caffe", "tf", "torch"}:
        raise ValueError(f"Expected mode to be one of `caffe`, `tf` or `torch`. Received: mode={mode}")
    if data_format is None:
        data_format = backend.image_data_format()
    elif data_format not in {"channels_first", "channels_last"}:
        raise ValueError(
            "Expected data_format to be one of `channels_first` or `channels_last`. "
            f"Received: data_format={data_format}"
        )
    channels = -3 if data_format == "channels_first" else -1
    if isinstance(x, np.ndarray):
        return _preprocess_array(x, channels, mode)
    return _preprocess_tensor(x, channels, mode)


def _preprocess_array(x: Any, channels: int, mode: str) -> Any:
    if not np.issubdtype(x.dtype, np.floating):
        x = x.astype(backend.floatx())
    if mode == "tf":
        x /= 127.5
        x -= 1.0
    elif mode == "torch":
        x /= 255.0
        x -= _along(RGB_MEAN, channels).astype(x.dtype)
        x /= _along(RGB_DEVIATION, channels).astype(x.dtype)
    else:
        x = np.flip(x, channels)  # a view: the caller's array is changed
        x -= _along(_BGR_MEAN, channels).astype(x.dtype)
    return x


def _preprocess_tensor(x: Any, channels: int, mode: str) -> Any:
    x = ops.convert_to_tensor(x) if not backend.is_keras_tensor(x) else x
    if not is_float_dtype(backend.standardize_dtype(x.dtype)):
        x = ops.cast(x, backend.floatx())
    if mode == "tf":
        return x / 127.5 - 1.0
    if mode == "torch":
        mean, deviation = (
            ops.convert_to_tensor(_along(values, channels), dtype=x.dtype) for values in (RGB_MEAN, RGB_DEVIATION)
        )
        return (x / 255.0 - mean) / deviation
    return ops.flip(x, axis=channels) - ops.convert_to_tensor(_along(_BGR_MEAN, channels), dtype=x.dtype)


def _along(values: tuple[float, ...], channels: int) -> Any:
    """One value a channel, in the shape that broadcasts along the channels' axis."""
    return np.asarray(values, "float64").reshape((3,) + (1,) * (-1 - channels))


def decode_predictions(preds: Any, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """The most probable classes with their names.

    Args:
        preds: Probabilities of ImageNet's classes, of shape `(batch, 1000)`.
        top: How many to list for each image.

    Returns:
        For each image a list of `(WordNet's identifier, name, probability)`, the most probable first.

    Raises:
        ValueError: Another shape.
        OSError: The list of names is not in the cache folder and cannot be downloaded.
    """
    preds = ops.convert_to_numpy(preds)
    if preds.ndim != 2 or preds.shape[1] != 1000:
        raise ValueError(
            "`decode_predictions` expects a batch of predictions (i.e. a 2D array of shape (samples, 1000)). "
            f"Received array with shape: {preds.shape}"
        )
    names = _class_names()
    ranked = np.argsort(-preds, axis=1, kind="stable")[:, :top]
    return [[(*names[i], row[i]) for i in best] for row, best in zip(preds, ranked, strict=True)]


@cache
def _class_names() -> list[tuple[str, str]]:
    from rustdl.utils.file_utils import get_file

    file, origin, md5 = _CLASS_NAMES
    with open(get_file(file, origin, cache_subdir="models", file_hash=md5), encoding="utf-8") as stream:
        index = json.load(stream)
    return [(index[str(i)][0], index[str(i)][1]) for i in range(len(index))]


def preprocessor(module: str, mode: str | None) -> Callable[..., Any]:
    """The `preprocess_input` of one family.

    Args:
        module: Name of the family's module.
        mode: As above; None where the model itself rescales its inputs.
    """

    def family_preprocess_input(x: Any, data_format: str | None = None) -> Any:
        return x if mode is None else preprocess_input(x, data_format=data_format, mode=mode)

    what = "returns them as they are: the model rescales its inputs itself" if mode is None else f"mode {mode!r}"
    family_preprocess_input.__name__ = family_preprocess_input.__qualname__ = "preprocess_input"
    family_preprocess_input.__module__ = module
    family_preprocess_input.__doc__ = (
        f"Prepares images for the models of this module: {what}.\n\n"
        "See `rustdl.applications.imagenet_utils.preprocess_input` for the arguments."
    )
    return family_preprocess_input


def obtain_input_shape(
    input_shape: Any,
    default_size: int,
    min_size: int,
    data_format: str,
    require_flatten: bool,
    weights: Any = None,
) -> tuple[int | None, ...]:
    """The shape of one image: what the user gave, checked, or the network's default.

    Args:
        input_shape: Shape of one image, or None.
        default_size: Height and width that the network was made for.
        min_size: Least height and width.
        data_format: `"channels_last"` or `"channels_first"`.
        require_flatten: Whether the classifier on top needs sizes that are known.
        weights: `"imagenet"` restricts the shapes to those of the weights.

    Raises:
        ValueError: A shape that the network cannot take.
    """
    axis = 0 if data_format == "channels_first" else -1

    def square(size: int | None, channels: int) -> tuple[int | None, ...]:
        return (channels, size, size) if axis == 0 else (size, size, channels)

    shape = tuple(input_shape) if input_shape else None
    channels = 3
    if weights != "imagenet" and shape and len(shape) == 3:
        channels = shape[axis]
        if channels not in {1, 3}:
            warnings.warn(
                "This model usually expects 1 or 3 input channels. However, it was passed an input_shape with "
                f"{channels} input channels.",
                stacklevel=2,
            )
    default = square(default_size, channels)
    if weights == "imagenet" and require_flatten:
        if shape is not None and shape != default:
            raise ValueError(
                "When setting `include_top=True` and loading `imagenet` weights, "
                f"`input_shape` should be {default}.  Received: input_shape={input_shape}"
            )
        return default
    if shape is None:
        return default if require_flatten else square(None, 3)
    if len(shape) != 3:
        raise ValueError(f"`input_shape` must be a tuple of three integers. Received: input_shape={input_shape}")
    if shape[axis] != 3 and weights == "imagenet":
        raise ValueError(f"The input must have 3 channels; Received `input_shape={input_shape}`")
    sizes = shape[1:] if axis == 0 else shape[:2]
    if any(size is not None and size < min_size for size in sizes):
        raise ValueError(f"Input size must be at least {min_size}x{min_size}; Received: input_shape={input_shape}")
    if require_flatten and None in shape:
        raise ValueError(
            f"If `include_top` is True, you should specify a static `input_shape`. Received: input_shape={input_shape}"
        )
    return shape


def validate_activation(classifier_activation: Any, weights: Any) -> None:
    """Refuses activations of the classifier that trained weights were not made for.

    Raises:
        ValueError: Weights are loaded, and the activation is neither None nor softmax.
    """
    if weights is None:
        return
    found = activations.get(classifier_activation)
    if found not in {activations.get("softmax"), activations.get(None)}:
        raise ValueError(
            "Only `None` and `softmax` activations are allowed for the `classifier_activation` argument when using "
            "pretrained weights, with `include_top=True`; Received: "
            f"classifier_activation={classifier_activation}"
        )
