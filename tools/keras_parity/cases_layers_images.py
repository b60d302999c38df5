"""Image layers: those that draw nothing, and random ones with ranges of one point."""

# ruff: noqa: E501  (tables read best as they are)
from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from keras_parity.case import Case, In, Make, layer

FORMATS = ("channels_last", "channels_first")
H, W = 7, 8


def image(data_format: str, low: float = 0.0, high: float = 255.0, channels: int = 3) -> In:
    """Two images."""
    shape = (2, H, W, channels) if data_format == "channels_last" else (2, channels, H, W)
    return In(shape, scale=(high - low) / 2, shift=(high + low) / 2)


def array(data_format: str, dtype: str = "uint8") -> np.ndarray:
    """Two images of integers."""
    return image(data_format).value().astype(dtype)


def sizes() -> Iterator[Case]:
    """Resizing (differentiable) and cropping."""
    for f, how in itertools.product(FORMATS, ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5", "area")):
        for height, width in ((4, 3), (11, 9), (5, 16)):
            for extra in ({}, {"antialias": True}) if how != "area" else ({},):
                args = {"height": height, "width": width, "interpolation": how, "data_format": f, **extra}
                yield layer("Resizing", args, image(f, -1, 1), refused=how == "area")
        if how == "area":
            continue
        for extra in (
            {"crop_to_aspect_ratio": True},
            {"pad_to_aspect_ratio": True},
            {"pad_to_aspect_ratio": True, "fill_value": 7.0},
        ):
            for height, width in ((4, 3), (11, 9)):
                args = {"height": height, "width": width, "interpolation": how, "data_format": f, **extra}
                yield layer("Resizing", args, image(f, -1, 1))
        if how in {"bilinear", "nearest"}:
            # From odd to odd sizes no value lies half way between two integers.
            odd = array(f)[:, :, :7] if f == "channels_last" else array(f)[..., :7]
            yield layer("Resizing", {"height": 5, "width": 3, "interpolation": how, "data_format": f}, odd, eager=True)
    for f, (height, width), training in itertools.product(
        FORMATS, ((3, 4), (7, 8), (7, 2), (9, 10), (3, 12)), (True, False)
    ):
        args = {"height": height, "width": width, "data_format": f}
        yield layer("CenterCrop", args, image(f), {"training": training}, eager=True)
        differs = ""
        if (height, width) == (7, 8) or not training:
            if not training and (height, width) != (7, 8):
                differs = (
                    "`RandomCrop` gives the wanted size at inference, as documented; Keras gives the images as they are"
                )
            yield layer("RandomCrop", args, image(f), {"training": training}, eager=True, differs=differs)


COLORS: dict[str, list[dict[str, Any]]] = {
    "RandomBrightness": [{"factor": (v, v)} for v in (-0.3, 0.0, 0.4)],
    "RandomContrast": [{"factor": (0.0, 0.0)}],
    "RandomSaturation": [{"factor": (v, v)} for v in (0.0, 0.3, 0.5, 0.8)],
    "RandomColorDegeneration": [{"factor": (v, v)} for v in (0.0, 0.3, 1.0)],
    "RandomSharpness": [{"factor": (v, v)} for v in (0.0, 0.3, 0.5, 0.9)],
    "RandomPosterization": [{"factor": (v, v)} for v in (1, 3, 8)],
    "Solarization": [{}, {"addition_factor": 0.0}],
    "RandomInvert": [{"factor": 0.0}],
    "RandomHue": [{"factor": (0.0, 0.0)}],
    "RandomGaussianBlur": [{"factor": 0.0}, {"factor": (1.0, 1.0), "sigma": (0.7, 0.7), "kernel_size": 3}, {"factor": (1.0, 1.0), "sigma": (1.0, 1.0), "kernel_size": (3, 5)}],
    "Equalization": [{}, {"bins": 32}],
    "AutoContrast": [{}],
    "ContrastLimitedAdaptiveHistogramEqualization": [{"tile_grid_size": (2, 2)}, {"clip_limit": 0.0, "tile_grid_size": (2, 3)}, {"clip_limit": 2.0, "tile_grid_size": (1, 1)}],
    "RandomErasing": [{"factor": 0.0}],
    "RandomElasticTransform": [{"factor": 0.0}, {"scale": 0.0}],
    "AugMix": [{"seed": 1}],
    "RandAugment": [{"seed": 1}],
    "RandomColorJitter": [{"brightness_factor": (0.2, 0.2)}, {"saturation_factor": (0.3, 0.3)}, {"contrast_factor": (0.0, 0.0), "hue_factor": (0.0, 0.0)}],
}  # fmt: skip
# Those that draw more than their ranges say are compared at inference only.
INFERENCE = {"AugMix", "RandAugment"}
EXTREMES = "`AutoContrast` honours `channels_first`; Keras takes the extremes along other axes"
PARTS = "`RandomColorJitter` honours `channels_first`; Keras does not tell its parts, which look for three channels at the end"
WRAPS = "integer images become floats, as documented; Keras adds in `uint8`, which wraps around"
REFUSES = "integer images become floats, as documented; Keras refuses them"


def colors() -> Iterator[Case]:
    """Both formats, both ranges of values, at training and inference."""
    for (name, variants), f, high in itertools.product(COLORS.items(), FORMATS, (255, 1)):
        for args in variants:
            for training in (False,) if name in INFERENCE else (True, False):
                full = {**args, "value_range": (0, high), "data_format": f}
                yield layer(name, full, image(f, 0, high), {"training": training}, eager=True)
    for name, variants in COLORS.items():
        if name not in INFERENCE:
            args = {**variants[-1], "value_range": (0, 255)}
            yield layer(name, args, array("channels_last"), {"training": True}, eager=True)
    for f, factor in itertools.product(FORMATS, (0.0, 1.0)):
        yield layer("RandomGrayscale", {"factor": factor, "data_format": f}, image(f), {"training": True}, eager=True)


WARPS: dict[str, list[dict[str, Any]]] = {
    "RandomRotation": [{"factor": (v, v)} for v in (0.0, 0.1, -0.3)],
    "RandomZoom": [
        {"height_factor": (0.2, 0.2)},
        {"height_factor": (-0.3, -0.3), "width_factor": (0.1, 0.1)},
        {"height_factor": (0.0, 0.0)},
    ],
    "RandomTranslation": [
        {"height_factor": (0.2, 0.2), "width_factor": (-0.3, -0.3)},
        {"height_factor": (0.0, 0.0), "width_factor": (0.5, 0.5)},
    ],
    "RandomShear": [{"x_factor": (0.0, 0.0), "y_factor": (0.0, 0.0)}],
}


def warps() -> Iterator[Case]:
    """Filling, interpolation and formats."""
    for name, variants in WARPS.items():
        for args, fill, how, f in itertools.product(
            variants, ("reflect", "wrap", "constant", "nearest"), ("bilinear", "nearest"), FORMATS
        ):
            full = {**args, "fill_mode": fill, "interpolation": how, "data_format": f, "fill_value": 9.0}
            yield layer(name, full, image(f), {"training": True}, eager=True)
        yield layer(name, variants[0], image("channels_last"), {"training": False}, eager=True)
    for f in FORMATS:
        for name, args in (
            ("RandomFlip", {"mode": "horizontal"}),
            ("RandomFlip", {"mode": "vertical"}),
            ("RandomPerspective", {"factor": 0.5}),
            ("CutMix", {}),
            ("MixUp", {}),
        ):
            yield layer(name, {**args, "data_format": f}, image(f), {"training": False}, eager=True)
        yield layer("RandomPerspective", {"factor": 0.0, "data_format": f}, image(f), {"training": True}, eager=True)
        yield layer("RandomPerspective", {"scale": 0.0, "data_format": f}, image(f), {"training": True}, eager=True)


def others() -> Iterator[Case]:
    """Boxes and pipelines."""
    boxes = np.array([[[2, 1, 5, 4], [6, 3, 7, 6]], [[1, 2, 4, 3], [0, 4, 7, 7]]], "float32")
    for number, fill in ((1, -1), (2, -1), (4, -1), (3, 0)):
        args = {"max_number": number, "fill_value": fill, "bounding_box_format": "xyxy"}
        data = {
            "images": image("channels_last").value(),
            "bounding_boxes": {"boxes": boxes, "labels": np.array([[1, 2], [3, 4]], "int32")},
        }
        yield layer("MaxNumBoundingBoxes", args, data, eager=True)
    for training in (True, False):
        layers = [
            Make("layers.RandomBrightness", {"factor": (0.2, 0.2)}),
            Make("layers.Resizing", {"height": 4, "width": 5}),
            Make("layers.Rescaling", {"scale": 0.1}),
        ]
        yield layer("Pipeline", {"layers": layers}, image("channels_last"), {"training": training}, eager=True)


def with_reason(case: Case) -> Case:
    """What Keras does not do in one of the formats, or with integers."""
    name, first = case.name.removeprefix("layers."), case.args.get("data_format") == "channels_first"
    is_integer = isinstance(case.inputs, np.ndarray)
    if name == "AutoContrast" and first:
        return replace(case, differs=EXTREMES)
    if name == "RandomColorJitter" and first and case.call["training"] and "brightness_factor" not in case.args:
        return replace(case, differs=PARTS)
    if name == "RandomBrightness" and is_integer:
        return replace(case, differs=WRAPS)
    if name == "RandomSaturation" and is_integer:
        return replace(case, differs=REFUSES)
    return case


CASES = [with_reason(case) for case in (*sizes(), *colors(), *warps(), *others())]

WITHOUT = {
    **dict.fromkeys(
        ("layers.Input", "layers.InputLayer", "layers.InputSpec", "layers.Layer", "layers.Wrapper"),
        "computes nothing: the models and layers of every other case go through it",
    ),
    **dict.fromkeys(
        ("layers.serialize", "layers.deserialize"), "no numbers: the tests of saving compare files with Keras"
    ),
    **dict.fromkeys(
        ("layers.FlaxLayer", "layers.JaxLayer", "layers.TFSMLayer", "layers.TorchModuleWrapper"),
        "refused: a layer of another framework",
    ),
}
