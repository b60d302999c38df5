"""Functions of tensors, with the names and arguments of `keras.ops`.

Most of them are functions of the engine, exposed under their own names; the Python files of this package
hold those that are made of others. All accept `KerasTensor`s. Each is made at its first use.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from rustdl import _rustdl

# Functions written in Python, by the module that holds them.
_PYTHON: dict[str, str] = {}

_SUBMODULES = ("core", "image", "linalg", "math", "nn", "numpy")


def _register(module: str, names: str) -> None:
    for name in names.split():
        _PYTHON[name] = module


_register("_normalization", "batch_normalization layer_normalization rms_normalization")
_register("loops", "scan map vectorized_map fori_loop while_loop associative_scan")
_register("rnn", "lstm gru simple_rnn")
_register("attention", "dot_product_attention")
_register("positions", "rotary_embedding sine_positions")
_register("_fused_loss", "linear_cross_entropy")
_register("crossentropy", "binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy")

_register(
    "core",
    "convert_to_tensor convert_to_numpy cast dtype shape is_tensor custom_gradient stop_gradient cond "
    "switch saturate_cast slice slice_update",
)
_register(
    "_numpy",
    "array zeros ones empty full eye identity tri arange where nonzero mod get_item copy size ndim std pad split "
    "array_split hsplit vsplit dsplit tensordot select view trapezoid vander "
    "unravel_index einsum",
)
_register("_vectorize", "vectorize")
_register("_fft", "fft fft2 ifft2 rfft irfft stft istft extract_sequences")
_register("_windows", "bartlett blackman hamming hanning kaiser")
_register("_complex", "polar view_as_complex view_as_real real imag conj conjugate isreal eig")
_register("_linalg", "norm cdist jvp cholesky")
_register("_statistics", "corrcoef correlate argpartition psnr")
_register("_ctc", "ctc_decode")
_register(
    "_arguments",
    "bitwise_and bitwise_or bitwise_xor left_shift right_shift bincount isin linspace max min prod meshgrid moments "
    "svd concatenate cumsum cumprod nancumsum nancumprod one_hot multi_hot segment_sum segment_prod segment_max "
    "segment_min softmax sort unique",
)
_register("_blocks", "depth_to_space space_to_depth unfold fold rearrange")
_register("adaptive_pooling", "adaptive_average_pool adaptive_max_pool")
_register("_image.borders", "crop_images pad_images")
_register("_image.color", "hsv_to_rgb rgb_to_grayscale rgb_to_hsv")
_register("_image.coordinates", "map_coordinates")
_register("_image.filters", "gaussian_blur sobel_edges ssim")
_register("_image.geometry", "affine_transform elastic_transform perspective_transform")
_register("_image.patches", "extract_patches extract_patches_3d")
_register("_image.resampling", "resize scale_and_translate")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _PYTHON.get(name)
    if module is not None:
        value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    else:
        found = getattr(_rustdl.ops, name, None)
        if found is None:
            try:
                return importlib.import_module(f"{__name__}.{name}")
            except ModuleNotFoundError as error:
                if error.name != f"{__name__}.{name}":
                    raise
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from rustdl.ops._symbolic import symbolic

        value = symbolic(found, name)
    setattr(sys.modules[__name__], name, value)
    return value


def __dir__() -> list[str]:
    engine = [name for name in dir(_rustdl.ops) if not name.startswith("_")]
    return sorted({*globals(), *_PYTHON, *engine, *_SUBMODULES})
