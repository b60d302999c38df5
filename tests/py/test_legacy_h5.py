"""Models and weights in Keras' older HDF5 form: files of Keras 3, configurations of Keras 2, damage and links."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import rustdl as keras

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture
def golden():
    with np.load(GOLDEN / "keras_legacy.npz") as data:
        return dict(data)


def test_file_of_keras_predicts_and_trains_on(golden):
    model = keras.models.load_model(GOLDEN / "keras_legacy.h5")
    np.testing.assert_allclose(model.predict(golden["x"], verbose=0), golden["before"], rtol=1e-5, atol=1e-6)
    assert int(model.optimizer.iterations.numpy()) == 1
    model.fit(golden["x"], golden["y"], verbose=0, shuffle=False)
    np.testing.assert_allclose(model.predict(golden["x"], verbose=0), golden["after"], rtol=1e-4, atol=1e-5)


def test_round_trip(tmp_path, golden):
    model = keras.models.load_model(GOLDEN / "keras_legacy.h5")
    model.save(tmp_path / "folder" / "model.h5")
    again = keras.models.load_model(tmp_path / "folder" / "model.h5")
    np.testing.assert_array_equal(again.predict(golden["x"], verbose=0), model.predict(golden["x"], verbose=0))
    for a, b in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    keras.saving.save_model(model, tmp_path / "plain.hdf5", include_optimizer=False)
    with pytest.warns(UserWarning, match="not\\* compiled"):
        plain = keras.models.load_model(tmp_path / "plain.hdf5")
    assert not plain.compiled


def small_model(units=3):
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(units, name="first"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2, name="last"),
        ]
    )


def test_weights_in_order_and_by_name(tmp_path):
    source = small_model()
    source.save(tmp_path / "m.h5")
    target = small_model()
    target.load_weights(tmp_path / "m.h5")
    for a, b in zip(source.weights, target.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())

    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(7), keras.layers.Dense(2, name="last")])
    other.pop()
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="last"), keras.layers.Dense(7)])
    other.load_weights(tmp_path / "m.h5", by_name=True)
    np.testing.assert_array_equal(other.get_layer("last").kernel.numpy(), source.get_layer("last").kernel.numpy())
    with pytest.raises(ValueError, match="by_name"):
        other.load_weights(tmp_path / "m.weights.h5", by_name=True)


def test_what_does_not_fit_leaves_the_weights_alone(tmp_path):
    small_model(5).save(tmp_path / "m.h5")
    model = small_model(3)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"Shape mismatch in layer #0 \(named first .*\(4, 3\).*\(4, 5\)"):
        model.load_weights(tmp_path / "m.h5")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.warns(UserWarning, match="Skipping loading weights"):
        model.load_weights(tmp_path / "m.h5", skip_mismatch=True)
    shorter = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="expected 1 layers, found 2"):
        shorter.load_weights(tmp_path / "m.h5")


def test_many_layers_cut_the_list_of_names(tmp_path):
    """HDF5 limits attributes to 64 KiB."""
    names = [f"layer_{i}_{'x' * 700}" for i in range(100)]
    model = keras.Sequential([keras.Input((1,)), *(keras.layers.Dense(1, name=name) for name in names)])
    keras.saving.save_model(model, tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert "layer_names1" in file["model_weights"].attrs
    again = keras.models.load_model(tmp_path / "m.h5", compile=False)
    assert [layer.name for layer in again.layers] == names
    for a, b in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def write(path, config, weights=None):
    """A file as Keras 2 wrote it."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        group = file.create_group("model_weights")
        names = list(weights or {})
        group.attrs["layer_names"] = np.array([n.encode() for n in names])
        for name, values in (weights or {}).items():
            layer = group.create_group(name)
            paths = [f"{name}/{key}:0" for key in values]
            layer.attrs["weight_names"] = np.array([p.encode() for p in paths])
            for key, path in zip(values, paths, strict=True):
                layer.create_dataset(path, data=values[key])


KERAS_2_LAYERS = [
    {
        "class_name": "InputLayer",
        "config": {"batch_input_shape": [None, 4], "dtype": "float32", "sparse": False, "ragged": False, "name": "in"},
    },
    {
        "class_name": "Dense",
        "config": {
            "name": "d",
            "trainable": True,
            "batch_input_shape": [None, 4],
            "dtype": {"class_name": "Policy", "config": {"name": "float32"}},
            "units": 3,
            "activation": "relu",
            "use_bias": True,
            "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
            "bias_initializer": {"class_name": "Zeros", "config": {}},
            "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.01}},
        },
    },
    {"class_name": "BatchNormalization", "config": {"name": "b", "axis": [1], "epsilon": 0.001}},
]


