"""Callbacks: their sequence, what they see, and what each of them does."""

import csv
import json
import warnings

import numpy as np
import pytest

import rustdl
from rustdl import callbacks, layers


def _data(n=32):
    r = np.random.RandomState(0)
    return r.rand(n, 3).astype("float32"), r.rand(n, 1).astype("float32")


def _model(rate=0.1, **kwargs):
    weights = np.full((3, 1), 0.5, "float32")
    model = rustdl.Sequential([layers.Input((3,)), layers.Dense(1)])
    model.set_weights([weights, np.zeros(1, "float32")])
    model.compile(rustdl.optimizers.SGD(rate), "mse", **{"metrics": ["mae"], **kwargs})
    return model


class Recorder(callbacks.Callback):
    """Writes down every call."""

    def __init__(self, batches=True):
        super().__init__()
        self.calls = []
        if not batches:
            return
        for mode in ("train", "test", "predict"):
            for moment in ("begin", "end"):
                name = f"on_{mode}_batch_{moment}"
                setattr(self, name, lambda batch, logs=None, name=name: self.calls.append((name, batch, sorted(logs))))

    def on_train_begin(self, logs=None):
        self.calls.append(("on_train_begin",))

    def on_train_end(self, logs=None):
        self.calls.append(("on_train_end", sorted(logs)))

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(("on_epoch_begin", epoch))

    def on_epoch_end(self, epoch, logs=None):
        assert all(type(v) is float for v in logs.values())
        self.calls.append(("on_epoch_end", epoch, sorted(logs)))

    def on_test_begin(self, logs=None):
        self.calls.append(("on_test_begin",))

    def on_test_end(self, logs=None):
        self.calls.append(("on_test_end", sorted(logs)))


def test_sequence():
    x, y = _data(10)
    recorder = Recorder()
    _model().fit(x, y, batch_size=8, epochs=1, validation_data=(x[:4], y[:4]), verbose=0, callbacks=[recorder])
    names = ["loss", "mae"]
    both = ["loss", "mae", "val_loss", "val_mae"]
    assert recorder.calls == [
        ("on_train_begin",),
        ("on_epoch_begin", 0),
        ("on_train_batch_begin", 0, []),
        ("on_train_batch_end", 0, names),
        ("on_train_batch_begin", 1, []),
        ("on_train_batch_end", 1, names),
        ("on_test_begin",),
        ("on_test_batch_begin", 0, []),
        ("on_test_batch_end", 0, names),
        ("on_test_end", names),
        ("on_epoch_end", 0, both),
        ("on_train_end", both),
    ]


def test_batch_logs_are_running_means_and_do_not_change_training():
    x, y = _data(20)
    seen = []
    with_batches, without = _model(), _model()
    callback = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    a = with_batches.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[callback]).history
    b = without.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
    assert a == b
    assert len(seen) == 6
    assert [seen[2], seen[5]] == a["loss"]
    for v, w in zip(with_batches.get_weights(), without.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)


def test_predict_hooks():
    x, _ = _data(10)
    recorder = Recorder()
    _model().predict(x, batch_size=4, verbose=0, callbacks=[recorder])
    assert [c[:2] for c in recorder.calls] == [(f"on_predict_batch_{m}", b) for b in range(3) for m in ("begin", "end")]


def test_logs_that_a_callback_adds_reach_history():
    x, y = _data()
    add = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(extra=float(epoch)))
    assert _model().fit(x, y, epochs=2, verbose=0, callbacks=[add]).history["extra"] == [0.0, 1.0]


def test_stop_training_after_a_batch():
    x, y = _data()
    model = _model()
    seen = []

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)
            self.model.stop_training = batch == 1

    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=[Stop()])
    assert seen == [0, 1]
    assert history.epoch == [0]


