import numpy as np
import pytest

import rustdl
from rustdl import backend, ops


def _numeric(f, x, eps=1e-6):
    x = np.array(x, "float64")
    grad = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += eps
        down[i] -= eps
        grad[i] = (float(f(up)) - float(f(down))) / (2 * eps)
    return grad


def _loss(x):
    return ops.sum(ops.tanh(ops.matmul(x, ops.transpose(x))) * ops.exp(-x[:1, :1]))


X = np.random.default_rng(0).normal(size=(3, 4))


def test_grad_agrees_with_differences():
    value, grad = rustdl.value_and_grad(_loss)(X)
    assert grad.dtype == "float64"
    assert np.allclose(grad.numpy(), _numeric(_loss, X), atol=1e-7)
    assert np.isclose(float(value), float(_loss(X)))


def test_second_order_agrees_with_differences():
    def squared(x):
        return ops.sum(rustdl.grad(_loss)(x) ** 2.0)

    assert np.allclose(rustdl.grad(squared)(X).numpy(), _numeric(squared, X), atol=1e-5)


def test_third_order():
    f = lambda x: x**4.0  # noqa: E731
    assert float(rustdl.grad(rustdl.grad(rustdl.grad(f)))(2.0)) == pytest.approx(48.0)


def test_inner_gradient_sees_its_own_argument_only():
    # d/dx [ d/dy (x y) at y = x ] = 1, not 2.
    f = rustdl.grad(lambda x: rustdl.grad(lambda y: x * y)(x))
    assert float(f(3.0)) == 1.0


def test_structures_argnums_and_aux():
    def f(a, b):
        return ops.sum(a["w"] * b) + 2.0 * a["v"][0], {"extra": b}

    a = {"w": np.array([1.0, 2.0], "float32"), "v": [np.float32(3.0)]}
    b = np.array([5.0, 7.0], "float32")
    (value, aux), (ga, gb) = rustdl.value_and_grad(f, argnums=(0, 1), has_aux=True)(a, b)
    assert float(value) == 1 * 5 + 2 * 7 + 6
    assert ga["w"].tolist() == [5.0, 7.0]
    assert float(ga["v"][0]) == 2.0
    assert gb.tolist() == [1.0, 2.0]
    assert aux["extra"].tolist() == [5.0, 7.0]
    grad, aux = rustdl.grad(f, has_aux=True)(a, b)
    assert grad["w"].tolist() == [5.0, 7.0]


def test_unconnected():
    v, w = rustdl.Variable(2.0), rustdl.Variable(3.0)
    value, grads = rustdl.value_and_grad(lambda: v * v, variables=[v, w])()
    assert float(value) == 4.0
    assert float(grads[0]) == 4.0
    assert grads[1] is None
    assert rustdl.grad(lambda x, y: y * y, argnums=0)(np.ones((2,), "float32"), 2.0).tolist() == [0.0, 0.0]


def test_assignments_inside_reach_the_variable():
    v, count = rustdl.Variable(2.0), rustdl.Variable(0)

    def f(x):
        count.assign_add(1)
        return v * x

    _, (g,) = rustdl.value_and_grad(f, variables=[v])(3.0)
    assert float(g) == 3.0
    assert int(count) == 1
    assert not count.value.is_recorded


def test_errors():
    with pytest.raises(ValueError, match="scalar"):
        rustdl.grad(lambda x: x)(np.ones((2,), "float32"))
    with pytest.raises(TypeError, match="float"):
        rustdl.grad(ops.sum)(np.ones((2,), "int32"))
    with pytest.raises(ValueError, match="argnums"):
        rustdl.grad(lambda x: x, argnums=1)(1.0)


def test_stop_gradient_and_cond():
    f = lambda x: ops.stop_gradient(x) * x  # noqa: E731
    assert float(rustdl.grad(f)(3.0)) == 3.0
    g = lambda x: ops.cond(x > 0.0, lambda: x * x, lambda: -x)  # noqa: E731
    assert float(rustdl.grad(g)(3.0)) == 6.0
    assert float(rustdl.grad(g)(-3.0)) == -1.0


