"""Loops as operations: values and gradients against Python loops, eagerly, on the tape and compiled."""

from __future__ import annotations

import numpy as np
import pytest

import rustdl
from rustdl import _rustdl, ops
from rustdl.backend.autodiff import grad
from rustdl.backend.jit import jit
from rustdl.backend.trace import trace

RNG = np.random.default_rng(7)


def _weights(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [RNG.normal(size=s) * 0.5 for s in shapes]


def _cell(carry, x, w, b):
    h, count = carry
    h = ops.tanh(ops.matmul(x, w[0]) + ops.matmul(h, w[1]) + b)
    return (h, count + 1), (h * h, ops.sum(h, axis=-1))


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_equals_a_python_loop(reverse):
    x, w0, w1, b, h = _weights((5, 2, 3), (3, 4), (4, 4), (4,), (2, 4))

    def loss(x, w0, w1, b, h, unroll):
        start = (h, ops.cast(0, "int32"))
        (last, count), (squares, sums) = ops.scan(
            lambda c, s: _cell(c, s, (w0, w1), b), start, x, reverse=reverse, unroll=unroll
        )
        weights = np.arange(5.0)[:, None]
        return ops.sum(last) + ops.sum(squares) + ops.sum(sums * weights) + ops.cast(count, "float64")

    arguments = (x, w0, w1, b, h)
    want = grad(lambda *a: loss(*a, True), argnums=(0, 1, 2, 3, 4))(*arguments)
    got = grad(lambda *a: loss(*a, 1), argnums=(0, 1, 2, 3, 4))(*arguments)
    compiled = jit(grad(lambda *a: loss(*a, 1), argnums=(0, 1, 2, 3, 4)))(*map(ops.convert_to_tensor, arguments))
    np.testing.assert_allclose(loss(*arguments, 1), loss(*arguments, True), rtol=1e-12)
    for g, c, w in zip(got, compiled, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(c, w, rtol=1e-10, atol=1e-12)


def test_second_order():
    x, w, h = _weights((3, 2, 2), (2, 2), (2, 2))

    def loss(w, unroll):
        step = lambda c, s: (ops.tanh(ops.matmul(c, w) + s), None)  # noqa: E731
        return ops.sum(ops.square(ops.scan(step, ops.convert_to_tensor(h), x, unroll=unroll)[0]))

    def slope(w, unroll):
        return ops.sum(ops.square(grad(lambda v: loss(v, unroll))(w)))

    want = grad(lambda v: slope(v, True))(w)
    np.testing.assert_allclose(grad(lambda v: slope(v, 1))(w), want, rtol=1e-9)
    np.testing.assert_allclose(jit(grad(lambda v: slope(v, 1)))(ops.convert_to_tensor(w)), want, rtol=1e-9)


def test_a_compiled_scan_is_one_step_and_its_weight_gradient_one_product():
    x, w, h = (ops.cast(a, "float32") for a in _weights((20, 8, 16), (16, 16), (8, 16)))

    def loss(w):
        return ops.sum(ops.scan(lambda c, s: (ops.tanh(ops.matmul(c, w) + s), None), h, x)[0])

    names = trace(grad(loss), (w,)).plan.step_names()
    assert (names.count("scan"), names.count("matmul")) == (2, 1), names


def test_the_gradient_of_a_kernel_is_one_convolution_over_all_steps():
    x, k, h = (ops.cast(a, "float32") for a in _weights((4, 2, 6, 6, 3), (3, 3, 3, 3), (2, 6, 6, 3)))

    def loss(k, unroll):
        def body(c, s):
            return ops.tanh(ops.conv(c, k, padding="same") + s), None

        return ops.sum(ops.square(ops.scan(body, h, x, unroll=unroll)[0]))

    names = trace(grad(lambda k: loss(k, 1)), (k,)).plan.step_names()
    assert (names.count("scan"), names.count("conv_kernel_grad")) == (2, 1), names
    np.testing.assert_allclose(grad(lambda k: loss(k, 1))(k), grad(lambda k: loss(k, 4))(k), rtol=1e-4, atol=1e-5)


def test_variables_assigned_in_the_body_are_carried():
    total = rustdl.Variable(0.0)

    def body(carry, x):
        total.assign_add(x)
        return carry * total.value, total.value + 0.0

    last, seen = ops.scan(body, ops.convert_to_tensor(1.0), np.float32([1, 2, 3]))
    assert (float(last), np.asarray(seen).tolist(), float(total)) == (18.0, [1.0, 3.0, 6.0], 6.0)
    last = jit(lambda xs: ops.scan(body, ops.convert_to_tensor(1.0), xs)[0])(np.float32([1, 2, 3]))
    assert (float(last), float(total)) == (7.0 * 9 * 12, 12.0)


def test_random_numbers_differ_from_step_to_step():
    seeds = rustdl.random.SeedGenerator(3)
    step = lambda c, _: (c, rustdl.random.uniform((), seed=seeds))  # noqa: E731
    for run in (lambda: ops.scan(step, 0.0, length=4)[1], jit(lambda: ops.scan(step, 0.0, length=4)[1])):
        assert len(set(np.asarray(run()).tolist())) == 4


def test_errors_name_the_carry_and_both_shapes():
    with pytest.raises(ValueError, match=r"carry\['h'\].*\(2,\).*\(1, 2\)"):
        ops.scan(lambda c, x: ({"h": c["h"][None]}, None), {"h": np.zeros(2)}, np.zeros((3, 2)))
    with pytest.raises(ValueError, match="structure"):
        ops.scan(lambda c, x: ((c, c), None), np.zeros(2), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="first sizes"):
        ops.scan(lambda c, x: (c, None), 0.0, (np.zeros(2), np.zeros(3)))


def test_a_body_that_needs_values_runs_step_by_step():
    seen = []

    def body(carry, x):
        if x > 1:  # needs the value
            seen.append(float(x))
        return carry + x, None

    assert float(ops.scan(body, 0.0, np.float32([1, 2, 3]))[0]) == 6.0
    assert seen == [2.0, 3.0]


def test_no_step_and_one_step():
    last, ys = ops.scan(lambda c, x: (c + x, c * x), ops.convert_to_tensor(2.0), np.zeros(0, "float32"))
    assert (float(last), ys.shape) == (2.0, (0,))
    last, ys = ops.scan(lambda c, x: (c + x, c * x), ops.convert_to_tensor(2.0), np.float32([3]))
    assert (float(last), np.asarray(ys).tolist()) == (5.0, [6.0])


def test_map_and_fori_loop():
    x = RNG.normal(size=(4, 3))
    found = ops.map(lambda s: {"a": s[0] + s[1], "b": ops.sum(s[1])}, (x, 2 * x))
    np.testing.assert_allclose(found["a"], 3 * x)
    np.testing.assert_allclose(found["b"], 2 * x.sum(axis=1))
    power = jit(lambda x: ops.fori_loop(0, 5, lambda i, v: v * ops.cast(i + 1, "float64") + x, x))
    want = x
    for i in range(5):
        want = want * (i + 1) + x
    np.testing.assert_allclose(power(x), want)
    counted = jit(lambda n: ops.fori_loop(0, n, lambda i, v: v + i, 0))
    assert int(counted(ops.convert_to_tensor(6))) == 15


def test_while_loop_in_a_trace():
    collatz = jit(
        lambda n: ops.while_loop(
            lambda n, k: n > 1,
            lambda n, k: (ops.where(n % 2 == 0, n // 2, 3 * n + 1), k + 1),
            (n, ops.cast(0, "int32")),
        )
    )
    assert [int(collatz(ops.convert_to_tensor(n))[1]) for n in (1, 6, 27)] == [0, 8, 111]


def test_the_shape_of_a_loop_that_never_ends():
    x = rustdl.KerasTensor((None, 3))
    assert ops.while_loop(lambda x: True, lambda x: x + 1, x).shape == (None, 3)


def test_the_gradient_of_while_loop_needs_a_limit():
    def loop(x, limit):
        return ops.while_loop(lambda x: x < 10.0, lambda x: x * x, (x,), maximum_iterations=limit)[0]

    derivative = jit(grad(lambda v: loop(v, 6)))
    # 3 -> 9 -> 81 = x^4
    assert float(derivative(ops.convert_to_tensor(3.0))) == pytest.approx(4 * 27.0)
    with pytest.raises(NotImplementedError, match="maximum_iterations"):
        trace(grad(lambda v: loop(v, None)), (ops.convert_to_tensor(3.0),))


def test_associative_scan():
    x = RNG.normal(size=(7, 2))
    np.testing.assert_allclose(ops.associative_scan(lambda a, b: a + b, x), np.cumsum(x, axis=0))
    np.testing.assert_allclose(
        ops.associative_scan(lambda a, b: a * b, x, axis=1, reverse=True), np.cumprod(x[:, ::-1], axis=1)[:, ::-1]
    )


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_do_not_change_bits(threads):
    x, w, r, h = (ops.cast(a, "float32") for a in _weights((16, 40, 64), (64, 4 * 96), (96, 4 * 96), (16, 96)))

    def loss(w, r):
        return ops.sum(ops.square(ops.lstm(x, w, r, initial_state=(h, h))[0]))

    before = _rustdl.num_threads()
    try:
        _rustdl.set_num_threads(1)
        want = [np.asarray(g) for g in grad(loss, argnums=(0, 1))(w, r)]
        _rustdl.set_num_threads(threads)
        for got, one in zip(grad(loss, argnums=(0, 1))(w, r), want, strict=True):
            np.testing.assert_array_equal(np.asarray(got), one)
    finally:
        _rustdl.set_num_threads(before)
