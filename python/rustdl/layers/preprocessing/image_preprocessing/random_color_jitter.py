"""Random brightness, contrast, saturation and hue in one layer."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer
from rustdl.layers.preprocessing.image_preprocessing.random_brightness import RandomBrightness
from rustdl.layers.preprocessing.image_preprocessing.random_contrast import RandomContrast
from rustdl.layers.preprocessing.image_preprocessing.random_hue import RandomHue
from rustdl.layers.preprocessing.image_preprocessing.random_saturation import RandomSaturation

_PARTS = {
    "random_brightness": RandomBrightness,
    "random_contrast": RandomContrast,
    "random_saturation": RandomSaturation,
    "random_hue": RandomHue,
}


class RandomColorJitter(ColorLayer):
    """Changes brightness, contrast, saturation and hue of images, in this order; each only where its factor is given.

    Args:
        value_range: The range of the images' values.
        brightness_factor: As in `RandomBrightness`.
        contrast_factor: As in `RandomContrast`.
        saturation_factor: As in `RandomSaturation`.
        hue_factor: As in `RandomHue`.
        seed: A seed or `None`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor out of range.

    Example:
        >>> import rustdl
        >>> layer = rustdl.layers.RandomColorJitter(brightness_factor=0.2, hue_factor=0.1, seed=1)
        >>> layer(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = value_range
        self.brightness_factor = brightness_factor
        self.contrast_factor = contrast_factor
        self.saturation_factor = saturation_factor
        self.hue_factor = hue_factor
        self._set_seed(seed)
        for name, cls in _PARTS.items():
            factor = getattr(self, f"{name.removeprefix('random_')}_factor")
            options: dict[str, Any] = {"value_range": value_range, "seed": seed, "data_format": data_format}
            setattr(self, name, None if factor is None else cls(factor, **options, dtype=self.dtype_policy))

    def _active(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _PARTS if getattr(self, name) is not None}

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The transformations of the layers inside."""
        if not training:
            return None
        seed = self._seed(seed)
        return {name: layer.get_random_transformation(data, seed=seed) for name, layer in self._active().items()}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """The images after all changes."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        if transformation is None:
            transformation = self.get_random_transformation(images)
        for name, layer in self._active().items():
            images = layer.transform_images(images, transformation[name])
        return images

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "brightness_factor": self.brightness_factor,
            "contrast_factor": self.contrast_factor,
            "saturation_factor": self.saturation_factor,
            "hue_factor": self.hue_factor,
            "seed": self.seed,
        }