def _model():
    rustdl.utils.clear_session()
    return rustdl.Sequential(
        [
            rustdl.Input((4,)),
            rustdl.layers.Dense(5, activation="tanh", kernel_initializer=rustdl.initializers.GlorotUniform(seed=1)),
            rustdl.layers.Dense(1, kernel_initializer=rustdl.initializers.GlorotUniform(seed=2)),
        ]
    )


def test_trace_equals_eager():
    model = _model()
    seen = rustdl.Variable(0)

    def step(x, y, scale=1.0):
        def loss():
            return ops.mean((model(x) - y) ** 2.0) * scale

        value, grads = rustdl.value_and_grad(loss, variables=model.trainable_variables)()
        for v, g in zip(model.trainable_variables, grads, strict=True):
            v.assign_sub(0.1 * g)
        seen.assign_add(1)
        return {"loss": value, "constant": 3}

    x, y = X.astype("float32"), np.ones((3, 1), "float32")
    start = model.get_weights()
    eager = [step(x, y) for _ in range(3)]
    after = model.get_weights()
    model.set_weights(start)
    seen.assign(0)
    compiled = backend.trace(step, (x, y))
    traced = [compiled(x, y) for _ in range(3)]
    assert int(seen) == 3
    assert traced[0]["constant"] == 3
    for a, b in zip(eager, traced, strict=True):
        assert np.allclose(a["loss"].numpy(), b["loss"].numpy(), rtol=1e-6)
    for a, b in zip(after, model.get_weights(), strict=True):
        assert np.allclose(a, b, rtol=1e-5, atol=1e-7)


def test_jit_keeps_a_plan_for_each_signature():
    calls = []

    @rustdl.jit
    def f(x, double=False):
        calls.append(tuple(x.shape))
        return x + x if double else x * 1.0

    assert f(np.ones(2, "float32")).tolist() == [1.0, 1.0]
    assert f(np.zeros(2, "float32")).tolist() == [0.0, 0.0]
    assert f(np.ones(2, "float32"), double=True).tolist() == [2.0, 2.0]
    assert f(np.ones(3, "float32")).tolist() == [1.0, 1.0, 1.0]
    assert calls == [(2,), (2,), (3,)]
    assert rustdl.grad(lambda x: ops.sum(f(x)))(np.ones(2, "float32")).tolist() == [1.0, 1.0]


def test_branching_on_a_traced_value_raises():
    with pytest.raises(TypeError, match="traced"):
        rustdl.jit(lambda x: 1 if x > 0 else 2)(np.float32(1.0))


def test_cond_and_loops_inside_a_trace():
    v = rustdl.Variable(1.0)

    def f(x):
        def grow():
            v.assign(v * 2.0)
            return x

        y = ops.cond(x > 0.0, grow, lambda: -x)
        total = ops.fori_loop(0, 3, lambda i, t: t + y, y * 0.0)
        steps = ops.while_loop(lambda t: t < 10.0, lambda t: t * 2.0, y, maximum_iterations=8)
        return total, steps

    compiled = rustdl.jit(f)
    total, steps = compiled(np.float32(3.0))
    assert (float(total), float(steps), float(v)) == (9.0, 12.0, 2.0)
    total, steps = compiled(np.float32(-4.0))
    assert (float(total), float(steps), float(v)) == (12.0, 16.0, 2.0)


def test_agrees_with_jax():
    jax = pytest.importorskip("jax")
    jnp = jax.numpy

    def f(xp, x, w):
        return xp.sum(xp.exp(-((x @ w) ** 2)) * xp.max(x, axis=1, keepdims=True))

    w = np.random.default_rng(1).normal(size=(4, 2)).astype("float32")
    x = X.astype("float32")
    expected = jax.grad(lambda x, w: f(jnp, x, w), argnums=(0, 1))(x, w)
    found = rustdl.grad(lambda x, w: f(ops, x, w), argnums=(0, 1))(x, w)
    for a, b in zip(found, expected, strict=True):
        assert np.allclose(a.numpy(), np.asarray(b), rtol=1e-4, atol=1e-6)


