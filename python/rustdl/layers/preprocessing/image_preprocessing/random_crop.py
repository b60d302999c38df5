"""Random parts of images."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer import BaseImagePreprocessingLayer
from rustdl.utils.bounding_boxes import convert_format
from rustdl.utils.bounding_boxes.formats import columns, from_columns


class RandomCrop(BaseImagePreprocessingLayer):
    """Cuts a part of the wanted size out of the images, at a random place, the same for a whole batch.

    At inference, and where the images are not larger, the largest centred part of the wanted proportions is resized.

    Args:
        height: Height of the result.
        width: Width of the result.
        seed: A seed or `None`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        name: name of the layer.
        **kwargs: arguments of `Layer`, and `bounding_box_format`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomCrop(4, 5, seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 4, 5, 3)
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: Any = None,
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, data_format=data_format, **kwargs)
        self.height, self.width = height, width
        self._set_seed(seed)
        self.seed = self.generator.initial_seed
        self._convert_input_args = False

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The first row and column of the part."""
        height, width = self._height_width(self._images_shape(data))
        seed = self._seed(seed)
        if training and height > self.height and width > self.width:
            ends = (height - self.height + 1.0, width - self.width + 1.0)
            return tuple(ops.cast(random.uniform((), maxval=end, seed=seed), "int32") for end in ends)
        crop_height, crop_width = self._largest(height, width)
        return (height - crop_height) // 2, (width - crop_width) // 2

    def _largest(self, height: int, width: int) -> tuple[int, int]:
        """The size of the largest part of the wanted proportions."""
        crop_height = max(min(height, int(float(width * self.height) / self.width)), 1)
        crop_width = max(min(width, int(float(height * self.width) / self.height)), 1)
        return crop_height, crop_width

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """The part that the transformation names, resized where it is smaller than wanted."""
        images = ops.cast(images, self.compute_dtype)
        return self._transform_images(images, transformation if training else None, "bilinear")

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        """The same part of the masks."""
        masks = self._transform_images(segmentation_masks, transformation if training else None, "nearest")
        return ops.cast(masks, self.compute_dtype)

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        height, width = self._height_width(images.shape)
        if transformation is None:
            if (height, width) == (self.height, self.width):
                return images
            return ops.image.resize(
                images,
                (self.height, self.width),
                interpolation=interpolation,
                crop_to_aspect_ratio=True,
                data_format=self.data_format,
            )
        top, left = transformation
        is_known = isinstance(top, int) and isinstance(left, int)
        shape: list[Any] = list(images.shape)
        shape[self.height_axis] = min(self.height, height - top if is_known else height)
        shape[self.width_axis] = min(self.width, width - left if is_known else width)
        start: list[Any] = [0] * len(shape)
        start[self.height_axis], start[self.width_axis] = top, left
        images = ops.slice(images, start if is_known else ops.stack([ops.cast(i, "int32") for i in start]), shape)
        return ops.image.resize(
            images, (self.height, self.width), interpolation=interpolation, data_format=self.data_format
        )

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes counted from the corner of the part, none to the left of it or above."""
        if not training:
            return bounding_boxes
        size = {"height": self.height, "width": self.width}
        boxes = convert_format(bounding_boxes, self._box_format(), "xyxy", **size)
        top, left = (ops.cast(x, boxes["boxes"].dtype) for x in transformation)
        x1, y1, x2, y2 = columns(boxes["boxes"])
        moved = from_columns((x1 - left, y1 - top, x2 - left, y2 - top))
        return convert_format({**boxes, "boxes": ops.maximum(moved, 0)}, "xyxy", self._box_format(), **size)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "height": self.height, "width": self.width, "seed": self.seed}
