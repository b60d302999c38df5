"""Transformations against JAX: jvp, vjp, hvp, Jacobians, Hessians, vmap."""

import collections
import dataclasses

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops

RNG = np.random.default_rng(0)
W1 = RNG.normal(size=(4, 8)).astype("float32")
W2 = RNG.normal(size=(8, 1)).astype("float32")
X = RNG.normal(size=(5, 4)).astype("float32")


def mlp(np_, p, x):
    return np_.sum(np_.tanh(x @ p["w1"] + p["b1"]) @ p["w2"])


PARAMS = {"w1": W1, "b1": np.linspace(-1, 1, 8, dtype="float32"), "w2": W2}


def close(a, b, rtol=1e-4, atol=1e-5):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=atol)


def test_vjp_and_jvp_are_transposes_of_each_other():
    f = lambda x, y: (ops.sin(x) @ y, ops.sum(x * x))  # noqa: E731
    y = RNG.normal(size=(4, 3)).astype("float32")
    t = (RNG.normal(size=X.shape).astype("float32"), RNG.normal(size=y.shape).astype("float32"))
    value, slope = rustdl.jvp(f, (X, y), t)
    close(value[0], np.sin(X) @ y)
    u = (RNG.normal(size=(5, 3)).astype("float32"), np.float32(0.7))
    value, back = rustdl.vjp(f, X, y)
    gx, gy = back(u)
    left = np.vdot(u[0], slope[0]) + u[1] * float(slope[1])
    close(left, np.vdot(gx, t[0]) + np.vdot(gy, t[1]), rtol=1e-4)
    assert not gx.is_recorded
    assert not slope[0].is_recorded


def test_jvp_with_integers_and_structures():
    @dataclasses.dataclass(frozen=True)
    class State:
        w: object
        steps: object

    Pair = collections.namedtuple("Pair", "a b")

    def f(s, n):
        return Pair(s.w * 2.0, {"k": s.steps + n})

    args = (State(np.ones(2, "float32"), 3), np.int32(2))
    value, slope = rustdl.jvp(f, args, (State(np.ones(2, "float32"), None), None))
    assert isinstance(slope, Pair)
    assert slope.a.tolist() == [2.0, 2.0]
    assert value.b["k"].tolist() == 5
    assert slope.b["k"].tolist() == 0
    g = rustdl.grad(lambda s: ops.sum(s.w * s.w))(State(np.ones(2, "float32"), np.float32(1.0)))
    assert isinstance(g, State)
    assert g.w.tolist() == [2.0, 2.0]


def test_errors():
    with pytest.raises(ValueError, match="tangents 0 has shape"):
        rustdl.jvp(ops.sin, (np.ones(3, "float32"),), (np.ones(2, "float32"),))
    with pytest.raises(ValueError, match="cotangents"):
        rustdl.vjp(ops.sin, np.ones(3, "float32"))[1](np.ones(2, "float32"))
    with pytest.raises(TypeError, match="tuples"):
        rustdl.jvp(ops.sin, 1.0, 1.0)
    with pytest.raises(TypeError, match="float"):
        rustdl.jacobian(lambda x: x)(np.arange(3))
    with pytest.raises(ValueError, match="mode"):
        rustdl.jacobian(ops.sin, mode="sideways")
    with pytest.raises(ValueError, match="size 2, others have 3"):
        rustdl.vmap(lambda a, b: a + b)(np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match="in_axes"):
        rustdl.vmap(lambda a, b: a + b, in_axes=(0,))(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="use None"):
        rustdl.vmap(lambda a, b: a + b)(np.ones(3), 1.0)
    with pytest.raises(ValueError, match="axis_size"):
        rustdl.vmap(lambda a: a, in_axes=None)(1.0)


def test_hessian_and_hvp_of_an_mlp_equal_jax():
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    ours = rustdl.hessian(lambda p: mlp(ops, p, X))(PARAMS)
    theirs = jax.hessian(lambda p: mlp(jnp, p, X))(PARAMS)
    for a in PARAMS:
        for b in PARAMS:
            close(ours[a][b], theirs[a][b], atol=1e-4)
    v = {k: RNG.normal(size=x.shape).astype("float32") for k, x in PARAMS.items()}
    (ours,) = rustdl.hvp(lambda p: mlp(ops, p, X), (PARAMS,), (v,))
    theirs = jax.jvp(jax.grad(lambda p: mlp(jnp, p, X)), (PARAMS,), (v,))[1]
    for k in PARAMS:
        close(ours[k], theirs[k], atol=1e-4)
    compiled = rustdl.jit(lambda p, v: rustdl.hvp(lambda q: mlp(ops, q, X), (p,), (v,))[0])(PARAMS, v)
    for k in PARAMS:
        close(compiled[k], theirs[k], atol=1e-4)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_jacobian_equals_jax(mode):
    jax = pytest.importorskip("jax")
    jnp = jax.numpy

    def f(np_, x, w):
        h = np_.tanh(x @ w)
        return {"h": h, "s": np_.sum(h * h, axis=1), "c": np_.ones((2,), "float32")}

    w = W1[:, :3]
    ours = rustdl.jacobian(lambda x, w: f(ops, x, w), argnums=(0, 1), mode=mode)(X, w)
    theirs = jax.jacrev(lambda x, w: f(jnp, x, w), argnums=(0, 1))(X, w)
    for k in ours:
        for a, b in zip(ours[k], theirs[k], strict=True):
            assert a.shape == b.shape
            close(a, b)
    jacobian, aux = rustdl.jacobian(lambda x: (x * x, "aux"), has_aux=True, mode=mode)(X[0])
    close(jacobian, np.diag(2 * X[0]))
    assert aux == "aux"


