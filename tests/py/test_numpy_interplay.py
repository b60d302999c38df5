"""Tensors among numpy arrays: numpy functions take them, mixed expressions give tensors, results may be written to."""

import operator

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops

A = np.array([[0.5, 1.5], [2.5, 3.5]], "float32")


@pytest.mark.parametrize("name", ["exp", "sqrt", "isnan", "negative", "sum", "mean", "argmax", "cumsum", "transpose"])
def test_numpy_functions_of_one_tensor(name):
    found = getattr(np, name)(ops.convert_to_tensor(A))
    assert isinstance(found, (np.ndarray, np.generic))
    np.testing.assert_array_equal(found, getattr(np, name)(A))


@pytest.mark.parametrize("name", ["add", "maximum", "power", "greater", "allclose", "dot", "arctan2"])
def test_numpy_functions_of_two(name):
    fn, tensor = getattr(np, name), ops.convert_to_tensor(A)
    np.testing.assert_array_equal(fn(tensor, A + 1), fn(A, A + 1))
    np.testing.assert_array_equal(fn(A, tensor + 1), fn(A, A + 1))


@pytest.mark.parametrize("fn", [operator.add, operator.mul, operator.pow, operator.matmul, operator.lt, operator.eq])
@pytest.mark.parametrize("make", [ops.convert_to_tensor, rustdl.Variable])
def test_mixed_expressions_give_tensors(fn, make):
    for found in (fn(A, make(A + 1)), fn(make(A), A + 1)):
        assert isinstance(found, rustdl.Tensor)
        np.testing.assert_allclose(found, fn(A, A + 1), rtol=1e-6)


def test_numpy_scalars_come_second_too():
    tensor = ops.convert_to_tensor(A)
    for found in (np.float32(2) * tensor, tensor * np.float32(2)):
        assert isinstance(found, rustdl.Tensor)
        np.testing.assert_array_equal(found, 2 * A)


def test_numpy_may_write_into_its_own_array():
    out = A.copy()
    np.multiply(out, ops.convert_to_tensor(A), out=out)
    np.testing.assert_array_equal(out, A * A)


def test_results_may_be_written_to():
    model = rustdl.Sequential([rustdl.Input((2,)), layers.Dense(2)])
    kernel = model.layers[0].kernel
    for _ in range(2):  # the second prediction takes the quick way
        before = model.predict(A, verbose=0).copy()
        for array in (
            model.predict(A, verbose=0),
            model.predict_on_batch(A),
            model.predict(A, batch_size=1, verbose=0),
        ):
            array[:] = 7
        kernel.numpy()[:] = 7
        model.get_weights()[0][:] = 7
        ops.convert_to_numpy(kernel)[:] = 7
        np.testing.assert_array_equal(model.predict(A, verbose=0), before)


def test_the_mask_of_a_tensor_is_a_property():
    words = np.array([[1, 2, 0], [3, 0, 0]])
    embedded = layers.Embedding(5, 2, mask_zero=True)(words)
    np.testing.assert_array_equal(embedded._keras_mask, words > 0)
    assert (embedded * 2)._keras_mask is None
    doubled = embedded * 2
    doubled._keras_mask = embedded._keras_mask
    pooled = layers.GlobalAveragePooling1D()(doubled)
    np.testing.assert_allclose(pooled[1], doubled[1, 0], rtol=1e-6)
    doubled._keras_mask = None
    assert doubled._keras_mask is None


@pytest.mark.parametrize("compiled", [False, True])
def test_while_loop_over_a_dictionary(compiled):
    def run(x):
        state = {"a": x, "b": (x + 1, x * 2)}
        return ops.while_loop(lambda s: s["a"] < 10, lambda s: rustdl.tree.map_structure(lambda v: v + 1, s), state)

    found = (rustdl.jit(run) if compiled else run)(ops.convert_to_tensor(3))
    assert rustdl.tree.map_structure(int, found) == {"a": 10, "b": (11, 13)}


@pytest.mark.parametrize(("start", "shape"), [((1, 1), (2, 2, 2)), ((1, 1, 1), (2, 2))])
def test_slice_names_the_argument_of_another_rank(start, shape):
    with pytest.raises(ValueError, match="number of dimensions"):
        ops.slice(np.ones((3, 3)), start, shape)


def test_slice_to_the_end_needs_a_known_start():
    tail = rustdl.jit(lambda x, start: ops.slice(x, start, (-1,)))
    with pytest.raises(rustdl.errors.TracedError, match="start_indices` that are known"):
        tail(ops.arange(5), ops.convert_to_tensor([2]))
    np.testing.assert_array_equal(ops.slice(ops.arange(5), ops.convert_to_tensor([2]), (-1,)), [2, 3, 4])
