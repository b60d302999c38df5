"""Image layers and their inputs: make_image_layers.py runs them with Keras, test_image_layers.py with rustdl.

Keras draws the transformations; both apply the same.
"""

import itertools

import numpy as np

FORMATS = ("channels_last", "channels_first")
HEIGHT, WIDTH = 9, 12


def sample(data_format, value_range=(0, 255), dtype="float32", boxes=None, masks=True):
    """A dictionary of images, labels, and masks, and of boxes in a format."""
    random = np.random.default_rng(7)
    low, high = value_range
    images = low + (high - low) * random.random((2, HEIGHT, WIDTH, 3), dtype="float32")
    data = {"images": images.astype(dtype), "labels": random.random((2, 4), dtype="float32")}
    if masks:
        data["segmentation_masks"] = random.integers(0, 5, (2, HEIGHT, WIDTH, 1)).astype("float32")
    if data_format == "channels_first":
        for key in ("images", "segmentation_masks"):
            if key in data:
                data[key] = np.ascontiguousarray(np.moveaxis(data[key], -1, 1))
    if boxes is not None:
        corners = np.array([[[2, 1, 5, 4], [6, 3, 10, 8]], [[1, 2, 4, 3], [0.5, 4, 11, 7.5]]], "float32")
        data["bounding_boxes"] = {"boxes": as_format(corners, boxes), "labels": np.array([[1, 2], [3, 4]], "int32")}
    return data


def as_format(corners, name):
    x1, y1, x2, y2 = np.split(corners, 4, axis=-1)
    if name.startswith("rel_"):
        x1, x2, y1, y2 = x1 / WIDTH, x2 / WIDTH, y1 / HEIGHT, y2 / HEIGHT
    kind = name.removeprefix("rel_")
    parts = {
        "xyxy": (x1, y1, x2, y2),
        "yxyx": (y1, x1, y2, x2),
        "xywh": (x1, y1, x2 - x1, y2 - y1),
        "center_xywh": ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
    }
    return np.concatenate(parts[kind], axis=-1).astype("float32")


CASES = {}


def add(layer, kwargs, data, parts=("images", "labels")):
    if kwargs.get("bounding_box_format", "xyxy") != "xyxy":
        parts = ("bounding_boxes",)  # the rest does not depend on the format
    key = f"{layer}/{len(CASES)}"
    CASES[key] = (layer, kwargs, data, parts)


ALL = ("images", "labels", "segmentation_masks", "bounding_boxes")
NO_BOXES = ("images", "labels", "segmentation_masks")

