"""Quantizers against ml_dtypes, plain numpy and each other; dtype policies of quantized layers."""

import ml_dtypes
import numpy as np
import pytest

import rustdl
from rustdl import dtype_policies, ops, quantizers


@pytest.mark.parametrize(("name", "largest"), [("float8_e4m3fn", 448.0), ("float8_e5m2", 57344.0)])
def test_float8_rounding_is_exact(name, largest):
    rng = np.random.default_rng(0)
    powers = 2.0 ** np.arange(-20, 17)
    x = np.concatenate([rng.normal(size=5000) * 10.0 ** rng.uniform(-8, 5, 5000), powers, powers * (1 - 6e-8)])
    x = x.astype("float32")
    want = np.clip(x, -largest, largest).astype(getattr(ml_dtypes, name)).astype("float32")
    got = quantizers.quantize_and_dequantize(x, 1.0, name, "float32").numpy()
    np.testing.assert_array_equal(got, want)


def test_float8_gradient_is_that_of_clipping():
    gradient = rustdl.grad(lambda x: ops.sum(quantizers.quantize_and_dequantize(x, 2.0, "float8_e4m3fn", "float32")))
    assert gradient(np.array([1.0, -3.3, 2000.0], "float32")).tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(("shape", "axis"), [((5, 3), 0), ((4, 3), -1), ((2, 3, 4, 5), 2), ((2, 7), 1)])
def test_int4_pairs_come_back(dtype, shape, axis):
    low, high = (-8, 8) if dtype == "int8" else (0, 16)
    x = np.random.default_rng(1).integers(low, high, shape).astype(dtype)
    packed, packed_shape, size = quantizers.pack_int4(x, axis=axis, dtype=dtype)
    assert tuple(packed.shape) == packed_shape
    assert size == shape[axis]
    assert packed_shape[axis] == (size + 1) // 2
    np.testing.assert_array_equal(quantizers.unpack_int4(packed, size, axis=axis, dtype=dtype).numpy(), x)


def test_abs_max_errs_by_half_a_step():
    x = np.random.default_rng(2).normal(size=(6, 5)).astype("float32")
    q, scale = quantizers.abs_max_quantize(x, axis=0)
    assert q.dtype == "int8"
    assert tuple(scale.shape) == (1, 5)
    assert np.abs(q.numpy()).max(axis=0).tolist() == [127] * 5
    assert np.all(np.abs(q.numpy() / scale.numpy() - x) <= 0.5 / scale.numpy() + 1e-6)


def test_grouped_with_zero_point_errs_by_a_step():
    x = np.random.default_rng(3).normal(size=(10, 4)).astype("float32")
    x[::4], x[1::4] = -1.3, 1.1  # every group has both signs: 0 must be among its values
    q, scale, zero = quantizers.abs_max_quantize_grouped_with_zero_point(x, 4)
    assert (tuple(scale.shape), tuple(zero.shape), zero.dtype) == ((3, 4), (3, 4), "int8")
    group = np.arange(10) // 4
    back = (q.numpy() - zero.numpy()[group].astype("float32")) * scale.numpy()[group]
    assert np.all(np.abs(back - x) <= scale.numpy()[group] * 1.01)


def test_fake_quantization_per_channel():
    x = np.array([[-1.0, 0.3, 9.0], [0.1, -0.3, 2.1]], "float32")
    low, high = np.array([-0.55, -1.1, 0], "float32"), np.array([0.5, 1, 4], "float32")

    def step(x, low, high):
        return ops.sum(quantizers.fake_quant_with_min_max_vars(x, low, high, num_bits=4, axis=1))

    y = quantizers.fake_quant_with_min_max_vars(x, low, high, num_bits=4, axis=1).numpy()
    scale = (high - low) / 15
    start = np.array([-8, -8, 0]) * scale  # the ends are moved so that 0 is a value
    want = np.clip(np.floor((np.clip(x, start, start + 15 * scale) - start) / scale + 0.5), 0, 15) * scale + start
    np.testing.assert_allclose(y, want, atol=1e-6)
    dx, dlow, dhigh = rustdl.grad(step, argnums=(0, 1, 2))(x, low, high)
    assert dx.tolist() == [[0.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
    assert dlow.tolist() == [1.0, 0.0, 0.0]
    assert dhigh.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("int8_from_float32", "QuantizedDTypePolicy"),
        ("int4/128_from_mixed_bfloat16", "Int4DTypePolicy"),
        ("float8_from_bfloat16", "QuantizedFloat8DTypePolicy"),
        ("gptq/4/-1_from_float32", "GPTQDTypePolicy"),
        ("awq/4/64_from_float32", "AWQDTypePolicy"),
    ],
)
def test_policies_come_back_from_name_and_config(name, cls):
    policy = dtype_policies.get(name)
    assert type(policy).__name__ == cls
    assert policy.name == name
    assert dtype_policies.deserialize(dtype_policies.serialize(policy)) == policy
    assert policy != dtype_policies.get("float32")


@pytest.mark.parametrize(
    "name", ["int8", "int7_from_float32", "int8_from_float16", "gptq/5/1_from_float32", "awq/4/0_from_x"]
)
def test_bad_policies_are_refused(name):
    with pytest.raises(ValueError, match=r"int8|int7|5|awq"):
        dtype_policies.get(name)
