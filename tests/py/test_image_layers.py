"""Image layers: against Keras under the same transformations, and what holds for every one of them."""

import copy
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops

GOLDEN_DIR = Path(__file__).parents[1] / "golden"
_spec = importlib.util.spec_from_file_location("image_layer_cases", GOLDEN_DIR / "image_layer_cases.py")
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)


class Golden:
    def __init__(self):
        with np.load(GOLDEN_DIR / "image_layers.npz") as data:
            self.arrays = dict(data)
        self.transformations = json.loads(str(self.arrays["transformations"]))

    def decode(self, value):
        if not isinstance(value, dict):
            return value
        if "array" in value:
            return self.arrays[value["array"]]
        if "list" in value:
            return [self.decode(v) for v in value["list"]]
        return {k: self.decode(v) for k, v in value["dict"].items()}


@pytest.fixture(scope="module")
def golden():
    return Golden()


def make(name, kwargs):
    return getattr(layers, name)(**cases.arguments(name, kwargs))


def outcome(layer, data, transformation, part):
    value = copy.deepcopy(data[part])
    if part == "bounding_boxes":
        value = {key: ops.convert_to_tensor(array) for key, array in value.items()}
        result = getattr(layer, cases.METHODS[part])(value, transformation=transformation)
        return {"box_" + key: result[key] for key in ("boxes", "labels")}
    return {part: getattr(layer, cases.METHODS[part])(ops.convert_to_tensor(value), transformation=transformation)}


@pytest.mark.parametrize("name", cases.CASES)
def test_equals_keras(name, golden):
    layer_name, kwargs, data, parts = cases.CASES[name]
    layer = make(layer_name, kwargs)
    transformation = golden.decode(golden.transformations[name])
    for part in parts:
        for key, y in outcome(layer, data, transformation, part).items():
            want = golden.arrays[f"{name}/y/{key}"]
            assert tuple(y.shape) == want.shape, (part, y.shape)
            # Solving for a perspective loses a digit.
            tolerance = 1e-4 if layer_name == "RandomPerspective" else 1e-5
            scale = max(1.0, np.abs(want).max())
            difference = np.abs(np.asarray(y, "float64") - want) / scale
            if layer_name in STEPS:
                # Where a value falls on a step, the last bit decides.
                assert (difference > tolerance).mean() <= 0.01, (part, difference.max())
            else:
                assert difference.max() <= tolerance, (part, difference.max())


STEPS = ("Equalization", "RandomPosterization", "ContrastLimitedAdaptiveHistogramEqualization", "RandAugment", "AugMix")


# --- what holds for all of them ---

EVERY = {
    "AugMix": {"seed": 1},
    "AutoContrast": {},
    "CenterCrop": {"height": 4, "width": 5},
    "ContrastLimitedAdaptiveHistogramEqualization": {"tile_grid_size": (2, 2)},
    "CutMix": {"seed": 1},
    "Equalization": {},
    "MaxNumBoundingBoxes": {"max_number": 3},
    "MixUp": {"seed": 1},
    "RandAugment": {"seed": 1},
    "RandomBrightness": {"factor": 0.3, "seed": 1},
    "RandomColorDegeneration": {"factor": 0.3, "seed": 1},
    "RandomColorJitter": {
        "brightness_factor": 0.2,
        "contrast_factor": 0.2,
        "saturation_factor": 0.6,
        "hue_factor": 0.2,
        "seed": 1,
    },
    "RandomContrast": {"factor": 0.3, "seed": 1},
    "RandomCrop": {"height": 4, "width": 5, "seed": 1},
    "RandomElasticTransform": {"scale": 0.8, "seed": 1},
    "RandomErasing": {"fill_value": (1.0, 2.0, 3.0), "seed": 1},
    "RandomFlip": {"seed": 1},
    "RandomGaussianBlur": {"seed": 1},
    "RandomGrayscale": {"seed": 1},
    "RandomHue": {"factor": 0.3, "seed": 1},
    "RandomInvert": {"seed": 1},
    "RandomPerspective": {"scale": 0.5, "seed": 1},
    "RandomPosterization": {"factor": 4, "seed": 1},
    "RandomRotation": {"factor": 0.2, "seed": 1},
    "RandomSaturation": {"factor": 0.3, "seed": 1},
    "RandomSharpness": {"factor": 0.3, "seed": 1},
    "RandomShear": {"x_factor": 0.3, "y_factor": 0.2, "seed": 1},
    "RandomTranslation": {"height_factor": 0.3, "width_factor": 0.2, "seed": 1},
    "RandomZoom": {"height_factor": 0.3, "seed": 1},
    "Resizing": {"height": 4, "width": 5},
    "Solarization": {"threshold_factor": 0.5, "seed": 1},
}
RESIZING = ("CenterCrop", "RandomCrop", "Resizing")
# They transform at inference, too.
STATIC = (*RESIZING, "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization")
UNBOXED = ("CutMix", "RandomElasticTransform")
ALL = pytest.mark.parametrize("name", EVERY)


