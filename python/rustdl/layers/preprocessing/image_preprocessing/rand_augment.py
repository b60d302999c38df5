"""A few random augmentations, one after another."""

from __future__ import annotations

import functools
from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._augmentation_layers import COLOR, GEOMETRIC, LEVELS, make_layers
from rustdl.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer import BaseImagePreprocessingLayer


class RandAugment(BaseImagePreprocessingLayer):
    """Applies `num_ops` augmentations chosen at random, the same to a whole batch (Cubuk et al., 2020).

    They are chosen from shear, translation, rotation, brightness, colour degeneration, contrast, sharpness,
    posterization, solarization, auto-contrast and equalization. In a compiled step all of them are computed and one
    is kept; called directly, only those chosen run.

    Args:
        value_range: The range of the images' values.
        num_ops: How many augmentations are applied.
        factor: Strength of all of them within [0, 1], or a range.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: A seed or `None`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`, and `bounding_box_format`.

    Raises:
        ValueError: A factor beyond [0, 1].

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandAugment(seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)
    _AUGMENT_LAYERS = (*GEOMETRIC, *COLOR, *LEVELS)

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = value_range
        self.num_ops = num_ops
        self._set_factor(factor)
        self.interpolation = interpolation
        self._set_seed(seed)
        shared = {key: value for key, value in kwargs.items() if key not in ("name", "trainable")}
        parts = make_layers(
            self._AUGMENT_LAYERS, self.factor, value_range, interpolation, seed, data_format=data_format, **shared
        )
        for name, layer in parts.items():
            setattr(self, name, layer)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Which augmentations are applied, and a transformation of each."""
        if not training:
            return None
        seed = self._seed(seed)
        chosen = random.randint((self.num_ops,), 0, len(self._AUGMENT_LAYERS), seed=seed)
        transforms = {
            name: getattr(self, name).get_random_transformation(data, training=training, seed=seed)
            for name in self._AUGMENT_LAYERS
        }
        return {"transforms": transforms, "layer_idxes": chosen}

    def _apply(self, method: str, x: Any, transformation: Any) -> Any:
        """One method of the chosen layers in turn."""
        transforms = transformation["transforms"]
        branches = [
            functools.partial(getattr(getattr(self, name), method), transformation=value)
            for name, value in transforms.items()
        ]
        for i in range(self.num_ops):
            x = ops.switch(transformation["layer_idxes"][i], branches, x)
        return x

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """The augmented images."""
        images = ops.cast(images, self.compute_dtype)
        return self._apply("transform_images", images, transformation) if training else images

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes of the augmented images."""
        return self._apply("transform_bounding_boxes", bounding_boxes, transformation) if training else bounding_boxes

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        """The masks of the augmented images."""
        if not training:
            return segmentation_masks
        return self._apply("transform_segmentation_masks", segmentation_masks, transformation)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "num_ops": self.num_ops,
            "factor": self.factor,
            "interpolation": self.interpolation,
            "seed": self.seed,
        }
