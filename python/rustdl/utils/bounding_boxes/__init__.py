"""Bounding boxes: formats, overlaps, and what transformations of images do to them."""

from rustdl._lazy import attach

_EXPORTS = {
    "affine_transform": "rustdl.utils.bounding_boxes.transforms",
    "clip_to_image_size": "rustdl.utils.bounding_boxes.transforms",
    "compute_ciou": "rustdl.utils.bounding_boxes.overlap",
    "compute_iou": "rustdl.utils.bounding_boxes.overlap",
    "convert_format": "rustdl.utils.bounding_boxes.formats",
    "crop": "rustdl.utils.bounding_boxes.transforms",
    "decode_deltas_to_boxes": "rustdl.utils.bounding_boxes.deltas",
    "encode_box_to_deltas": "rustdl.utils.bounding_boxes.deltas",
    "pad": "rustdl.utils.bounding_boxes.transforms",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