def test_custom_gradient_eager_and_traced():
    @rustdl.ops.custom_gradient
    def clipped(x):
        return x * x, lambda *args, upstream=None: rustdl.ops.clip(upstream * 2 * x, -1.0, 1.0)

    def gradient(x):
        return rustdl.grad(lambda x: rustdl.ops.sum(clipped(x)))(x)

    x = np.array([-3.0, 0.25, 2.0], "float32")
    np.testing.assert_array_equal(gradient(x), [-1.0, 0.5, 1.0])
    from rustdl.backend.jit import jit

    np.testing.assert_array_equal(jit(gradient)(x), [-1.0, 0.5, 1.0])


def test_custom_gradient_is_differentiated_again():
    @rustdl.custom_gradient
    def log1pexp(x):
        e = rustdl.ops.exp(x)
        return rustdl.ops.log(1.0 + e), lambda upstream: upstream * (1.0 - 1.0 / (1.0 + e))

    rustdl.check_grads(log1pexp, (X.astype("float64"),), order=3)
    assert float(rustdl.jit(rustdl.grad(rustdl.grad(log1pexp)))(0.0)) == 0.25
    assert float(rustdl.grad(rustdl.grad(log1pexp))(0.0)) == 0.25


def test_custom_gradient_of_structures():
    @rustdl.custom_gradient
    def scaled(d, scale, name="any"):
        def gradient(dy):
            g, h = dy["y"], dy["z"][0]
            return {"a": 10.0 * g, "b": [h * scale], "n": None}, rustdl.ops.sum(g)

        return {"y": d["a"] * scale, "z": [d["b"][0]]}, gradient

    def loss(d, scale):
        found = scaled(d, scale, name="x")
        return rustdl.ops.sum(found["y"]) + 3.0 * rustdl.ops.sum(found["z"][0])

    x = np.ones(2, "float32")
    for wrap in (lambda f: f, rustdl.jit):
        g, by_scale = wrap(rustdl.grad(loss, argnums=(0, 1)))({"a": x, "b": [x], "n": None}, np.float32(2.0))
        assert g["a"].tolist() == [10.0, 10.0]
        assert g["b"][0].tolist() == [6.0, 6.0]
        assert g["n"] is None
        assert float(by_scale) == 2.0
    with pytest.raises(ValueError, match="gave 1 gradients for 2 arguments"):
        rustdl.grad(rustdl.custom_gradient(lambda x, y: (x * y, lambda g: g)))(1.0, 2.0)
    with pytest.raises(ValueError, match="has 1 tensors, the argument 2"):
        rustdl.grad(rustdl.custom_gradient(lambda d: (d[0] * d[1], lambda g: [[g]])))([1.0, 2.0])
    with pytest.raises(TypeError, match="pair"):
        rustdl.custom_gradient(lambda x: x)(1.0)


def test_gradients_of_structures_with_names_and_of_variables_in_dictionaries():
    params = {"w": np.ones(2, "float32"), "bias": None, "name": "dense", "use": True}
    g = rustdl.grad(lambda p: rustdl.ops.sum(p["w"] * p["w"]))(params)
    assert g["w"].tolist() == [2.0, 2.0]
    assert (g["bias"], g["name"], g["use"]) == (None, None, None)
    with pytest.raises(TypeError, match="got 3"):
        rustdl.grad(lambda p: p["w"])({"w": 3})
    v, w = rustdl.Variable(2.0), rustdl.Variable(3.0)
    _, g = rustdl.value_and_grad(lambda: v * w, variables={"v": v, "rest": [w]})()
    assert (float(g["v"]), float(g["rest"][0])) == (3.0, 2.0)
    with pytest.raises(TypeError, match=r"variables must be rustdl\.Variable"):
        rustdl.value_and_grad(lambda: v * w, variables=[1.0])


def test_ctc_loss_to_third_order():
    logits = np.random.default_rng(0).normal(size=(2, 6, 4))
    labels, lengths, frames = np.array([[1, 2, 1], [3, 3, 0]]), np.array([3, 2]), np.array([6, 5])
    rustdl.check_grads(lambda x: rustdl.ops.ctc_loss(labels, x, lengths, frames), (logits,), order=3)
