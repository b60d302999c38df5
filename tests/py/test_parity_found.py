"""What the parity grid (tools/keras_parity) found: each was wrong once. Numbers are by definition or from numpy."""

import numpy as np
import pytest

import rustdl
from rustdl import ops


def test_numpy_scalars_keep_their_values():
    """A numpy scalar lends no memory: its tensor once read what came to lie there afterwards."""
    tensors = [ops.convert_to_tensor(np.float32(i)) for i in range(500)]
    others = [np.float32(7.0) + i for i in range(2000)]
    assert len(others) == 2000
    assert [float(t) for t in tensors] == list(range(500))
    assert [int(t) for t in [ops.convert_to_tensor(np.int16(i)) for i in range(500)]] == list(range(500))


def test_the_gradient_of_a_scalar_through_stop_gradient_is_zero():
    x = ops.convert_to_tensor(np.array(0.5, "float32"))
    gradients = [rustdl.grad(lambda x: ops.sum(ops.stop_gradient(x)) * 2.0)(x) for _ in range(50)]
    assert [float(g) for g in gradients] == [0.0] * 50


@pytest.mark.parametrize("approximate", [True, False])
def test_gelu_of_huge_numbers_is_the_number(approximate):
    x = np.array([3e38, -3e38], "float32")
    np.testing.assert_array_equal(ops.gelu(x, approximate=approximate).numpy(), np.array([3e38, 0.0], "float32"))


@pytest.mark.parametrize("name", ["hard_shrink", "soft_shrink"])
def test_shrinking_gives_zero_where_nothing_exceeds_the_threshold(name):
    assert getattr(ops, name)(np.array([np.nan, 0.1], "float32")).tolist() == [0.0, 0.0]


def test_relu_of_booleans_counts():
    y = ops.relu(np.array([True, False]))
    assert y.dtype == "int32"
    assert y.tolist() == [1, 0]


@pytest.mark.parametrize("name", ["dot", "inner", "vdot", "tensordot"])
def test_products_of_small_integers_wrap_around(name):
    a = np.array([100, 100, 3], "int8")
    options = {"axes": 1} if name == "tensordot" else {}
    y = getattr(ops, name)(a, a, **options)
    assert y.dtype == "int8"
    assert int(y) == (100 * 100 * 2 + 9 + 128) % 256 - 128
    assert ops.matmul(a, a).dtype == "int32"


def test_geomspace_along_the_last_axis():
    start, stop = np.array([1.0, -2.0], "float32"), np.array([8.0, -32.0], "float32")
    y = ops.geomspace(start, stop, num=4, axis=-1)
    np.testing.assert_allclose(y.numpy(), np.geomspace(start, stop, num=4, axis=-1), rtol=1e-6)


def test_max_pooling_of_integers():
    x = np.arange(2**24 - 8, 2**24 + 8, dtype="int32").reshape(1, 4, 4, 1)
    y = ops.max_pool(x, 2)
    assert y.dtype == "int32"
    np.testing.assert_array_equal(y.numpy().ravel(), x[0, 1::2, 1::2, 0].ravel())


def test_vectorize_with_a_signature():
    a, b = np.random.default_rng(0).normal(size=(3, 1, 4)), np.random.default_rng(1).normal(size=(2, 4))
    dot = ops.vectorize(lambda x, y: ops.sum(x * y), signature="(n),(n)->()")
    np.testing.assert_allclose(dot(a, b).numpy(), np.einsum("ijn,jn->ij", np.broadcast_to(a, (3, 2, 4)), b), rtol=1e-6)
    power = ops.vectorize(lambda x, n: x**n, excluded={1})
    np.testing.assert_allclose(power(np.array([[1.0, 2.0]], "float32"), 3).numpy(), [[1.0, 8.0]])
    with pytest.raises(ValueError, match="not a signature"):
        ops.vectorize(lambda x: x, signature="n->n")
    with pytest.raises(ValueError, match="axis 'n' has the sizes 4 and 3"):
        dot(a, np.zeros(3))


def test_an_initializer_by_the_name_constant():
    assert rustdl.initializers.get("constant")((2,)).tolist() == [0.0, 0.0]


def test_counts_of_a_histogram_of_integers_are_floats():
    counts, edges = ops.histogram(np.array([0, 1, 1, 3], "int32"), bins=3)
    assert (counts.dtype, edges.dtype) == ("float32", "float32")
    assert counts.tolist() == [1.0, 2.0, 1.0]


def test_legacy_optimizers_say_what_to_use():
    with pytest.raises(ImportError, match=r"rustdl\.optimizers\.Adam"):
        rustdl.optimizers.legacy.Adam()
