"""Images with boxes, masks and labels. Drawing needs Pillow, galleries need matplotlib."""

from rustdl._lazy import attach

_EXPORTS = {
    "draw_bounding_boxes": "rustdl.visualization.draw_bounding_boxes",
    "draw_segmentation_masks": "rustdl.visualization.draw_segmentation_masks",
    "plot_bounding_box_gallery": "rustdl.visualization.plot_bounding_box_gallery",
    "plot_image_gallery": "rustdl.visualization.plot_image_gallery",
    "plot_segmentation_mask_gallery": "rustdl.visualization.plot_segmentation_mask_gallery",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
