"""Names that exist to say what to use instead, and drawings of models."""

import sys

import pytest

import rustdl as keras


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("layers.FlaxLayer", "rustdl.Layer"),
        ("layers.JaxLayer", "rustdl.ops"),
        ("layers.TFSMLayer", "load_model"),
        ("layers.TorchModuleWrapper", "set_weights"),
        ("export.ExportArchive", "model.save"),
        ("callbacks.OrbaxCheckpoint", "ModelCheckpoint"),
        ("distribution.DataParallel", "set_num_threads"),
        ("distribution.DeviceMesh", "one CPU"),
        ("distribution.LayoutMap", "one CPU"),
        ("distribution.ModelParallel", "one CPU"),
        ("distribution.TensorLayout", "one CPU"),
        ("distribution.distribute_tensor", "one CPU"),
    ],
)
def test_refused_with_a_way_out(name, message):
    space, _, last = name.partition(".")
    found = getattr(getattr(keras, space), last)
    with pytest.raises(NotImplementedError, match=f"{last}.*not supported.*{message}"):
        found(1, key=2)
    assert found.__name__ == last
    assert "Not supported" in found.__doc__


def test_one_device():
    d = keras.distribution
    assert d.list_devices() == d.list_devices("cpu") == ["cpu:0"]
    assert d.list_devices("gpu") == []
    assert d.get_device_count() == 1
    assert d.distribution() is None
    d.initialize()
    d.set_distribution(None)
    with pytest.raises(NotImplementedError, match="several processes"):
        d.initialize(num_processes=4)
    with pytest.raises(NotImplementedError, match="set_distribution"):
        d.set_distribution(object())


def test_export_says_how():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    with pytest.raises(NotImplementedError, match=r"model.save\('model.keras'\)"):
        model.export("folder")
    with pytest.raises(ValueError, match="Unrecognized format=zip"):
        model.export("folder", format="zip")


def nested_model():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(3, activation="relu", name="a<b")(inputs)
    inner = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(3)])
    start = keras.Input((3,))
    shared = keras.Model(start, keras.layers.Dense(2)(start))
    return keras.Model(inputs, shared(inner(x)) + shared(x))


def test_drawing(tmp_path):
    pytest.importorskip("pydot")
    model = nested_model()
    shown = {"show_shapes": True, "show_dtype": True, "show_layer_activations": True, "show_trainable": True}
    dot = keras.utils.model_to_dot(model, **shown)
    # The numbers that Keras' function gives for this model.
    assert (len(dot.get_edges()), len(dot.get_nodes()), dot.get_subgraphs()) == (5, 6, [])
    text = dot.to_string()
    for part in ("a&lt;b", "Activation: <b>relu</b>", "Input shape: <b>(None, 4)</b>", "float32", "Trainable"):
        assert part in text
    inside = keras.utils.model_to_dot(model, expand_nested=True)
    assert (len(inside.get_edges()), len(inside.get_nodes())) == (5, 4)
    assert [len(s.get_edges()) for s in inside.get_subgraphs()] == [1, 1]
    keras.utils.plot_model(model, tmp_path / "model.dot")
    assert (tmp_path / "model.dot").read_text().startswith("digraph")


def test_drawing_without_pydot(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydot", None)
    for draw in (keras.utils.model_to_dot, keras.utils.plot_model):
        with pytest.raises(ImportError, match=r"pip install pydot.*summary"):
            draw(nested_model())
        with pytest.raises(ValueError, match="has not yet been built"):
            draw(keras.Sequential([keras.layers.Dense(1)]))
        with pytest.raises(ValueError, match="color"):
            draw(nested_model(), color=True)
