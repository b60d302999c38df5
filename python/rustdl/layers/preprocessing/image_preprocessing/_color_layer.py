"""Layers that change colours only: labels, boxes and masks pass."""

from __future__ import annotations

from typing import Any

from rustdl.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer import BaseImagePreprocessingLayer


class ColorLayer(BaseImagePreprocessingLayer):
    """A layer whose `transform_images` changes the values of pixels but moves none."""

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        return bounding_boxes

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        return segmentation_masks