def test_third_derivative_by_nesting():
    f = lambda x: ops.sin(x) * x  # noqa: E731
    third = rustdl.jacobian(rustdl.jacobian(rustdl.jacobian(f, mode="forward")))
    x = 0.7
    # (x sin x)''' = -3 sin x - x cos x
    close(third(x), -3 * np.sin(x) - x * np.cos(x), rtol=1e-5)


def test_gradients_pass_through_jvp_jacobian_and_vmap():
    x = RNG.normal(size=3)
    f = lambda w: ops.sum(rustdl.jvp(lambda x: ops.sin(w * x), (x,), (np.ones(3),))[1])  # noqa: E731
    # d/dw sum w cos(w x) = sum cos(w x) - w x sin(w x)
    w = np.float64(1.3)
    close(rustdl.grad(f)(w), np.sum(np.cos(w * x) - w * x * np.sin(w * x)))
    g = lambda w: ops.sum(rustdl.jacobian(lambda x: ops.sin(w * x))(x))  # noqa: E731
    close(rustdl.grad(g)(w), np.sum(np.cos(w * x) - w * x * np.sin(w * x)))
    h = lambda w: ops.sum(rustdl.vmap(lambda x: ops.sin(w * x))(x))  # noqa: E731
    close(rustdl.grad(h)(w), np.sum(x * np.cos(w * x)))
    close(rustdl.grad(rustdl.grad(h))(w), -np.sum(x * x * np.sin(w * x)))


def test_per_sample_gradients_equal_jax():
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    ours = rustdl.vmap(rustdl.grad(lambda p, x: mlp(ops, p, x)), in_axes=(None, 0))(PARAMS, X)
    theirs = jax.vmap(jax.grad(lambda p, x: mlp(jnp, p, x)), in_axes=(None, 0))(PARAMS, X)
    compiled = rustdl.jit(rustdl.vmap(rustdl.grad(lambda p, x: mlp(ops, p, x)), in_axes=(None, 0)))(PARAMS, X)
    for k in PARAMS:
        close(ours[k], theirs[k])
        close(compiled[k], theirs[k])


