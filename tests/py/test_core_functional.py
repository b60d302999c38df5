import copy
import pickle
import sys

import numpy as np
import pytest

import rustdl
from rustdl import ops
from rustdl.layers import Add, Dense, Dropout, Flatten, Layer

X = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


@pytest.fixture(autouse=True)
def _fresh():
    rustdl.utils.clear_session()


def _two_inputs():
    a, b = rustdl.Input((4,), name="a"), rustdl.Input((4,), name="b")
    shared = Dense(3)
    x = shared(a) + 2.0 * shared(b)
    x = ops.reshape(x, (-1, 3, 1))
    x = ops.concatenate([x, x], axis=-1)
    return rustdl.Model([a, b], {"flat": Flatten()(x), "sum": ops.sum(x, axis=(1, 2))}), shared


def test_values_structures_and_shapes():
    model, shared = _two_inputs()
    k, c = shared.get_weights()
    expected = X @ k + c + 2 * (X @ k + c)
    for inputs in ([X, X], (X, X), {"a": X, "b": X}):
        y = model(inputs)
        assert set(y) == {"flat", "sum"}
        assert np.allclose(y["flat"].numpy(), np.repeat(expected, 2, axis=1), atol=1e-5)
        assert np.allclose(y["sum"].numpy(), 2 * expected.sum(1), atol=1e-5)
    assert model.output_shape == [(None, 6), (None,)]
    assert model.input_shape == [(None, 4), (None, 4)]
    assert [layer.name for layer in model.layers] == ["a", "b", "dense", "flatten"]
    assert model.get_layer("dense") is shared
    assert model.get_layer(index=2) is shared
    with pytest.raises(ValueError, match="No such layer"):
        model.get_layer("nothing")


def test_config_round_trip():
    model, _ = _two_inputs()
    config = model.get_config()
    nodes = next(entry for entry in config["layers"] if entry["name"] == "dense")["inbound_nodes"]
    assert [n["args"][0]["config"]["keras_history"] for n in nodes] == [["a", 0, 0], ["b", 0, 0]]
    reshape = next(entry for entry in config["layers"] if entry["name"] == "reshape")
    assert (reshape["module"], reshape["class_name"]) == ("keras.src.ops.numpy", "Reshape")
    assert config["input_layers"] == [["a", 0, 0], ["b", 0, 0]]
    assert config["output_layers"]["flat"] == ["flatten", 0, 0]
    again = rustdl.models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    for key, value in model([X, X]).items():
        assert np.array_equal(value.numpy(), again([X, X])[key].numpy())


def test_reads_a_configuration_of_keras():
    keras = pytest.importorskip("keras")
    i = keras.Input((4,), name="x")
    d = keras.layers.Dense(3, name="d")
    y = keras.ops.concatenate([keras.ops.relu(d(i)), d(i * 2.0)], axis=1)
    theirs = keras.Model(i, keras.ops.reshape(y, (-1, 2, 3)))
    ours = rustdl.models.model_from_json(theirs.to_json())
    ours.set_weights(theirs.get_weights())
    assert np.allclose(ours(X).numpy(), np.asarray(theirs(X)), atol=1e-5)
    back = keras.models.model_from_json(ours.to_json().replace('"rustdl', '"keras'))
    back.set_weights(theirs.get_weights())
    assert np.allclose(np.asarray(back(X)), np.asarray(theirs(X)), atol=1e-6)


def test_submodel_from_intermediate_tensors():
    i = rustdl.Input((4,))
    a = Dense(3, activation="relu")(i)
    b = Dense(2)(a)
    full, head, tail = rustdl.Model(i, b), rustdl.Model(i, a), rustdl.Model(a, b)
    assert np.allclose(full(X).numpy(), tail(head(X)).numpy(), atol=1e-6)
    assert len(tail.layers) == 2
    assert all(v is w for v, w in zip(tail.weights, full.weights[2:], strict=True))


def test_nested_models_share_weights():
    inner = rustdl.Sequential([rustdl.Input((4,)), Dense(3)])
    i = rustdl.Input((4,))
    model = rustdl.Model(i, inner(i) + inner(i * 0.0))
    assert len(model.weights) == 2
    assert np.allclose(model(X).numpy(), (inner(X) + inner(X * 0)).numpy(), atol=1e-6)


def test_subclass_made_from_inputs_and_outputs():
    class Mine(rustdl.Model):
        def __init__(self, *args, param=1, **kwargs):
            super().__init__(*args, **kwargs)
            self.param = param

        def get_config(self):
            return {**super().get_config(), "param": self.param}

    i = rustdl.Input((4,))
    model = Mine(inputs=i, outputs=Dense(2)(i), param=3)
    assert model(X).shape == (5, 2)
    assert Mine.from_config(model.get_config()).param == 3


def test_training_reaches_layers():
    i = rustdl.Input((4,))
    model = rustdl.Model(i, Dropout(0.9, seed=1)(i))
    assert np.array_equal(model(X).numpy(), X)
    assert (model(X, training=True).numpy() == 0).any()


def test_rank_and_dtype_are_adjusted():
    i = rustdl.Input((1,))
    model = rustdl.Model(i, i * 2.0)
    assert model(np.ones((3,))).shape == (3, 1)
    assert model(np.ones((3, 1), "int64")).dtype == "float32"
    with pytest.raises(ValueError, match="incompatible"):
        model(np.ones((3, 2), "float32"))


