"""Common mistakes: each gives one exception of the right type that says what is wrong, where, and with which shapes."""

import zipfile

import numpy as np
import pytest

import rustdl as keras
from rustdl import layers, ops

RNG = np.random.default_rng(0)
X = RNG.random((10, 4)).astype("float32")
Y = RNG.integers(0, 3, 10)
M23, M45, M24 = (np.ones(shape, "float32") for shape in ((2, 3), (4, 5), (2, 4)))
IMAGE = np.ones((1, 4, 4, 3), "float32")


def mlp(loss="sparse_categorical_crossentropy", optimizer="sgd", metrics=None):
    """Four numbers in, three classes out; not compiled if `loss` is None."""
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(8, activation="relu", name="hidden"), layers.Dense(3, activation="softmax")]
    )
    if loss is not None:
        model.compile(optimizer, loss, metrics=metrics)
    return model


def traced(fn):
    return lambda: keras.jit(fn)(np.ones(3, "float32"))


def nan_labels():
    return np.where(Y == 1, np.nan, Y.astype("float32"))


# name: (the mistake, the type of the exception, what its message must hold)
MISTAKES = {
    # Shapes of inputs.
    "dense_rank": (lambda: layers.Dense(3, name="d")(X[0]), ValueError, ["'d'", "min_ndim=2", "ndim=1", "(4,)"]),
    "conv_rank": (lambda: layers.Conv2D(3, 3, name="c")(IMAGE[0]), ValueError, ["'c'", "rank 4", "(4, 4, 3)"]),
    "pooling_rank": (lambda: layers.MaxPooling2D(2, name="p")(IMAGE[0]), ValueError, ["'p'", "(4, 4, 3)"]),
    "last_dimension": (lambda: mlp()(M45), ValueError, ["'hidden'", "axis -1", "value 4", "(4, 5)"]),
    "fit_last_dimension": (
        lambda: mlp().fit(RNG.random((10, 5)), Y, verbose=0),
        ValueError,
        ["'hidden'", "value 4", "(10, 5)"],
    ),
    "predict_last_dimension": (
        lambda: mlp().predict(np.ones((10, 5), "float32"), verbose=0),
        ValueError,
        ["'hidden'", "value 4", "(10, 5)"],
    ),
    "window_too_large": (
        lambda: layers.Conv2D(4, 9, name="c")(IMAGE),
        ValueError,
        ["'c'", "kernel_size=(9, 9)", "(1, 4, 4, 3)"],
    ),
    "groups_of_channels": (
        lambda: layers.Conv2D(4, 3, groups=2)(IMAGE),
        ValueError,
        ["groups=2", "3 channels", "(1, 4, 4, 3)"],
    ),
    "matmul": (lambda: ops.matmul(M23, M45), ValueError, ["matmul", "[2, 3]", "[4, 5]", "last axis of x1"]),
    "broadcasting": (lambda: ops.add(M23, M45), ValueError, ["add", "[2, 3]", "[4, 5]", "broadcast"]),
    "operator": (lambda: keras.convert(M23) * M45, ValueError, ["multiply", "[2, 3]", "[4, 5]"]),
    "concatenate": (lambda: ops.concatenate([M23, M45]), ValueError, ["concatenate", "[2, 3]", "[4, 5]"]),
    "concatenate_layer": (
        lambda: layers.Concatenate(axis=1)([M23, M45]),
        ValueError,
        ["Concatenate", "(2, 3)", "(4, 5)"],
    ),
    "add_layer": (lambda: layers.Add(name="sum")([M23, M24]), ValueError, ["'sum'", "(2, 3)", "(2, 4)"]),
    "stack": (lambda: ops.stack([M23, M24]), ValueError, ["stack", "[2, 3]", "[2, 4]"]),
    "split": (lambda: ops.split(np.ones((5, 2)), 2), ValueError, ["split", "axis 0", "[5, 2]", "2 equal"]),
    "reshape": (lambda: ops.reshape(M23, (4, 2)), ValueError, ["reshape", "[2, 3]", "6 elements", "[4, 2]"]),
    "reshape_layer": (lambda: layers.Reshape((5,))(M23), ValueError, ["Reshape", "(3,)", "target_shape=(5,)"]),
    "transpose": (lambda: ops.transpose(M23, (0, 0)), ValueError, ["transpose", "[0, 0]", "[2, 3]"]),
    "disconnected": (
        lambda: keras.Model(keras.Input((3,)), layers.Dense(2)(keras.Input((4,), name="other"))),
        ValueError,
        ["not connected", "(None, 4)", "other"],
    ),
    # Axes and indices.
    "axis": (lambda: ops.sum(M23, axis=2), IndexError, ["sum", "axis 2", "rank 2"]),
    "axis_is_a_value_error_too": (lambda: ops.softmax(M23, axis=5), ValueError, ["softmax", "axis 5", "rank 2"]),
    "index": (lambda: keras.convert(M23)[5], IndexError, ["index 5", "axis 0", "size 2", "[2, 3]"]),
    "too_many_indices": (lambda: keras.convert(M23)[0, 0, 0], IndexError, ["3 indices", "rank 2", "[2, 3]"]),
    "take": (lambda: ops.take(M23, [7], axis=0), IndexError, ["take", "index 7", "axis 0", "size 2"]),
    "embedding": (lambda: layers.Embedding(5, 3)(np.array([[7]])), IndexError, ["Embedding", "index 7", "size 5"]),
    "norm_axis": (lambda: layers.BatchNormalization(axis=4)(M23), ValueError, ["axis=4", "(2, 3)"]),
    # Data.
    "label_too_large": (lambda: mlp().fit(X, Y + 5, verbose=0), ValueError, ["`y`", "label 7", "3 classes", "[0, 2]"]),
    "label_negative": (lambda: mlp().evaluate(X, Y - 1, verbose=0), ValueError, ["`y`", "label -1", "[0, 2]"]),
    "label_of_a_batch": (lambda: mlp().train_on_batch(X, Y + 5), ValueError, ["`y`", "label 7", "3 classes"]),
    "nan_labels": (lambda: mlp().fit(X, nan_labels(), verbose=0), ValueError, ["`y`", "NaN", "index"]),
    "ragged": (lambda: ops.convert_to_tensor([[1.0, 2.0], [3.0]]), ValueError, ["ragged"]),
    "ragged_fit": (lambda: mlp().fit([[1.0] * 4, [3.0]], Y, verbose=0), ValueError, ["x=", "different lengths"]),
    "text": (lambda: ops.convert_to_tensor(np.array(["a", "b"])), TypeError, ["<U1", "float32"]),
    "text_fit": (lambda: mlp().fit(np.full((10, 4), "a"), Y, verbose=0), ValueError, ["`x`", "<U1", "numbers"]),
    "complex": (lambda: ops.convert_to_tensor(np.ones(2, complex)), TypeError, ["complex128", "float32"]),
    "object": (lambda: ops.convert_to_tensor(object()), TypeError, ["object"]),
    "empty_fit": (lambda: mlp().fit(X[:0], Y[:0], verbose=0), ValueError, ["`x`", "empty"]),
    "empty_predict": (lambda: mlp().predict(X[:0], verbose=0), ValueError, ["`x`", "empty"]),
    "lengths": (lambda: mlp().fit(X, Y[:7], verbose=0), ValueError, ["'x' sizes: 10", "'y' sizes: 7"]),
    "length_of_weights": (
        lambda: mlp().fit(X, Y, sample_weight=np.ones(3), verbose=0),
        ValueError,
        ["'sample_weight' sizes: 3"],
    ),
    "no_targets": (lambda: mlp().fit(X, verbose=0), ValueError, ["sparse_categorical_crossentropy", "`y`"]),
    "targets_do_not_fit": (lambda: mlp("mse").fit(X, X, verbose=0), ValueError, ["'mse'", "(10, 4)", "(10, 3)"]),
    "indices_for_one_hot": (
        lambda: mlp("categorical_crossentropy").fit(X, Y, verbose=0),
        ValueError,
        ["(10,)", "(10, 3)", "sparse_categorical_crossentropy"],
    ),
    "empty_generator": (lambda: mlp().fit((b for b in ()), verbose=0), ValueError, ["generator", "at least one batch"]),
    # Arguments.
    "unknown_argument": (lambda: layers.Dense(3, foo=1), ValueError, ["Dense", "foo"]),
    "unknown_fit_argument": (lambda: mlp().fit(X, Y, foo=1), TypeError, ["fit", "foo"]),
    "units": (lambda: layers.Dense(-3), ValueError, ["`units`", "positive", "-3"]),
    "units_float": (lambda: layers.Dense(3.5), ValueError, ["`units`", "integer", "3.5"]),
    "filters": (lambda: layers.Conv2D(0, 3), ValueError, ["`filters`", "positive", "filters=0"]),
    "strides": (lambda: layers.Conv2D(2, 3, strides=0), ValueError, ["`strides`", "strides=0"]),
    "strides_and_dilation": (
        lambda: layers.Conv2D(2, 3, strides=2, dilation_rate=2),
        ValueError,
        ["strides=(2, 2)", "dilation_rate=(2, 2)"],
    ),
    "padding": (lambda: layers.Conv2D(3, 3, padding="some"), ValueError, ["`padding`", "valid", "same", "some"]),
    "dropout_rate": (lambda: layers.Dropout(1.5), ValueError, ["`rate`", "between 0 and 1", "1.5"]),
    "batch_size": (lambda: mlp().fit(X, Y, batch_size=0, verbose=0), ValueError, ["`batch_size`", "positive", "0"]),
    "epochs": (lambda: mlp().fit(X, Y, epochs="x", verbose=0), ValueError, ["`epochs`", "integer", "'x'"]),
    "validation_split": (
        lambda: mlp().fit(X, Y, validation_split=1.5, verbose=0),
        ValueError,
        ["`validation_split`", "1.5"],
    ),
    "dtype": (lambda: ops.ones((2,), dtype="float33"), ValueError, ["float33", "float32"]),
    "dtype_of_layer": (lambda: layers.Dense(2, dtype="float33"), ValueError, ["float33", "mixed_bfloat16"]),
    "negative_size": (lambda: ops.zeros((-2,)), ValueError, ["zeros", "shape=[-2]", "negative"]),
    "not_a_layer": (lambda: keras.Sequential([3]), ValueError, ["Sequential", "Layer", "3"]),
    "two_clippings": (
        lambda: keras.optimizers.Adam(clipnorm=1.0, clipvalue=1.0),
        ValueError,
        ["clipnorm=1.0", "clipvalue=1.0"],
    ),
    "learning_rate": (lambda: keras.optimizers.Adam("fast"), ValueError, ["learning_rate", "float", "fast"]),
    # Names.
    "loss_name": (lambda: mlp("msee"), ValueError, ["loss", "msee", "Did you mean", "'mse'"]),
    "metric_name": (
        lambda: mlp("mse", metrics=["binary_acuracy"]).fit(X, X[:, :3], verbose=0),
        ValueError,
        ["metric", "binary_acuracy", "Did you mean", "'binary_accuracy'"],
    ),
    "optimizer_name": (lambda: mlp("mse", "adamm"), ValueError, ["optimizer", "adamm", "Did you mean", "'adam'"]),
    "activation_name": (lambda: layers.Dense(3, activation="reluu"), ValueError, ["activation", "reluu", "'relu'"]),
    "initializer_name": (
        lambda: layers.Dense(3, kernel_initializer="glorot_unifrom"),
        ValueError,
        ["initializer", "glorot_unifrom", "'glorot_uniform'"],
    ),
    "regularizer_name": (lambda: layers.Dense(3, kernel_regularizer="l3"), ValueError, ["regularizer", "l3"]),
    "layer_name": (lambda: mlp().get_layer("nope"), ValueError, ["nope", "hidden"]),
    # Order of calls.
    "fit_without_compile": (lambda: mlp(None).fit(X, Y), ValueError, ["compile()", "fit()"]),
    "evaluate_without_compile": (lambda: mlp(None).evaluate(X, Y), ValueError, ["compile()", "evaluate()"]),
    "no_layers": (lambda: keras.Sequential().predict(X, verbose=0), ValueError, ["Sequential", "no layers"]),
    "count_before_build": (lambda: layers.Dense(3, name="d").count_params(), ValueError, ["'d'", "built"]),
    # Weights and files.
    "weights_before_build": (
        lambda: layers.Dense(3, name="d").set_weights([X]),
        ValueError,
        ["set_weights", "'d'", "length 1", "0 weights"],
    ),
    "shape_of_weights": (
        lambda: mlp().get_layer("hidden").set_weights([np.ones((3, 3)), np.ones(8)]),
        ValueError,
        ["hidden", "(4, 8)", "(3, 3)"],
    ),
    "number_of_weights": (lambda: mlp().set_weights([X]), ValueError, ["set_weights", "length 1", "4 weights"]),
    "assign": (
        lambda: keras.Variable(np.ones(3), name="v").assign(np.ones(4)),
        ValueError,
        ["(3,)", "(4,)", "v"],
    ),
    "extension": (lambda: mlp().save("model.foo"), ValueError, ["model.foo", ".keras"]),
    # Values that do not exist.
    "bool_of_traced": (traced(lambda x: x if ops.sum(x) > 0 else -x), TypeError, ["bool", "traced", "ops.cond"]),
    "float_of_traced": (traced(lambda x: float(ops.sum(x))), TypeError, ["float", "traced", "float32"]),
    "array_of_traced": (traced(np.asarray), TypeError, ["traced", "float32[3]"]),
    "array_of_symbol": (lambda: np.asarray(keras.Input((3,))), ValueError, ["KerasTensor", "symbolic"]),
    "bool_of_many": (lambda: bool(keras.convert(np.ones(3))), TypeError, ["one element", "[3]"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_explained(name):
    mistake, kind, parts = MISTAKES[name]
    with pytest.raises(kind) as caught:
        mistake()
    message = str(caught.value)
    for part in parts:
        assert part in message, f"{part!r} is missing in: {message}"


def test_there_are_at_least_forty_mistakes():
    assert len(MISTAKES) >= 40


def test_missing_files(tmp_path):
    with pytest.raises(ValueError, match="File not found") as caught:
        keras.models.load_model(tmp_path / "none.keras")
    assert str(tmp_path / "none.keras") in str(caught.value)
    with pytest.raises(OSError, match="No such file") as caught:
        mlp().load_weights(tmp_path / "none.safetensors")
    assert str(tmp_path / "none.safetensors") in str(caught.value)
    with pytest.raises(FileNotFoundError):
        mlp().save(tmp_path / "no" / "such" / "folder.keras")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut off", bytes(4096)])
def test_damaged_files(tmp_path, content):
    for name, load in (
        ("model.keras", keras.models.load_model),
        ("model.safetensors", lambda path: mlp().load_weights(path)),
        ("model.weights.h5", lambda path: mlp().load_weights(path)),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises((ValueError, OSError)) as caught:
            load(path)
        assert name in str(caught.value)


def test_zip_without_a_model(tmp_path):
    path = tmp_path / "empty.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises((ValueError, OSError, KeyError)) as caught:
        keras.models.load_model(path)
    assert "config.json" in str(caught.value)


TIB = 1 << 40
HUGE = {
    "random": lambda: keras.random.uniform((TIB // 4,)),
    "cast": lambda: ops.cast(ops.zeros((TIB // 4,)), "int32"),
    "broadcast": lambda: ops.add(ops.ones((1 << 19, 1)), ops.reshape(ops.arange(1 << 19, dtype="float32"), (1, -1))),
    "tile": lambda: ops.tile(np.ones(1 << 20, "float32"), 1 << 18),
    "matmul": lambda: ops.matmul(ops.ones((1 << 20, 8)), ops.ones((8, 1 << 18))),
    "too_large_to_count": lambda: ops.zeros((1 << 40, 1 << 40)),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_tebibyte_is_refused(name):
    with pytest.raises(MemoryError, match=r"cannot allocate [0-9]+ bytes"):
        HUGE[name]()
    # Nothing is broken: the next operation works.
    np.testing.assert_array_equal(ops.add(M23, M23), 2 * M23)


def test_a_model_survives_an_error():
    model = mlp()
    before = model.predict(X, verbose=0)
    for mistake in (lambda: model.fit(X, Y + 5, verbose=0), lambda: model.predict(RNG.random((3, 5)), verbose=0)):
        with pytest.raises(ValueError, match=r"label|axis -1"):
            mistake()
    np.testing.assert_array_equal(model.predict(X, verbose=0), before)
    model.fit(X, Y, verbose=0)