def images(batch=2, dtype="float32", data_format="channels_last"):
    x = 255 * np.random.default_rng(3).random((batch, 8, 10, 3))
    x = np.moveaxis(x, -1, 1) if data_format == "channels_first" else x
    return np.ascontiguousarray(x).astype(dtype)


def fresh(name, **kwargs):
    return getattr(layers, name)(**EVERY[name], **kwargs)


@ALL
def test_compiled_equals_eager(name):
    x = ops.convert_to_tensor(images())
    eager = fresh(name)(x, training=True)
    layer = fresh(name)
    compiled = rustdl.jit(lambda x: layer(x, training=True))(x)
    assert np.isfinite(np.asarray(eager)).all()
    if name != "AugMix" and name not in STEPS:  # AugMix chooses its chains when it is compiled
        np.testing.assert_allclose(compiled, eager, rtol=1e-4, atol=0.05)
    assert compiled.shape == eager.shape
    assert compiled.dtype == eager.dtype


@ALL
def test_draws_anew_at_each_run_of_a_compiled_step(name):
    layer = fresh(name)
    step = rustdl.jit(lambda x: layer(x, training=True))
    x = ops.convert_to_tensor(images(8))
    first, second = np.asarray(step(x)), np.asarray(step(x))
    is_random = name not in (*STATIC, "Equalization", "MaxNumBoundingBoxes") or name == "RandomCrop"
    assert np.array_equal(first, second) != is_random


@ALL
def test_seeds_decide(name):
    x = images()
    a, b = fresh(name), fresh(name)
    for _ in range(2):
        assert np.array_equal(a(x, training=True), b(x, training=True))


@ALL
@pytest.mark.parametrize("data_format", cases.FORMATS)
def test_shapes(name, data_format):
    x = images(data_format=data_format)
    layer = fresh(name, data_format=data_format)
    y = layer(x)
    size = (4, 5) if name in RESIZING else (8, 10)
    wanted = (2, *size, 3) if data_format == "channels_last" else (2, 3, *size)
    assert tuple(y.shape) == wanted
    assert tuple(layer(x[0]).shape) == wanted[1:]
    assert layer.compute_output_shape(x.shape) == wanted
    unknown = (None, None, None, 3) if data_format == "channels_last" else (None, 3, None, None)
    symbolic = layer(rustdl.Input(batch_shape=unknown))
    known = wanted if name in RESIZING else unknown
    assert symbolic.shape == (None, *known[1:])


@ALL
def test_integers_and_half_precision(name):
    y = fresh(name)(images(dtype="uint8"), training=True)
    assert float(ops.min(y)) >= -1e-3 or name == "RandomSaturation"
    half = fresh(name, dtype="mixed_float16")(images(), training=True)
    assert half.dtype == "float16"
    assert np.isfinite(np.asarray(half)).all()


@ALL
def test_inference(name):
    x = images()
    y = np.asarray(fresh(name)(x, training=False))
    if name not in STATIC:
        np.testing.assert_array_equal(y, x)
    assert np.array_equal(y, fresh(name)(x, training=False))


@ALL
def test_config(name):
    for data_format in cases.FORMATS:
        layer = fresh(name, data_format=data_format, bounding_box_format="xywh")
        again = layers.deserialize(layers.serialize(layer))
        assert type(again) is type(layer)
        assert again.get_config() == layer.get_config()
        assert (again.data_format, again.bounding_box_format) == (data_format, "xywh")


def labelled(name, batch=2):
    data = {
        "images": images(batch),
        "labels": np.eye(batch, dtype="float32"),
        "segmentation_masks": np.random.default_rng(1).integers(0, 4, (batch, 8, 10, 1)).astype("float32"),
    }
    if name not in UNBOXED:
        boxes = np.tile(np.array([[1, 1, 4, 5], [2, 3, 9, 7]], "float32"), (batch, 1, 1))
        data["bounding_boxes"] = {"boxes": boxes, "labels": np.tile(np.array([1, 2]), (batch, 1))}
    return data


@ALL
def test_dictionaries(name):
    data = labelled(name)
    before = copy.deepcopy(data)
    y = fresh(name, bounding_box_format="xyxy")(data, training=True)
    assert set(y) == set(data)
    size = (4, 5) if name in RESIZING else (8, 10)
    assert tuple(y["images"].shape) == (2, *size, 3)
    assert tuple(y["segmentation_masks"].shape) == (2, *size, 1)
    np.testing.assert_allclose(ops.sum(y["labels"], axis=1), 1.0, rtol=1e-5)
    if name not in UNBOXED:
        count = {"MixUp": 4, "MaxNumBoundingBoxes": 3}.get(name, 2)
        assert tuple(y["bounding_boxes"]["boxes"].shape) == (2, count, 4)
        assert tuple(y["bounding_boxes"]["labels"].shape) == (2, count)
    for key in ("images", "labels", "segmentation_masks"):
        assert np.array_equal(data[key], before[key])


