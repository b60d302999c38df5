"""GPTQ and AWQ: against the algorithms as written in the papers, through models, files and configurations."""

import types

import numpy as np
import pytest

import rustdl
from rustdl import layers, quantizers
from rustdl.quantizers.awq import awq, round_groups, values
from rustdl.quantizers.calibration import token_windows
from rustdl.quantizers.gptq import Curvature, gptq

RNG = np.random.default_rng(0)


def _config(**changes):
    return quantizers.GPTQConfig(None, None, **changes)


def _reference_gptq(weights, hessian, bits, damping):
    """Optimal brain quantization, one row after the other, with the inverse updated as in the paper's equation 2."""
    work, count = weights.copy(), len(weights)
    inverse = np.linalg.inv(hessian + damping * np.diag(hessian).mean() * np.eye(count))
    low, high = np.minimum(weights.min(0), 0), np.maximum(weights.max(0), 0)
    scale = (high - low) / (2**bits - 1)
    zero = np.round(-low / scale)
    rounded = np.empty_like(weights)
    for i in range(count):
        rounded[i] = scale * (np.clip(np.round(work[i] / scale) + zero, 0, 2**bits - 1) - zero)
        work -= np.outer(inverse[:, i], (work[i] - rounded[i]) / inverse[i, i])
        inverse = inverse - np.outer(inverse[:, i], inverse[i]) / inverse[i, i]  # row i is out of the game
    return rounded


@pytest.mark.parametrize("rows", [24, 200])  # within a block of rows that are corrected one by one, and beyond
def test_gptq_is_greedy_optimal_brain_quantization(rows):
    x = RNG.normal(size=(3 * rows, rows)) @ RNG.normal(size=(rows, rows))
    weights = RNG.normal(size=(rows, 6))
    curvature = Curvature(rows)
    for part in np.array_split(x, 5):
        curvature.update(part)
    np.testing.assert_allclose(curvature.matrix, 2 * x.T @ x / len(x), atol=1e-10)
    found = gptq(weights, curvature.matrix, _config(group_size=-1))
    want = _reference_gptq(weights, curvature.matrix, 4, 0.01)
    np.testing.assert_allclose(values(found), want, atol=1e-9)