def keras_2_weights():
    rng = np.random.default_rng(0)
    dense = {"kernel": rng.normal(size=(4, 3)).astype("float32"), "bias": np.ones(3, "float32")}
    norm = {
        name: rng.uniform(0.5, 1.5, 3).astype("float32") for name in ("gamma", "beta", "moving_mean", "moving_variance")
    }
    return {"d": dense, "b": norm}


def expected(x, weights):
    d, b = weights["d"], weights["b"]
    y = np.maximum(x @ d["kernel"] + d["bias"], 0)
    return (y - b["moving_mean"]) / np.sqrt(b["moving_variance"] + 0.001) * b["gamma"] + b["beta"]


@pytest.mark.parametrize("kind", ["sequential", "without input layer", "keras 1", "functional"])
def test_configurations_of_keras_2(tmp_path, kind):
    weights = keras_2_weights()
    layers = json.loads(json.dumps(KERAS_2_LAYERS))
    if kind == "functional":
        previous = None
        for layer in layers:
            layer["name"] = layer["config"]["name"]
            layer["inbound_nodes"] = [[[previous, 0, 0, {}]]] if previous else []
            previous = layer["name"]
        layers[1]["config"].pop("batch_input_shape")
        inner = {"name": "m", "layers": layers, "input_layers": [["in", 0, 0]], "output_layers": [["b", 0, 0]]}
        config = {"class_name": "Model", "config": inner}
    elif kind == "keras 1":
        config = {"class_name": "Sequential", "config": layers[1:]}
    else:
        inner = {"name": "m", "layers": layers[1:] if kind == "without input layer" else layers}
        config = {"class_name": "Sequential", "config": inner}
    write(tmp_path / "m.h5", config, weights)
    model = keras.models.load_model(tmp_path / "m.h5", compile=False)
    x = np.random.default_rng(1).normal(size=(5, 4)).astype("float32")
    np.testing.assert_allclose(np.asarray(model(x)), expected(x, weights), rtol=1e-5, atol=1e-6)
    assert model.get_layer("d").kernel_regularizer is not None


def test_custom_class(tmp_path):
    class Twice(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    model = keras.Sequential([keras.Input((2,)), Twice()])
    model.save(tmp_path / "m.h5")
    with pytest.raises(TypeError, match=r"Twice.*register_keras_serializable"):
        keras.models.load_model(tmp_path / "m.h5", compile=False)
    again = keras.models.load_model(tmp_path / "m.h5", custom_objects={"Twice": Twice}, compile=False)
    np.testing.assert_array_equal(np.asarray(again(np.ones((1, 2)))), 2)


def test_code_needs_trust(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)])
    model.save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="lambda"):
        keras.models.load_model(tmp_path / "m.h5", compile=False)
    again = keras.models.load_model(tmp_path / "m.h5", compile=False, safe_mode=False)
    np.testing.assert_array_equal(np.asarray(again(np.ones((1, 2)))), 2)


def test_hostile_files(tmp_path):
    path = tmp_path / "m.h5"
    path.write_bytes(b"no HDF5 at all")
    with pytest.raises(ValueError, match="Not an HDF5 file"):
        keras.models.load_model(path)
    write(path, {"class_name": "Sequential"})
    with pytest.raises(ValueError, match="not a model's"):
        keras.models.load_model(path)
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{"
    with pytest.raises(ValueError, match="damaged"):
        keras.models.load_model(path)
    with h5py.File(path, "w") as file:
        file.attrs["other"] = 1
    with pytest.raises(ValueError, match="No model config"):
        keras.models.load_model(path)
    with pytest.raises(ValueError, match="No weights"):
        small_model().load_weights(path)

    write(path, {"class_name": "Sequential", "config": {"name": "m", "layers": KERAS_2_LAYERS}}, keras_2_weights())
    secret = tmp_path / "secret.h5"
    shutil.copy(path, secret)
    for link in (h5py.ExternalLink(str(secret), "/model_weights/d"), h5py.SoftLink("/model_weights/b")):
        with h5py.File(path, "a") as file:
            del file["model_weights/d"]
            file["model_weights/d"] = link
        with pytest.raises(ValueError, match="Link"):
            keras.models.load_model(path, compile=False)