@ALL
def test_single_dictionaries(name):
    data = {key: value[0] for key, value in labelled(name).items() if key != "bounding_boxes"}
    if name not in UNBOXED:
        data["bounding_boxes"] = {key: value[0] for key, value in labelled(name)["bounding_boxes"].items()}
    y = fresh(name, bounding_box_format="xyxy")(data, training=True)
    assert len(y["images"].shape) == 3
    assert len(y["segmentation_masks"].shape) == 3
    if name not in UNBOXED:
        assert len(y["bounding_boxes"]["boxes"].shape) == 2


def test_in_a_model_that_trains_and_is_saved(tmp_path):
    rustdl.utils.set_random_seed(1)
    model = rustdl.Sequential(
        [
            rustdl.Input((8, 10, 3)),
            layers.RandomFlip("horizontal", seed=1),
            layers.RandomRotation(0.1, seed=2),
            layers.RandomContrast(0.2, seed=3),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(2, kernel_initializer="ones"),
        ]
    )
    model.compile(optimizer=rustdl.optimizers.SGD(0.001), loss="mse")
    x, y = images(16), np.zeros((16, 2), "float32")
    history = model.fit(x, y, batch_size=4, epochs=8, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    model.save(tmp_path / "m.keras")
    again = rustdl.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_masks_and_boxes_follow_the_image():
    """An image of one bright rectangle, its mask and its box."""
    image = np.zeros((1, 40, 40, 1), "float32")
    image[:, 10:20, 12:28] = 1.0
    data = {
        "images": image,
        "segmentation_masks": image,
        "bounding_boxes": {"boxes": np.array([[[12, 10, 28, 20]]], "float32"), "labels": np.array([[1]])},
    }
    options = {"fill_mode": "constant", "seed": 4, "bounding_box_format": "xyxy"}
    for layer in (
        layers.RandomFlip(seed=4, bounding_box_format="xyxy"),
        layers.RandomTranslation(0.2, 0.2, **options),
        layers.RandomZoom(0.2, 0.3, **options),
        layers.RandomRotation(0.08, **options),
        layers.RandomPerspective(scale=0.2, seed=4, bounding_box_format="xyxy"),
        layers.Resizing(20, 60, bounding_box_format="xyxy"),
        layers.CenterCrop(30, 30, bounding_box_format="xyxy"),
        layers.RandAugment(factor=0.2, seed=4, bounding_box_format="xyxy"),
    ):
        y = layer(copy.deepcopy(data), training=True)
        rows, columns = np.nonzero(np.asarray(y["segmentation_masks"])[0, ..., 0] > 0.5)
        seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        box = np.asarray(y["bounding_boxes"]["boxes"])[0, 0]
        np.testing.assert_allclose(box, seen, atol=1.6, err_msg=layer.name)


@pytest.mark.parametrize(
    ("make_layer", "error", "message"),
    [
        (lambda: layers.RandomRotation(2.0), ValueError, "factor"),
        (lambda: layers.RandomRotation("a"), ValueError, "factor"),
        (lambda: layers.RandomRotation(0.1, fill_mode="zeros"), NotImplementedError, "fill_mode"),
        (lambda: layers.RandomZoom(-1.0), ValueError, r"\(-1.0, 1.0\]"),
        (lambda: layers.RandomZoom(0.1, interpolation="cubic"), NotImplementedError, "interpolation"),
        (lambda: layers.RandomShear(x_factor=-0.1), ValueError, "x_factor"),
        (lambda: layers.RandomTranslation(0.1, 1.5), ValueError, "width_factor"),
        (lambda: layers.RandomBrightness(0.1, value_range=(0, 1, 2)), ValueError, "value_range"),
        (lambda: layers.RandomGrayscale(1.5), ValueError, "between 0 and 1"),
        (lambda: layers.RandomErasing(fill_value="x"), ValueError, "fill_value"),
        (lambda: layers.RandomGaussianBlur(kernel_size=4), ValueError, "odd"),
        (lambda: layers.RandomPerspective(scale=1.1), ValueError, "scale"),
        (lambda: layers.RandomPosterization(9), ValueError, "factor"),
        (lambda: layers.Solarization(addition_factor=1.1), ValueError, "addition_factor"),
        (lambda: layers.RandomFlip("diagonal"), ValueError, "mode"),
        (lambda: layers.CenterCrop(2, 2, factor=0.1), ValueError, "does not take a `factor`"),
    ],
)
def test_bad_arguments(make_layer, error, message):
    with pytest.raises(error, match=message):
        make_layer()


def test_bad_inputs():
    with pytest.raises(ValueError, match="rank 3"):
        layers.RandomFlip()(np.ones((2, 2)))
    data = labelled("RandomFlip")
    with pytest.raises(ValueError, match="bounding_box_format"):
        layers.RandomFlip()(data)
    with pytest.raises(ValueError, match="'boxes' and 'labels'"):
        layers.RandomFlip(bounding_box_format="xyxy")({**data, "bounding_boxes": {"boxes": np.ones((2, 1, 4))}})
    with pytest.raises(NotImplementedError, match="bounding boxes"):
        layers.CutMix(bounding_box_format="xyxy")(labelled("RandomFlip"))
    with pytest.raises(ValueError, match="3 channels"):
        layers.RandomColorDegeneration(0.2)(np.ones((2, 4, 4, 2), "float32"))
