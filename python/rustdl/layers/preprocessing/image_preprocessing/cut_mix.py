"""Images with rectangles of one another."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._mixing_layer import MixingLayer, partners
from rustdl.layers.preprocessing.image_preprocessing._rectangles import random_interval, rectangle_mask


class CutMix(MixingLayer):
    """Replaces a rectangle of each image by that of another one of the batch (Yun et al., 2019).

    Labels are mixed by areas. Single images pass.

    Args:
        factor: Upper end of the range of both parameters of the beta distribution that areas are drawn from, or the
            range, within [0, 1].
        seed: A seed or `None`.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: A factor beyond [0, 1].

    Example:
        >>> import rustdl
        >>> data = {"images": rustdl.ops.ones((2, 8, 8, 3)), "labels": rustdl.ops.eye(2)}
        >>> mixed = rustdl.layers.CutMix(seed=1)(data)
        >>> [round(float(s), 5) for s in rustdl.ops.sum(mixed["labels"], axis=1)]
        [1.0, 1.0]
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(self, factor: Any = 1.0, seed: Any = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Each image's partner, the rectangle, and the share of the image itself."""
        shape = self._images_shape(data)
        if not training or len(shape) == 3:
            return None
        seed, dtype, (low, high) = self._seed(seed), self.compute_dtype, self.factor
        height, width = self._height_width(shape)
        alpha = random.uniform((), minval=low, maxval=high, seed=seed, dtype=dtype) + 1e-6
        side = ops.sqrt(1.0 - random.beta((shape[0],), alpha, alpha, seed=seed, dtype=dtype))
        x, y = random_interval(width, side, seed, dtype), random_interval(height, side, seed, dtype)
        axes = (self.height_axis, self.width_axis, self.channel_axis)
        area = (x[1] - x[0]) * (y[1] - y[0])
        return {
            "permutation_order": random.shuffle(ops.arange(shape[0], dtype="int32"), seed=seed),
            "batch_masks": rectangle_mask(shape, axes, x, y, dtype),
            "mix_weight": ops.reshape(1.0 - area / (width * height), (-1, 1, 1, 1)),
        }

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images with the rectangles of their partners."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        return ops.where(transformation["batch_masks"], partners(images, transformation), images)

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        """The masks with the rectangles of their partners."""
        if not training or transformation is None:
            return segmentation_masks
        masks = ops.convert_to_tensor(segmentation_masks)
        # One channel of the mask of pixels, for masks of any number of channels.
        inside = ops.take(transformation["batch_masks"], [0], axis=self.channel_axis)
        return ops.where(inside, partners(masks, transformation), masks)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "seed": self.seed}
