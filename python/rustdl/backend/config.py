"""Process-wide settings: default float type, fuzz factor, image layout, and what `keras.config` offers besides.

`$KERAS_HOME/keras.json` (or `~/.keras/keras.json`) is read once at import and never written.
"""

from __future__ import annotations

import json
import os
import warnings
from typing import Any

_FLOATX = ("float16", "bfloat16", "float32", "float64")
_FORMATS = ("channels_last", "channels_first")

_floatx = "float32"
_epsilon = 1e-7
_image_data_format = "channels_last"
_max_epochs: int | None = None
_max_steps_per_epoch: int | None = None
_flash_attention: bool | None = None


def backend() -> str:
    """The name of the engine: always `"rustdl"`."""
    return "rustdl"


def set_backend(backend: str) -> None:
    """Accepts `"rustdl"` only.

    Raises:
        ValueError: Any other engine.
    """
    if backend != "rustdl":
        raise ValueError(f"rustdl has one engine of its own: set_backend({backend!r}) is not possible, only 'rustdl'")


def floatx() -> str:
    """The default float type, `"float32"` unless set."""
    return _floatx


def set_floatx(value: str) -> None:
    """Sets the default float type.

    Args:
        value: `"bfloat16"`, `"float16"`, `"float32"` or `"float64"`.

    Raises:
        ValueError: Another value.
    """
    global _floatx
    if value not in _FLOATX:
        raise ValueError(f"Unknown `floatx` value: {value}. Expected one of {sorted(_FLOATX)}")
    _floatx = str(value)


def epsilon() -> float:
    """The fuzz factor used against division by zero, `1e-7` unless set."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Sets the fuzz factor."""
    global _epsilon
    _epsilon = value


def image_data_format() -> str:
    """The default image layout, `"channels_last"` unless set."""
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Sets the default image layout, `"channels_last"` or `"channels_first"`."""
    global _image_data_format
    _image_data_format = standardize_data_format(data_format)


def standardize_data_format(data_format: str | None) -> str:
    """The image layout in lower case, the default for `None`.

    Raises:
        ValueError: Neither `"channels_last"` nor `"channels_first"`.
    """
    if data_format is None:
        return _image_data_format
    text = str(data_format).lower()
    if text not in _FORMATS:
        raise ValueError(
            "The `data_format` argument must be one of {'channels_first', 'channels_last'}. "
            f"Received: data_format={data_format}"
        )
    return text


def max_epochs() -> int | None:
    """The most epochs that any `fit` runs, or `None`."""
    return _max_epochs


def set_max_epochs(max_epochs: int | None) -> None:
    """Caps the epochs of any `fit`; `None` or 0 lifts the cap."""
    global _max_epochs
    _max_epochs = max_epochs or None


def max_steps_per_epoch() -> int | None:
    """The most steps that any epoch runs, or `None`."""
    return _max_steps_per_epoch


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Caps the steps of any epoch; `None` or 0 lifts the cap."""
    global _max_steps_per_epoch
    _max_steps_per_epoch = max_steps_per_epoch or None


def is_nnx_enabled() -> bool:
    """Always `False`: there is no flax module system underneath."""
    return False


def enable_flash_attention() -> None:
    """Allows the fused attention kernel (the default)."""
    global _flash_attention
    _flash_attention = True


def disable_flash_attention() -> None:
    """Makes attention use matmul and softmax."""
    global _flash_attention
    _flash_attention = False


def is_flash_attention_enabled() -> bool | None:
    """`True`, `False`, or `None` where nothing was set."""
    return _flash_attention


def keras_home() -> str:
    """The folder of data sets and settings: `$KERAS_HOME`, else `~/.keras`."""
    return os.path.abspath(os.path.expanduser(os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")))


def _read_file() -> None:
    try:
        with open(os.path.join(keras_home(), "keras.json"), encoding="utf-8") as file:
            found: Any = json.load(file)
    except (OSError, ValueError):
        return
    setters: dict[str, Any] = {
        "floatx": set_floatx,
        "epsilon": set_epsilon,
        "image_data_format": set_image_data_format,
    }
    for key, setter in setters.items():
        if isinstance(found, dict) and key in found:
            try:
                setter(found[key])
            except (ValueError, TypeError) as error:
                warnings.warn(f"keras.json: {key} is ignored: {error}", stacklevel=2)


_read_file()
