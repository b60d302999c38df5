"""Normalization, Discretization, CategoryEncoding, Hashing, HashedCrossing, Pipeline and the fingerprints."""

import numpy as np
import pytest

import rustdl
from rustdl import layers
from rustdl.utils.fingerprint import fingerprint64, fingerprint_cat64, siphash64


def siphash_reference(text, key):
    """SipHash-2-4 in plain Python integers, from the paper."""
    mask = 2**64 - 1

    def left(x, b):
        return ((x << b) | (x >> (64 - b))) & mask

    def sip_round(v):
        v[0] = (v[0] + v[1]) & mask
        v[1] = left(v[1], 13) ^ v[0]
        v[0] = left(v[0], 32)
        v[2] = (v[2] + v[3]) & mask
        v[3] = left(v[3], 16) ^ v[2]
        v[0] = (v[0] + v[3]) & mask
        v[3] = left(v[3], 21) ^ v[0]
        v[2] = (v[2] + v[1]) & mask
        v[1] = left(v[1], 17) ^ v[2]
        v[2] = left(v[2], 32)

    k0, k1 = key
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    padded = text + b"\0" * (7 - len(text) % 8) + bytes([len(text) % 256])
    for i in range(0, len(padded), 8):
        m = int.from_bytes(padded[i : i + 8], "little")
        v[3] ^= m
        sip_round(v)
        sip_round(v)
        v[0] ^= m
    v[2] ^= 0xFF
    for _ in range(4):
        sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def test_siphash_is_that_of_the_paper():
    # The test vector of Aumasson and Bernstein (2012), appendix A.
    key = [0x0706050403020100, 0x0F0E0D0C0B0A0908]
    assert int(siphash64([bytes(range(15))], key)[0]) == 0xA129CA6149BE45E5
    texts = [bytes(range(n)) for n in range(0, 70, 3)]
    assert siphash64(texts, [133, 137]).tolist() == [siphash_reference(t, (133, 137)) for t in texts]


def test_farmhash_of_every_length_class():
    # Values of `tensorflow.strings.to_hash_bucket_fast` with 2**63 - 1 buckets.
    texts = [bytes((7 * i + n) % 256 for i in range(n)) for n in (0, 1, 3, 4, 7, 8, 16, 17, 32, 33, 64, 65, 128, 200)]
    expected = [
        1936946117179621456,
        5161771770385946686,
        4662423180930907492,
        4685977051251400297,
        8010051901585887497,
        3403648104430010921,
        663651183927826905,
        7736696382783243920,
        3992320350721670009,
        3233698670931835598,
        1859692024977922285,
        444801980686921533,
        6615484076916436426,
        202520530910294351,
    ]
    assert (fingerprint64(texts) % np.uint64(2**63 - 1)).tolist() == expected


def test_fingerprints_chain_in_order():
    a, b = fingerprint64([b"a"]), fingerprint64([b"b"])
    assert fingerprint_cat64(a, b)[0] != fingerprint_cat64(b, a)[0]


def test_hashing_examples_of_keras():
    values = [["A"], ["B"], ["C"], ["D"], ["E"]]
    assert layers.Hashing(num_bins=3)(values).tolist() == [[1], [0], [1], [1], [2]]
    assert layers.Hashing(num_bins=3, salt=[133, 137])(values).tolist() == [[1], [2], [1], [0], [2]]
    assert layers.Hashing(num_bins=3, salt=133)(values).tolist() == [[0], [0], [2], [1], [0]]
    masked = layers.Hashing(num_bins=3, mask_value="")
    assert masked([["A"], ["B"], [""], ["C"], ["D"]]).tolist() == [[1], [1], [0], [2], [2]]
    assert layers.Hashing(100)(np.array([1.7, -2.3])).tolist() == [49, 5]
    assert layers.Hashing(100)(np.array([True, False])).tolist() == [70, 57]


def test_hashing_in_a_functional_model_called_on_text():
    inputs = rustdl.Input((1,), dtype="string")
    model = rustdl.Model(inputs, layers.Hashing(4, output_mode="one_hot")(inputs))
    assert model.output_shape == (None, 4)
    assert model(np.array([["A"], ["B"]])).shape == (2, 4)


def test_hashing_cannot_be_compiled():
    layer = layers.Hashing(4)
    with pytest.raises(TypeError, match="cannot be part of a compiled function"):
        rustdl.jit(layer)(np.array([[1], [2]]))


def test_hashed_crossing_examples_of_keras():
    first, second = np.array(["A", "B", "A", "B", "A"]), np.array([101, 101, 101, 102, 102])
    assert layers.HashedCrossing(num_bins=5)((first, second)).tolist() == [1, 4, 1, 1, 3]
    hot = layers.HashedCrossing(num_bins=5, output_mode="one_hot")((first, second))
    assert hot.shape == (5, 5)
    with pytest.raises(ValueError, match="at least two"):
        layers.HashedCrossing(5)((first,))
    with pytest.raises(ValueError, match="equal shape"):
        layers.HashedCrossing(5)((first, second[:2]))


