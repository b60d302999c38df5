"""Files: Keras' own, round trips, damage and hostility, atomic writes."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import rustdl
from rustdl import layers, saving, tree

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = ("dense", "image", "nested", "recurrent")


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "keras_files.npz") as data:
        return dict(data)


def outputs(model, x):
    return [np.asarray(y) for y in rustdl.tree.flatten(model.predict(x, verbose=0))]


def expected(golden, name):
    return [golden[f"{name}/y{i}"] for i in range(2) if f"{name}/y{i}" in golden]


def h5_tree(data):
    found = {}
    with h5py.File(data) as file:
        file.visititems(lambda name, obj: found.update({name: (getattr(obj, "shape", None), dict(obj.attrs))}))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_reads_what_keras_wrote(name, golden):
    model = saving.load_model(GOLDEN / f"keras_{name}.keras")
    for found, wanted in zip(outputs(model, golden[f"{name}/x"]), expected(golden, name), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


def without_defaults(nodes):
    """Nodes of a graph without `training=False`, which Keras leaves out where an initial state is given."""
    return [
        {**node, "kwargs": {k: v for k, v in node["kwargs"].items() if (k, v) != ("training", False)}}
        for node in nodes or []
    ]


@pytest.mark.parametrize("name", NAMES)
def test_writes_the_members_and_groups_that_keras_writes(name, tmp_path):
    theirs = GOLDEN / f"keras_{name}.keras"
    ours = tmp_path / "ours.keras"
    saving.load_model(theirs).save(ours)
    with zipfile.ZipFile(theirs) as a, zipfile.ZipFile(ours) as b:
        assert a.namelist() == b.namelist()
        assert h5_tree(io.BytesIO(a.read("model.weights.h5"))) == h5_tree(io.BytesIO(b.read("model.weights.h5")))
        config_a, config_b = json.loads(a.read("config.json")), json.loads(b.read("config.json"))
    for key in ("module", "class_name", "registered_name"):
        assert config_a[key] == config_b[key]
    for x, y in zip(config_a["config"]["layers"], config_b["config"]["layers"], strict=True):
        assert (x["module"], x["class_name"], x.get("name")) == (y["module"], y["class_name"], y.get("name"))
        # Layers without weights need no shape to be built again.
        assert y.get("build_config") in (x.get("build_config"), None)
        assert without_defaults(x.get("inbound_nodes")) == without_defaults(y.get("inbound_nodes"))
        missing = set(x["config"]) - set(y["config"]) - {"optional"}  # the default
        assert not missing, f"{x['class_name']}: {missing}"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", NAMES)
def test_keras_reads_what_was_written_here(name, tmp_path, golden):
    keras = pytest.importorskip("keras")
    path = tmp_path / "ours.keras"
    saving.load_model(GOLDEN / f"keras_{name}.keras").save(path)
    again = keras.saving.load_model(path)
    for found, wanted in zip(
        keras.tree.flatten(again.predict(golden[f"{name}/x"], verbose=0)), expected(golden, name), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_weight_files_of_keras(name, golden, tmp_path):
    source = saving.load_model(GOLDEN / f"keras_{name}.keras", compile=name == "dense")
    for weights in source.weights:
        weights.assign(np.zeros(weights.shape, weights.dtype))
    source.load_weights(GOLDEN / f"keras_{name}.weights.h5")
    for found, wanted in zip(outputs(source, golden[f"{name}/x"]), expected(golden, name), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


def test_optimizer_state_of_keras_is_loaded():
    model = saving.load_model(GOLDEN / "keras_dense.keras")
    assert int(model.optimizer.iterations) == 1
    assert len(model.optimizer.variables) == 2 + 2 * len(model.trainable_variables)
    assert any(np.abs(v.numpy()).max() > 0 for v in model.optimizer.variables[2:])
    assert not saving.load_model(GOLDEN / "keras_dense.keras", compile=False).compiled


@pytest.fixture
def model():
    rustdl.utils.set_random_seed(1)
    made = rustdl.Sequential(
        [rustdl.Input((3,)), layers.Dense(4, activation="tanh"), layers.BatchNormalization(), layers.Dense(2)]
    )
    made.compile("adam", "mse")
    rng = np.random.default_rng(0)
    made.fit(rng.normal(size=(8, 3)).astype("float32"), rng.normal(size=(8, 2)).astype("float32"), verbose=0)
    return made


X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


@pytest.mark.parametrize("suffix", ["keras", "folder"])
def test_whole_model_round_trip_is_exact(model, tmp_path, suffix):
    path = tmp_path / f"m.{suffix}"
    saving.save_model(model, path, zipped=suffix == "keras")
    again = saving.load_model(path)
    assert np.array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    for a, b in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        assert np.array_equal(a.numpy(), b.numpy())
    # Training goes on as if nothing had happened.
    for m in (model, again):
        m.train_on_batch(X, np.ones((4, 2), "float32"))
    for a, b in zip(model.weights, again.weights, strict=True):
        assert np.array_equal(a.numpy(), b.numpy())


def test_file_objects(model):
    buffer = io.BytesIO()
    saving.save_model(model, buffer)
    buffer.seek(0)
    assert np.array_equal(saving.load_model(buffer).predict(X, verbose=0), model.predict(X, verbose=0))


@pytest.mark.parametrize("suffix", ["weights.h5", "safetensors"])
def test_weights_round_trip_is_exact(model, tmp_path, suffix):
    path = tmp_path / f"w.{suffix}"
    model.save_weights(path)
    before = [w.numpy().copy() for w in model.weights]
    for w in model.weights:
        w.assign(np.zeros(w.shape))
    model.load_weights(path)
    for w, b in zip(model.weights, before, strict=True):
        assert np.array_equal(w.numpy(), b)


def test_weights_that_do_not_fit_leave_the_model_alone(model, tmp_path):
    path = tmp_path / "w.weights.h5"
    model.save_weights(path)
    other = rustdl.Sequential([rustdl.Input((3,)), layers.Dense(4), layers.BatchNormalization(), layers.Dense(5)])
    before = [w.numpy().copy() for w in other.weights]
    with pytest.raises(ValueError, match="could not be loaded"):
        other.load_weights(path)
    for w, b in zip(other.weights, before, strict=True):
        assert np.array_equal(w.numpy(), b)
    with pytest.warns(UserWarning, match="could not be loaded"):
        other.load_weights(path, skip_mismatch=True)
    assert np.array_equal(other.layers[0].kernel.numpy(), model.layers[0].kernel.numpy())
    assert np.array_equal(other.layers[2].kernel.numpy(), before[-2])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_subclassed_model_paths_are_keras(tmp_path):
    keras = pytest.importorskip("keras")
    trees = []
    for library in (keras, rustdl):

        class Block(library.layers.Layer):
            def __init__(self, library=library):
                super().__init__()
                self.parts = [library.layers.Dense(2), library.layers.Dense(2)]
                self.named = {"x": library.layers.Dense(2)}

            def call(self, x):
                for part in [*self.parts, *self.named.values()]:
                    x = part(x)
                return x

        class Net(library.Model):
            def __init__(self, library=library, block=Block):
                super().__init__()
                self.out = library.layers.Dense(1)
                self.body = block()
                self._hidden = library.layers.Dense(2)

            def call(self, x):
                return self.out(self._hidden(self.body(x)))

        net = Net()
        net(np.ones((1, 2), "float32"))
        path = tmp_path / f"{library.__name__}.weights.h5"
        net.save_weights(path)
        trees.append({name: shape for name, (shape, _) in h5_tree(path).items()})
    assert trees[0] == trees[1]


def test_custom_objects(tmp_path):
    @saving.register_keras_serializable("tests")
    class Shift(layers.Layer):
        def __init__(self, amount=1.0, **kwargs):
            super().__init__(**kwargs)
            self.amount = amount

        def call(self, x):
            return x + self.amount

        def get_config(self):
            return {**super().get_config(), "amount": self.amount}

    made = rustdl.Sequential([rustdl.Input((2,)), Shift(2.5)])
    path = tmp_path / "m.keras"
    made.save(path)
    assert saving.load_model(path).layers[0].amount == 2.5
    del saving.get_custom_objects()["tests>Shift"]
    with pytest.raises(TypeError, match="register_keras_serializable"):
        saving.load_model(path)
    assert saving.load_model(path, custom_objects={"tests>Shift": Shift}).layers[0].amount == 2.5


def test_lambda_needs_unsafe_mode(tmp_path):
    made = rustdl.Sequential([rustdl.Input((2,)), layers.Lambda(lambda x: x * 3)])
    path = tmp_path / "m.keras"
    made.save(path)
    with pytest.raises(ValueError, match="safe_mode=False"):
        saving.load_model(path)
    again = saving.load_model(path, safe_mode=False)
    assert again.predict(np.ones((1, 2)), verbose=0).tolist() == [[3.0, 3.0]]


@pytest.mark.parametrize("suffix", ["keras", "weights.h5", "safetensors"])
def test_a_failed_write_leaves_the_old_file(model, tmp_path, monkeypatch, suffix):
    path = tmp_path / f"m.{suffix}"
    write = model.save if suffix == "keras" else model.save_weights
    write(path)
    old = path.read_bytes()

    def fail(self, store):
        store["0"] = np.zeros(3)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(layers.BatchNormalization, "save_own_variables", fail)
    with pytest.raises(OSError, match="No space"):
        write(path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(("name", "message"), [("m.txt", "format not supported"), ("missing.keras", "not found")])
def test_other_files_are_refused_with_a_reason(tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        saving.load_model(tmp_path / name)


def test_shared_objects_stay_shared():
    from rustdl.saving.serialization_lib import ObjectSharingScope

    layer = layers.Dense(1)
    with ObjectSharingScope():
        config = saving.serialize_keras_object([layer, layer])
    with ObjectSharingScope():
        first, second = saving.deserialize_keras_object(config)
    assert first is second


@pytest.mark.parametrize(
    "value",
    [None, 1, 2.5, "x", True, [1, (2, 3)], {"a": [1]}, b"bytes", slice(1, None, 2), ..., np.float32(2.0)],
)
def test_plain_values(value):
    again = saving.deserialize_keras_object(saving.serialize_keras_object(value))
    assert again == ([1, [2, 3]] if isinstance(value, list) else value)


def test_lists_made_by_properties_are_not_confused() -> None:
    """`Model.layers` is a new list at each call: the walk keeps it, so that its id is not given to another."""

    class Crowd(rustdl.Model):
        """Has many properties that make lists, which are gone at once."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = [rustdl.layers.Dense(1, name=f"dense_{i}") for i in range(20)]

        for i in range(20):
            vars()[f"made_{i}"] = property(lambda self, i=i: [self.inner[i]])

        def call(self, x):
            return sum(layer(x) for layer in self.inner)

    model = Crowd()
    model(np.ones((1, 3), "float32"))
    from rustdl.saving.state import walk

    assert {obj.name for _, obj in walk(model)} >= {f"dense_{i}" for i in range(20)}


with np.load(GOLDEN / "keras_training.npz") as archive:
    TRAINED: dict[str, dict[str, np.ndarray]] = {}
    for key in archive.files:
        TRAINED.setdefault(key.partition("/")[0], {})[key.partition("/")[2]] = archive[key]


@pytest.mark.parametrize("again", [False, True], ids=["from Keras", "written again"])
@pytest.mark.parametrize("name", sorted(TRAINED))
def test_training_goes_on_as_in_keras(name, again, tmp_path):
    """Weights and optimizer state of a file: the next epochs are those that Keras went through itself."""

    def golden(kind):
        return [array for key, array in TRAINED[name].items() if key.rstrip("0123456789") == kind]

    model = saving.load_model(GOLDEN / f"keras_train_{name}.keras")
    if again:
        model.save(tmp_path / "again.keras")
        model = saving.load_model(tmp_path / "again.keras")
    x, y = golden("x"), golden("y")
    for ours, theirs in zip(tree.flatten(model.predict(x, verbose=0)), golden("predictions"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)
    losses = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(losses, golden("losses")[0], rtol=1e-5)
    for ours, theirs in zip(model.get_weights(), golden("weights"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)
