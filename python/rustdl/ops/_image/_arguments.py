"""Checks that the functions of `rustdl.ops.image` share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rustdl import backend

CHANNELS_FIRST = "channels_first"


def check_images(images: Any, name: str = "images") -> None:
    """Refuses what is neither one image nor a batch of them.

    Raises:
        ValueError: The rank is not 3 or 4.
    """
    if len(images.shape) not in (3, 4):
        raise ValueError(
            f"Invalid {name} rank: expected rank 3 (single image) or rank 4 (batch of images). "
            f"Received input with shape: {name}.shape={tuple(images.shape)}"
        )


def check_choice(value: Any, choices: Iterable[Any], argument: str) -> None:
    """Refuses a value that is not among the choices.

    Raises:
        ValueError: It is not.
    """
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(
            f"Invalid value for argument `{argument}`. Expected of one {choices}. Received: {argument}={value}"
        )


def spatial_axes(data_format: str | None) -> tuple[int, int]:
    """The axes of height and width, counted from the end."""
    return (-2, -1) if backend.standardize_data_format(data_format) == CHANNELS_FIRST else (-3, -2)


def channel_axis(data_format: str | None) -> int:
    """The axis of the channels, counted from the end."""
    return -3 if backend.standardize_data_format(data_format) == CHANNELS_FIRST else -1


def float_dtype(dtype: str) -> str:
    """The dtype in which images of a dtype are computed."""
    return dtype if backend.is_float_dtype(dtype) else backend.floatx()
