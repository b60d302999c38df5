"""The applications: layers, parameters, outputs and files equal to Keras'; arguments and errors."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import rustdl as keras
from rustdl import applications
from rustdl.applications import imagenet_utils

GOLDEN = Path(__file__).parent.parent / "golden"
sys.path.insert(0, str(GOLDEN))
from applications_cases import CASES, SMALL, describe, random_model  # noqa: E402

EXPECTED = json.loads((GOLDEN / "applications.json").read_text())


def differences(key, dump=None):
    """What of one case is not as in Keras; `dump` is a folder with whole lists for the message."""
    name, arguments = CASES[key]
    keras.utils.clear_session()
    found = describe(keras, getattr(applications, name)(**arguments))
    wrong = []
    for part, expected in EXPECTED[key].items():
        value = found[part]
        if part in ("layers", "weights"):
            value = hashlib.sha256("\n".join(value).encode()).hexdigest()[:16]
        if value != expected:
            wrong.append((part, value, expected))
    if dump and wrong:
        whole = json.loads((Path(dump) / f"{key}.json").read_text())
        for part in ("layers", "weights"):
            pairs = zip(found[part], whole[part], strict=False)
            wrong.append((part, next((pair for pair in pairs if pair[0] != pair[1]), "same")))
    return wrong


# Few enough to be built in a test run on two cores; `python tests/py/test_applications.py` does all of them.
QUICK = [key for key in CASES if key.endswith("_notop_avg") and not key.startswith(("Inception", "NASNet", "VGG"))]
QUICK += ["MobileNetV2_narrow", "MobileNetV3Small_minimalistic", "EfficientNetV2B0_gray", "Xception_any", "MobileNet"]


def test_every_architecture_has_a_golden():
    assert set(EXPECTED) == set(CASES)
    public = {name for name in applications.__all__ if name[0].isupper()}
    assert public == {name for name, _ in CASES.values()}


@pytest.mark.parametrize("key", QUICK)
def test_layers_and_parameters(key):
    assert differences(key) == []


@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetV2B0", "ConvNeXtTiny", "DenseNet121", "Xception"])
def test_outputs(name):
    keras.utils.clear_session()
    model, images = random_model(keras, name, SMALL[name])
    found = np.asarray(model(images))[:, :64]
    with np.load(GOLDEN / "applications.npz") as golden:
        expected = golden[name]
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def small_mobilenet():
    return applications.MobileNet(weights=None, include_top=False, alpha=0.05, input_shape=(32, 32, 3))


def test_weights_of_keras_load(tmp_path):
    """By path, as `weights=` and through `load_weights`; every value arrives where Keras had it."""
    path = str(GOLDEN / "keras_mobilenet.weights.h5")
    model = applications.MobileNet(weights=path, include_top=False, alpha=0.05, input_shape=(32, 32, 3))
    rng = np.random.default_rng(2)
    for weight in model.weights:
        np.testing.assert_array_equal(weight.numpy(), rng.uniform(0.5, 1.5, weight.shape).astype("float32"))
    model.save_weights(tmp_path / "again.weights.h5")
    other = small_mobilenet()
    other.load_weights(tmp_path / "again.weights.h5")
    for a, b in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_saved_model_loads(tmp_path):
    """Layers that belong to one architecture alone are known to the loader."""
    images = np.random.default_rng(0).uniform(0, 255, (1, 75, 75, 3)).astype("float32")
    x = keras.Input((75, 75, 3))
    from rustdl.applications.convnext import LayerScale, StochasticDepth
    from rustdl.applications.inception_resnet_v2 import CustomScaleLayer

    y = LayerScale(0.5, 3)(CustomScaleLayer(0.1)([x, x]))
    model = keras.Model(x, StochasticDepth(0.5)(y))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(again(images)), 0.55 * images, rtol=1e-6)


def test_transfer_learning():
    """The features of a network below a new classifier, on an input that is not its own."""
    inputs = keras.Input((32, 32, 3))
    base = applications.MobileNet(
        weights=None, include_top=False, alpha=0.25, pooling="max", input_tensor=keras.layers.Rescaling(1 / 255)(inputs)
    )
    assert base.inputs[0] is inputs
    base.trainable = False
    model = keras.Model(inputs, keras.layers.Dense(2)(base.output))
    assert len(model.trainable_weights) == 2
    model.compile("sgd", "mse")
    before = [w.numpy() for w in base.weights]
    model.fit(np.ones((4, 32, 32, 3), "float32"), np.ones((4, 2)), verbose=0)
    for a, b in zip(before, base.weights, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("VGG16", {"weights": "nowhere.h5"}, "path to the weights file"),
        ("VGG16", {"weights": "imagenet", "classes": 10}, "`classes` should be 1000"),
        ("VGG16", {"weights": "imagenet", "input_shape": (100, 100, 3)}, r"should be \(224, 224, 3\)"),
        ("VGG16", {"weights": None, "pooling": "mean"}, "pooling=mean"),
        ("VGG16", {"weights": None, "input_tensor": np.zeros((1, 224, 224, 3))}, "KerasTensor"),
        ("Xception", {"weights": None, "input_shape": (70, 80, 3)}, "at least 71x71"),
        ("MobileNet", {"weights": None, "input_shape": (None, None, 3)}, "static `input_shape`"),
        ("MobileNet", {"weights": None, "input_shape": (32, 32)}, "three integers"),
        ("MobileNet", {"weights": "imagenet", "alpha": 0.3}, "alpha=0.3"),
        ("MobileNet", {"weights": "imagenet", "depth_multiplier": 2}, "depth_multiplier=2"),
        ("MobileNetV2", {"weights": "imagenet", "alpha": 0.3}, "alpha=0.3"),
        ("MobileNetV3Small", {"weights": "imagenet", "minimalistic": True, "alpha": 0.75}, "alpha=0.75"),
        ("MobileNetV3Small", {"weights": None, "input_shape": (16, 64, 3)}, "at least 32x32"),
        ("NASNetLarge", {"weights": "imagenet", "include_top": False, "input_shape": (None, 64, 3)}, "static"),
        ("ResNet50", {"weights": "imagenet", "include_top": False, "input_shape": (64, 64, 1)}, "3 channels"),
    ],
)
def test_bad_arguments(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(applications, name)(**arguments)


def test_unknown_argument():
    with pytest.raises(TypeError, match=r"VGG16\(\) got an unexpected keyword argument 'class'.*include_top"):
        applications.VGG16(**{"class": 10})


def test_activation_that_weights_do_not_allow():
    path = str(GOLDEN / "keras_mobilenet.weights.h5")
    with pytest.raises(ValueError, match="Only `None` and `softmax`"):
        applications.MobileNet(weights=path, alpha=0.05, classifier_activation="relu")


def test_odd_channels_warn():
    with pytest.warns(UserWarning, match="5 input channels"):
        applications.MobileNet(weights=None, include_top=False, alpha=0.05, input_shape=(32, 32, 5))


def test_imagenet_weights_come_from_the_cache(tmp_path, monkeypatch):
    """The cache layout is Keras'; without the file and a network the error tells both ways out."""
    from rustdl.utils import file_utils

    asked = []

    def get_file(file, origin, cache_subdir, file_hash):
        asked.append((file, origin.rpartition("/")[2], cache_subdir, file_hash))
        raise OSError("no network.")

    monkeypatch.setattr(file_utils, "get_file", get_file)
    with pytest.raises(OSError, match=r"no network.*weights='path/to/mobilenet_2_5_128_tf_no_top.h5'.*weights=None"):
        applications.MobileNet(include_top=False, alpha=0.25, input_shape=(128, 128, 3))
    with pytest.raises(OSError, match="no network"):
        applications.MobileNetV3Small(include_top=False, input_shape=(224, 224, 3))
    assert asked == [
        ("mobilenet_2_5_128_tf_no_top.h5", "mobilenet_2_5_128_tf_no_top.h5", "models", None),
        (
            "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
            "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
            "models",
            "d3e8ec802a04aa4fc771ee12a9a9b836",
        ),
    ]


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", [3, 4])
def test_preprocess_input(mode, data_format, rank):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype("uint8")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = {
        "tf": pixels / 127.5 - 1,
        "torch": (pixels / 255 - mean) / deviation,
        "caffe": pixels[..., ::-1] - np.array([103.939, 116.779, 123.68]),
    }[mode]
    if data_format == "channels_first":
        pixels, expected = pixels.transpose(0, 3, 1, 2), expected.transpose(0, 3, 1, 2)
    if rank == 3:
        pixels, expected = pixels[0], expected[0]
    for x in (pixels, keras.ops.convert_to_tensor(pixels), keras.ops.convert_to_tensor(pixels.astype("float32"))):
        found = imagenet_utils.preprocess_input(x, data_format, mode)
        assert isinstance(found, np.ndarray) == (x is pixels)
        assert str(found.dtype) == "float32"
        np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=2e-5)


