"""The middle of images."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer import BaseImagePreprocessingLayer
from rustdl.utils.bounding_boxes import clip_to_image_size, convert_format, crop


class CenterCrop(BaseImagePreprocessingLayer):
    """Cuts the middle out of images; smaller images are cut to the wanted proportions and resized.

    Args:
        height: Height of the result.
        width: Width of the result.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`, and `bounding_box_format`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.CenterCrop(4, 5)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 4, 5, 3)
    """

    _USE_BASE_FACTOR = False

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.height, self.width = height, width

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The shape of the images."""
        return {"input_shape": self._images_shape(data)}

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The middle of the images."""
        return self._transform_images(ops.cast(images, self.compute_dtype), transformation, "bilinear")

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """The middle of the masks."""
        masks = self._transform_images(segmentation_masks, transformation, "nearest")
        return ops.cast(masks, self.compute_dtype)

    def _is_large(self, height: int, width: int) -> bool:
        return height >= self.height and width >= self.width

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        height, width = self._height_width(images.shape)
        if not self._is_large(height, width):
            return ops.image.resize(
                images,
                (self.height, self.width),
                interpolation=interpolation,
                crop_to_aspect_ratio=True,
                data_format=self.data_format,
            )
        return ops.image.crop_images(
            images,
            top_cropping=(height - self.height) // 2,
            left_cropping=(width - self.width) // 2,
            target_height=self.height,
            target_width=self.width,
            data_format=self.data_format,
        )

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes in the middle, cut off at its edges."""
        height, width = self._height_width(transformation["input_shape"])
        boxes = convert_format(bounding_boxes, self._box_format(), "xyxy", height=height, width=width)
        part_height, part_width = self.height, self.width
        if not self._is_large(height, width):
            part_height = max(min(height, int(float(width * self.height) / self.width)), 1)
            part_width = max(min(width, int(float(height * self.width) / self.height)), 1)
        part = crop(boxes["boxes"], (height - part_height) // 2, (width - part_width) // 2, part_height, part_width)
        scale = [self.width / part_width, self.height / part_height] * 2
        boxes = {**boxes, "boxes": part * ops.convert_to_tensor(scale, dtype=part.dtype)}
        boxes = clip_to_image_size(boxes, height=self.height, width=self.width)
        return convert_format(boxes, "xyxy", self._box_format(), height=self.height, width=self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}
