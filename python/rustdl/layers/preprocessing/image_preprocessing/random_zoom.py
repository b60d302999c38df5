"""Images zoomed by random factors."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._warp_layer import WarpLayer, affine_rows
from rustdl.utils.bounding_boxes import clip_to_image_size, convert_format
from rustdl.utils.bounding_boxes.formats import columns, from_columns


class RandomZoom(WarpLayer):
    """Zooms each image around its centre; positive factors zoom out, negative ones in.

    The result shows 1 + f times the height and width of the input.

    Args:
        height_factor: Range of f for the height, two numbers, or one for both directions.
        width_factor: Range of f for the width; with `None` it is that of the height, and proportions stay.
        fill_mode: What lies outside of the image: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: A seed or `None`.
        fill_value: The value outside for `"constant"`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`, and `bounding_box_format`.

    Raises:
        ValueError: A factor beyond (-1, 1].
        NotImplementedError: Another fill mode or interpolation.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomZoom(0.1, seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: Any = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format=data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self.height_lower, self.height_upper = _zoom_range(height_factor, "height_factor")
        if width_factor is not None:
            self.width_lower, self.width_upper = _zoom_range(width_factor, "width_factor")

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """How much of the height and width each image shows."""
        if not training:
            return None
        shape, seed = (self._batch_size(data), 1), self._seed(seed)
        height = random.uniform(shape, minval=1 + self.height_lower, maxval=1 + self.height_upper, seed=seed)
        width = height
        if self.width_factor is not None:
            width = random.uniform(shape, minval=1 + self.width_lower, maxval=1 + self.width_upper, seed=seed)
        return {"height_zoom": height, "width_zoom": width, "input_shape": self._images_shape(data)}

    def _matrix(self, transformation: Any, size: tuple[Any, Any]) -> Any:
        height, width = size
        x, y = _zooms(transformation)
        return affine_rows(x, 0.0, (width - 1) / 2 * (1 - x), 0.0, y, (height - 1) / 2 * (1 - y))

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes in the part that is shown."""
        if not training or transformation is None:
            return bounding_boxes
        height, width = self._height_width(transformation["input_shape"])
        boxes = convert_format(bounding_boxes, self._box_format(), "xyxy", height=height, width=width)
        x, y = (ops.reshape(zoom, (-1, 1, 1)) for zoom in _zooms(transformation))
        left, top = (width - 1) / 2 * (1 - x), (height - 1) / 2 * (1 - y)
        boxes = {**boxes, "boxes": _shown(boxes["boxes"], left, top, x * width, y * height)}
        boxes = clip_to_image_size(boxes, bounding_box_format="rel_xyxy")
        return convert_format(boxes, "rel_xyxy", self._box_format(), height=height, width=width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height_factor": self.height_factor, "width_factor": self.width_factor}


def _zooms(transformation: Any) -> tuple[Any, Any]:
    """The zoom along x and y, each `[batch]`."""
    x, y = (ops.reshape(transformation[key], (-1,)) for key in ("width_zoom", "height_zoom"))
    return ops.cast(x, "float32"), ops.cast(y, "float32")


def _shown(boxes: Any, left: Any, top: Any, width: Any, height: Any) -> Any:
    """Absolute boxes as fractions of the part of the image that is shown, cut off at its edges."""
    x1, y1, x2, y2 = columns(boxes)
    x1, x2 = ((ops.clip(x, left, left + width) - left) / width for x in (x1, x2))
    y1, y2 = ((ops.clip(y, top, top + height) - top) / height for y in (y1, y2))
    return from_columns((x1, y1, x2, y2))


def _zoom_range(factor: Any, name: str) -> tuple[Any, Any]:
    message = (
        "The `height_factor` and `width_factor` arguments should be a number (or a list of two numbers) in the range "
        f"(-1.0, 1.0]. Received: {name}={factor}"
    )
    numbers = factor if isinstance(factor, (tuple, list)) and len(factor) == 2 else (factor,)
    if any(isinstance(f, bool) or not isinstance(f, (int, float)) or not -1.0 < f <= 1.0 for f in numbers):
        raise ValueError(message)
    lower, upper = sorted(numbers) if len(numbers) == 2 else (-abs(factor), abs(factor))
    return lower, upper
