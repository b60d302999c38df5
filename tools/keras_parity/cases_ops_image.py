"""Functions of `ops.image`: the table of the tests and more dtypes and arguments."""

from __future__ import annotations

import numpy as np
from keras_parity.calls import Call, Numbers, Table, Typed, grid
from keras_parity.goldens import from_table, golden

image_cases = golden("image_cases")
_N = Numbers(25)
_T = Table("ops.image")
_ALIASES = {
    "gray": "rgb_to_grayscale",
    "affine": "affine_transform",
    "sobel": "sobel_edges",
    "perspective": "perspective_transform",
    "blur": "gaussian_blur",
    "patches": "extract_patches",
    "patches_3d": "extract_patches_3d",
    "pad": "pad_images",
    "crop": "crop_images",
    "scale": "scale_and_translate",
    **{f"map{n}": "map_coordinates" for n in (1, 2, 3)},
    **{f"pool{n}-{name}": name for n in (1, 2, 3) for name in ("average", "max")},
}


def _rows(table, pools: bool):
    return {k: (v[0], list(v[1])) for k, v in table.items() if k.startswith("pool") == pools}


def _picture(*shape: int, dtype: str = "float32"):
    x = _N.between(0, 1, *shape)
    if dtype == "float16":
        return Typed(x, dtype)
    return x if dtype == "float32" else (255 * x).astype(dtype)


def _steps(picture):
    """Integers by steps of 16: means of them are never halfway between two, where the last bit of a weight decides."""
    whole = isinstance(picture, np.ndarray) and picture.dtype.kind in "iu"
    return picture // 16 * 16 if whole else picture


_N = Numbers(27)
for _dtype in ("uint8", "float16", "int32"):
    _T.add("rgb_to_grayscale", _picture(4, 5, 3, dtype=_dtype))
    for _options in grid(size=((5, 7), (3, 3)), interpolation=("bilinear", "nearest"), antialias=(False, True)):
        _T.add("resize", _steps(_picture(2, 4, 6, 3, dtype=_dtype)), **_options)
    _T.add("crop_images", _picture(6, 7, 3, dtype=_dtype), 1, 2, target_height=3, target_width=4)
    _T.add("pad_images", _picture(4, 5, 3, dtype=_dtype), 1, 2, target_height=8, target_width=9)
for _options in grid(crop_to_aspect_ratio=(True,), size=((4, 4), (7, 3), (12, 5))):
    _T.add("resize", _picture(2, 6, 9, 3), gradient=True, **_options)
for _options in grid(pad_to_aspect_ratio=(True,), size=((4, 4), (7, 3)), fill_value=(0.0, -1.5)):
    _T.add("resize", _picture(2, 6, 9, 3), gradient=True, **_options)
for _size in ((3, 3), (3, 5), (7, 1)):
    for _sigma in ((0.5, 0.5), (2.0, 1.0)):
        for _format in ("channels_last", "channels_first"):
            _options = {"kernel_size": _size, "sigma": _sigma, "data_format": _format}
            _T.add("gaussian_blur", _picture(2, 8, 9, 3), gradient=True, **_options)
_T.add(
    "gaussian_blur",
    _picture(2, 8, 9, 3),
    differs="without `data_format` it is the configured one, as documented; Keras on JAX takes channels_first",
)
_T.add("rgb_to_hsv", np.array([[[0, 0, 0], [1, 1, 1], [1, 0, 0], [0.5, 0.5, 0.2], [0.2, 0.7, 0.7]]], "float32"))
_T.add("hsv_to_rgb", np.array([[[0, 0, 0], [1, 1, 1], [0.5, 0, 1], [0.99, 1, 0.5], [0.34, 0.7, 0.7]]], "float32"))
for _options in grid(alpha=(0.0,), sigma=(3.0,), interpolation=("bilinear", "nearest")):
    _T.add("elastic_transform", _picture(2, 8, 9, 3), seed=1, label=f"no displacement, {_options}", **_options)
for _options in grid(interpolation=("bilinear", "nearest"), fill_value=(0.0, 0.6)):
    _start = np.array([[[0, 0], [0, 8], [7, 0], [7, 8]]] * 2, "float32")
    _end = _start + _N.between(-0.9, 0.9, 2, 4, 2)
    _T.add("perspective_transform", _picture(2, 8, 9, 3), _start, _end, **_options)
_T.add("extract_patches", _picture(8, 9, 3), size=(2, 3), strides=(2, 3), gradient=True)
_T.add("extract_patches_3d", _picture(2, 5, 6, 7, 2), size=(2, 3, 2), gradient=True)

CASES: list[Call] = [
    *_T.calls,
    *from_table(_rows(image_cases.CASES, False), "ops.image", gradient=True, inside="ops", aliases=_ALIASES),
    *from_table(_rows(image_cases.FLAT, False), "ops.image", gradient=False, inside="ops", aliases=_ALIASES),
]
