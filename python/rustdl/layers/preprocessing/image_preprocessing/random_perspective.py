"""Images seen from random points of view."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._arguments import check_supported
from rustdl.layers.preprocessing.image_preprocessing._warp_layer import INTERPOLATIONS
from rustdl.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer import (
    BaseImagePreprocessingLayer,
    per_image,
)
from rustdl.utils.bounding_boxes import clip_to_image_size, convert_format
from rustdl.utils.bounding_boxes.formats import columns, from_columns


class RandomPerspective(BaseImagePreprocessingLayer):
    """Moves the corners of each image to random places and the rest with them, as a perspective does.

    Args:
        factor: Probability that an image is changed, or a range that it is drawn from.
        scale: How far corners move, within [0, 1]: coordinates c become c (1 + u) with u within half of it.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_value: The value outside of the image.
        seed: A seed or `None`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`, and `bounding_box_format`.

    Raises:
        ValueError: A factor or scale beyond [0, 1].
        NotImplementedError: Another interpolation.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomPerspective(seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        factor: Any = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        if scale < 0.0 or scale > 1.0:
            raise ValueError(f"The `scale` argument should be a number in the range [0,1]. Received: scale={scale}")
        self.scale = scale
        self.fill_value = fill_value
        self.interpolation = check_supported(interpolation, INTERPOLATIONS, "interpolation")
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Where the corners of each image are and where they go, and which images are changed."""
        if not training:
            return None
        batch_size, seed, dtype = self._batch_size(data), self._seed(seed), self.compute_dtype
        shape = self._images_shape(data)
        height, width = self._height_width(shape)
        is_chosen = self._is_chosen(batch_size, seed)
        half = 0.5 * self.scale
        movement = random.uniform((batch_size, 4, 2), minval=-half, maxval=half, seed=seed, dtype=dtype)
        corners = [[0.0, 0.0], [width - 1.0, 0.0], [0.0, height - 1.0], [width - 1.0, height - 1.0]]
        start = ops.broadcast_to(ops.convert_to_tensor([corners], dtype=dtype), (batch_size, 4, 2))
        return {
            "apply_perspective": is_chosen,
            "start_points": start,
            "end_points": start + start * movement,
            "input_shape": shape,
        }

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        if transformation is None:
            return images
        moved = ops.image.perspective_transform(
            images,
            transformation["start_points"],
            transformation["end_points"],
            interpolation=interpolation,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )
        return ops.where(per_image(transformation["apply_perspective"], images), moved, images)

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes around the moved corners of boxes."""
        if not training or transformation is None:
            return bounding_boxes
        height, width = size = self._height_width(transformation["input_shape"])
        boxes = convert_format(bounding_boxes, self._box_format(), "xyxy", height=height, width=width)
        moved = _moved(boxes["boxes"], transformation["start_points"], transformation["end_points"])
        is_chosen = ops.reshape(transformation["apply_perspective"], (-1, 1, 1))
        boxes = {**boxes, "boxes": ops.where(ops.cast(is_chosen, "bool"), moved, boxes["boxes"])}
        boxes = clip_to_image_size(boxes, height=size[0], width=size[1])
        return convert_format(boxes, "xyxy", self._box_format(), height=height, width=width)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "factor": self.factor,
            "scale": self.scale,
            "interpolation": self.interpolation,
            "fill_value": self.fill_value,
            "seed": self.seed,
        }


def _moved(boxes: Any, start: Any, end: Any) -> Any:
    """The upright boxes around the images of the corners of `[batch, boxes, 4]`."""
    from rustdl.ops._image.geometry import homography

    # The map from the input to the result, so with the roles of the points exchanged.
    rows = ops.expand_dims(homography(end, start), 1)
    a0, a1, a2, b0, b1, b2, c0, c1 = ops.split(rows, 8, axis=-1)
    x1, y1, x2, y2 = columns(boxes)
    x, y = ops.concatenate([x1, x2, x1, x2], axis=-1), ops.concatenate([y1, y2, y2, y1], axis=-1)
    k = c0 * x + c1 * y + 1.0
    new_x, new_y = (a0 * x + a1 * y + a2) / k, (b0 * x + b1 * y + b2) / k
    return from_columns([f(v, axis=-1, keepdims=True) for f in (ops.min, ops.max) for v in (new_x, new_y)])