def test_early_stopping_restores_the_best():
    x, y = _data()
    model = _model(rate=0.0)
    best = []

    class Spoil(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["watched"] = [3.0, 1.0, 2.0, 2.5, 4.0][epoch]
            if epoch == 1:
                best.extend(w.copy() for w in self.model.get_weights())

        def on_epoch_begin(self, epoch, logs=None):
            self.model.set_weights([w + 1 for w in self.model.get_weights()])

    stop = callbacks.EarlyStopping("watched", mode="min", patience=2, restore_best_weights=True)
    history = model.fit(x, y, epochs=5, verbose=0, callbacks=[Spoil(), stop])
    assert len(history.epoch) == 4
    assert stop.stopped_epoch == 3
    assert stop.best_epoch == 1
    for found, expected in zip(model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_early_stopping_messages(capsys):
    x, y = _data()
    stop = callbacks.EarlyStopping("loss", min_delta=100, patience=1, verbose=1, restore_best_weights=True)
    _model().fit(x, y, epochs=4, verbose=0, callbacks=[stop])
    expected = "Epoch 2: early stopping\nRestoring model weights from the end of the best epoch: 1.\n"
    assert capsys.readouterr().out == expected


def test_early_stopping_without_its_metric():
    x, y = _data()
    with pytest.warns(UserWarning, match=r"`nope`.*Available metrics are: loss,mae"):
        _model().fit(x, y, verbose=0, callbacks=[callbacks.EarlyStopping("nope", mode="min")])
    with pytest.raises(ValueError, match="mode='max'"):
        _model().fit(x, y, verbose=0, callbacks=[callbacks.EarlyStopping("nope")])


def test_reduce_lr_on_plateau(capsys):
    x, y = _data()
    reduce = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=100, min_lr=0.03, verbose=1)
    history = _model().fit(x, y, epochs=5, verbose=0, callbacks=[reduce]).history
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.1, 0.05, 0.03, 0.03], rtol=1e-6)
    assert capsys.readouterr().out.startswith("\nEpoch 2: ReduceLROnPlateau reducing learning rate to 0.05")
    with pytest.raises(ValueError, match="factor"):
        callbacks.ReduceLROnPlateau(factor=1.0)


def test_learning_rates_of_several_optimizers():
    sgd, other = (rustdl.optimizers.SGD(rate, name="sgd") for rate in (0.1, 0.01))
    x, y = _data()
    model = rustdl.Sequential([rustdl.layers.Dense(3, name="a"), rustdl.layers.Dense(y.shape[-1], name="b")])
    model.compile(rustdl.optimizers.MultiOptimizer(rustdl.optimizers.OptimizerMap(other, {"a/.*": sgd})), "mse")
    halve = callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    lower = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    logs = model.fit(x, y, epochs=2, verbose=0, callbacks=[halve, lower]).history
    # Halved at the start of both epochs, and once more after the second one, which is no better than the first.
    np.testing.assert_allclose(logs["learning_rate_sgd"], [0.05, 0.025], rtol=1e-6)
    np.testing.assert_allclose(logs["learning_rate_sgd_1"], [0.005, 0.0025], rtol=1e-6)
    np.testing.assert_allclose([float(sgd.learning_rate), float(other.learning_rate)], [0.0125, 0.00125], rtol=1e-6)


def test_learning_rate_scheduler():
    x, y = _data()
    schedule = callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    history = _model().fit(x, y, epochs=3, verbose=0, callbacks=[schedule]).history
    np.testing.assert_allclose(history["learning_rate"], [0.05, 0.025, 0.0125], rtol=1e-6)
    with pytest.raises(ValueError, match="float"):
        _model().fit(x, y, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: "a")])


def test_learning_rate_changes_the_compiled_step():
    x, y = _data()
    model = _model()
    before = model.get_weights()
    model.fit(x, y, epochs=1, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: 0.0)])
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_csv_logger(tmp_path):
    x, y = _data()
    path = tmp_path / "log.csv"
    history = _model().fit(x, y, epochs=2, verbose=0, callbacks=[callbacks.CSVLogger(path)]).history
    _model().fit(x, y, epochs=1, verbose=0, callbacks=[callbacks.CSVLogger(path, append=True)])
    with path.open() as f:
        rows = list(csv.DictReader(f))
    assert list(rows[0]) == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert [r["epoch"] for r in rows] == ["0", "1", "0"]
    assert float(rows[1]["loss"]) == history["loss"][1]
    assert rows[0]["val_loss"] == "NA"


