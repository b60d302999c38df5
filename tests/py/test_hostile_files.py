"""Damaged and hostile `.keras` and weight files: each is refused with an ordinary error, and nothing is half loaded."""

from __future__ import annotations

import io
import json
import os
import zipfile

import h5py
import numpy as np
import pytest

import rustdl
from rustdl import layers, saving


@pytest.fixture
def model():
    rustdl.utils.set_random_seed(1)
    made = rustdl.Sequential(
        [rustdl.Input((3,)), layers.Dense(4, activation="tanh"), layers.BatchNormalization(), layers.Dense(2)]
    )
    made.compile("adam", "mse")
    made.fit(np.ones((8, 3), "float32"), np.ones((8, 2), "float32"), verbose=0)
    return made


def rewritten(source, target, change):
    """A copy of an archive whose members went through `change(name, data)`; None drops one."""
    with zipfile.ZipFile(source) as a, zipfile.ZipFile(target, "w") as b:
        for name in a.namelist():
            data = change(name, a.read(name))
            if data is not None:
                b.writestr(name, data)


def config_change(edit):
    def change(name, data):
        if name != "config.json":
            return data
        config = json.loads(data)
        edit(config)
        return json.dumps(config)

    return change


def weights_change(edit):
    def change(name, data):
        if name != "model.weights.h5":
            return data
        buffer = io.BytesIO(data)
        with h5py.File(buffer, "r+") as file:
            edit(file)
        return buffer.getvalue()

    change.of_weights = True
    return change


def replace_with(make):
    def edit(file):
        group = file["layers/dense/vars"]
        del group["0"]
        make(group)

    return weights_change(edit)


def set_layer(**fields):
    return config_change(lambda config: config["config"]["layers"][1].update(fields))


def set_layer_config(**fields):
    return config_change(lambda config: config["config"]["layers"][1]["config"].update(fields))


def same_name(config):
    stack = config["config"]["layers"]
    stack[3]["config"]["name"] = stack[1]["config"]["name"]


def virtual(group):
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (3, 4))
    group.create_virtual_dataset("0", layout)


def nest(config):
    inner = config["config"]["layers"][1]
    for _ in range(400):
        inner = {"module": "keras.layers", "class_name": "Wrapper", "config": {"layer": inner}}
    config["config"]["layers"][1] = inner


