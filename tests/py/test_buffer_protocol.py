"""Memory shared with numpy and others through Python's buffer protocol, in both directions."""

import ctypes
import gc
import io

import ml_dtypes
import numpy as np
import pytest

import rustdl
from rustdl import _rustdl, ops

DTYPES = ["bool", "float16", "float32", "float64"]
DTYPES += [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
VIEWS = {
    "whole": lambda a: a,
    "reversed": lambda a: a[:, ::-1],
    "transposed": lambda a: a.T,
    "gaps": lambda a: a[..., 1::2],
    "no rows": lambda a: a[:0],
    "broadcast": lambda a: np.broadcast_to(a[:1], (5, 3, 4)),
    "scalar": lambda a: np.array(a[1, 2, 3]),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_there_and_back(dtype, view):
    array = VIEWS[view]((np.arange(24).reshape(2, 3, 4) % 5).astype(dtype))
    tensor = _rustdl.convert(array)
    assert (tensor.dtype, tensor.shape) == (dtype, array.shape)
    for back in (tensor.numpy(), np.asarray(tensor), np.array(tensor), np.asarray(memoryview(tensor))):
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)
    np.testing.assert_array_equal(np.asarray(tensor, dtype="float64"), array.astype("float64"))
    own = tensor.numpy(copy=True)
    assert own.dtype == array.dtype
    assert own.flags.writeable
    np.testing.assert_array_equal(own, array)
    assert not np.shares_memory(own, tensor.numpy())
    view = memoryview(tensor)
    assert view.readonly
    assert view.shape == array.shape
    assert view.nbytes == array.nbytes


def test_memory_is_shared_and_read_only():
    tensor = ops.arange(6.0) + 1
    array = np.asarray(tensor)
    assert np.shares_memory(array, np.asarray(tensor))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 7
    assert np.array(tensor).flags.writeable
    with pytest.raises(TypeError, match="read-write"), io.BytesIO(bytes(24)) as file:
        file.readinto(tensor)


@pytest.mark.parametrize(
    ("view", "rows", "columns"),
    [("whole", True, False), ("transposed", False, True), ("gaps", False, False), ("reversed", False, False)],
)
def test_who_wants_an_order_gets_it_or_an_error(view, rows, columns):
    tensor = _rustdl.convert(VIEWS[view](np.arange(24, dtype="float32").reshape(2, 3, 4)))
    simple, strided = 0, 0x18  # the flags PyBUF_.. of Python's C API
    of_rows, of_columns, of_either = 0x20 | strided, 0x40 | strided, 0x80 | strided
    wanted = {simple: rows, strided: True, of_rows: rows, of_columns: columns, of_either: rows or columns}
    for flags, possible in wanted.items():
        place = ctypes.create_string_buffer(256)  # larger than a Py_buffer
        if possible:
            ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(tensor), place, flags)
            ctypes.pythonapi.PyBuffer_Release(place)
        else:
            with pytest.raises(BufferError, match="order"):
                ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(tensor), place, flags)


def test_memory_outlives_the_tensor_and_no_longer():
    gc.collect()
    before = _rustdl.live_bytes()
    for _ in range(50):
        tensor = ops.arange(1000.0) + 1
        array, view = np.asarray(tensor), memoryview(tensor)
        del tensor
        gc.collect()
        assert array[7] == view[7] == 8
    del array, view
    gc.collect()
    assert _rustdl.live_bytes() <= before  # less where what tests before left is collected meanwhile


def test_bfloat16_has_no_buffer_but_an_array():
    tensor = ops.cast(np.arange(6.0).reshape(2, 3), "bfloat16")
    with pytest.raises(BufferError, match="bfloat16"):
        memoryview(tensor)
    for array in (np.asarray(tensor), tensor.numpy(), tensor.numpy(copy=True), np.asarray(tensor[:, ::2])):
        assert array.dtype == ml_dtypes.bfloat16
    assert _rustdl.convert(np.asarray(tensor)).dtype == "bfloat16"
    np.testing.assert_array_equal(np.asarray(tensor, dtype="float32"), np.arange(6.0).reshape(2, 3))


def test_an_unaligned_array_is_copied():
    array = np.frombuffer(bytearray(17), dtype="uint8")[1:].view("float32")
    assert not array.flags.aligned
    np.testing.assert_array_equal(_rustdl.convert(array), array)


@pytest.mark.parametrize(
    "array", [np.zeros(3, ">f4"), np.zeros(3, "c8"), np.zeros(3, "M8[s]"), np.zeros(3, [("a", "f4")])]
)
def test_other_dtypes_are_refused_by_name(array):
    with pytest.raises(TypeError, match="cannot be converted to a tensor: supported are"):
        _rustdl.convert(array)


def test_a_traced_tensor_has_no_memory():
    def peek(x):
        with pytest.raises(BufferError, match="no value while a step is being compiled"):
            memoryview(x)
        with pytest.raises(rustdl.errors.TracedError):
            np.asarray(x)
        return x

    rustdl.jit(peek)(np.zeros(3, "float32"))