def test_terminate_on_nan(capsys):
    x, y = _data()
    x[9] = np.nan
    history = _model().fit(
        x, y, batch_size=8, epochs=3, shuffle=False, verbose=0, callbacks=[callbacks.TerminateOnNaN()]
    )
    assert history.epoch == [0]
    assert capsys.readouterr().out == "Batch 1: Invalid loss, terminating training\n"
    with pytest.raises(RuntimeError, match="batch 1"):
        _model().fit(
            x, y, batch_size=8, shuffle=False, verbose=0, callbacks=[callbacks.TerminateOnNaN(raise_error=True)]
        )


def test_model_checkpoint(tmp_path, capsys):
    x, y = _data()
    path = str(tmp_path / "w{epoch:02d}.weights.h5")
    _model().fit(x, y, epochs=2, verbose=0, callbacks=[callbacks.ModelCheckpoint(path, save_weights_only=True)])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w01.weights.h5", "w02.weights.h5"]

    best = callbacks.ModelCheckpoint(
        str(tmp_path / "best.weights.h5"),
        "loss",
        1,
        save_best_only=True,
        save_weights_only=True,
        initial_value_threshold=0.0,
    )
    _model().fit(x, y, epochs=1, verbose=0, callbacks=[best])
    assert not (tmp_path / "best.weights.h5").exists()
    assert capsys.readouterr().out == "\nEpoch 1: loss did not improve from 0.00000\n"


def test_model_checkpoint_every_few_batches(tmp_path):
    x, y = _data()
    path = str(tmp_path / "b{batch}.weights.h5")
    saver = callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=3)
    _model().fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[saver])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b2.weights.h5", "b3.weights.h5"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"filepath": "a.h5", "save_weights_only": True}, "weights.h5"),
        ({"filepath": "a"}, "keras"),
        ({"filepath": "a.keras", "save_freq": "x"}, "save_freq"),
    ],
)
def test_model_checkpoint_errors(arguments, text):
    with pytest.raises(ValueError, match=text):
        callbacks.ModelCheckpoint(**arguments)


def test_backup_and_restore(tmp_path):
    x, y = _data()
    whole = _model()
    whole.fit(x, y, epochs=4, shuffle=False, verbose=0)

    class Fail(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("stopped")

    backup = tmp_path / "backup"
    with pytest.raises(RuntimeError, match="stopped"):
        _model().fit(x, y, epochs=4, shuffle=False, verbose=0, callbacks=[callbacks.BackupAndRestore(backup), Fail()])
    assert json.loads((backup / "training_metadata.json").read_text()) == {"epoch": 2, "batch": 0}
    resumed = _model()
    history = resumed.fit(x, y, epochs=4, shuffle=False, verbose=0, callbacks=[callbacks.BackupAndRestore(backup)])
    assert history.epoch == [2, 3]
    assert not backup.exists()
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_history_and_progress_bar_are_added_once(capsys):
    x, y = _data()
    model = _model()
    mine = callbacks.History()
    assert model.fit(x, y, verbose=0, callbacks=[mine]) is mine
    assert model.history is mine
    model.fit(x, y, verbose=2, epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Epoch 1/2"
    assert lines[1].startswith("1/1 - ")


def test_progress_bar_of_fit(capsys):
    x, y = _data()
    history = _model().fit(x, y, batch_size=8, epochs=1, verbose=1).history
    last = capsys.readouterr().out.split("\r")[-1]
    assert last.startswith(f"\x1b[1m4/4\x1b[0m \x1b[32m{'━' * 20}\x1b[0m\x1b[37m\x1b[0m ")
    assert last.rstrip().endswith(f"/step - loss: {history['loss'][0]:.4f} - mae: {history['mae'][0]:.4f}")


@pytest.mark.parametrize("wrong", [5, callbacks.History])
def test_what_is_no_callback(wrong):
    x, y = _data()
    with pytest.raises(TypeError, match="callbacks"):
        _model().fit(x, y, verbose=0, callbacks=[wrong])


def test_swap_ema_weights():
    x, y = _data()
    model = _model()
    model.compile(rustdl.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), "mse")
    inside, after = [], []
    swap = callbacks.SwapEMAWeights()
    look = callbacks.LambdaCallback(
        on_test_begin=lambda logs: inside.append(model.get_weights()[0].copy()),
        on_test_end=lambda logs: after.append(model.get_weights()[0].copy()),
    )
    model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y), callbacks=[swap, look])
    assert not np.array_equal(inside[-1], after[-1])
    # At the end of training the averages are the weights.
    np.testing.assert_array_equal(inside[-1], model.get_weights()[0])
    with pytest.raises(ValueError, match="use_ema"):
        _model().fit(x, y, verbose=0, validation_data=(x, y), callbacks=[callbacks.SwapEMAWeights()])


