"""A fixed number of boxes for each image."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.preprocessing.image_preprocessing._color_layer import ColorLayer


class MaxNumBoundingBoxes(ColorLayer):
    """Cuts the boxes of each image off after `max_number`, or fills them up.

    Args:
        max_number: How many boxes each image has afterwards.
        fill_value: What boxes and labels are filled up with.
        **kwargs: arguments of `Layer`, and `bounding_box_format`.

    Example:
        >>> import numpy as np
        >>> layer = MaxNumBoundingBoxes(3, bounding_box_format="xyxy")
        >>> boxes = {"boxes": np.ones((1, 2, 4), "float32"), "labels": np.ones((1, 2), "int32")}
        >>> data = {"images": np.ones((1, 4, 4, 3), "float32"), "bounding_boxes": boxes}
        >>> layer(data)["bounding_boxes"]["labels"].tolist()
        [[1, 1, -1]]
    """

    def __init__(self, max_number: int, fill_value: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_number = int(max_number)
        self.fill_value = int(fill_value)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images as they are."""
        return images

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes cut off or filled up."""
        return {**bounding_boxes, **{key: self._fitted(bounding_boxes[key]) for key in ("boxes", "labels")}}

    def _fitted(self, x: Any) -> Any:
        x = ops.convert_to_tensor(x)[:, : self.max_number]
        missing = self.max_number - x.shape[1]
        return ops.pad(x, [(0, 0), (0, missing), *[(0, 0)] * (len(x.shape) - 2)], constant_values=self.fill_value)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "max_number": self.max_number, "fill_value": self.fill_value}
