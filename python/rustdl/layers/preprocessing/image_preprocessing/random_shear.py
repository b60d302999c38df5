"""Images sheared by random amounts."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._arguments import number_range
from rustdl.layers.preprocessing.image_preprocessing._warp_layer import WarpLayer, affine_rows
from rustdl.utils.bounding_boxes import clip_to_image_size, convert_format
from rustdl.utils.bounding_boxes.formats import columns, from_columns


class RandomShear(WarpLayer):
    """Shears each image along x and y: the pixel at (x, y) comes from (x + s_x y, s_y x + y).

    Args:
        x_factor: Range of s_x within [0, 1], two numbers, or one s for -s to s; the sign is drawn besides.
        y_factor: Range of s_y, likewise.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: What lies outside of the image: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        fill_value: The value outside for `"constant"`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        seed: A seed or `None`.
        **kwargs: arguments of `Layer`, and `bounding_box_format`.

    Raises:
        ValueError: A factor beyond [0, 1].
        NotImplementedError: Another fill mode or interpolation.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomShear(0.2, 0.1, seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        x_factor: Any = 0.0,
        y_factor: Any = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format=data_format, **kwargs)
        self.x_factor = _shear_range(x_factor, "x_factor")
        self.y_factor = _shear_range(y_factor, "y_factor")

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The shear along x and y of each image."""
        if not training:
            return None
        shape, seed, dtype = (self._batch_size(data), 1), self._seed(seed), self.compute_dtype
        coin = random.uniform(shape, seed=seed, dtype=dtype)
        sign = ops.where(coin > 0.5, -ops.ones_like(coin), ops.ones_like(coin))
        y = random.uniform(shape, minval=self.y_factor[0], maxval=self.y_factor[1], seed=seed, dtype=dtype)
        x = random.uniform(shape, minval=self.x_factor[0], maxval=self.x_factor[1], seed=seed, dtype=dtype)
        factor = ops.concatenate([x, y], axis=1) * sign
        return {"shear_factor": factor, "input_shape": self._images_shape(data)}

    def _matrix(self, transformation: Any, size: tuple[Any, Any]) -> Any:
        factor = transformation["shear_factor"]
        return affine_rows(1.0, factor[:, 0], 0.0, factor[:, 1], 1.0, 0.0)

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes with their corners moved against the shear."""
        if not training or transformation is None:
            return bounding_boxes
        height, width = self._height_width(transformation["input_shape"])
        options: dict[str, Any] = {"height": height, "width": width, "dtype": self.compute_dtype}
        boxes = convert_format(bounding_boxes, self._box_format(), "rel_xyxy", **options)
        factor = ops.cast(transformation["shear_factor"], self.compute_dtype)
        boxes = {**boxes, "boxes": _sheared(boxes["boxes"], factor)}
        boxes = clip_to_image_size(boxes, bounding_box_format="rel_xyxy")
        return convert_format(boxes, "rel_xyxy", self._box_format(), **options)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "x_factor": self.x_factor, "y_factor": self.y_factor}


def _shear_range(factor: Any, name: str) -> tuple[Any, Any]:
    low, high = number_range(factor, (0, 1), name)
    if isinstance(factor, (tuple, list)):
        # -f to f is what one number f becomes in a configuration.
        if (low < 0 and low != -high) or high > 1:
            raise ValueError(f"The `{name}` argument should be in the range [0, 1.0]. Received: {name}={factor}")
        return low, high
    return -high, high


def _sheared(boxes: Any, factor: Any) -> Any:
    """Corners of relative boxes `[batch, boxes, 4]` moved so that the sheared content stays inside."""
    x, y = (ops.reshape(factor[:, i], (-1, 1, 1)) for i in range(2))
    x1, y1, x2, y2 = columns(boxes)
    x1, x2 = (
        ops.where(x < 0, x1 - x * y1, x1 - x * y2),
        ops.where(x < 0, x2 - x * y2, x2 - x * y1),
    )
    y1, y2 = (
        ops.where(y > 0, y1 - y * x2, y1 - y * x1),
        ops.where(y > 0, y2 - y * x1, y2 - y * x2),
    )
    return from_columns((x1, y1, x2, y2))