def test_swap_ema_weights_of_one_optimizer_of_several():
    x, y = _data()
    model = rustdl.Sequential([layers.Dense(3, name="first"), layers.Dense(1, name="second")])
    averaging, plain = rustdl.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), rustdl.optimizers.SGD(0.1)
    choice = rustdl.optimizers.OptimizerMap(plain, {".*first/.*": averaging})
    model.compile(rustdl.optimizers.MultiOptimizer(choice), "mse")
    model.train_on_batch(x, y)
    model.train_on_batch(x, y)
    before = [w.copy() for w in model.get_weights()]
    averages = [np.array(v) for v in averaging._model_variables_moving_average]
    swap = callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()
    for got, want in zip(model.get_weights(), [*averages, *before[2:]], strict=True):
        np.testing.assert_array_equal(got, want)
    assert not np.array_equal(averages[0], before[0])
    swap.on_test_end()
    for got, want in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, want)


def test_unknown_mode_warns():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        callbacks.EarlyStopping(mode="upwards")
    assert "upwards" in str(caught[0].message)


def test_functions_of_a_lambda_callback_may_name_their_arguments_as_they_like():
    x, y = _data()
    seen = []
    callback = callbacks.LambdaCallback(
        on_train_begin=lambda anything: seen.append("begin"),
        on_epoch_end=lambda number, values: seen.append((number, sorted(values))),
        on_train_batch_end=lambda number, values: seen.append(number),
    )
    _model().fit(x, y, batch_size=16, verbose=0, callbacks=[callback])
    assert seen == ["begin", 0, 1, (0, ["loss", "mae"])]


def test_the_logs_of_an_epoch_are_in_the_order_of_their_names():
    """As in Keras, with what callbacks add behind."""
    x, y = _data()

    class Adds(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["extra"] = 1.0

    model = _model(weighted_metrics=["mse"])
    history = model.fit(x, y, validation_data=(x, y), verbose=0, callbacks=[Adds()]).history
    assert list(history) == ["loss", "mae", "mse", "val_loss", "val_mae", "val_mse", "extra"]


@pytest.mark.parametrize("stop_early", [False, True])
def test_averages_swapped_in_at_epochs_stay_after_fit(stop_early):
    """At the end of `fit` the model has the moving averages of its weights, worked out here by hand."""
    x, y = _data(8)

    weights_of_steps = []

    class Trace(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            weights_of_steps.append(self.model.get_weights()[0])

    class Stop(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = stop_early and epoch == 1

    model = _model()
    model.compile(rustdl.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
    swap = callbacks.SwapEMAWeights(swap_on_epoch=True)
    model.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=[Stop(), Trace(), swap])
    assert len(weights_of_steps) == (2 if stop_early else 3)
    average = weights_of_steps[0]
    for weights in weights_of_steps[1:]:
        average = 0.5 * average + 0.5 * weights
    np.testing.assert_allclose(model.get_weights()[0], average, rtol=1e-5)
    assert not np.allclose(average, weights_of_steps[-1], rtol=1e-3)
