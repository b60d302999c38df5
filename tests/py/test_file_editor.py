"""KerasFileEditor: comparing, editing, writing; files that point elsewhere are refused."""

import h5py
import numpy as np
import pytest

import rustdl as keras
from rustdl.saving import KerasFileEditor


def model(depth):
    layers = [keras.layers.Dense(3) for _ in range(depth)]
    return keras.Sequential([keras.Input((3,)), *layers])


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_edit_until_it_fits(tmp_path, ending, capsys):
    source, target = model(1), model(2)
    path = tmp_path / f"m{ending}"
    source.save(path) if ending == ".keras" else source.save_weights(path)
    editor = KerasFileEditor(path)
    editor.summary()
    shown = capsys.readouterr().out
    assert "dense ('" in shown
    assert "0: shape=(3, 3), dtype=float32" in shown
    assert editor.compare(source) == {"status": "success", "error_count": 0, "match_count": 2}
    assert editor.compare(target) == {"status": "error", "error_count": 1, "match_count": 2}
    kernel = np.arange(9.0, dtype="float32").reshape(3, 3)
    editor.add_object("layers/other", {"0": kernel})
    assert editor.compare(target)["error_count"] == 2
    editor.rename_object("other", "dense_1")
    assert editor.compare(target)["error_count"] == 1
    editor.add_weights("dense_1", {"1": np.zeros(7)})
    assert editor.compare(target)["error_count"] == 1
    editor.delete_weight("layers/dense_1", "1")
    editor.add_weights("layers/dense_1", {"1": np.ones(3)})
    assert editor.compare(target) == {"status": "success", "error_count": 0, "match_count": 4}
    editor.save(tmp_path / "new.weights.h5")
    target.load_weights(tmp_path / "new.weights.h5")
    np.testing.assert_array_equal(target.layers[1].kernel.numpy(), kernel)
    np.testing.assert_array_equal(target.layers[0].kernel.numpy(), source.layers[0].kernel.numpy())
    editor.delete_object("dense_1")
    assert editor.compare(source)["status"] == "success"


def test_bad_names(tmp_path):
    path = tmp_path / "m.weights.h5"
    model(2).save_weights(path)
    editor = KerasFileEditor(path)
    with pytest.raises(ValueError, match="not found"):
        editor.delete_object("layers/nothing")
    with pytest.raises(ValueError, match="does not appear"):
        editor.rename_object("nothing", "new")
    with pytest.raises(ValueError, match="more than once"):
        editor.delete_object("0")
    with pytest.raises(ValueError, match="not a path"):
        editor.rename_object("dense", "layers/new")
    with pytest.raises(ValueError, match="should be a dict"):
        editor.add_object("layers/new", [1])
    with pytest.raises(ValueError, match=r"Weight 5 not found.*\['0', '1'\]"):
        editor.delete_weight("dense", "5")
    with pytest.raises(ValueError, match="extension"):
        editor.save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="extension"):
        KerasFileEditor(tmp_path / "m.h5")


@pytest.mark.parametrize("link", [h5py.ExternalLink("other.h5", "/layers"), h5py.SoftLink("/real")])
def test_links_are_refused(tmp_path, link):
    path = tmp_path / "m.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_group("real")
        file["layers"] = link
    with pytest.raises(ValueError, match="Link"):
        KerasFileEditor(path)