@pytest.mark.parametrize("axis", [None, -1, 0, (1, 2), (-1, 0)])
@pytest.mark.parametrize("invert", [False, True])
def test_normalization_by_axes(axis, invert):
    data = np.random.default_rng(0).normal(3, 2, (6, 4, 5)).astype("float32")
    layer = layers.Normalization(axis=axis, invert=invert)
    layer.adapt(data)
    kept = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
    reduced = tuple(a for a in range(3) if a not in {k % 3 for k in kept})
    mean, std = data.mean(reduced, keepdims=True), data.std(reduced, keepdims=True)
    expected = data * std + mean if invert else (data - mean) / std
    np.testing.assert_allclose(layer(data), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [iter, list, lambda parts: [(p, 0) for p in parts]])
def test_normalization_from_batches_equals_from_all(make):
    data = np.random.default_rng(1).normal(100, 5, (70, 3)).astype("float32")
    whole, parts = layers.Normalization(), layers.Normalization()
    whole.adapt(data)
    parts.adapt(make([data[:10], data[10:11], data[11:]]))
    for a, b in zip(whole.weights, parts.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


def test_normalization_trains_inside_a_model_and_is_saved(tmp_path):
    data = np.random.default_rng(2).normal(50, 9, (64, 3)).astype("float32")
    layer = layers.Normalization()
    layer.adapt(data)
    model = rustdl.Sequential([rustdl.Input((3,)), layer, layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(data, data[:, :1] / 50, verbose=0)
    model.save(tmp_path / "m.keras")
    again = rustdl.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(data, verbose=0), model.predict(data, verbose=0))


def test_normalization_refuses():
    with pytest.raises(ValueError, match="both `mean` and `variance`"):
        layers.Normalization(mean=1.0)
    with pytest.raises(ValueError, match="must have the same shape"):
        layers.Normalization(mean=[1.0], variance=[1.0, 2.0])
    with pytest.raises(ValueError, match="known shape"):
        layers.Normalization().build((None, None))
    with pytest.raises(ValueError, match="empty iterable"):
        layers.Normalization().adapt([])
    with pytest.raises(ValueError, match="cannot be adapted"):
        layers.Normalization(mean=1.0, variance=1.0).adapt(np.ones((2, 2)))
    layer = layers.Normalization()
    layer.adapt(np.ones((4, 3)))
    with pytest.raises(ValueError, match="incompatible shape"):
        layer.adapt(np.ones((4, 2)))


def test_discretization_learns_quantiles():
    data = np.random.default_rng(3).normal(size=(1000, 4))
    layer = layers.Discretization(num_bins=4, epsilon=0.01)
    layer.adapt(data)
    np.testing.assert_allclose(layer.bin_boundaries, np.quantile(data, [0.25, 0.5, 0.75]), atol=0.05)
    parts = layers.Discretization(num_bins=4, epsilon=0.01)
    parts.adapt(np.split(data, 10))
    np.testing.assert_allclose(parts.bin_boundaries, layer.bin_boundaries, atol=0.1)
    again = layers.Discretization.from_config(layer.get_config())
    np.testing.assert_array_equal(again(data), layer(data))


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
def test_discretization_spec_is_what_comes_out(mode):
    layer = layers.Discretization(bin_boundaries=[0.0, 1.0], output_mode=mode)
    for shape in ((5,), (5, 1), (5, 3), (2, 3, 4)):
        out = layer(np.ones(shape, dtype="float32"))
        spec = layer(rustdl.KerasTensor(shape))
        assert (out.shape, out.dtype) == (spec.shape, spec.dtype)


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
def test_category_encoding_ignores_what_is_out_of_range(mode):
    layer = layers.CategoryEncoding(3, output_mode=mode)
    out = np.asarray(layer(np.array([[0, 2, 2, -1, 7]])))
    hot = np.eye(8)[[0, 2, 2, 6, 7]][:, :3]
    expected = {"one_hot": hot[None], "multi_hot": hot.max(0)[None], "count": hot.sum(0)[None]}[mode]
    np.testing.assert_array_equal(out, expected)


def test_category_encoding_weights_count():
    layer = layers.CategoryEncoding(4, output_mode="count")
    weights = np.array([[0.1, 0.2], [0.1, 0.1], [0.2, 0.3], [0.4, 0.2]])
    out = layer([[0, 1], [0, 0], [1, 2], [3, 1]], count_weights=weights)
    expected = [[0.1, 0.2, 0, 0], [0.2, 0, 0, 0], [0, 0.2, 0.3, 0], [0, 0.2, 0, 0.4]]
    np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_pipeline_keeps_order_and_config():
    pipeline = layers.Pipeline([layers.Hashing(8), layers.CategoryEncoding(8, output_mode="one_hot")])
    text = np.array([["a"], ["b"]])
    again = layers.Pipeline.from_config(pipeline.get_config())
    np.testing.assert_array_equal(pipeline(text), again(text))
    assert pipeline(text).shape == (2, 8)
