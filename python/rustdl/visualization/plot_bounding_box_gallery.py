"""Images with true and predicted boxes side by side."""

from __future__ import annotations

from typing import Any

from rustdl.visualization._images import batch_of_images
from rustdl.visualization.draw_bounding_boxes import draw_bounding_boxes
from rustdl.visualization.plot_image_gallery import plot_image_gallery, pyplot


def plot_bounding_box_gallery(
    images: Any,
    bounding_box_format: str,
    y_true: Any = None,
    y_pred: Any = None,
    value_range: Any = (0, 255),
    true_color: Any = (0, 188, 212),
    pred_color: Any = (255, 235, 59),
    line_thickness: int = 2,
    font_scale: float = 1.0,
    text_thickness: int | None = None,
    class_mapping: dict[int, str] | None = None,
    ground_truth_mapping: dict[int, str] | None = None,
    prediction_mapping: dict[int, str] | None = None,
    legend: bool = False,
    legend_handles: Any = None,
    rows: int | None = None,
    cols: int | None = None,
    data_format: str | None = None,
    **kwargs: Any,
) -> None:
    """Shows a grid of images with boxes, or writes it to a file. Needs Pillow and matplotlib.

    Args:
        images: `[batch, height, width, channels]`, or with the channels first.
        bounding_box_format: format of the boxes; see `rustdl.utils.bounding_boxes.convert_format`.
        y_true: true boxes, as `draw_bounding_boxes` takes them.
        y_pred: predicted boxes.
        value_range: least and largest value of the images.
        true_color: colour of true boxes.
        pred_color: colour of predicted boxes.
        line_thickness: of the boxes, in pixels.
        font_scale: size of the text; 1 is 12 pixels.
        text_thickness: of the text, in pixels; that of the lines by default.
        class_mapping: class -> name.
        ground_truth_mapping: the same for true boxes.
        prediction_mapping: the same for predicted boxes.
        legend: whether to say which colour is which.
        legend_handles: patches of matplotlib for a legend of your own.
        rows: rows of the grid.
        cols: columns of the grid.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        **kwargs: arguments of `plot_image_gallery`.

    Raises:
        ValueError: `legend` and `legend_handles`, or images that are not a batch.
        ImportError: Pillow or matplotlib is missing.
    """
    pyplot("plot_bounding_box_gallery")
    if legend and legend_handles:
        raise ValueError("Only pass `legend` OR `legend_handles` to `keras.visualization.plot_bounding_box_gallery()`.")
    batch = batch_of_images(images, data_format).astype("float64")
    low, high = value_range
    pixels = ((batch - low) * (255.0 / (high - low))).clip(0, 255).astype("uint8")
    for boxes, color, names in (
        (y_true, true_color, ground_truth_mapping or class_mapping),
        (y_pred, pred_color, prediction_mapping or class_mapping),
    ):
        if boxes is not None:
            pixels = draw_bounding_boxes(
                pixels,
                boxes,
                bounding_box_format,
                class_mapping=names,
                color=color,
                line_thickness=line_thickness,
                text_thickness=text_thickness,
                font_scale=font_scale,
                data_format="channels_last",
            )
    if legend:
        from matplotlib.patches import Patch

        named = (("Ground Truth", true_color), ("Prediction", pred_color))
        legend_handles = [Patch(color=tuple(c / 255 for c in color), label=label) for label, color in named]
    plot_image_gallery(
        pixels, rows=rows, cols=cols, legend_handles=legend_handles, data_format="channels_last", **kwargs
    )