@pytest.mark.parametrize("size", [-1, 16, 150])
@pytest.mark.parametrize("order", [False, True])
@pytest.mark.parametrize("symmetric", [False, True])
def test_gptq_errs_less_than_rounding(size, order, symmetric):
    x = RNG.normal(size=(900, 300)) @ RNG.normal(size=(300, 300))
    x[:, 5] = 0.0  # an input that is always zero
    weights = RNG.normal(size=(300, 8))
    config = _config(group_size=size, activation_order=order, symmetric=symmetric)
    found = gptq(weights, x.T @ x, config)
    error = np.linalg.norm(x @ (weights - values(found)))
    plain = np.linalg.norm(x @ (weights - values(round_groups(weights, config))))
    assert error < 0.9 * plain
    assert np.array_equal(np.bincount(found.groups), np.bincount(np.arange(300) // (size if size > 0 else 300)))


def test_gptq_one_scale_for_all_outputs_and_eight_bits():
    weights = RNG.normal(size=(8, 5))
    found = gptq(weights, np.eye(8), _config(group_size=-1, per_channel=False, weight_bits=8))
    assert np.ptp(found.scale) == 0
    assert np.abs(values(found) - weights).max() <= found.scale.max() / 2 + 1e-12


def test_awq_scales_up_what_large_inputs_meet():
    x = RNG.normal(size=(500, 64)) * np.where(np.arange(64) % 16 == 0, 30.0, 1.0)
    weights = RNG.normal(size=(64, 10))
    config = quantizers.AWQConfig(None, None, group_size=32)
    found = awq(weights, np.abs(x).max(axis=0), config)
    error = np.linalg.norm(x @ (weights - values(found)))
    plain = np.linalg.norm(x @ (weights - values(round_groups(weights, config))))
    assert error < 0.6 * plain
    assert found.factors[0] > found.factors[1]
    assert found.factors.max() * found.factors.min() == pytest.approx(1.0)


def test_awq_with_one_grid_point_is_rounding():
    weights = RNG.normal(size=(20, 6))
    config = quantizers.AWQConfig(None, None, group_size=8, num_grid_points=1)
    np.testing.assert_allclose(
        values(awq(weights, np.arange(1.0, 21.0), config)), values(round_groups(weights, config)), atol=1e-12
    )


def test_token_windows():
    windows = token_windows(["abc", np.array([[1, 2]])], lambda text: [ord(c) for c in text], 2, 4)
    assert windows.tolist() == [[97, 98], [98, 99], [99, 1], [1, 2]]
    assert windows.dtype == "int32"
    tokenizer = types.SimpleNamespace(tokenize=lambda text: [len(text)])
    assert token_windows(["abc"], tokenizer, 3, 1).tolist() == [[3, 3, 3]]
    with pytest.raises(TypeError, match="iterable"):
        token_windows("wikitext", tokenizer, 3, 1)
    with pytest.raises(ValueError, match="empty"):
        token_windows([], tokenizer, 3, 1)


class Block(layers.Layer):
    """Attention and a small network of two layers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(2, 8)
        self.hidden, self.output_layer = layers.Dense(33, "relu"), layers.Dense(16, use_bias=False)
        self.norm = layers.LayerNormalization()

    def call(self, x):
        x = self.norm(x + self.attention(x, x))
        return x + self.output_layer(self.hidden(x))


def _model():
    rustdl.utils.set_random_seed(1)
    inputs = rustdl.Input((12,), dtype="int32")
    x = layers.Embedding(50, 16)(inputs)
    for _ in range(2):
        x = Block()(x)
    model = rustdl.Model(inputs, layers.Dense(5)(x))
    structure = {"pre_block_layers": [model.layers[1]], "sequential_blocks": model.layers[2:4]}
    return model, structure


TOKENS = [RNG.integers(0, 50, 30) for _ in range(8)]
CONFIGS = {
    "gptq": lambda **more: quantizers.GPTQConfig(TOKENS, None, num_samples=16, sequence_length=12, **more),
    "awq": lambda **more: quantizers.AWQConfig(TOKENS, None, num_samples=16, sequence_length=12, **more),
}


@pytest.mark.parametrize("size", [-1, 8])
@pytest.mark.parametrize("mode", CONFIGS)
def test_model(mode, size):
    model, structure = _model()
    x = RNG.integers(0, 50, (4, 12))
    want = model.predict(x, verbose=0)
    weights_before = model.count_params()
    model.quantize(config=CONFIGS[mode](group_size=size, quantization_layer_structure=structure))
    got = model.predict(x, verbose=0)
    assert 0 < np.abs(got - want).mean() < 0.2 * np.abs(want).mean()
    hidden, head = model.layers[2].hidden, model.layers[-1]
    assert hidden.quantization_mode == mode
    assert hidden.quantized_kernel.dtype == "uint8"
    assert hidden.quantized_kernel.shape == (17, 16)  # 33 outputs, two in a byte
    assert model.layers[2].attention.output_dense.quantization_mode == mode
    assert head.quantization_mode is None  # not in a block
    assert len(head.trainable_weights) == 2
    assert len(hidden.trainable_weights) == 1
    assert weights_before > model.count_params()


@pytest.mark.parametrize("mode", CONFIGS)
def test_file(mode, tmp_path):
    block = rustdl.Sequential([layers.Dense(33, "relu"), layers.EinsumDense("btc,cd->btd", (None, 7), bias_axes="d")])
    model = rustdl.Sequential([rustdl.Input((12,), dtype="int32"), layers.Embedding(50, 16), block])
    structure = {"pre_block_layers": model.layers[:1], "sequential_blocks": [block]}
    model.quantize(config=CONFIGS[mode](group_size=8, quantization_layer_structure=structure))
    x = RNG.integers(0, 50, (4, 12))
    model.save(tmp_path / "model.keras")
    again = rustdl.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert again.layers[-1].layers[0].quantization_config.group_size == 8


def test_merging_einsum_sees_its_inputs_in_the_order_of_the_kernel():
    layer = layers.EinsumDense("btnh,hnd->btd", output_shape=(None, 6))
    x = RNG.normal(size=(2, 3, 4, 5)).astype("float32")
    want = np.asarray(layer(x))
    layer.quantize("gptq", config=_config(weight_bits=8, group_size=-1))
    matrix = layer._as_matrix(layer.kernel)
    np.testing.assert_allclose(layer._samples(rustdl.ops.convert_to_tensor(x)) @ matrix, want.reshape(-1, 6), atol=1e-5)


def test_filters_and_hook():
    model, structure = _model()
    block = model.layers[2]
    config = CONFIGS["gptq"]()
    with pytest.raises(ValueError, match="quantization structure"):
        model.quantize("gptq", config=config)
    model.get_quantization_layer_structure = lambda mode: structure
    model.quantize("gptq", config=config, filters=lambda layer: layer is block.hidden)
    assert block.hidden.is_gptq_calibrated
    assert block.output_layer.quantization_mode is None


def test_layer_alone_needs_data():
    layer = layers.Dense(4)
    x = RNG.normal(size=(3, 8)).astype("float32")
    want = np.asarray(layer(x))
    layer.quantize("gptq", config=_config(group_size=4))
    np.testing.assert_array_equal(layer(x), want)  # still floats
    assert not layer.is_gptq_calibrated
    assert layer.dtype_policy.name == "gptq/4/4_from_float32"
    assert type(layer).from_config(layer.get_config()).quantization_config.group_size == 4
    with pytest.raises(ValueError, match="has seen no data"):
        layer.save_own_variables({})
    with pytest.raises(NotImplementedError, match="low-rank"):
        layer.enable_lora(2)
    embedding = layers.Embedding(4, 4)
    embedding.build()
    with pytest.raises(NotImplementedError, match="gptq"):
        embedding.quantize("gptq", config=_config())
