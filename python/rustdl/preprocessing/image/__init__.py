"""Helpers for images."""

from rustdl._lazy import attach

_EXPORTS = {
    "array_to_img": "rustdl.utils.image_utils",
    "img_to_array": "rustdl.utils.image_utils",
    "load_img": "rustdl.utils.image_utils",
    "save_img": "rustdl.utils.image_utils",
    "smart_resize": "rustdl.utils.image_utils",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