def test_per_sample_gradients_of_a_convolutional_model():
    rustdl.utils.set_random_seed(1)
    model = rustdl.Sequential(
        [
            rustdl.Input((8, 8, 2)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(4, 2, activation="tanh"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    images = RNG.normal(size=(4, 8, 8, 2)).astype("float32")
    variables = model.trainable_variables

    def loss(x):
        return ops.sum(model(x[None]) ** 2.0)

    each = rustdl.vmap(lambda x: rustdl.value_and_grad(lambda: loss(x), variables=variables)()[1])
    for found in (each(images), rustdl.jit(each)(images)):
        for i in range(4):
            _, expected = rustdl.value_and_grad(lambda i=i: loss(images[i]), variables=variables)()
            for a, b in zip(found, expected, strict=True):
                close(a[i], b)


def test_vmap_axes_structures_and_nesting():
    jax = pytest.importorskip("jax")
    a = RNG.normal(size=(3, 5, 2)).astype("float32")
    b = RNG.normal(size=(5,)).astype("float32")

    def f(np_):
        return lambda d, y: {"s": np_.sum(d["a"], axis=0) * y, "m": d["a"] @ np_.transpose(d["a"])}

    axes = ({"a": 1}, 0)
    ours = rustdl.vmap(f(ops), in_axes=axes, out_axes={"s": 1, "m": 0})({"a": a}, b)
    theirs = jax.vmap(f(jax.numpy), in_axes=axes, out_axes={"s": 1, "m": 0})({"a": a}, b)
    for k in ours:
        assert ours[k].shape == theirs[k].shape
        close(ours[k], theirs[k])
    outer = rustdl.vmap(rustdl.vmap(lambda x, y: x * y + x, in_axes=(None, 0)), in_axes=(0, None))(b, b)
    close(outer, b[:, None] * b[None] + b[:, None])
    assert rustdl.vmap(lambda x: (x, 3.0), out_axes=(0, None))(b)[1] == 3.0
    assert rustdl.vmap(lambda: ops.ones(2), axis_size=3)().shape == (3, 2)


def test_vmap_of_kernels_without_a_rule():
    kernels = RNG.normal(size=(3, 2, 2, 1, 4)).astype("float32")
    image = RNG.normal(size=(1, 5, 5, 1)).astype("float32")
    found = rustdl.vmap(lambda k: ops.conv(image, k))(kernels)
    for i in range(3):
        close(found[i], ops.conv(image, kernels[i]))
    g = rustdl.grad(lambda im: ops.sum(rustdl.vmap(lambda k: ops.conv(im, k) ** 2.0)(kernels)))(image)
    expected = sum(np.asarray(rustdl.grad(lambda im, k=k: ops.sum(ops.conv(im, k) ** 2.0))(image)) for k in kernels)
    close(g, expected, atol=1e-4)
    per = rustdl.vmap(rustdl.grad(lambda k: ops.sum(ops.conv(image, k) ** 2.0)))(kernels)
    for i in range(3):
        close(per[i], rustdl.grad(lambda k: ops.sum(ops.conv(image, k) ** 2.0))(kernels[i]), atol=1e-4)


def test_vmap_gathers_sorts_and_indices():
    table = RNG.normal(size=(7, 3)).astype("float32")
    rows = RNG.integers(0, 7, (4, 2))
    close(rustdl.vmap(lambda i: ops.take(table, i, axis=0))(rows), table[rows])
    many = RNG.normal(size=(4, 7)).astype("float32")
    close(rustdl.vmap(lambda x, i: ops.take(x, i, axis=0))(many, rows), np.take_along_axis(many, rows, 1))
    close(rustdl.vmap(ops.sort)(many), np.sort(many))
    close(rustdl.vmap(ops.argmax)(many), many.argmax(1))
    close(rustdl.vmap(lambda x: ops.one_hot(x, 7))(rows), np.eye(7)[rows])
    close(
        rustdl.vmap(lambda x: ops.cumsum(x) + ops.arange(7, dtype="float32"))(many), np.cumsum(many, 1) + np.arange(7)
    )
    close(rustdl.vmap(lambda x: ops.tril(ops.outer(x, x)))(many), np.tril(many[:, :, None] * many[:, None, :]))


def test_vmap_randomness():
    generator = rustdl.random.SeedGenerator(3)
    draw = lambda x: x + rustdl.random.uniform((3,), seed=generator)  # noqa: E731
    zeros = np.zeros(4, "float32")
    different = rustdl.vmap(draw)(zeros).numpy()
    assert len(np.unique(different)) == 12
    assert generator.state.numpy()[1] == 1
    same = rustdl.vmap(draw, randomness="same")(zeros).numpy()
    assert len(np.unique(same)) == 3
    assert len(np.unique(rustdl.jit(rustdl.vmap(draw))(zeros).numpy())) == 12
    with pytest.raises(ValueError, match="drawn"):
        rustdl.vmap(draw, randomness="error")(zeros)
    fixed = rustdl.vmap(lambda x: x + rustdl.random.uniform((3,), seed=1))(zeros).numpy()
    assert len(np.unique(fixed)) == 3
    p = np.linspace(0, 1, 4, dtype="float32")
    masks = rustdl.vmap(lambda q: rustdl.random.binomial((50,), 1.0, q, seed=generator))(p).numpy()
    assert masks[0].sum() == 0
    assert masks[-1].sum() == 50


def test_vmap_assignments():
    count = rustdl.Variable(0.0)

    def f(x):
        count.assign_add(1.0)
        return x * count

    assert rustdl.vmap(f)(np.ones(3, "float32")).tolist() == [1.0, 1.0, 1.0]
    assert float(count) == 1.0
    with pytest.raises(ValueError, match="another value for each example"):
        rustdl.vmap(count.assign)(np.ones(3, "float32"))


def test_vmap_of_custom_gradients():
    @rustdl.custom_gradient
    def twice(x):
        return x * x, lambda *args, upstream=None: upstream * 7.0 * x

    x = np.array([1.0, 2.0, 3.0], "float32")
    assert rustdl.vmap(rustdl.grad(twice))(x).tolist() == [7.0, 14.0, 21.0]
    assert rustdl.grad(lambda x: ops.sum(rustdl.vmap(twice)(x)))(x).tolist() == [7.0, 14.0, 21.0]
    assert rustdl.jit(rustdl.grad(lambda x: ops.sum(rustdl.vmap(twice)(x))))(x).tolist() == [7.0, 14.0, 21.0]
