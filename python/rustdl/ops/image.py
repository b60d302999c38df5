"""Functions of `rustdl.ops` on images."""

from __future__ import annotations

from typing import Any

_NAMES = frozenset(
    [
        "affine_transform",
        "crop_images",
        "elastic_transform",
        "extract_patches",
        "extract_patches_3d",
        "gaussian_blur",
        "hsv_to_rgb",
        "map_coordinates",
        "pad_images",
        "perspective_transform",
        "resize",
        "rgb_to_grayscale",
        "rgb_to_hsv",
        "scale_and_translate",
        "sobel_edges",
        "ssim",
    ]
)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rustdl import ops

    return getattr(ops, name)


def __dir__() -> list[str]:
    return sorted(_NAMES)
