"""Images mixed with one another."""

from __future__ import annotations

from typing import Any

from rustdl import ops, random
from rustdl.layers.preprocessing.image_preprocessing._mixing_layer import MixingLayer, mixed, partners


class MixUp(MixingLayer):
    """Mixes each image, its label and mask with those of another one of the batch (Zhang et al., 2018).

    x becomes w x + (1 - w) x' with w drawn from a beta distribution. Boxes are joined.

    Args:
        alpha: Both parameters of the beta distribution; small ones mix little.
        data_format: `"channels_last"` (default unless configured) or `"channels_first"`.
        seed: A seed or `None`.
        **kwargs: arguments of `Layer`, and `bounding_box_format`.

    Example:
        >>> import rustdl
        >>> data = {"images": rustdl.ops.ones((2, 8, 8, 3)), "labels": rustdl.ops.eye(2)}
        >>> mixed = rustdl.layers.MixUp(seed=1)(data)
        >>> [round(float(s), 5) for s in rustdl.ops.sum(mixed["labels"], axis=1)]
        [1.0, 1.0]
    """

    def __init__(self, alpha: float = 0.2, data_format: str | None = None, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.alpha = alpha
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Each image's partner and its own share."""
        batch_size, seed = self._batch_size(data), self._seed(seed)
        order = random.shuffle(ops.arange(batch_size, dtype="int64"), seed=seed)
        return {"permutation_order": order, "mix_weight": random.beta((batch_size,), self.alpha, self.alpha, seed=seed)}

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images mixed with their partners."""
        images = ops.cast(images, self.compute_dtype)
        return mixed(images, transformation, rank=4) if training and transformation is not None else images

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        """The masks mixed with those of the partners, as floats."""
        if not training or transformation is None:
            return segmentation_masks
        return mixed(segmentation_masks, transformation)

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes followed by those of the partners."""
        if not training or transformation is None:
            return bounding_boxes
        boxes, labels = (ops.convert_to_tensor(bounding_boxes[key]) for key in ("boxes", "labels"))
        return {
            **bounding_boxes,
            "boxes": ops.concatenate([boxes, partners(boxes, transformation)], axis=1),
            "labels": ops.concatenate([labels, partners(labels, transformation)], axis=min(1, len(labels.shape) - 1)),
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha, "seed": self.seed}
