"""The public functions that save and load models and weights, by the ending of the file's name."""

from __future__ import annotations

import os
import zipfile
from typing import Any

from rustdl.saving import saving_lib

_LEGACY = (".h5", ".hdf5")


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
    """Saves a model: configuration, weights, optimizer state. The file appears whole or not at all.

    Args:
        model: the model.
        filepath: path that ends in `.keras`, or a binary file object; `.h5` and `.hdf5` write the older form of Keras.
        overwrite: False raises instead of replacing a file.
        zipped: False writes a folder instead of one file.
        **kwargs: `include_optimizer`, for the older form: whether to write compilation and optimizer; `save_format` of
            older versions, which says what the name says.

    Raises:
        ValueError: another ending, unknown arguments, or the file exists and `overwrite` is False.

    Example:
        >>> import os, tempfile, rustdl
        >>> model = rustdl.Sequential([rustdl.Input((2,)), rustdl.layers.Dense(1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "model.keras")
        ...     rustdl.saving.save_model(model, path)
        ...     rustdl.saving.load_model(path).count_params()
        3
    """
    include_optimizer = kwargs.pop("include_optimizer", True)
    save_format = kwargs.pop("save_format", None)
    if save_format and not str(filepath).endswith((".keras", *_LEGACY)):
        raise ValueError(
            "The `save_format` argument is deprecated in Keras 3. Please remove this argument and pass a file path "
            f"with a `.keras` extension. Received: save_format={save_format}"
        )
    if kwargs:
        raise ValueError(f"The following argument(s) are not supported: {list(kwargs)}")
    path = str(filepath)
    _check_local(path)
    _check_overwrite(filepath, overwrite)
    if hasattr(filepath, "write"):
        saving_lib.save_model(model, filepath)
    elif zipped is False:
        saving_lib.save_model(model, filepath, zipped=False)
    elif path.endswith(".keras"):
        saving_lib.save_model(model, filepath)
    elif path.endswith(_LEGACY):
        from rustdl.saving import legacy_h5

        legacy_h5.save_model(model, filepath, include_optimizer)
    else:
        raise ValueError(
            "Invalid filepath extension for saving. Please add either a `.keras` extension for the native Keras format "
            f"(recommended) or a `.h5` extension. Received: filepath={filepath}."
        )


def load_model(filepath: Any, custom_objects: Any = None, compile: bool = True, safe_mode: bool = True) -> Any:
    """Loads a model that `save_model`, or Keras 3, wrote.

    Args:
        filepath: `.keras` file, folder, binary file object, or a file in Keras' older form (`.h5`, `.hdf5`).
        custom_objects: names of your own classes and functions.
        compile: whether to compile the model as it was, optimizer state included.
        safe_mode: refuse Python code (lambdas) in the file.

    Returns:
        The model.

    Raises:
        ValueError: no such file, another format, damaged contents, or code in safe mode.
        TypeError: a class that is unknown; the message says how to register it.
    """
    path = str(filepath)
    _check_local(path)
    if hasattr(filepath, "read"):
        return saving_lib.load_model(filepath, custom_objects, compile, safe_mode)
    is_folder = os.path.isdir(path) and os.path.exists(os.path.join(path, saving_lib.CONFIG_NAME))
    if is_folder or (path.endswith(".keras") and zipfile.is_zipfile(path)):
        return saving_lib.load_model(path, custom_objects, compile, safe_mode)
    if path.endswith(_LEGACY):
        from rustdl.saving import legacy_h5

        return legacy_h5.load_model(path, custom_objects, compile, safe_mode)
    if path.endswith(".keras"):
        if os.path.exists(path):
            raise ValueError(
                f"Not a saved model: filepath={filepath} is no accessible `.keras` zip file: it is damaged, or was "
                "written by another program."
            )
        raise ValueError(
            f"File not found: filepath={filepath}. Please ensure the file is an accessible `.keras` zip file."
        )
    raise ValueError(
        f"File format not supported: filepath={filepath}. Expected a `.keras` file, a folder that was saved with "
        "`zipped=False`, or an `.h5` file."
    )


def save_weights(model: Any, filepath: Any, overwrite: bool = True, max_shard_size: Any = None, **kwargs: Any) -> None:
    """Saves the weights of a built model.

    Args:
        model: the model.
        filepath: path that ends in `.weights.h5` or `.safetensors`; with `max_shard_size` in `.weights.json`.
        overwrite: False raises instead of replacing a file.
        max_shard_size: most GiB of values in one file: the weights go to `NAME_00000.weights.h5`, `NAME_00001...`
            beside an index `NAME.weights.json`. None writes one file.
        **kwargs: `objects_to_skip`, objects whose values are left out.

    Raises:
        ValueError: another ending, a model that is not built, a variable above `max_shard_size`, or a file that exists.
    """
    path = str(filepath)
    if max_shard_size is not None and not path.endswith(("weights.h5", saving_lib.SHARDS_SUFFIX)):
        raise ValueError(
            f"The filename must end in `.weights.json` when `max_shard_size` is specified. Received: filepath={path}"
        )
    if max_shard_size is None and not path.endswith((".weights.h5", ".safetensors")):
        raise ValueError(f"The filename must end in `.weights.h5` or `.safetensors`. Received: filepath={path}")
    _check_overwrite(filepath, overwrite)
    saving_lib.save_weights_only(model, filepath, max_shard_size=max_shard_size, **kwargs)


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
    """Loads weights into a built model. When anything does not fit, all weights stay as they were.

    Args:
        model: the model.
        filepath: `.weights.h5`, `.safetensors` or `.keras` file, the index `.weights.json` of a sharded one, or one in
            Keras' older form (`.h5`, `.hdf5`).
        skip_mismatch: warn about layers that do not fit and load the others.
        **kwargs: `objects_to_skip`, objects whose values are left alone; `by_name`, for the older form: give weights
            to the layers of the same names.

    Raises:
        ValueError: another format, or values that do not fit.
    """
    path = str(filepath)
    objects_to_skip = kwargs.pop("objects_to_skip", None)
    by_name = kwargs.pop("by_name", None)
    if kwargs:
        raise ValueError(f"Invalid keyword arguments: {kwargs}")
    if path.endswith((".keras", ".weights.h5", ".safetensors", saving_lib.SHARDS_SUFFIX)):
        if by_name:
            raise ValueError(f"`by_name` only supports loading legacy '.h5' or '.hdf5' files. Received: {filepath}")
        if path.endswith(".keras") and objects_to_skip is not None:
            raise ValueError(f"`objects_to_skip` only supports loading '.weights.h5' files. Received: {filepath}")
        saving_lib.load_weights_only(model, path, skip_mismatch, objects_to_skip)
        return
    if path.endswith(_LEGACY):
        if objects_to_skip is not None:
            raise ValueError(f"`objects_to_skip` only supports loading '.weights.h5' files. Received: {filepath}")
        from rustdl.saving import legacy_h5

        legacy_h5.load_weights(model, path, bool(by_name), skip_mismatch)
        return
    raise ValueError(
        f"File format not supported: filepath={filepath}. Expected a `.weights.h5`, `.safetensors`, `.keras` or `.h5` "
        "file."
    )


def _check_local(path: str) -> None:
    if "://" in path:
        raise ValueError(f"Only local files are supported. Received: {path}")


def _check_overwrite(filepath: Any, overwrite: bool) -> None:
    if overwrite or hasattr(filepath, "write"):
        return
    if os.path.exists(filepath):
        raise ValueError(f"{filepath} exists already, and overwrite=False.")
