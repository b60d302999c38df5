"""Images flipped at random."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer import BaseImagePreprocessingLayer
from rustdl.utils.bounding_boxes import clip_to_image_size, convert_format
from rustdl.utils.bounding_boxes.formats import columns, from_columns

HORIZONTAL, VERTICAL, BOTH = "horizontal", "vertical", "horizontal_and_vertical"


class RandomFlip(BaseImagePreprocessingLayer):
    """Flips each image with probability one half.

    Args:
        mode: `"horizontal"` (left and right change places), `"vertical"`, or
            `"horizontal_and_vertical"` (both at once).
        seed: A seed or `None`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`, and `bounding_box_format`.

    Raises:
        ValueError: Another mode.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomFlip(seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    _USE_BASE_FACTOR = False

    def __init__(self, mode: str = BOTH, seed: Any = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if mode not in (HORIZONTAL, VERTICAL, BOTH):
            raise ValueError(f"Unknown `mode` {mode}. Expected of one {(HORIZONTAL, VERTICAL, BOTH)}.")
        self.mode = mode
        self._set_seed(seed)
        self._convert_input_args = False

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Which images are flipped."""
        if not training:
            return None
        flips = random.uniform(self._per_image_shape(data), seed=self._seed(seed)) <= 0.5
        return {"flips": flips, "input_shape": self._images_shape(data)}

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        if transformation is None:
            return images
        axes = {HORIZONTAL: [self.width_axis], VERTICAL: [self.height_axis], BOTH: [self.width_axis, self.height_axis]}
        flipped = images
        for axis in axes[self.mode]:
            flipped = ops.flip(flipped, axis=axis)
        return ops.where(transformation["flips"], flipped, images)

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes of the flipped images."""
        if not training or transformation is None:
            return bounding_boxes
        height, width = self._height_width(transformation["input_shape"])
        boxes = convert_format(bounding_boxes, self._box_format(), "rel_xyxy", height=height, width=width)
        x1, y1, x2, y2 = columns(boxes["boxes"])
        if self.mode != VERTICAL:
            x1, x2 = 1 - x2, 1 - x1
        if self.mode != HORIZONTAL:
            y1, y2 = 1 - y2, 1 - y1
        flips = ops.squeeze(transformation["flips"], -1)
        boxes = {**boxes, "boxes": ops.where(flips, from_columns((x1, y1, x2, y2)), boxes["boxes"])}
        boxes = clip_to_image_size(boxes, bounding_box_format="rel_xyxy")
        return convert_format(boxes, "rel_xyxy", self._box_format(), height=height, width=width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed, "mode": self.mode}
