"""Layers that mix the samples of a batch with one another."""

from __future__ import annotations

from typing import Any

from rustdl import ops
from rustdl.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer import BaseImagePreprocessingLayer


class MixingLayer(BaseImagePreprocessingLayer):
    """A layer whose transformation holds `permutation_order`, the samples' partners, and `mix_weight`, their shares."""

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        """The labels mixed with those of the partners, as floats."""
        if not training or transformation is None:
            return labels
        return mixed(labels, transformation)


def mixed(x: Any, transformation: Any, rank: int | None = None) -> Any:
    """The mixture w x + (1 - w) x', with the partners x' and weights w of the transformation.

    Args:
        x: The samples.
        transformation: Of a `MixingLayer`.
        rank: To how many axes the weights are shaped; those of x by default.
    """
    weight = ops.convert_to_tensor(transformation["mix_weight"])
    x = ops.convert_to_tensor(x)
    dtype = x.dtype if "float" in x.dtype else weight.dtype
    x = ops.cast(x, dtype)
    weight = ops.reshape(ops.cast(weight, dtype), [-1, *[1] * ((rank or len(x.shape)) - 1)])
    return weight * x + (1.0 - weight) * partners(x, transformation)


def partners(x: Any, transformation: Any) -> Any:
    """The samples' partners."""
    return ops.take(x, transformation["permutation_order"], axis=0)
