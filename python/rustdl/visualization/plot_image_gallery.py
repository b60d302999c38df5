"""Images side by side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rustdl import backend
from rustdl.visualization._images import batch_of_images


def pyplot(caller: str) -> Any:
    """`matplotlib.pyplot`.

    Args:
        caller: name of the function, for the error.

    Raises:
        ImportError: matplotlib is missing.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"The `{caller}` function requires the `matplotlib` package. Please install it with "
            "`pip install matplotlib`."
        ) from error
    return plt


def plot_image_gallery(
    images: Any,
    y_true: Any = None,
    y_pred: Any = None,
    label_map: dict[Any, str] | None = None,
    rows: int | None = None,
    cols: int | None = None,
    value_range: Any = (0, 255),
    scale: float = 2,
    path: Any = None,
    show: bool | None = None,
    transparent: bool = True,
    dpi: int = 60,
    legend_handles: Any = None,
    data_format: str | None = None,
) -> None:
    """Shows a grid of images, or writes it to a file. Needs matplotlib.

    Args:
        images: `[batch, height, width, channels]`, or with the channels first.
        y_true: true classes, `[batch]`, for the titles.
        y_pred: predicted classes, `[batch]`, for the titles.
        label_map: class -> name.
        rows: rows of the grid; by default it is about square and holds all images.
        cols: columns of the grid.
        value_range: least and largest value of the images.
        scale: size of an image, in inches.
        path: file to write to.
        show: whether to show the grid; by default where there is no `path`.
        transparent: whether the file has a transparent background.
        dpi: dots per inch of the file.
        legend_handles: patches of matplotlib for a legend.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.

    Raises:
        ValueError: `path` and `show`; classes without `label_map`; images that are not a batch.
        ImportError: matplotlib is missing.
    """
    plt = pyplot("plot_image_gallery")
    if path is not None and show:
        raise ValueError("plot_gallery() expects either `path` to be set, or `show` to be true.")
    if (y_true is not None or y_pred is not None) and label_map is None:
        raise ValueError("If `y_true` or `y_pred` are provided, a `label_map` must also be provided.")
    batch = batch_of_images(images, data_format)
    low, high = value_range
    pixels = ((batch.astype("float64") - low) * (255.0 / (high - low))).clip(0, 255).astype("uint8")
    rows, cols = _grid(len(pixels), rows, cols)
    figure, axes = plt.subplots(
        nrows=rows, ncols=cols, figsize=(cols * scale, rows * scale), frameon=False, squeeze=False
    )
    try:
        figure.subplots_adjust(
            left=0, right=1, bottom=0, top=0.95, wspace=0.02, hspace=0.02 if label_map is None else 0.2
        )
        if legend_handles is not None:
            figure.legend(handles=legend_handles, loc="lower center")
        titles = _titles(len(pixels), y_true, y_pred, label_map or {})
        for axis, index in zip(axes.flat, range(rows * cols), strict=True):
            axis.axis("off")
            if index < len(pixels):
                image = pixels[index]
                axis.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255)
                axis.margins(x=0, y=0)
                if titles[index]:
                    axis.set_title(titles[index], fontsize=8)
        if path is not None:
            figure.savefig(path, pad_inches=0, bbox_inches="tight", transparent=transparent, dpi=dpi)
        elif show is None or show:
            plt.show()
    finally:
        plt.close(figure)


def _grid(count: int, rows: int | None, cols: int | None) -> tuple[int, int]:
    """Rows and columns that hold all images where they are not given."""
    if rows is None:
        rows = math.ceil(math.sqrt(count)) if cols is None else math.ceil(count / cols)
    rows = max(rows, 1)
    return rows, max(cols or math.ceil(count / rows), 1)


def _titles(count: int, y_true: Any, y_pred: Any, names: dict[Any, str]) -> list[str]:
    parts: list[list[str]] = [[] for _ in range(count)]
    for word, values in (("Label", y_true), ("Pred", y_pred)):
        if values is not None:
            for own, value in zip(parts, np.asarray(backend.convert_to_numpy(values)).tolist(), strict=False):
                own.append(f"{word}: {names.get(value, 'Unknown')}")
    return ["  ".join(own) for own in parts]
