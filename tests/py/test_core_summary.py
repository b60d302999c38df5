import importlib.util
import json
from pathlib import Path

import pytest

import rustdl
from rustdl.utils.summary_utils import readable_memory_size
from rustdl.utils.table import cell_len, wrap

GOLDEN = Path(__file__).parents[1] / "golden"


def _models():
    spec = importlib.util.spec_from_file_location("make_summary", GOLDEN / "make_summary.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.models(rustdl)


def test_summaries_are_those_of_keras(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    golden = json.loads((GOLDEN / "summary.json").read_text(encoding="utf-8"))
    seen = set()
    for name, model, arguments in _models():
        texts = []
        model.summary(print_fn=texts.append, **arguments)
        assert "\n".join(texts) == golden[name], name
        seen.add(name)
    assert seen == set(golden)


def test_optimizer_params(capsys):
    model = rustdl.Sequential([rustdl.Input((3,)), rustdl.layers.Dense(2)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    model.summary()
    text = capsys.readouterr().out
    assert " Total params: 26 (104.00 B)" in text
    assert " Optimizer params: 18 (72.00 B)" in text


def test_layer_range_errors():
    model = rustdl.Sequential([rustdl.Input((3,)), rustdl.layers.Dense(2)])
    with pytest.raises(ValueError, match="length 2"):
        model.summary(layer_range=["a"])
    with pytest.raises(ValueError, match="do not match"):
        model.summary(layer_range=["nothing", "dense"])


def test_wrap():
    assert wrap("a_name_that_is_too_long (Dense)", 10) == ["a_name_th…", "(Dense)"]
    assert wrap("", 5) == [""]
    assert cell_len("日本") == 4


def test_memory_size():
    assert readable_memory_size(0) == "0.00 B"
    assert readable_memory_size(1536) == "1.50 KB"
