"""Images distorted by smooth random displacements."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._arguments import check_supported, number_range
from rustdl.layers.preprocessing.image_preprocessing._warp_layer import INTERPOLATIONS
from rustdl.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer import (
    BaseImagePreprocessingLayer,
    per_image,
)
from rustdl.ops._image.coordinates import FILL_MODES
from rustdl.ops._image.geometry import distort
from rustdl.random import SeedGenerator


class RandomElasticTransform(BaseImagePreprocessingLayer):
    """Moves the pixels of each image by smooth random displacements (Simard et al., 2003).

    With a distortion d drawn from `scale`, displacements have the strength 0.1 d max(height, width) and are smoothed
    over 0.05 d min(height, width) pixels.

    Args:
        factor: Probability that an image is changed, or a range that it is drawn from.
        scale: The largest distortion, or a range, within [0, 1].
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: What lies outside: `"reflect"`, `"constant"`, `"nearest"`, `"wrap"` or `"mirror"`.
        fill_value: The value outside for `"constant"`.
        value_range: The range of the images' values, to which results are clipped.
        seed: A seed or `None`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor or scale beyond [0, 1].
        NotImplementedError: Another fill mode or interpolation.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomElasticTransform(scale=0.5, seed=1)(rustdl.ops.ones((2, 16, 16, 3))).shape
        (2, 16, 16, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Any = (0, 255),
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        self.scale = number_range(scale, self._FACTOR_BOUNDS, "scale")
        self.interpolation = check_supported(interpolation, INTERPOLATIONS, "interpolation")
        self.fill_mode = check_supported(fill_mode, FILL_MODES, "fill_mode")
        self.fill_value = fill_value
        self.value_range = value_range
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Which images are changed, how much, and the seed of the displacements."""
        if not training or self.scale[1] == 0 or self.factor[1] == 0:
            return None
        seed = self._seed(seed)
        low, high = self.scale
        return {
            "apply_transform": self._is_chosen(self._batch_size(data), seed),
            "distortion_factor": random.uniform((), minval=low, maxval=high, seed=seed, dtype=self.compute_dtype),
            # One seed for images and masks.
            "seed": seed.next() if isinstance(seed, SeedGenerator) else seed,
        }

    def get_elastic_transform_params(self, height: int, width: int, factor: Any) -> tuple[Any, Any]:
        """Strength and smoothness of the displacements in pixels."""
        return 0.1 * max(height, width) * factor, 0.05 * min(height, width) * factor

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        if transformation is None:
            return images
        dtype = images.dtype
        height, width = self._height_width(images.shape)
        alpha, sigma = self.get_elastic_transform_params(height, width, transformation["distortion_factor"])
        # The kernel is long enough for the largest distortion: its length must not depend on what is drawn.
        longest = self.get_elastic_transform_params(height, width, self.scale[1])[1]
        moved = distort(
            images,
            alpha=alpha,
            sigma=sigma,
            length=int(6 * longest) | 1,
            interpolation=interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            seed=transformation["seed"],
            data_format=self.data_format,
        )
        images = ops.where(per_image(transformation["apply_transform"], images), moved, images)
        return ops.cast(ops.clip(images, self.value_range[0], self.value_range[1]), dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "factor": self.factor,
            "scale": self.scale,
            "interpolation": self.interpolation,
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "value_range": self.value_range,
            "seed": self.seed,
        }
