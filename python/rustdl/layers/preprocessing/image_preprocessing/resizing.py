"""Images of another size."""

from __future__ import annotations

from typing import Any

from rustdl import backend, ops
from rustdl.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer import BaseImagePreprocessingLayer
from rustdl.utils.bounding_boxes import clip_to_image_size, convert_format
from rustdl.utils.bounding_boxes.formats import columns, from_columns


class Resizing(BaseImagePreprocessingLayer):
    """Resizes images; the dtype stays.

    Args:
        height: Height of the result.
        width: Width of the result.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        crop_to_aspect_ratio: Whether to cut images to the proportions of the result first.
        pad_to_aspect_ratio: Whether to put bars around them to that end.
        fill_mode: Only `"constant"`.
        fill_value: The value of the bars.
        antialias: Whether smaller images average all pixels instead of skipping some.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`, and `bounding_box_format`.

    Example:
        >>> import rustdl
        >>> rustdl.layers.Resizing(4, 5)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 4, 5, 3)
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.height, self.width = height, width
        self.interpolation = interpolation
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.antialias = bool(antialias)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Height and width of the images."""
        return self._height_width(self._images_shape(data))

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The resized images."""
        return self._transform_images(images, transformation, self.interpolation)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """The masks resized, each pixel taken from the nearest one."""
        return self._transform_images(segmentation_masks, transformation, "nearest")

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return ops.image.resize(
            images,
            (self.height, self.width),
            interpolation=interpolation,
            antialias=self.antialias,
            crop_to_aspect_ratio=self.crop_to_aspect_ratio,
            pad_to_aspect_ratio=self.pad_to_aspect_ratio,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes in the resized images; boxes of zeros or of -1 count as padding and become zeros."""
        height, width = transformation
        given = backend.convert_to_tensor(bounding_boxes["boxes"])
        is_padding = ops.logical_or(
            ops.all(ops.equal(given, -1), axis=-1, keepdims=True), ops.all(ops.equal(given, 0), axis=-1, keepdims=True)
        )
        boxes = convert_format(bounding_boxes, self._box_format(), "xyxy", height=height, width=width)
        (scale_x, offset_x), (scale_y, offset_y) = self._box_map(height, width)
        x1, y1, x2, y2 = columns(boxes["boxes"])
        x1, x2 = (x * scale_x + offset_x for x in (x1, x2))
        y1, y2 = (y * scale_y + offset_y for y in (y1, y2))
        boxes = clip_to_image_size({**boxes, "boxes": from_columns((x1, y1, x2, y2))}, self.height, self.width)
        kept = ops.where(is_padding, ops.zeros_like(boxes["boxes"]), boxes["boxes"])
        return convert_format(
            {**boxes, "boxes": kept}, "xyxy", self._box_format(), height=self.height, width=self.width
        )

    def _box_map(self, height: int, width: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """Scale and offset of coordinates along x and y."""
        scale_x, scale_y = self.width / width, self.height / height
        if self.pad_to_aspect_ratio:
            scale = min(scale_x, scale_y)
        elif self.crop_to_aspect_ratio:
            scale = max(scale_x, scale_y)
        else:
            return (scale_x, 0.0), (scale_y, 0.0)
        if self.pad_to_aspect_ratio:
            return (scale, (self.width - width * scale) // 2), (scale, (self.height - height * scale) // 2)
        return (scale, -((width * scale - self.width) // 2)), (scale, -((height * scale - self.height) // 2))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "height": self.height,
            "width": self.width,
            "interpolation": self.interpolation,
            "crop_to_aspect_ratio": self.crop_to_aspect_ratio,
            "pad_to_aspect_ratio": self.pad_to_aspect_ratio,
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "antialias": self.antialias,
        }