COLORS = {
    "RandomBrightness": [{"factor": 0.4}, {"factor": (-0.2, 0.1)}],
    "RandomContrast": [{"factor": 0.5}, {"factor": (0.1, 0.9)}],
    "RandomSaturation": [{"factor": 0.4}, {"factor": (0.5, 0.9)}],
    "RandomHue": [{"factor": 0.4}, {"factor": (0.5, 0.9)}],
    "RandomColorDegeneration": [{"factor": 0.6}, {"factor": (0.5, 0.9)}],
    "RandomSharpness": [{"factor": 0.9}, {"factor": (0.5, 0.9)}],
    "RandomPosterization": [{"factor": 5}, {"factor": (3, 3)}],
    "Solarization": [{"addition_factor": 0.2, "threshold_factor": 0.7}, {"threshold_factor": (0.1, 0.5)}],
    "RandomInvert": [{}, {"factor": 0.5}],
    "RandomGaussianBlur": [{"sigma": (0.5, 1.0)}, {"kernel_size": (5, 3), "factor": (0.9, 1.0)}],
    "RandomErasing": [{}, {"fill_value": 100.0, "scale": (0.2, 0.6)}],
    "Equalization": [{}, {"bins": 32}],
    "ContrastLimitedAdaptiveHistogramEqualization": [
        {"tile_grid_size": (2, 3)},
        {"clip_limit": 0.0, "tile_grid_size": (3, 3)},
        {"clip_limit": 2.0},
    ],
}
for f in FORMATS:
    for (name, variants), value_range in itertools.product(COLORS.items(), ((0, 255), (0, 1))):
        for kwargs in variants:
            parts = ("images",) if name.startswith("Contrast") else NO_BOXES
            data = sample(f, value_range)
            add(name, {**kwargs, "value_range": value_range, "data_format": f, "seed": 3}, data, parts)
    add("RandomGrayscale", {"factor": 0.6, "data_format": f, "seed": 3}, sample(f), ("images", "labels"))
    add("CutMix", {"data_format": f, "seed": 3}, sample(f, masks=False))
    add("MixUp", {"data_format": f, "seed": 3}, sample(f))
    for interpolation in ("bilinear", "nearest", "bicubic"):
        for extra in ({}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True, "fill_value": 7.0}):
            for boxes, size in (("xyxy", (6, 5)), ("center_xywh", (20, 30))):
                kwargs = {"height": size[0], "width": size[1], "interpolation": interpolation, **extra}
                data = sample(f, boxes=boxes)
                add("Resizing", {**kwargs, "data_format": f, "bounding_box_format": boxes}, data, ALL)
    add("Resizing", {"height": 5, "width": 7, "data_format": f}, sample(f, dtype="uint8"), ("images",))
    for size, boxes in itertools.product(((6, 5), (9, 12), (20, 8), (4, 30)), ("xyxy", "rel_xyxy", "xywh")):
        kwargs = {"height": size[0], "width": size[1], "data_format": f, "bounding_box_format": boxes}
        parts = ALL if size in ((6, 5), (9, 12)) else ("images", "labels", "bounding_boxes")
        add("CenterCrop", kwargs, sample(f, boxes=boxes), parts)
    for size in ((6, 5), (20, 8), (4, 30)):
        add("RandomCrop", {"height": size[0], "width": size[1], "data_format": f, "seed": 3}, sample(f))
    for mode, boxes in itertools.product(
        ("horizontal", "vertical", "horizontal_and_vertical"), ("xyxy", "rel_xyxy", "xywh", "rel_yxyx")
    ):
        add(
            "RandomFlip",
            {"mode": mode, "data_format": f, "seed": 5, "bounding_box_format": boxes},
            sample(f, boxes=boxes),
            ALL,
        )
    for mode, interpolation in itertools.product(("reflect", "wrap", "constant", "nearest"), ("bilinear", "nearest")):
        common = {"fill_mode": mode, "interpolation": interpolation, "fill_value": 9.0, "data_format": f, "seed": 3}
        box = {"bounding_box_format": "xyxy"}
        add("RandomRotation", {"factor": 0.2, **common, **box}, sample(f, boxes="xyxy"), ALL)
        for boxes in ("xyxy", "rel_xyxy", "xywh"):
            box = {"bounding_box_format": boxes}
            data = sample(f, boxes=boxes)
            add("RandomZoom", {"height_factor": 0.3, "width_factor": (-0.4, -0.1), **common, **box}, data, ALL)
            add("RandomTranslation", {"height_factor": 0.3, "width_factor": (0.1, 0.2), **common, **box}, data, ALL)
            add("RandomShear", {"x_factor": 0.3, "y_factor": (0.1, 0.2), **common, **box}, data, ALL)
        add("RandomZoom", {"height_factor": (0.1, 0.2), **common}, sample(f), NO_BOXES)
    for interpolation in ("bilinear", "nearest"):
        kwargs = {
            "factor": 0.7,
            "scale": 0.4,
            "interpolation": interpolation,
            "fill_value": 3.0,
            "data_format": f,
            "seed": 4,
        }
        add("RandomPerspective", {**kwargs, "bounding_box_format": "xyxy"}, sample(f, boxes="xyxy"), ALL)
for value_range in ((0, 255), (0, 1)):
    add("AutoContrast", {"value_range": value_range}, sample("channels_last", value_range), NO_BOXES)
    add(
        "RandAugment",
        {"value_range": value_range, "seed": 4},
        sample("channels_last", value_range),
        ("images", "labels"),
    )
    for depth in (1, 3):
        kwargs = {"value_range": value_range, "seed": 4, "chain_depth": depth}
        add("AugMix", kwargs, sample("channels_last", value_range, masks=False), ("images",))
for number in (1, 2, 5):
    add(
        "MaxNumBoundingBoxes",
        {"max_number": number, "bounding_box_format": "xyxy"},
        sample("channels_last", boxes="xyxy"),
        ("images", "labels", "bounding_boxes"),
    )

METHODS = {
    "images": "transform_images",
    "labels": "transform_labels",
    "segmentation_masks": "transform_segmentation_masks",
    "bounding_boxes": "transform_bounding_boxes",
}


def arguments(layer, kwargs):
    """The arguments that the layer takes: some have no seed or format."""
    unseeded = ("Equalization", "ContrastLimitedAdaptiveHistogramEqualization")
    return {key: value for key, value in kwargs.items() if not (key == "seed" and layer in unseeded)}
