"""Quantized layers: close to the float layer, equal to integer arithmetic, saved and loaded, trained around."""

import numpy as np
import pytest

import rustdl
from rustdl import layers, quantizers

RNG = np.random.default_rng(0)
LAYERS = {
    "dense": (lambda: layers.Dense(16, activation="relu"), RNG.normal(size=(4, 64)).astype("float32")),
    "heads": (
        lambda: layers.EinsumDense("abc,cde->abde", output_shape=(None, 4, 8), bias_axes="e"),
        RNG.normal(size=(2, 3, 32)).astype("float32"),
    ),
    "merge": (
        lambda: layers.EinsumDense("btnh,nhd->btd", output_shape=(None, 8), bias_axes="d"),
        RNG.normal(size=(2, 3, 4, 8)).astype("float32"),
    ),
    "elided": (
        lambda: layers.EinsumDense("...x,xy->...y", output_shape=5),
        RNG.normal(size=(2, 3, 33)).astype("float32"),
    ),
    "embedding": (lambda: layers.Embedding(20, 33), RNG.integers(0, 20, (3, 5))),
    "reversible": (lambda: layers.ReversibleEmbedding(20, 33), RNG.integers(0, 20, (3, 5))),
}
MODES = {
    "int8": ("int8", None, 0.015),
    "int8_weights": ("int8", quantizers.Int8QuantizationConfig(activation_quantizer=None), 0.01),
    "int4": ("int4", None, 0.15),
    "int4_blocks": ("int4", quantizers.Int4QuantizationConfig(block_size=16), 0.12),
    "int4_channels": ("int4", quantizers.Int4QuantizationConfig(block_size=None), 0.15),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", LAYERS)
def test_close_to_the_float_layer_and_back_from_config_and_store(name, mode):
    make, x = LAYERS[name]
    kind, config, tolerance = MODES[mode]
    layer = make()
    want = np.asarray(layer(x))
    layer.quantize(kind, config=config)
    got = np.asarray(layer(x))
    assert np.abs(got - want).mean() < tolerance * np.abs(want).mean()
    assert {str(v.dtype) for v in layer.trainable_weights} <= {"float32"}
    assert any(v.dtype == "int8" for v in layer.non_trainable_weights)
    again = type(layer).from_config(layer.get_config())
    again.build(x.shape)
    store = {}
    layer.save_own_variables(store)
    again.load_own_variables(store)
    np.testing.assert_array_equal(np.asarray(again(x)), got)


def test_dense_is_integer_arithmetic():
    layer = layers.Dense(5, use_bias=False)
    x = RNG.normal(size=(3, 7)).astype("float32")
    layer(x)
    kernel = layer.get_weights()[0]
    layer.quantize("int8")
    kernel_scale = 127 / (np.abs(kernel).max(axis=0) + 1e-7)
    input_scale = 127 / (np.abs(x).max(axis=1, keepdims=True) + 1e-7)
    q, p = np.round(kernel * kernel_scale).astype("int64"), np.round(x * input_scale).astype("int64")
    np.testing.assert_allclose(np.asarray(layer(x)), (p @ q) / (input_scale * kernel_scale), rtol=1e-5, atol=1e-6)


def test_model_keeps_its_predictions_and_files(tmp_path):
    model = rustdl.Sequential([rustdl.Input((10,)), layers.Dense(32, activation="relu"), layers.Dense(3)])
    x = RNG.normal(size=(64, 10)).astype("float32")
    before = model.predict(x, verbose=0)
    model.quantize("int8")
    after = model.predict(x, verbose=0)
    assert 0 < np.abs(after - before).max() < 0.03 * np.abs(before).max()
    model.save(tmp_path / "model.keras")
    loaded = rustdl.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].dtype_policy.name == "int8_from_float32"
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), after)
    model.compile("sgd", "mse")
    kernel = model.layers[0].get_weights()[1]
    model.fit(x, np.zeros((64, 3), "float32"), verbose=0)
    np.testing.assert_array_equal(model.layers[0].get_weights()[1], kernel)