HOSTILE = {
    "no config": lambda name, data: None if name == "config.json" else data,
    "no weights": lambda name, data: None if name == "model.weights.h5" else data,
    "config is not json": lambda name, data: b"{" if name == "config.json" else data,
    "config is a list": lambda name, data: b"[]" if name == "config.json" else data,
    "config is deep": lambda name, data: b"[" * 100000 if name == "config.json" else data,
    "config is nested": config_change(nest),
    "weights are garbage": lambda name, data: b"garbage" * 99 if name == "model.weights.h5" else data,
    "weights are cut": lambda name, data: data[: len(data) // 3] if name == "model.weights.h5" else data,
    "os.system": set_layer(module="os", class_name="system", registered_name=None),
    "builtins.eval": set_layer(module="builtins", class_name="eval", registered_name=None),
    "subprocess": set_layer(module="keras.subprocess", class_name="Popen", registered_name=None),
    "load_model": set_layer(module="keras.saving", class_name="load_model", registered_name=None),
    "get_file": set_layer(module="keras.utils", class_name="get_file", registered_name=None),
    "numpy": set_layer(module="keras.layers", class_name="np.load", registered_name=None),
    "private": set_layer(module="keras.layers", class_name="__getattr__", registered_name=None),
    "module is a number": set_layer(module=7),
    "class is a list": set_layer(class_name=["Dense"]),
    "config is text": set_layer(config="hello"),
    "unknown argument": config_change(lambda c: c["config"]["layers"][1]["config"].update(frobnicate=1)),
    "huge units": config_change(lambda c: c["config"]["layers"][1]["config"].update(units=2**60)),
    "external link": replace_with(lambda g: g.__setitem__("0", h5py.ExternalLink("/etc/passwd", "/x"))),
    "soft link": replace_with(lambda g: g.__setitem__("0", h5py.SoftLink("/optimizer"))),
    "external storage": replace_with(
        lambda g: g.create_dataset("0", (3, 4), "f4", external=[("/etc/hostname", 0, 48)])
    ),
    "huge dataset": replace_with(lambda g: g.create_dataset("0", (2**40,), "f4", chunks=(1024,))),
    "huge compressed": replace_with(
        lambda g: g.create_dataset("0", (2**34,), "f4", chunks=(2**16,), compression="gzip")
    ),
    "group for dataset": replace_with(lambda g: g.create_group("0")),
    "text for dataset": replace_with(lambda g: g.create_dataset("0", data="hello")),
    "missing dataset": replace_with(lambda g: None),
    "wrong shape": replace_with(lambda g: g.create_dataset("0", data=np.zeros((4, 3), "f4"))),
    "compound dtype": replace_with(lambda g: g.create_dataset("0", data=np.zeros((3, 4), "f4,i4"))),
    "texts for dataset": replace_with(lambda g: g.create_dataset("0", data=[b"a"] * 3)),
    "virtual dataset": replace_with(virtual),
    "another variable": replace_with(lambda g: g.update({"0": np.zeros((3, 4), "f4"), "2": np.zeros(3, "f4")})),
    "dataset for group": weights_change(lambda f: (f.__delitem__("layers"), f.create_dataset("layers", data=1.0))),
    "soft link for group": weights_change(lambda f: (f.__delitem__("layers"), f.update(layers=h5py.SoftLink("/")))),
    "python lambda": set_layer_config(
        activation={"class_name": "__lambda__", "config": {"value": ["4wA=", None, None]}}
    ),
    "function of os": set_layer_config(
        activation={"module": "builtins", "class_name": "function", "config": "system", "registered_name": "system"}
    ),
    "function with a path": set_layer_config(
        activation={"module": "os.path", "class_name": "function", "config": "join", "registered_name": None}
    ),
    "initializer from os": set_layer_config(kernel_initializer={"module": "os", "class_name": "remove", "config": {}}),
    "unknown kind of value": set_layer_config(units={"class_name": "__code__", "config": {"value": "1"}}),
    "huge tensor": set_layer_config(units={"class_name": "__tensor__", "config": {"value": "x", "dtype": "float32"}}),
    "negative units": set_layer_config(units=-4),
    "units are text": set_layer_config(units="4"),
    "units are nan": set_layer_config(units=float("nan")),
    "unknown dtype": set_layer_config(dtype="float99"),
    "policy from os": set_layer_config(dtype={"module": "os", "class_name": "system", "config": {"name": "ls"}}),
    "name is a number": set_layer_config(name=3),
    "huge build shape": config_change(
        lambda c: c["config"]["layers"][1].update(build_config={"input_shape": [None, 2**50]})
    ),
    "two layers of one name": config_change(same_name),
    "no layers": config_change(lambda c: c["config"].pop("layers")),
    "layers are a number": config_change(lambda c: c["config"].update(layers=5)),
    "layers are null": config_change(lambda c: c["config"].update(layers=[None])),
    "input shape is text": config_change(lambda c: c["config"]["layers"][0]["config"].update(batch_shape="ab")),
    "negative input shape": config_change(lambda c: c["config"]["layers"][0]["config"].update(batch_shape=[None, -3])),
    "not a model": config_change(lambda c: c.update(module="keras.optimizers", class_name="SGD", config={})),
    "optimizer from os": config_change(
        lambda c: c["compile_config"].update(optimizer={"module": "os", "class_name": "system", "config": {}})
    ),
    "unknown loss": config_change(lambda c: c["compile_config"].update(loss="os.system")),
    "unknown compile argument": config_change(lambda c: c["compile_config"].update(frobnicate=1)),
    "vocabulary of this machine": config_change(
        lambda c: c["config"]["layers"].append(
            {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}
        )
    ),
    "config is not utf-8": lambda name, data: b"\xff\xfe" + data if name == "config.json" else data,
    "config is a number": lambda name, data: b"1e999" if name == "config.json" else data,
    "weights are a zip": lambda name, data: b"PK\x03\x04" + bytes(99) if name == "model.weights.h5" else data,
    "weights are empty": lambda name, data: b"" if name == "model.weights.h5" else data,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_damaged_and_hostile_files_are_refused(model, tmp_path, kind):
    good, bad = tmp_path / "good.keras", tmp_path / "bad.keras"
    model.save(good)
    rewritten(good, bad, HOSTILE[kind])
    with pytest.raises((ValueError, TypeError, MemoryError)):
        saving.load_model(bad)


@pytest.mark.parametrize("kind", [k for k, change in HOSTILE.items() if getattr(change, "of_weights", False)])
def test_hostile_weights_leave_the_model_alone(model, tmp_path, kind):
    good, bad = tmp_path / "good.keras", tmp_path / "bad.weights.h5"
    model.save(good)
    with zipfile.ZipFile(good) as archive:
        bad.write_bytes(HOSTILE[kind]("model.weights.h5", archive.read("model.weights.h5")))
    variables = (*model.weights, *model.optimizer.variables)
    for variable in variables:
        variable.assign(np.full(variable.shape, 3, variable.dtype))
    with pytest.raises(ValueError):
        model.load_weights(bad)
    assert all(np.all(variable.numpy() == 3) for variable in variables)


def test_zip_bomb(model, tmp_path):
    good, bad = tmp_path / "good.keras", tmp_path / "bad.keras"
    model.save(good)
    with zipfile.ZipFile(good) as a, zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as b:
        b.writestr("config.json", a.read("config.json"))
        b.writestr("model.weights.h5", bytes(1 << 27))
    with pytest.raises(ValueError, match="bomb"):
        saving.load_model(bad)


@pytest.mark.parametrize(
    "name", ["assets/../../outside.txt", "assets//etc/outside.txt", "assets/a/../../../outside.txt"]
)
def test_assets_never_leave_their_folder(model, tmp_path, name):
    path = tmp_path / "m.keras"
    model.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "outside")
    with pytest.raises(ValueError, match="escapes the asset directory"):
        saving.load_model(path)
    assert not list(tmp_path.rglob("outside.txt"))
    assert not os.path.exists("/etc/outside.txt")


NODES = {
    "unknown layer": lambda layers: layers[-1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"].__setitem__(
        0, "nobody"
    ),
    "unknown node": lambda layers: layers[-1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"].__setitem__(
        1, 99
    ),
    "unknown tensor": lambda layers: layers[-1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"].__setitem__(
        2, 99
    ),
    "a circle": lambda layers: layers[1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"].__setitem__(
        0, layers[-1]["config"]["name"]
    ),
    "no arguments": lambda layers: layers[-1]["inbound_nodes"][0].update(args=[]),
    "nodes are a number": lambda layers: layers[-1].update(inbound_nodes=7),
    "history is short": lambda layers: layers[-1]["inbound_nodes"][0]["args"][0]["config"].update(keras_history=[]),
    "wrong input": lambda layers: layers[1]["inbound_nodes"][0]["args"][0]["config"].update(shape=[None, 99]),
}


@pytest.mark.parametrize("kind", NODES)
def test_graphs_that_cannot_be_are_refused(tmp_path, kind):
    inputs = rustdl.Input((3,))
    x = layers.Dense(4)(inputs)
    made = rustdl.Model(inputs, layers.Dense(2)(layers.Add()([x, layers.Dense(4)(x)])))
    good, bad = tmp_path / "good.keras", tmp_path / "bad.keras"
    made.save(good)
    rewritten(good, bad, config_change(lambda config: NODES[kind](config["config"]["layers"])))
    if kind == "wrong input":
        saving.load_model(bad)  # the shape of a tensor follows from its layer, whatever the file says
        return
    with pytest.raises((ValueError, TypeError)):
        saving.load_model(bad)


def test_a_damaged_byte_anywhere_is_an_ordinary_error_or_harmless(model, tmp_path):
    """A few of the mutations of `tools/fuzz_files.py`, inside archives that are whole otherwise."""
    good, bad = tmp_path / "good.keras", tmp_path / "bad.keras"
    model.save(good)
    rng = np.random.default_rng(0)

    def damage(name, data):
        if name != "config.json":
            return data
        place = int(rng.integers(len(data)))
        return data[:place] + bytes([data[place] ^ 1 << int(rng.integers(8))]) + data[place + 1 :]

    refused = 0
    for _ in range(60):
        rewritten(good, bad, damage)
        try:
            saving.load_model(bad).predict(np.ones((1, 3)), verbose=0)
        except (ValueError, TypeError):
            refused += 1
    assert refused > 30
