import pickle

import numpy as np
import pytest

import rustdl
from rustdl import backend


def test_assign_and_read():
    v = rustdl.Variable([1.0, 2.0], name="v")
    assert v.shape == (2,)
    assert v.dtype == "float32"
    before = v.value
    v.assign([3.0, 4.0])
    assert v.assign_add([1.0, 1.0]).tolist() == [4.0, 5.0]
    assert v.assign_sub(v).tolist() == [0.0, 0.0]
    assert before.tolist() == [1.0, 2.0]  # a snapshot
    with pytest.raises(ValueError, match="must match"):
        v.assign([1.0])


def test_dtype_of_value_and_initializer():
    assert rustdl.Variable(1).dtype == "int32"
    assert rustdl.Variable(np.zeros(2, "float64")).dtype == "float64"
    assert rustdl.Variable(np.ones, shape=(2,)).dtype == "float32"
    assert rustdl.Variable(1.5, dtype="int32").numpy() == 1
    with pytest.raises(ValueError, match="shape"):
        rustdl.Variable("zeros")
    with pytest.raises(ValueError, match="fully-defined"):
        rustdl.Variable("zeros", shape=(None, 2))


def test_arguments():
    with pytest.raises(ValueError, match="name"):
        rustdl.Variable(1.0, name="a/b")
    with pytest.raises(ValueError, match="aggregation"):
        rustdl.Variable(1.0, aggregation="all")


def test_operators_agree_with_numpy():
    a = np.array([[1.0, 2.0], [3.0, 5.0]], "float32")
    v = rustdl.Variable(a)
    assert np.array_equal((v + 1.0).numpy(), a + 1)
    assert np.array_equal((1.0 - v).numpy(), 1 - a)
    assert np.array_equal((v @ v).numpy(), a @ a)
    assert np.array_equal((v**2.0).numpy(), a**2)
    assert np.array_equal((v > 2.0).numpy(), a > 2)
    assert np.array_equal((-v).numpy(), -a)
    assert np.array_equal(v[0].numpy(), a[0])
    assert (v + rustdl.KerasTensor((2, 2))).shape == (2, 2)


def test_paths_follow_name_scopes():
    with rustdl.name_scope("a"), rustdl.name_scope("b"):
        v = rustdl.Variable(1.0, name="v")
    assert v.path == "a/b/v"
    with pytest.raises(ValueError, match="name"):
        rustdl.name_scope("a/b")


def test_stateless_scope_reads_and_collects():
    v = rustdl.Variable(1.0)
    with rustdl.StatelessScope([(v, 5.0)]) as scope:
        assert float(v) == 5.0
        v.assign_add(1.0)
        with rustdl.StatelessScope():
            assert float(v) == 6.0  # the outer scope's
    assert float(v) == 1.0
    assert float(scope.get_current_value(v)) == 6.0
    with pytest.raises(ValueError, match="shape"):
        rustdl.StatelessScope([(v, [1.0, 2.0])])


def test_initialization_is_deferred_in_a_stateless_scope():
    with rustdl.StatelessScope():
        v = rustdl.Variable("ones", shape=(2,))
        assert (v + 1.0).tolist() == [2.0, 2.0]
    assert v.numpy().tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="stateless scope"), rustdl.StatelessScope():
        rustdl.Variable(1.0)


def test_autocast():
    v = rustdl.Variable([1.0])
    fixed = rustdl.Variable([1.0], autocast=False)
    with backend.AutocastScope("float16"):
        assert v.dtype == v.value.dtype == "float16"
        assert fixed.value.dtype == "float32"
        v.assign_add([1.0])
    assert v.value.dtype == "float32"
    assert v.numpy().tolist() == [2.0]


def test_pickle_and_identity():
    v = rustdl.Variable([1.0, 2.0], name="v")
    again = pickle.loads(pickle.dumps(v))
    assert again.path == "v"
    assert again.numpy().tolist() == [1.0, 2.0]
    again.assign([0.0, 0.0])
    assert v.numpy().tolist() == [1.0, 2.0]
    assert len({v, again}) == 2


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (("int32", "float16"), "float16"),
        (("uint8", "int8"), "int16"),
        (("uint32", "int32"), "int32"),
        (("bfloat16", "float16"), "float32"),
        (("int64", "float32"), "float32"),
        (("uint64", "int64"), "float32"),
        (("bool", "int"), "int32"),
        ((int, "uint8"), "uint8"),
        ((float, "int32"), "float32"),
        ((float, "bfloat16"), "bfloat16"),
        ((), "float32"),
    ],
)
def test_result_type(dtypes, expected):
    assert backend.result_type(*dtypes) == expected


def test_result_type_agrees_with_jax():
    jnp = pytest.importorskip("jax.numpy")
    import jax

    names = ["bool", "uint8", "uint16", "int8", "int16", "int32", "bfloat16", "float16", "float32"]
    for a in names:
        for b in names:
            expected = str(jax.numpy.promote_types(getattr(jnp, a + "_" * (a == "bool")), b))
            assert backend.result_type(a, b) == expected, (a, b)
