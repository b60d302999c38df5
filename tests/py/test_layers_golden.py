"""Layers against Keras: outputs, state after training calls, shapes, configs, dtype policies, saving."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
from layer_cases import CASES, inputs, make, set_weights  # noqa: E402

ALL = pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: f"{CASES[i][0]}-{i}")


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "layers.npz") as data:
        return dict(data)


def ready(case):
    layer, x = make(layers, case), inputs(case)
    layer(x)
    set_weights(layer)
    return layer, x


@ALL
def test_equals_keras(case, golden):
    layer, x = ready(case)
    call = CASES[case][3]
    # Sums of up to a hundred products in float32, in another order.
    np.testing.assert_allclose(np.asarray(layer(x, **call)), golden[f"{case}/y"], rtol=2e-5, atol=2e-5)
    for key, wanted in golden.items():
        if key.startswith(f"{case}/w"):
            weight = layer.weights[int(key.rpartition("w")[2])]
            np.testing.assert_allclose(weight.numpy(), wanted, rtol=2e-5, atol=1e-5, err_msg=weight.path)


@ALL
def test_shapes_are_inferred(case):
    layer, x = ready(case)
    wanted = np.asarray(layer(x)).shape

    def symbol(a):
        return rustdl.Input(batch_shape=(None, *a.shape[1:]))

    symbolic = make(layers, case)([symbol(a) for a in x] if isinstance(x, list) else symbol(x))
    assert symbolic.shape == (None, *wanted[1:])
    shape = [a.shape for a in x] if isinstance(x, list) else x.shape
    assert tuple(make(layers, case).compute_output_shape(shape)) == wanted


@ALL
def test_config_round_trip(case):
    layer = make(layers, case)
    again = layers.deserialize(layers.serialize(layer))
    assert type(again) is type(layer)
    assert layers.serialize(again)["config"] == layers.serialize(layer)["config"]


@ALL
def test_traced_equals_eager(case):
    layer, x = ready(case)
    call = CASES[case][3]
    eager = np.asarray(layer(x, **call))
    layer, x = ready(case)
    xs = [ops.convert_to_tensor(a) for a in x] if isinstance(x, list) else [ops.convert_to_tensor(x)]
    run = rustdl.jit(lambda *a: layer(list(a) if isinstance(x, list) else a[0], **call))
    np.testing.assert_allclose(np.asarray(run(*xs)), eager, rtol=1e-5, atol=1e-6)


@ALL
def test_mixed_precision(case):
    name, arguments, _, _ = CASES[case]
    if name == "SpectralNormalization":
        pytest.skip("its policy is not that of the layer inside")
    layer = getattr(layers, name)(**arguments, dtype="mixed_float16")
    y = layer(inputs(case))
    assert y.dtype == "float16"
    assert all(w.dtype == "float32" for w in layer.weights)


@pytest.mark.parametrize(
    ("layer", "reference"),
    [
        (lambda: layers.Dropout(0.4, seed=1), None),
        (lambda: layers.AlphaDropout(0.4, seed=1), None),
        (lambda: layers.GaussianNoise(0.5, seed=1), None),
        (lambda: layers.GaussianDropout(0.3, seed=1), None),
        (lambda: layers.SpatialDropout1D(0.4, seed=1), None),
    ],
    ids=["dropout", "alpha", "noise", "gaussian", "spatial"],
)
def test_random_layers(layer, reference):
    made = layer()
    x = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(64, 50, 8)).astype("float32"))
    assert np.array_equal(np.asarray(made(x)), np.asarray(x))
    a, b = np.asarray(made(x, training=True)), np.asarray(made(x, training=True))
    assert not np.array_equal(a, b)
    assert np.array_equal(a, np.asarray(layer()(x, training=True)))
    assert abs(a.mean() - np.asarray(x).mean()) < 0.05
    if isinstance(made, layers.AlphaDropout):
        assert abs(a.var() - 1) < 0.1


def test_dropout_zeroes_the_rate_and_scales_the_rest():
    y = np.asarray(layers.Dropout(0.25, seed=3)(ops.ones((100, 100)), training=True))
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02
    y = np.asarray(layers.Dropout(0.5, noise_shape=(None, 1), seed=3)(ops.ones((100, 7)), training=True))
    assert (y == y[:, :1]).all()


def test_embedding_and_masks():
    layer = layers.Embedding(5, 3, mask_zero=True)
    x = np.array([[1, 2, 0], [4, 0, 0]])
    np.testing.assert_array_equal(np.asarray(layer(x)), layer.embeddings.numpy()[x])
    assert layer.compute_mask(ops.convert_to_tensor(x)).tolist() == [[True, True, False], [True, False, False]]
    pooled = layers.GlobalAveragePooling1D()(layer(x))
    np.testing.assert_allclose(pooled[1], layer.embeddings.numpy()[4], rtol=1e-6)
    masked = layers.Masking(0.0)(np.array([[[1.0, 2.0], [0.0, 0.0]]]))
    np.testing.assert_allclose(layers.GlobalAveragePooling1D()(masked), [[1.0, 2.0]])
    table = np.arange(6, dtype="float32").reshape(3, 2)
    assert np.array_equal(layers.Embedding(3, 2, weights=table).embeddings.numpy(), table)


def test_batch_normalization_is_frozen_by_trainable():
    layer = layers.BatchNormalization()
    x = np.random.default_rng(0).normal(3.0, 2.0, (64, 4)).astype("float32")
    for _ in range(600):
        layer(x, training=True)
    np.testing.assert_allclose(layer.moving_mean.numpy(), x.mean(0), rtol=0.01)
    np.testing.assert_allclose(layer.moving_variance.numpy(), x.var(0), rtol=0.01)
    before = layer.moving_mean.numpy().copy()
    layer.trainable = False
    layer(x * 9, training=True)
    assert np.array_equal(layer.moving_mean.numpy(), before)


def test_lora():
    layer = layers.Dense(4)
    x = ops.ones((2, 3))
    before = np.asarray(layer(x))
    layer.enable_lora(2)
    assert np.array_equal(np.asarray(layer(x)), before)
    assert [w.name for w in layer.trainable_weights] == ["bias", "lora_kernel_a", "lora_kernel_b"]
    layer.lora_kernel_b.assign(ops.ones((2, 4)))
    assert not np.allclose(np.asarray(layer(x)), before)
    store: dict[str, np.ndarray] = {}
    layer.save_own_variables(store)
    plain = layers.Dense(4)
    plain.build((None, 3))
    plain.load_own_variables(store)
    np.testing.assert_allclose(np.asarray(plain(x)), np.asarray(layer(x)), rtol=1e-5)


def test_gradients_reach_every_trainable_weight():
    for name, arguments, shape in (
        ("Dense", {"units": 3}, (2, 4)),
        ("Conv2D", {"filters": 3, "kernel_size": 3}, (2, 6, 6, 2)),
        ("SeparableConv2D", {"filters": 3, "kernel_size": 3}, (2, 6, 6, 2)),
        ("BatchNormalization", {}, (4, 3)),
        ("LayerNormalization", {}, (4, 3)),
        ("PReLU", {}, (4, 3)),
    ):
        layer = getattr(layers, name)(**arguments)
        x = ops.convert_to_tensor(np.random.default_rng(1).normal(size=shape).astype("float32"))
        layer(x)

        def loss(layer=layer, x=x):
            return ops.sum(
                ops.square(layer(x, training=True) if isinstance(layer, layers.BatchNormalization) else layer(x))
            )

        _, grads = rustdl.value_and_grad(loss, variables=layer.trainable_weights)()
        for g, w in zip(grads, layer.trainable_weights, strict=True):
            assert g is not None, w.path
            assert tuple(g.shape) == tuple(w.shape)


@pytest.mark.parametrize(
    ("make_layer", "error", "message"),
    [
        (lambda: layers.Dense(0), ValueError, "units"),
        (lambda: layers.Dense(3, units_=1), ValueError, "units_"),
        (lambda: layers.Dense(3)(np.ones(3)), ValueError, "min_ndim"),
        (lambda: layers.Conv2D(3, (3, 3, 3)), ValueError, "kernel_size"),
        (lambda: layers.Conv2D(3, 3, padding="causal"), ValueError, "padding"),
        (lambda: layers.Conv2D(3, 3, strides=2, dilation_rate=2), ValueError, "dilation_rate"),
        (lambda: layers.Conv2D(3, 3, groups=2), ValueError, "groups"),
        (lambda: layers.Conv2D(4, 9)(np.ones((1, 4, 4, 2))), ValueError, "zero or negative"),
        (lambda: layers.MaxPooling2D(9)(np.ones((1, 4, 4, 2))), ValueError, "smaller window"),
        (lambda: layers.Dropout(1.5), ValueError, "rate"),
        (lambda: layers.Embedding(-1, 2), ValueError, "input_dim"),
        (lambda: layers.Reshape((3, 5))(np.ones((2, 4))), ValueError, "target_shape"),
        (lambda: layers.Permute((0, 1)), ValueError, "dims"),
        (lambda: layers.Add()([np.ones((2, 3)), np.ones((2, 4))]), ValueError, "incompatible"),
        (lambda: layers.Concatenate()([np.ones((2, 3)), np.ones((3, 3))]), ValueError, "matching shapes"),
        (lambda: layers.BatchNormalization(axis=5)(np.ones((2, 3))), ValueError, "out of bounds"),
        (lambda: layers.GroupNormalization(groups=2)(np.ones((2, 3))), ValueError, "multiple"),
        (lambda: layers.Activation("nothing"), ValueError, "activation"),
        (lambda: layers.Wrapper(3), ValueError, "Wrapper"),
        (lambda: layers.UpSampling2D(2, interpolation="magic"), ValueError, "interpolation"),
    ],
)
def test_mistakes_are_named(make_layer, error, message):
    with pytest.raises(error, match=message):
        make_layer()


def test_spectral_normalization_of_a_kernel_of_zeros():
    """Zeros have no direction: they stay, and training goes on from there."""
    model = rustdl.Sequential(
        [rustdl.Input((3,)), layers.SpectralNormalization(layers.Dense(2, kernel_initializer="zeros"))]
    )
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((4, 3), "float32"), np.ones((4, 2), "float32"))
    np.testing.assert_allclose(model.layers[0].kernel, np.full((3, 2), 0.01), rtol=1e-5)


def test_spectral_normalization_of_an_embedding_gives_rows_of_its_table():
    layer = layers.SpectralNormalization(layers.Embedding(5, 3), power_iterations=20)
    rows = layer(np.array([[1, 4]], "int32"), training=True)
    assert rows.dtype == "float32"
    table = layer.layer.embeddings.numpy()
    np.testing.assert_allclose(rows, table[[[1, 4]]], rtol=1e-6)
    assert abs(np.linalg.norm(table, 2) - 1) < 1e-2