def test_preprocess_input_symbolic_and_in_place():
    x = keras.Input((4, 4, 3))
    assert applications.resnet50.preprocess_input(x).shape == (None, 4, 4, 3)
    assert applications.efficientnet.preprocess_input(x) is x
    images = np.full((1, 2, 2, 3), 255.0)
    applications.mobilenet.preprocess_input(images)
    np.testing.assert_array_equal(images, 1.0)
    with pytest.raises(ValueError, match="mode=other"):
        imagenet_utils.preprocess_input(images, mode="other")
    with pytest.raises(ValueError, match="data_format=other"):
        imagenet_utils.preprocess_input(images, data_format="other")


def test_decode_predictions(monkeypatch):
    names = [(f"n{i}", f"class {i}") for i in range(1000)]
    monkeypatch.setattr(imagenet_utils, "_class_names", lambda: names)
    scores = np.zeros((2, 1000), "float32")
    scores[0, [3, 7]], scores[1, 999] = (0.25, 0.5), 1.0
    found = applications.vgg16.decode_predictions(scores, top=2)
    assert found[0] == [("n7", "class 7", 0.5), ("n3", "class 3", 0.25)]
    assert found[1][0] == ("n999", "class 999", 1.0)
    with pytest.raises(ValueError, match=r"\(2, 10\)"):
        imagenet_utils.decode_predictions(scores[:, :10])


if __name__ == "__main__":
    for case in CASES:
        print(case, differences(case, *sys.argv[1:]) or "equal", flush=True)