def test_low_rank_adaptation_of_a_quantized_layer_learns():
    model = rustdl.Sequential([rustdl.Input((8,)), layers.Dense(4)])
    model.quantize("int8")
    model.layers[0].enable_lora(2)
    model.compile(rustdl.optimizers.Adam(0.05), "mse")
    x = RNG.normal(size=(64, 8)).astype("float32")
    history = model.fit(x, x[:, :4], verbose=0, epochs=5).history["loss"]
    assert history[-1] < 0.8 * history[0]


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_low_rank_adaptation_stays_when_its_layer_is_quantized(mode):
    layer = layers.Dense(4)
    x = RNG.normal(size=(64, 8)).astype("float32")
    layer.build(x.shape)
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(RNG.normal(size=(2, 4)))
    before = np.asarray(layer(x))
    layer.quantize(mode)
    assert [w.name for w in layer.trainable_weights] == ["bias", "lora_kernel_a", "lora_kernel_b"]
    assert 0 < np.abs(np.asarray(layer(x)) - before).max() < 0.1 * np.abs(before).max()
    assert (layer.inputs_quantizer is None) == (mode == "int4")
    model = rustdl.Sequential([layer])
    model.compile(rustdl.optimizers.Adam(0.05), "mse")
    history = model.fit(x, x[:, :4], verbose=0, epochs=5).history["loss"]
    assert history[-1] < 0.8 * history[0]


def test_only_some_layers():
    model = rustdl.Sequential([rustdl.Input((4,)), layers.Dense(4, name="first"), layers.Dense(4, name="second")])
    model.quantize("int8", filters="sec")
    assert [layer.quantization_mode for layer in model.layers] == [None, "int8"]


def test_errors():
    layer = layers.Dense(3)
    with pytest.raises(ValueError, match="isn't yet built"):
        layer.quantize("int8")
    layer.build((None, 4))
    with pytest.raises(ValueError, match="Invalid quantization mode"):
        layer.quantize("int7")
    layer.quantize("int8")
    with pytest.raises(ValueError, match="already quantized"):
        layer.quantize("int8")

    class Mine(layers.Dense):
        pass

    mine = Mine(3)
    mine.build((None, 4))
    with pytest.raises(NotImplementedError, match="quantize"):
        mine.quantize("int8")
    mine.quantize("int8", type_check=False)
    embedding = layers.Embedding(3, 4)
    embedding.build()
    with pytest.raises(NotImplementedError, match="float8"):
        embedding.quantize("float8")
    other = layers.Dense(3)
    other.build((None, 4))
    with pytest.raises(ValueError, match="Implicitly enabling GPTQ"):
        other.dtype_policy = "gptq/4/-1_from_float32"


@pytest.mark.parametrize("mode", MODES)
def test_the_way_back_of_an_untied_embedding(mode):
    kind, config, tolerance = MODES[mode]
    layer = layers.ReversibleEmbedding(20, 33, tie_weights=False)
    layer.build()
    x = RNG.normal(size=(50, 33)).astype("float32")
    matrix = layer.get_weights()[1]
    want = np.asarray(layer(x, reverse=True))
    layer.quantize(kind, config=config)
    got = np.asarray(layer(x, reverse=True))
    assert not layer.trainable_weights
    assert layer.reverse_embeddings.dtype == "int8"
    assert layer.reverse_embeddings.shape == (33 if kind == "int8" else 17, 20)
    assert np.abs(got - want).mean() < tolerance * np.abs(want).mean()
    if kind == "int8":  # one scale a column
        np.testing.assert_allclose(layer.reverse_embeddings_scale, 127 / np.abs(matrix).max(axis=0), rtol=1e-4)
    again = type(layer).from_config(layer.get_config())
    again.build()
    store = {}
    layer.save_own_variables(store)
    again.load_own_variables(store)
    np.testing.assert_array_equal(np.asarray(again(x, reverse=True)), got)


def test_quantize_refuses_unknown_arguments():
    model = rustdl.Sequential([rustdl.Input((3,)), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"Unrecognized.*strength"):
        model.quantize("int8", strength=3)
