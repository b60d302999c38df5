"""compile, fit, evaluate, predict and their parts: against Keras' values, eager against compiled, and the errors."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import rustdl
from rustdl import layers, losses, metrics, ops, optimizers
from training_goldens import ARRAYS, GOLDEN

X, Y, LABELS = ARRAYS["x"], ARRAYS["y"], ARRAYS["labels"]


def _model(optimizer=None, loss="mse", outputs=3, regularizer=None, **kwargs):
    model = rustdl.Sequential(
        [
            layers.Input((5,)),
            layers.Dense(8, activation="tanh", name="a"),
            layers.Dense(outputs, name="b", kernel_regularizer=regularizer),
        ]
    )
    weights = [ARRAYS[f"weight_{i}"] for i in range(4)]
    model.set_weights([w[..., :outputs] if i > 1 else w for i, w in enumerate(weights)])
    model.compile(optimizer or optimizers.SGD(0.1), loss, **kwargs)
    return model


SPARSE = {"loss": losses.SparseCategoricalCrossentropy(from_logits=True)}
RUNS = {
    "mse": ({"metrics": ["mae"]}, Y, {"epochs": 3}),
    "regularized": ({"regularizer": "l2"}, Y, {"epochs": 3}),
    "adam": ({"optimizer": lambda: optimizers.Adam(0.01)}, Y, {"epochs": 3, "validation_split": 0.25}),
    "sparse": (SPARSE | {"metrics": ["accuracy"], "weighted_metrics": ["accuracy"]}, LABELS, {"epochs": 3}),
    "class_weight": (SPARSE, LABELS, {"epochs": 2, "class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}),
    "sample_weight": (
        {"metrics": ["mae"], "weighted_metrics": ["mae"]},
        Y,
        {"epochs": 2, "sample_weight": np.linspace(0, 2, 30).astype("float32")},
    ),
    "validation_freq": ({}, Y, {"epochs": 4, "validation_data": (X, Y), "validation_freq": 2}),
    "steps": ({}, Y, {"epochs": 3, "steps_per_epoch": 2}),
}


@pytest.mark.parametrize("eagerly", [False, True])
@pytest.mark.parametrize("name", RUNS)
def test_training_is_that_of_keras(name, eagerly):
    compiled, y, fit = RUNS[name]
    compiled = {k: v() if k == "optimizer" else v for k, v in compiled.items()}
    model = _model(run_eagerly=eagerly, **compiled)
    history = model.fit(X, y, shuffle=False, verbose=0, batch_size=8, **fit).history
    expected = GOLDEN["training"][name]
    assert list(history) == list(expected["history"])
    for key, values in expected["history"].items():
        assert all(type(v) is float for v in history[key])
        np.testing.assert_allclose(history[key], values, rtol=2e-5, err_msg=key)
    np.testing.assert_allclose(model.evaluate(X, y, verbose=0, batch_size=8), expected["evaluate"], rtol=2e-5)
    np.testing.assert_allclose(model.predict(X, verbose=0), expected["predict"], rtol=2e-4, atol=2e-5)


def test_shuffled_epoch_is_each_row_once():
    n = 50
    seen = []

    class Spy(rustdl.Model):
        def __init__(self):
            super().__init__()
            self.total = self.add_weight(shape=(n,), initializer="zeros", trainable=False, name="total")

        def train_step(self, data):
            x, _, _ = rustdl.utils.unpack_x_y_sample_weight(data)
            self.total.assign_add(ops.sum(x, axis=0))
            return {"rows": ops.sum(x)}

    model = Spy()
    model.built = True
    model.compile(None)
    seen = model.fit(np.eye(n, dtype="float32"), batch_size=8, epochs=2, verbose=0).history["rows"]
    np.testing.assert_array_equal(model.total.numpy(), np.full(n, 2.0))
    assert seen == [2.0, 2.0]  # the last batch has two rows


def test_same_seed_same_training():
    runs = []
    for _ in range(2):
        rustdl.utils.set_random_seed(5)
        model = _model(optimizers.Adam(0.01))
        model.fit(X, Y, batch_size=7, epochs=3, verbose=0)
        runs.append(model.get_weights())
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_kind_of_data_gives_the_same_training():
    pd_free = {"list": [X], "tensor": ops.convert_to_tensor(X), "float64": X.astype("float64")}
    expected = _model()
    expected.fit(X, Y, batch_size=10, shuffle=False, verbose=0)

    class Data(rustdl.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            rows = slice(10 * index, 10 * index + 10)
            return X[rows], Y[rows]

    batches = [(X[i : i + 10], Y[i : i + 10]) for i in range(0, 30, 10)]

    class Loop:
        def __iter__(self):
            return iter(batches)

        def __len__(self):
            return len(batches)

    sources = {
        "generator": lambda: (b for b in batches),
        "dataset": Data,
        "threads": lambda: Data(workers=3),
        "iterable": Loop,
    }
    for name, x in pd_free.items():
        model = _model()
        model.fit(x[0] if name == "list" else x, Y, batch_size=10, shuffle=False, verbose=0)
        _assert_same(model, expected, name)
    for name, make in sources.items():
        model = _model()
        model.fit(make(), shuffle=False, verbose=0)
        _assert_same(model, expected, name)


def _assert_same(model, expected, name):
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


def test_several_outputs():
    def make(as_dict):
        x = layers.Input((5,), name="x")
        a, b = layers.Dense(3, name="a")(x), layers.Dense(3, activation="softmax", name="b")(x)
        return rustdl.Model(x, {"a": a, "b": b} if as_dict else [a, b])

    hot = np.eye(3, dtype="float32")[LABELS]
    for as_dict in (False, True):
        model = make(as_dict)
        model.compile(
            "sgd",
            {"a": "mse", "b": "categorical_crossentropy"} if as_dict else ["mse", "categorical_crossentropy"],
            loss_weights={"a": 0.5, "b": 2.0} if as_dict else [0.5, 2.0],
            metrics={"a": ["mae"], "b": ["acc"]},
            weighted_metrics={"a": ["mae"]},
        )
        y = {"a": Y, "b": hot} if as_dict else [Y, hot]
        history = model.fit(X, y, verbose=0).history
        assert list(history) == ["a_loss", "a_mae", "a_weighted_mae", "b_acc", "b_loss", "loss"]
        logs = model.evaluate(X, y, verbose=0, return_dict=True)
        assert logs["loss"] == pytest.approx(0.5 * logs["a_loss"] + 2 * logs["b_loss"], rel=1e-5)
        assert model.evaluate(X, y, verbose=0)[:3] == [logs["loss"], logs["a_loss"], logs["b_loss"]]
        predicted = model.predict(X, verbose=0)
        assert set(predicted) == {"a", "b"} if as_dict else [p.shape for p in predicted] == [(30, 3)] * 2
        with pytest.raises(ValueError, match="single output"):
            model.fit(X, y, class_weight={0: 1.0}, verbose=0)


def test_names_of_repeated_metrics():
    model = _model(metrics=["mse", "mse", metrics.MeanSquaredError(), "mae"], weighted_metrics=["mse"])
    history = model.fit(X, Y, verbose=0).history
    assert list(history) == ["loss", "mae", "mean_squared_error", "mse", "mse_1", "weighted_mse"]
    assert model.metrics_names == ["loss", "compile_metrics"]


@pytest.mark.parametrize(
    ("outputs", "y", "loss", "expected"),
    [
        (1, (LABELS > 1).astype("float32"), "mse", "BinaryAccuracy"),
        (3, LABELS, SPARSE["loss"], "SparseCategoricalAccuracy"),
        (3, np.eye(3, dtype="float32")[LABELS], "mse", "CategoricalAccuracy"),
    ],
)
def test_accuracy_fits_the_targets(outputs, y, loss, expected):
    model = _model(loss=loss, outputs=outputs, metrics=["acc"])
    assert list(model.fit(X, y, verbose=0).history) == ["acc", "loss"]
    assert type(model.metrics[1].metrics[0]).__name__ == expected


def test_own_steps_are_compiled():
    calls = []

    class Own(rustdl.Sequential):
        def train_step(self, data):
            calls.append(1)
            x, y = data

            def loss():
                return ops.mean(ops.square(self(x, training=True) - y))

            value, gradients = rustdl.value_and_grad(loss, variables=self.trainable_variables)()
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"value": value}

        def predict_step(self, data):
            return 2 * super().predict_step(data)

    reference = _model()
    model = Own([layers.Input((5,)), layers.Dense(8, activation="tanh"), layers.Dense(3)])
    model.set_weights(reference.get_weights())
    model.compile(optimizers.SGD(0.1))
    history = model.fit(X, Y, batch_size=15, epochs=4, shuffle=False, verbose=0).history
    reference.fit(X, Y, batch_size=15, epochs=4, shuffle=False, verbose=0)
    assert list(history) == ["value"]
    assert len(calls) == 1
    for a, b in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    expected = 2 * np.asarray(reference.predict(X, verbose=0))
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-5, atol=1e-6)


def test_own_loss_and_metrics():
    class Own(rustdl.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return ops.mean(ops.abs(y - y_pred))

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            return super().compute_metrics(x, y, y_pred, sample_weight) | {"largest": ops.max(y_pred)}

    model = Own([layers.Input((5,)), layers.Dense(3)])
    model.compile("sgd", metrics=["mae"])
    logs = model.evaluate(X, Y, batch_size=30, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(logs["mae"], rel=1e-6)
    assert logs["largest"] == pytest.approx(float(model.predict(X, verbose=0).max()), rel=1e-6)


def test_on_batch_methods():
    model = _model(metrics=["mae"])
    first = model.test_on_batch(X, Y, return_dict=True)
    assert model.train_on_batch(X, Y) == pytest.approx([first["loss"], first["mae"]], rel=1e-6)
    assert model.test_on_batch(X, Y, return_dict=True)["loss"] < first["loss"]
    assert type(model.train_on_batch(X, Y, return_dict=True)["loss"]) is float
    weighted = model.test_on_batch(X, Y, sample_weight=np.zeros(30), return_dict=True)
    assert weighted["loss"] == 0


def test_predict():
    model = _model()
    whole = np.asarray(model(X))
    for batch_size in (1, 7, 30, 64, None):
        np.testing.assert_allclose(model.predict(X, batch_size=batch_size, verbose=0), whole, rtol=1e-6, atol=1e-7)
    for rows in (1, 3):
        for _ in range(3):  # the first call compiles, later ones take the short way
            np.testing.assert_allclose(model.predict(X[:rows], verbose=0), whole[:rows], rtol=1e-6, atol=1e-7)
            found = model.predict_on_batch(X[:rows].astype("float64"))
            np.testing.assert_allclose(found, whole[:rows], rtol=1e-6, atol=1e-7)
    model.set_weights([w * 0 for w in model.get_weights()])
    assert not model.predict(X[:1], verbose=0).any()
    batches = ((X[i : i + 10],) for i in range(0, 30, 10))
    assert model.predict(batches, verbose=0).shape == (30, 3)


def test_layers_added_and_removed_after_prediction():
    model = rustdl.Sequential([layers.Input((5,)), layers.Dense(4)])
    assert model.predict(X[:2], verbose=0).shape == (2, 4)
    model.add(layers.Dense(2))
    assert model.predict(X[:2], verbose=0).shape == (2, 2)
    model.pop()
    assert model.predict_on_batch(X[:2]).shape == (2, 4)


def test_predict_from_threads():
    model = _model()
    expected = model.predict(X, verbose=0)
    wrong = []

    def work():
        for _ in range(20):
            if not np.array_equal(model.predict(X, verbose=0), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_dropout_and_state_in_a_compiled_step():
    model = rustdl.Sequential([layers.Input((100,)), layers.Dropout(0.5, seed=3)])
    model.compile("sgd", "mse", metrics=["mae"])
    ones = np.ones((4, 100), "float32")
    np.testing.assert_array_equal(model.predict(ones, verbose=0), ones)
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        values = [model.train_on_batch(ones, ones * 0)[1] for _ in range(3)]
    assert len(set(values)) > 1  # another mask at each step


def test_interrupt_leaves_a_usable_model():
    model = _model()
    before = model.get_weights()
    model.train_on_batch(X, Y)

    def interrupt():
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    x, y = np.tile(X, (2000, 1)), np.tile(Y, (2000, 1))
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=8, epochs=10_000, verbose=0)
    after = model.get_weights()
    assert all(np.isfinite(w).all() for w in after)
    assert not np.array_equal(before[0], after[0])
    assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"][0])
    assert model.predict(X, verbose=0).shape == (30, 3)


def test_data_that_run_dry():
    model = _model()
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(((X, Y) for _ in range(3)), steps_per_epoch=2, epochs=2, verbose=0)
    assert history.epoch == [0, 1]
    with pytest.warns(UserWarning, match="ran out of data"):
        model.fit(X, Y, batch_size=10, steps_per_epoch=5, verbose=0)


def test_initial_epoch_and_zero_epochs():
    model = _model()
    assert model.fit(X, Y, initial_epoch=3, epochs=5, verbose=0).epoch == [3, 4]
    assert model.fit(X, Y, epochs=0, verbose=0).history == {}


def test_steps_per_execution():
    seen = []
    model = _model(steps_per_execution=3)
    note = rustdl.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    model.fit(X, Y, batch_size=4, verbose=0, callbacks=[note])
    assert seen == [2, 5, 8]


def test_class_weights():
    from rustdl.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights

    weights = {0: 0.5, 2: 3.0}
    np.testing.assert_array_equal(class_weight_to_sample_weights(np.array([0, 1, 2]), weights), [0.5, 1.0, 3.0])
    np.testing.assert_array_equal(class_weight_to_sample_weights(np.eye(3)[[2, 0]], weights), [3.0, 0.5])
    np.testing.assert_array_equal(class_weight_to_sample_weights(np.array([[2], [1]]), weights), [3.0, 1.0])


def test_compile_config_round_trip():
    model = _model(optimizers.Adam(0.02), loss="mse", metrics=["mae"], loss_weights=[2.0])
    config = model.get_compile_config()
    assert config["loss"] == "mse"
    other = rustdl.Sequential([layers.Input((5,)), layers.Dense(3)])
    other.compile_from_config(config)
    assert float(np.asarray(other.optimizer.learning_rate)) == pytest.approx(0.02)
    other.fit(X, Y, verbose=0)


def test_frozen_layers_stay():
    model = _model()
    model.layers[0].trainable = False
    model.compile(optimizers.SGD(0.1), "mse")
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    after = model.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])


def _uncompiled():
    return rustdl.Sequential([layers.Input((5,)), layers.Dense(3)])


def _with(values, index, value):
    values = values.copy()
    values[index] = value
    return values


ERRORS = {
    "not compiled: fit": (lambda: _uncompiled().fit(X, Y), ValueError, r"compile\(\)"),
    "not compiled: evaluate": (lambda: _uncompiled().evaluate(X, Y), ValueError, r"compile\(\)"),
    "not compiled: train_on_batch": (lambda: _uncompiled().train_on_batch(X, Y), ValueError, r"compile\(\)"),
    "lengths": (lambda: _model().fit(X, Y[:4], verbose=0), ValueError, "'x' sizes: 30\n'y' sizes: 4"),
    "length of weights": (lambda: _model().fit(X, Y, sample_weight=Y[:4, 0], verbose=0), ValueError, "sample_weight"),
    "empty": (lambda: _model().fit(X[:0], Y[:0], verbose=0), ValueError, "empty"),
    "empty generator": (lambda: _model().fit((b for b in []), verbose=0), ValueError, "at least one batch"),
    "ragged": (lambda: _model().fit([[1, 2, 3], [1, 2]], Y[:2], verbose=0), ValueError, "different lengths"),
    "list of numbers": (lambda: _model().fit(X.tolist(), Y, verbose=0), ValueError, r"numpy\.array\(x\)"),
    "text": (lambda: _model().fit(np.array([["a"] * 5]), Y[:1], verbose=0), ValueError, "dtype <U1"),
    "objects": (lambda: _model().fit(np.array([[None] * 5]), Y[:1], verbose=0), ValueError, "object"),
    "a number": (lambda: _model().fit(X[0, 0], Y, verbose=0), ValueError, "x"),
    "last axis of x": (lambda: _model().fit(X[:, :4], Y, verbose=0), ValueError, r"5.*\(30, 4\)"),
    "last axis of y": (lambda: _model().fit(X, Y[:, :2], verbose=0), ValueError, r"\(30, 2\).*\(30, 3\)"),
    "label out of range": (
        lambda: _model(**SPARSE).fit(X, _with(LABELS, 5, 7), verbose=0),
        ValueError,
        r"`y` holds the label 7 at index \(5,\).*3 classes",
    ),
    "negative label": (lambda: _model(**SPARSE).fit(X, _with(LABELS, 2, -1), verbose=0), ValueError, "label -1"),
    "one-hot for sparse": (
        lambda: _model(**SPARSE).fit(X, Y, verbose=0),
        ValueError,
        "categorical_crossentropy",
    ),
    "indices for one-hot": (
        lambda: _model(loss="categorical_crossentropy").fit(X, LABELS, verbose=0),
        ValueError,
        "",
    ),
    "NaN target": (lambda: _model().fit(X, _with(Y, (3, 1), np.nan), verbose=0), ValueError, r"NaN at index \(3, 1\)"),
    "NaN validation target": (
        lambda: _model().fit(X, Y, validation_data=(X, _with(Y, 0, np.nan)), verbose=0),
        ValueError,
        "`validation_data` holds NaN",
    ),
    "no targets": (lambda: _model().fit(X, verbose=0), ValueError, "targets"),
    "unknown argument": (lambda: _model().fit(X, Y, epoch=3), TypeError, "epoch"),
    "unknown argument of evaluate": (lambda: _model().evaluate(X, Y, foo=3), ValueError, "foo"),
    "unknown loss": (lambda: _model(loss="no_such"), ValueError, "no_such"),
    "unknown optimizer": (lambda: _model(optimizer="no_such"), ValueError, "no_such"),
    "unknown metric": (lambda: _model(metrics=["no_such"]).fit(X, Y, verbose=0), ValueError, "no_such"),
    "metrics as text": (lambda: _model(metrics="mae"), ValueError, "list, tuple, or dict"),
    "number of losses": (lambda: _model(loss=["mse", "mse"]).fit(X, Y, verbose=0), ValueError, "as many entries"),
    "key of losses": (lambda: _model(loss={"c": "mse", "d": "mae"}).fit(X, Y, verbose=0), ValueError, "'c'"),
    "no loss": (lambda: _model(loss=None).fit(X, Y, verbose=0), ValueError, "No loss to compute"),
    "validation_split": (
        lambda: _model().fit(X, Y, validation_split=1.0, verbose=0),
        ValueError,
        "validation_split=1.0",
    ),
    "split of a generator": (
        lambda: _model().fit(((X, Y) for _ in [1]), validation_split=0.1, verbose=0),
        ValueError,
        "only supported for",
    ),
    "y with a generator": (lambda: _model().fit(((X, Y) for _ in [1]), Y, verbose=0), ValueError, "generator"),
    "batch of four": (lambda: _model().fit(((X, Y, Y, Y) for _ in [1]), verbose=0), ValueError, "4 entries"),
    "class and sample weight": (
        lambda: _model().fit(X, Y, class_weight={0: 1.0}, sample_weight=Y[:, 0], verbose=0),
        ValueError,
        "at the same time",
    ),
    "batch_size": (lambda: _model().fit(X, Y, batch_size=0, verbose=0), ValueError, "batch_size"),
    "verbose": (lambda: _model().fit(X, Y, verbose=7), ValueError, "verbose"),
    "validation_freq": (lambda: _model().fit(X, Y, validation_freq="a", verbose=0), ValueError, "validation_freq"),
    "steps_per_execution": (lambda: _model(steps_per_execution=0), ValueError, "steps_per_execution"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, error, text = ERRORS[name]
    with pytest.raises(error, match=f"(?s){text}"):
        call()


def test_masks_and_metrics_compile_together():
    """Masked loss and masked accuracy share the mask: fusing both once made two loops wait for each other."""
    model = rustdl.Sequential(
        [rustdl.Input((4,), dtype="int32"), layers.Embedding(10, 5, mask_zero=True), layers.Dense(3)]
    )
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"], weighted_metrics=["accuracy"])
    x, y = np.array([[1, 2, 0, 0], [3, 4, 5, 0]]), np.array([[1, 2, 0, 0], [0, 1, 2, 0]])
    history = model.fit(x, y, epochs=3, verbose=0, sample_weight=np.ones((2, 4), "float32"))
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_a_loss_alone_in_a_list_is_that_loss():
    model = rustdl.Sequential([rustdl.Input((2,)), layers.Dense(1)])
    model.compile("sgd", loss=[["mse"]])
    assert set(model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0).history) == {"loss"}


def test_unknown_names_of_outputs_are_refused():
    x = rustdl.Input((2,))
    model = rustdl.Model(x, {"a": layers.Dense(1, name="a")(x), "b": layers.Dense(1, name="b")(x)})
    data = np.ones((4, 2)), {"a": np.ones((4, 1)), "b": np.ones((4, 1))}
    model.compile("sgd", loss={"a": "mse", "c": "mse"})
    with pytest.raises(KeyError, match="'c'"):
        model.fit(*data, verbose=0)
    model.compile("sgd", loss={"a": "mse", "b": "mse"}, metrics={"c": ["mae"]})
    with pytest.raises(ValueError, match="Invalid `metrics`"):
        model.fit(*data, verbose=0)


def test_a_dataset_whose_length_fails_does_not_hang():
    class Broken(rustdl.utils.PyDataset):
        calls = 0

        def __len__(self):
            Broken.calls += 1
            if threading.current_thread() is not threading.main_thread():
                raise RuntimeError("no length")
            return 3

        def __getitem__(self, index):
            return X[:4], Y[:4]

    with pytest.raises(RuntimeError, match="no length"):
        _model().fit(Broken(workers=2), verbose=0)


def test_a_limit_of_steps_goes_on_where_the_epoch_before_ended():
    limited, stepped = _model(), _model()
    rustdl.config.set_max_steps_per_epoch(2)
    try:
        found = limited.fit(X, Y, batch_size=5, epochs=3, shuffle=False, verbose=0)
    finally:
        rustdl.config.set_max_steps_per_epoch(None)
    wanted = stepped.fit(X, Y, batch_size=5, epochs=3, shuffle=False, verbose=0, steps_per_epoch=2)
    assert found.history == wanted.history
    assert found.params["steps"] == 2


def test_shapes_of_several_outputs_are_a_list():
    x = layers.Input((5,), name="x")
    model = rustdl.Model({"x": x}, {"a": layers.Dense(3)(x), "b": [layers.Dense(1)(x)]})
    assert model.output_shape == [(None, 3), (None, 1)]
    assert model.input_shape == (None, 5)
