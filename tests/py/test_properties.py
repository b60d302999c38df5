"""Properties over random shapes, dtypes and arguments (hypothesis), with numpy and scipy as the reference."""

import itertools

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rustdl import ops

FINITE = {"allow_nan": False, "allow_infinity": False, "width": 32}
FLOATS = st.floats(-100, 100, **FINITE)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
BINARY = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "maximum": np.maximum, "arctan2": np.arctan2}
UNARY = {
    "erf": scipy.special.erf,
    "exp": np.exp,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "sigmoid": scipy.special.expit,
    "sin": np.sin,
    "tanh": np.tanh,
}
few = settings(max_examples=60, deadline=None)


def array(shape):
    return hnp.arrays(np.float32, shape, elements=FLOATS)


@few
@given(
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4), st.sampled_from(sorted(BINARY)), st.data()
)
def test_binary_operations_broadcast_as_numpy(shapes, name, data):
    x, y = (data.draw(array(shape)) for shape in shapes.input_shapes)
    got = getattr(ops, name)(x, y)
    assert got.shape == shapes.result_shape
    np.testing.assert_allclose(got.numpy(), BINARY[name](x, y), rtol=1e-6, atol=1e-6)


@few
@given(SHAPES.flatmap(array), st.sampled_from(sorted(UNARY)))
def test_functions_equal_numpy_and_scipy(x, name):
    x = np.clip(x, -80, 80) if name != "log1p" else np.abs(x)
    wanted = UNARY[name](x.astype("float64"))
    np.testing.assert_allclose(getattr(ops, name)(x).numpy(), wanted, rtol=1e-6, atol=1e-6)


def test_sums_over_no_elements_are_zero():
    for shape in itertools.product((0, 2, 3), repeat=4):
        for axes in itertools.chain.from_iterable(itertools.combinations(range(4), n) for n in (1, 2, 3, 4)):
            kept = tuple(size for axis, size in enumerate(shape) if axis not in axes)
            junk = ops.full(kept or (1,), 5.5)  # its memory is the next result's
            del junk
            got = ops.sum(np.ones(shape, "float32"), axis=axes).numpy()
            np.testing.assert_array_equal(got, np.ones(shape).sum(axis=axes))


@few
@given(SHAPES.filter(len).flatmap(array), st.data())
def test_reductions_equal_numpy(x, data):
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1) | hnp.valid_tuple_axes(x.ndim, min_size=1))
    keepdims = data.draw(st.booleans())
    got = ops.sum(x, axis=axis, keepdims=keepdims).numpy()
    np.testing.assert_allclose(got, x.astype("float64").sum(axis=axis, keepdims=keepdims), rtol=1e-5, atol=1e-3)
    if x.size:
        np.testing.assert_array_equal(ops.max(x, axis=axis, keepdims=keepdims), x.max(axis=axis, keepdims=keepdims))


@few
@given(hnp.array_shapes(min_dims=1, max_dims=4, max_side=5).flatmap(array), st.data())
def test_basic_indices_are_those_of_numpy(x, data):
    index = data.draw(hnp.basic_indices(x.shape, allow_newaxis=True))
    np.testing.assert_array_equal(ops.convert_to_tensor(x)[index].numpy(), x[index])


@few
@given(st.integers(0, 6), st.integers(0, 40), st.integers(0, 6), st.booleans(), st.booleans(), st.data())
def test_products_equal_numpy(m, k, n, left, right, data):
    x = data.draw(array((k, m) if left else (m, k)))
    y = data.draw(array((n, k) if right else (k, n)))
    x, y = (x.T if left else x), (y.T if right else y)
    wanted = x.astype("float64") @ y.astype("float64")
    np.testing.assert_allclose(ops.matmul(x, y).numpy(), wanted, rtol=1e-4, atol=0.05)


@few
@given(st.sampled_from(["bool", "uint8", "int8", "int16", "int32", "float16", "float32", "float64"]), SHAPES, st.data())
def test_dtypes_survive_the_way_to_a_tensor_and_back(dtype, shape, data):
    x = data.draw(hnp.arrays(dtype, shape))
    t = ops.convert_to_tensor(x)
    assert t.dtype == dtype
    np.testing.assert_array_equal(t.numpy(), x)


@few
@given(st.lists(st.integers(-2, 7), max_size=4), SHAPES.flatmap(array))
def test_reshape_gives_a_result_or_a_value_error(shape, x):
    try:
        wanted = x.reshape(shape)
    except ValueError:
        wanted = None
    if wanted is None or min(shape, default=0) < -1:
        with pytest.raises(ValueError, match="reshape"):
            ops.reshape(x, shape)
    else:
        np.testing.assert_array_equal(ops.reshape(x, shape).numpy(), wanted)


@few
@given(st.integers(-5, 5), st.integers(-5, 5), st.sampled_from(["same", "valid", "full", 3, None]))
def test_conv_arguments_give_a_result_or_one_clear_error(strides, dilation, padding):
    x, kernel = np.ones((1, 6, 6, 2), "float32"), np.ones((3, 3, 2, 4), "float32")
    y, message = None, ""
    try:
        y = ops.conv(x, kernel, strides=strides, padding=padding, dilation_rate=dilation)
    except (ValueError, TypeError) as error:
        message = str(error)
    if y is None:
        assert "conv" in message or "padding" in message
    else:
        assert min(strides, dilation) > 0
        assert y.shape[-1] == 4
