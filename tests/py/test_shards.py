"""Weights in several files, with an index of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rustdl
from rustdl import layers


@pytest.fixture
def model():
    rustdl.utils.set_random_seed(0)
    made = rustdl.Sequential(
        [rustdl.Input((4,)), layers.Dense(50), layers.BatchNormalization(), layers.Dense(60), layers.Dense(3)]
    )
    made.compile("adam", "mse")
    made.fit(np.ones((4, 4), "float32"), np.ones((4, 3), "float32"), verbose=0)
    return made


SIZE = 13_000 / 1024**3  # the largest weight has 12,000 bytes


def state(model):
    return [v.numpy().copy() for v in (*model.weights, *model.optimizer.variables)]


def test_round_trip_with_optimizer(model, tmp_path):
    path = tmp_path / "a.weights.json"
    model.save_weights(path, max_shard_size=SIZE)
    files = sorted(p.name for p in tmp_path.iterdir())
    assert files[0] == path.name
    assert files[1:] == [f"a_{i:05}.weights.h5" for i in range(len(files) - 1)]
    assert len(files) > 4
    before = state(model)
    for variable in (*model.weights, *model.optimizer.variables):
        variable.assign(np.zeros(variable.shape, variable.dtype))
    model.load_weights(path)
    for a, b in zip(state(model), before, strict=True):
        assert np.array_equal(a, b)


def test_the_index_is_that_of_keras(model, tmp_path):
    """The places where Keras 3.15 puts the same model's weights."""
    path = tmp_path / "a.weights.json"
    model.save_weights(path, max_shard_size=SIZE)
    index = json.loads(path.read_text())
    assert index["metadata"]["total_size"] == sum(a.nbytes for a in state(model))
    assert index["weight_map"] == {
        "/layers/dense/vars": "a_00000.weights.h5",
        "/layers/batch_normalization/vars": "a_00000.weights.h5",
        "/layers/dense_1/vars": "a_00001.weights.h5",
        "/layers/dense_2/vars": "a_00001.weights.h5",
        "/optimizer/vars": [f"a_{i:05}.weights.h5" for i in range(1, 6)],
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("writer", ["keras", "rustdl"])
def test_both_ways_with_keras(writer, tmp_path):
    keras = pytest.importorskip("keras")

    def made(library):
        library.utils.clear_session()
        return library.Sequential([library.Input((4,)), library.layers.Dense(50), library.layers.Dense(3)])

    source, target = made(keras), made(rustdl)
    if writer == "rustdl":
        source, target = target, source
    path = tmp_path / "a.weights.json"
    source.save_weights(path, max_shard_size=900 / 1024**3)
    target.load_weights(path)
    for a, b in zip(source.get_weights(), target.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_a_failed_write_leaves_the_old_files(model, tmp_path, monkeypatch):
    path = tmp_path / "a.weights.json"
    model.save_weights(path, max_shard_size=SIZE)
    old = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    written = []

    from rustdl.saving import shards

    write = shards._write

    def fail(*args):
        written.append(1)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        write(*args)

    monkeypatch.setattr(shards, "_write", fail)
    with pytest.raises(OSError, match="No space"):
        model.save_weights(path, max_shard_size=SIZE)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == old


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"weight_map": 5}',
        '{"weight_map": {"/layers/dense/vars": 5}}',
        '{"weight_map": {"/layers/dense/vars": "../a_00000.weights.h5"}}',
        '{"weight_map": {"/layers/dense/vars": ["/etc/passwd"]}}',
        '{"weight_map": {"/layers/dense/vars": "a_00000.txt"}}',
        '{"weight_map": {"/layers/dense/vars": "missing.weights.h5"}}',
        '{"weight_map": {}}',
        "[" * 100_000,
    ],
)
def test_damaged_and_hostile_indices_leave_the_model_alone(model, tmp_path, text):
    path = tmp_path / "a.weights.json"
    model.save_weights(path, max_shard_size=SIZE)
    path.write_text(text)
    before = state(model)
    with pytest.raises(ValueError):
        model.load_weights(path)
    for a, b in zip(state(model), before, strict=True):
        assert np.array_equal(a, b)


def test_mistakes(model, tmp_path):
    with pytest.raises(ValueError, match="exceeds the maximum shard size"):
        model.save_weights(tmp_path / "a.weights.json", max_shard_size=100 / 1024**3)
    with pytest.raises(ValueError, match="must end in"):
        model.save_weights(tmp_path / "a.keras", max_shard_size=1)
    with pytest.raises(ValueError, match="must end in"):
        model.save_weights(tmp_path / "a.weights.json")
    with pytest.raises(ValueError, match="positive"):
        model.save_weights(tmp_path / "a.weights.json", max_shard_size=0)
    assert not list(tmp_path.iterdir())
    with pytest.warns(UserWarning, match="renamed"):
        model.save_weights(tmp_path / "a.weights.h5", max_shard_size=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.weights.json", "a_00000.weights.h5"]
