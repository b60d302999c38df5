"""Layers that move pixels by an affine map."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.preprocessing.image_preprocessing._arguments import check_supported
from rustdl.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer import BaseImagePreprocessingLayer

FILL_MODES = ("reflect", "wrap", "constant", "nearest")
INTERPOLATIONS = ("nearest", "bilinear")


class WarpLayer(BaseImagePreprocessingLayer):
    """A layer whose transformation becomes the eight parameters of `ops.image.affine_transform` for each image.

    Args:
        fill_mode: What lies outside of the image: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: A seed or `None`.
        fill_value: The value outside for `"constant"`.
        **kwargs: arguments of `BaseImagePreprocessingLayer`.

    Raises:
        NotImplementedError: Another fill mode or interpolation.
    """

    def __init__(self, fill_mode: str, interpolation: str, seed: Any, fill_value: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fill_mode = check_supported(fill_mode, FILL_MODES, "fill_mode")
        self.interpolation = check_supported(interpolation, INTERPOLATIONS, "interpolation")
        self.fill_value = fill_value
        self._set_seed(seed)

    def _matrix(self, transformation: Any, size: tuple[Any, Any]) -> Any:
        """The parameters `[batch, 8]` for images of this height and width."""
        raise NotImplementedError

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        if transformation is None:
            return images
        return ops.image.affine_transform(
            images,
            self._matrix(transformation, self._height_width(images.shape)),
            interpolation=interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "fill_mode": self.fill_mode,
            "interpolation": self.interpolation,
            "seed": self.seed,
            "fill_value": self.fill_value,
        }


def affine_rows(a0: Any, a1: Any, a2: Any, b0: Any, b1: Any, b2: Any) -> Any:
    """Parameters `[batch, 8]` from vectors (or numbers) of the first six; the last two are 0."""
    rows = [a0, a1, a2, b0, b1, b2, 0.0, 0.0]
    batch = next(row for row in rows if not isinstance(row, float))
    return ops.stack([ops.full_like(batch, row) if isinstance(row, float) else row for row in rows], axis=1)
