"""Images moved by random distances."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._arguments import number_range
from rustdl.layers.preprocessing.image_preprocessing._warp_layer import WarpLayer, affine_rows


class RandomTranslation(WarpLayer):
    """Moves each image down and to the right by distances of its own.

    Args:
        height_factor: Range of the distance down as a fraction of the height, two numbers, or one for both directions.
        width_factor: Range of the distance to the right as a fraction of the width, likewise.
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
        >>> rustdl.layers.RandomTranslation(0.1, 0.2, seed=1)(rustdl.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: Any = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format=data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self.height_lower, self.height_upper = _translation_range(height_factor, "height_factor")
        self.width_lower, self.width_upper = _translation_range(width_factor, "width_factor")

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The distances in pixels, to the right and down, of each image."""
        if not training:
            return None
        shape, seed = (self._batch_size(data), 1), self._seed(seed)
        height, width = self._height_width(self._images_shape(data))
        down = random.uniform(shape, minval=self.height_lower, maxval=self.height_upper, seed=seed) * height
        right = random.uniform(shape, minval=self.width_lower, maxval=self.width_upper, seed=seed) * width
        translations = ops.cast(ops.concatenate([right, down], axis=1), "float32")
        return {"translations": translations, "input_shape": self._images_shape(data)}

    def _matrix(self, transformation: Any, size: tuple[Any, Any]) -> Any:
        distance = transformation["translations"]
        return affine_rows(1.0, 0.0, -distance[:, 0], 0.0, 1.0, -distance[:, 1])

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The moved boxes."""
        if not training or transformation is None:
            return bounding_boxes
        right, down = (ops.reshape(transformation["translations"][:, i], (-1, 1, 1)) for i in range(2))

        def move(boxes: Any) -> Any:
            if len(boxes.shape) == 2:
                return boxes + ops.concatenate([right, down, right, down], axis=-1)[:, 0]
            return boxes + ops.concatenate([right, down, right, down], axis=-1)

        return self._in_xyxy(bounding_boxes, self._height_width(transformation["input_shape"]), move)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height_factor": self.height_factor, "width_factor": self.width_factor}


def _translation_range(factor: Any, name: str) -> tuple[Any, Any]:
    low, high = number_range(factor, (-1, 1), name)
    if low < -1 or high > 1:
        raise ValueError(f"The `{name}` argument should be in the range [-1.0, 1.0]. Received: {name}={factor}")
    return low, high
