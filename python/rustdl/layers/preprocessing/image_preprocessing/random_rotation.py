"""Images rotated by random angles."""

from __future__ import annotations

import math
from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._warp_layer import WarpLayer, affine_rows
from rustdl.utils.bounding_boxes import affine_transform


class RandomRotation(WarpLayer):
    """Rotates each image around its centre by an angle of its own.

    Args:
        factor: Range of the angles as fractions of a full turn, two numbers or one for both directions; positive angles
            turn counter-clockwise.
        fill_mode: What lies outside of the image: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: A seed or `None`.
        fill_value: The value outside for `"constant"`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`, and `bounding_box_format`.

    Raises:
        ValueError: A factor beyond [-1, 1].
        NotImplementedError: Another fill mode or interpolation.

    Example:
        >>> import rustdl
        >>> rustdl.layers.RandomRotation(0.1, seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: Any = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, factor=factor, data_format=data_format, **kwargs)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The angles in degrees and the parameters of the affine maps."""
        if not training:
            return None
        batch_size = self._batch_size(data)
        height, width = self._height_width(self._images_shape(data))
        low, high = (360.0 * f for f in self.factor)
        angle = random.uniform((batch_size,), minval=low, maxval=high, seed=self._seed(seed))
        matrix = _rotation(angle, height, width)
        return {
            "angle": angle,
            "rotation_matrix": ops.squeeze(matrix, 0) if len(self._images_shape(data)) == 3 else matrix,
            "image_height": height,
            "image_width": width,
            "batch_size": batch_size,
        }

    def _matrix(self, transformation: Any, size: tuple[Any, Any]) -> Any:
        return ops.reshape(transformation["rotation_matrix"], (-1, 8))

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes around the rotated boxes."""
        if not training or transformation is None:
            return bounding_boxes
        height, width = size = (transformation["image_height"], transformation["image_width"])
        angle = transformation["angle"]
        zero, one = ops.zeros_like(angle), ops.ones_like(angle)

        def rotate(boxes: Any) -> Any:
            return affine_transform(boxes, angle, zero, zero, one, zero, zero, height, width)

        return self._in_xyxy(bounding_boxes, size, rotate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


def _rotation(angle: Any, height: int, width: int) -> Any:
    """Parameters of rotations around the centre by angles in degrees."""
    radians = angle * (math.pi / 180.0)
    cosine, sine = ops.cos(radians), ops.sin(radians)
    x, y = (width - 1) / 2, (height - 1) / 2
    return affine_rows(cosine, -sine, x - x * cosine + y * sine, sine, cosine, y - x * sine - y * cosine)
