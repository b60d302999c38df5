"""Layers with products of 8-bit floats: each step against ml_dtypes' rounding in numpy, trained, saved and loaded."""

import ml_dtypes
import numpy as np
import pytest

import rustdl
from rustdl import layers, ops

RNG = np.random.default_rng(0)


class Rounded:
    """Scale and history of one of the three tensors: the next scale follows from the steps before this one."""

    def __init__(self, kind, length):
        self.kind, self.scale, self.history = getattr(ml_dtypes, kind), 1.0, np.zeros(length)
        self.largest = float(ml_dtypes.finfo(self.kind).max)

    def __call__(self, x):
        scale = np.float32(self.scale)
        scaled = np.clip(x / scale, -self.largest, self.largest)
        if self.history.max() > 0:
            self.scale = self.history.max() / self.largest
        self.history = np.roll(self.history, 1)
        self.history[0] = np.abs(x).max()
        return scaled.astype(self.kind).astype("float32") * scale


LAYERS = {
    "dense": (lambda **more: layers.Dense(6, **more), "...x,xy->...y"),
    "einsum": (lambda **more: layers.EinsumDense("...x,xy->...y", 6, bias_axes="y", **more), "...x,xy->...y"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_steps_against_rounding_in_numpy(name):
    make, _ = LAYERS[name]
    layer = make(dtype=rustdl.dtype_policies.QuantizedFloat8DTypePolicy("float8", "float32", amax_history_length=2))
    layer.build((None, 5))
    kernel, bias = (np.asarray(w) for w in layer.weights[:2])
    assert [w.name for w in layer.trainable_weights[2:4]] == ["inputs_scale", "inputs_amax_history"]
    x_rounded, k_rounded, g_rounded = (
        Rounded("float8_e4m3fn", 2),
        Rounded("float8_e4m3fn", 2),
        Rounded("float8_e5m2", 2),
    )
    optimizer = rustdl.optimizers.SGD(0.5)
    for step in range(4):
        x = (RNG.normal(size=(7, 5)) * 10.0 ** (step - 1)).astype("float32")
        g = (RNG.normal(size=(7, 6)) * 10.0 ** (1 - step)).astype("float32")

        def loss(x, g):
            return ops.sum(layer(x, training=True) * g)

        before = np.asarray(layer(x))
        _, gradients = rustdl.value_and_grad(loss, variables=layer.trainable_variables)(x, g)
        optimizer.apply(gradients, layer.trainable_variables)
        xq, kq, gq = x_rounded(x), k_rounded(kernel), g_rounded(g)
        np.testing.assert_allclose(before, xq @ kq + bias, rtol=1e-5, atol=1e-5 * np.abs(before).max())
        kernel = kernel - 0.5 * xq.T @ gq
        bias = bias - 0.5 * g.sum(axis=0)
        np.testing.assert_allclose(layer.weights[0], kernel, rtol=1e-5, atol=1e-5 * np.abs(kernel).max())
        kernel, bias = (np.asarray(w) for w in layer.weights[:2])
        for what, rounded in (("inputs", x_rounded), ("kernel", k_rounded), ("outputs_grad", g_rounded)):
            np.testing.assert_allclose(getattr(layer, f"{what}_scale"), rounded.scale, rtol=1e-6)
            np.testing.assert_allclose(getattr(layer, f"{what}_amax_history"), rounded.history, rtol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_training_and_files(name, tmp_path):
    rustdl.utils.set_random_seed(0)
    make, _ = LAYERS[name]
    model = rustdl.Sequential([rustdl.Input((5,)), make(activation="tanh"), layers.Dense(1)])
    model.quantize("float8")
    assert [len(layer.trainable_weights) for layer in model.layers] == [8, 8]
    model.compile(rustdl.optimizers.Adam(0.02), "mse")
    x = RNG.normal(size=(256, 5)).astype("float32")
    y = x[:, :1] * x[:, 1:2]
    losses = model.fit(x, y, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    assert float(ops.max(model.layers[0].inputs_amax_history)) > 1
    want = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    again = rustdl.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), want)
    assert again.layers[0].dtype_policy.name == "float8_from_float32"
    floats = rustdl.Sequential([rustdl.Input((5,)), make(activation="tanh"), layers.Dense(1)])
    floats.layers[0].set_weights(model.layers[0].get_weights()[:2])
    floats.layers[1].set_weights(model.layers[1].get_weights()[:2])
    error = np.abs(floats.predict(x, verbose=0) - want).mean()
    assert 0 < error < 0.3 * np.abs(want).mean()


def test_errors():
    layer = layers.Dense(3)
    layer.build((None, 4))
    layer.dtype_policy = "float8_from_float32"
    assert len(layer.variables) == 8
    with pytest.raises(ValueError, match="already quantized"):
        layer.quantize("int8")
    with pytest.raises(NotImplementedError, match="low-rank"):
        layer.enable_lora(2)
    adapted = layers.Dense(3, lora_rank=2)
    adapted.build((None, 4))
    with pytest.raises(NotImplementedError, match="low-rank"):
        adapted.quantize("float8")
