"""The progress bar's text, character by character."""

from unittest import mock

import pytest

from rustdl.utils import Progbar, disable_interactive_logging, enable_interactive_logging

BAR = "━"


def _run(capsys, target, steps, **kwargs):
    clock = [100.0]
    with mock.patch("time.time", side_effect=lambda: clock[0]):
        bar = Progbar(target, interval=0, **kwargs)
        for seconds, current, values in steps:
            clock[0] += seconds
            bar.update(current, values)
    return capsys.readouterr().out


def test_bar_with_target(capsys):
    out = _run(capsys, 3, [(1.0, 1, [("loss", 0.5)]), (0.002, 2, [("loss", 1e-4)]), (0.002, 3, [("loss", 0.25)])])
    first = (
        f"\r\x1b[1m1/3\x1b[0m \x1b[32m{BAR * 6}\x1b[0m\x1b[37m{BAR * 14}\x1b[0m \x1b[1m2s\x1b[0m 1s/step - loss: 0.5000"
    )
    second = f"\r\x1b[1m2/3\x1b[0m \x1b[32m{BAR * 13}\x1b[0m\x1b[37m{BAR * 7}\x1b[0m \x1b[1m0s\x1b[0m 2ms/step"
    second += " - loss: 0.2500"
    third = f"\r\x1b[1m3/3\x1b[0m \x1b[32m{BAR * 20}\x1b[0m\x1b[37m\x1b[0m \x1b[1m1s\x1b[0m 2ms/step - loss: 0.2500\n"
    assert [part.lstrip("\b") for part in _split(out)] == [first, second, third]


def _split(out):
    parts = ["\r" + p for p in out.split("\r")[1:]]
    return [p.rstrip("\b") for p in parts]


def test_bar_without_target(capsys):
    out = _run(capsys, None, [(0.5, 7, [("a", -2.0), ("b", 5e-4)])])
    assert out == "\r      7/Unknown \x1b[1m0s\x1b[0m 71ms/step - a: -2.0000 - b: 5.0000e-04"


def test_one_line(capsys):
    out = _run(capsys, 10, [(0.5, 5, [("a", 1.0)]), (0.5, 10, [("a", 2.0)])], verbose=2)
    assert out == "10/10 - 1s - 100ms/step - a: 2.0000\n"


@pytest.mark.parametrize(("seconds", "text"), [(30.0, "30s"), (90.0, "1:30"), (4000.0, "1:06:40")])
def test_time_left(capsys, seconds, text):
    assert f"\x1b[1m{text}\x1b[0m" in _run(capsys, 2, [(seconds, 1, [])])


def test_averaged_and_other_values():
    bar = Progbar(10, verbose=0, stateful_metrics=["last"])
    for current in (2, 5):
        bar.update(current, [("mean", float(current)), ("last", float(current))])
    assert bar._values == {"mean": [19.0, 5], "last": [5.0, 1]}


def test_silent(capsys):
    assert not _run(capsys, 2, [(1.0, 1, []), (1.0, 2, [])], verbose=0)


def test_log_in_place_of_output(capsys):
    disable_interactive_logging()
    try:
        assert not _run(capsys, 1, [(1.0, 1, [])])
    finally:
        enable_interactive_logging()
