"""The type stubs of the extension module are those that tools/make_stub.py makes, and mypy's stubtest agrees."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools" / "make_stub.py"


@pytest.fixture(scope="module")
def script():
    if not SCRIPT.exists():
        pytest.skip("an installed package without its repository")
    return runpy.run_path(str(SCRIPT))


def test_stubs_are_up_to_date(script):
    package = ROOT / "python" / "rustdl"
    assert (package / "_rustdl.pyi").read_text() == script["module_stub"](), "run tools/make_stub.py"
    assert (package / "_rustdl_ops.pyi").read_text() == script["ops_stub"](), "run tools/make_stub.py"


def test_stubtest(script, capsys, monkeypatch):
    stubtest = pytest.importorskip("mypy.stubtest")
    from rustdl import _rustdl

    # The functions of tensors are an attribute of the extension, whose stub has a file of its own.
    monkeypatch.setitem(sys.modules, "rustdl._rustdl_ops", _rustdl.ops)
    monkeypatch.setenv("MYPYPATH", str(ROOT / "python"))
    monkeypatch.chdir(ROOT)
    options = stubtest.parse_options(["rustdl._rustdl", "rustdl._rustdl_ops", "--ignore-disjoint-bases"])
    assert stubtest.test_stubs(options) == 0, capsys.readouterr().out