def test_errors():
    i, j = rustdl.Input((4,), name="i"), rustdl.Input((4,), name="j")
    with pytest.raises(ValueError, match="not connected"):
        rustdl.Model(i, i + j)
    with pytest.raises(ValueError, match="used 2 times"):
        rustdl.Model(i, Dense(2, name="d")(Dense(2, name="d")(i)))
    with pytest.raises(ValueError, match="KerasTensor"):
        rustdl.Model(i, X)
    model = rustdl.Model([i, j], Add()([i, j]))
    with pytest.raises(ValueError, match="expects 2"):
        model([X])
    with pytest.raises(ValueError, match="Missing data"):
        model({"i": X})
    with pytest.raises(ValueError, match=r"'j'.*found shape=\(5, 3\)"):
        model([X, X[:, :3]])
    with pytest.raises(TypeError, match="boolean"):
        bool(i)
    with pytest.raises(ValueError, match="symbolic"):
        np.asarray(i)


def test_unused_and_multiple_outputs_of_ops():
    i = rustdl.Input((4,))
    left, _ = ops.split(i, 2, axis=1)
    model = rustdl.Model(i, left)
    assert np.array_equal(model(X).numpy(), X[:, :2])


def test_depth_beyond_the_recursion_limit():
    i = rustdl.Input((4,))
    x = i
    n = sys.getrecursionlimit() * 2
    for _ in range(n):
        x = x + 1.0
    model = rustdl.Model(i, x)
    assert len(model.operations) == n + 1
    assert np.allclose(model(X).numpy(), X + n, atol=1e-2)


def test_clone_pickle_and_copy():
    model, _ = _two_inputs()
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(other([X, X])["flat"].numpy(), model([X, X])["flat"].numpy())
    clone = rustdl.models.clone_model(model)
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]
    assert clone.weights[0] is not model.weights[0]
    renamed = rustdl.models.clone_model(
        model, clone_function=lambda layer: type(layer).from_config({**layer.get_config(), "name": "my_" + layer.name})
    )
    assert [layer.name for layer in renamed.layers[2:]] == ["my_dense", "my_flatten"]


def test_layer_with_nested_arguments():
    class Weighted(Layer):
        def call(self, pair, extra=None):
            y = pair["a"] * 2.0 + pair["b"][0]
            return y if extra is None else y + extra

    a, b = rustdl.Input((4,)), rustdl.Input((4,))
    y = Weighted()({"a": a, "b": [b]}, extra=a)
    model = rustdl.Model([a, b], y)
    assert np.allclose(model([X, X]).numpy(), 4 * X)
    again = rustdl.Model.from_config(model.get_config(), custom_objects={"Weighted": Weighted})
    assert np.allclose(again([X, X]).numpy(), 4 * X)


def test_sequential():
    model = rustdl.Sequential([Dense(3, activation="relu"), Dense(2)])
    assert not model.built
    with pytest.raises(AttributeError, match="output shape"):
        _ = model.output_shape
    y = model(X)
    assert model.built
    assert [v.path for v in model.weights] == [
        "sequential/dense/kernel",
        "sequential/dense/bias",
        "sequential/dense_1/kernel",
        "sequential/dense_1/bias",
    ]
    k1, b1, k2, b2 = model.get_weights()
    assert np.allclose(y.numpy(), np.maximum(X @ k1 + b1, 0) @ k2 + b2, atol=1e-5)
    model.pop()
    model.add(Dense(7))
    assert model(X).shape == (5, 7)
    assert len(model.layers) == 2
    with pytest.raises(ValueError, match="unique"):
        model.add(Dense(1, name=model.layers[0].name))
    with pytest.raises(ValueError, match="Only instances"):
        model.add(3)


def test_sequential_config_round_trip():
    model = rustdl.Sequential([rustdl.Input((4,)), Dense(3), Dropout(0.1)])
    again = rustdl.Sequential.from_config(model.get_config())
    again.set_weights(model.get_weights())
    assert np.array_equal(again(X).numpy(), model(X).numpy())
    assert again.input_shape == (None, 4)


def test_subclassed_model_builds_and_counts():
    class Net(rustdl.Model):
        def __init__(self):
            super().__init__()
            self.a = Dense(3)
            self.b = Dense(2)

        def call(self, x, training=False):
            return self.b(self.a(x))

    net = Net()
    net.build((None, 4))
    assert net.count_params() == 4 * 3 + 3 + 3 * 2 + 2
    assert net.weights[0].path == "net/dense/kernel"
    assert net(X).shape == (5, 2)
    tree = net.get_state_tree("numpy_array")
    net.set_state_tree({"trainable_variables": {"net": {"dense": {"bias": np.ones(3)}}}})
    assert net.a.bias.numpy().tolist() == [1.0, 1.0, 1.0]
    assert set(tree["trainable_variables"]["net"]) == {"dense", "dense_1"}


def test_a_list_of_one_output_is_the_output():
    inputs = rustdl.Input((2,))
    model = rustdl.Model([inputs], [Dense(3)(inputs)])
    x = np.ones((4, 2), dtype="float32")
    assert model(x).shape == (4, 3)
    assert model.predict(x, verbose=0).shape == (4, 3)
    assert (model.input_shape, model.output_shape) == ((None, 2), (None, 3))
