"""Tapes, gradients that add up in tensors, and rematerialisation."""

import gc

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops

X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")


def close(a, b, rtol=1e-5, atol=1e-6):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=atol)


def test_tape_watches_tensors_and_variables():
    v = rustdl.Variable(2.0)
    frozen = rustdl.Variable(5.0, trainable=False)
    x = rustdl.convert(3.0)
    with rustdl.GradientTape() as tape:
        tape.watch(x)
        y = x * x * v * frozen
    gx, gv, gf = tape.gradient(y, [x, v, frozen])
    assert (float(gx), float(gv), gf) == (60.0, 45.0, None)
    assert tape.watched_variables() == (v,)
    assert not x.is_recorded
    assert not (x * x).is_recorded
    with pytest.raises(RuntimeError, match="persistent"):
        tape.gradient(y, x)


def test_persistent_tape_intermediate_and_unconnected():
    x, z = rustdl.convert([1.0, 2.0]), rustdl.convert(1.0)
    with rustdl.GradientTape(persistent=True) as tape:
        tape.watch([x, z])
        h = x * x
        y = ops.sum(h * h)
    assert tape.gradient(y, x).tolist() == [4.0, 32.0]
    assert tape.gradient(y, {"h": h})["h"].tolist() == [2.0, 8.0]
    assert tape.gradient(y, z) is None
    assert float(tape.gradient(y, z, unconnected_gradients="zero")) == 0.0
    assert tape.gradient(h, x, output_gradients=[1.0, 0.5]).tolist() == [2.0, 2.0]
    assert tape.gradient([y, h], x).tolist() == [6.0, 36.0]


def test_nested_tapes_and_gradients_inside():
    x = rustdl.convert(2.0)
    with rustdl.GradientTape() as outer:
        outer.watch(x)
        with rustdl.GradientTape() as inner:
            inner.watch(x)
            y = x * x * x
        first = inner.gradient(y, x)
    assert float(first) == 12.0
    assert float(outer.gradient(first, x)) == 12.0
    v = rustdl.Variable(3.0)
    with rustdl.GradientTape() as outer:
        with rustdl.GradientTape() as inner:
            y = v * v * v
        first = inner.gradient(y, v)
    assert float(outer.gradient(first, v)) == 18.0
    with rustdl.GradientTape(persistent=True) as tape:
        tape.watch(x)
        first = tape.gradient(x**4.0, x)
    assert float(tape.gradient(first, x)) == 48.0


def test_jacobians_of_the_tape():
    tf = np.asarray(X)
    x = rustdl.convert(tf)
    with rustdl.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = ops.tanh(x) * ops.sum(x, axis=1, keepdims=True)
    full = tape.jacobian(y, x).numpy()
    rows = tape.batch_jacobian(y, x).numpy()
    assert full.shape == (6, 3, 6, 3)
    for i in range(6):
        close(rows[i], full[i, :, i])
    close(full.sum((0, 1)), tape.gradient(y, x), rtol=1e-4)
    assert tape.jacobian(y, rustdl.convert(1.0)) is None
    with pytest.raises(ValueError, match="same first size"):
        tape.batch_jacobian(y, rustdl.convert([1.0]))


def test_stop_recording_reset_and_errors():
    x = rustdl.convert(3.0)
    with rustdl.GradientTape() as tape:
        tape.watch(x)
        y = x * x
        with tape.stop_recording():
            z = y * x
        assert not z.is_recorded
    assert float(tape.gradient(y, x)) == 6.0
    with rustdl.GradientTape() as tape:
        tape.watch(x)
        y = x * x
        tape.reset()
        z = x * 1.0
    assert tape.gradient(z, x) is None
    with pytest.raises(RuntimeError, match="inside"):
        tape.watch(x)
    with rustdl.GradientTape() as tape, pytest.raises(TypeError, match="ndarray"):
        tape.watch(X)
    with rustdl.GradientTape() as tape, pytest.raises(TypeError, match="int32"):
        tape.watch(rustdl.convert(1))
    with pytest.raises(ValueError, match="unconnected_gradients"):
        tape.gradient(y, x, unconnected_gradients="maybe")


def test_training_loop_with_a_tape_lowers_the_loss():
    rustdl.utils.set_random_seed(0)
    model = rustdl.Sequential([layers.Dense(8, activation="tanh"), layers.Dense(1)])
    optimizer = rustdl.optimizers.Adam(0.05)
    losses = []
    for _ in range(30):
        with rustdl.GradientTape() as tape:
            loss = ops.mean((model(X) - X[:, :1]) ** 2.0)
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        )
        losses.append(float(loss))
    assert losses[-1] < 0.2 * losses[0]


def test_backward_adds_up():
    x = rustdl.convert([1.0, 2.0]).requires_grad_()
    w = rustdl.Variable([3.0, 4.0])
    w.requires_grad = True
    assert x.requires_grad
    assert x.is_leaf
    y = ops.sum(x * w)
    assert not y.is_leaf
    y.backward()
    assert x.grad.tolist() == [3.0, 4.0]
    assert w.grad.tolist() == [1.0, 2.0]
    ops.sum(x * w * w).backward()
    assert x.grad.tolist() == [12.0, 20.0]
    assert w.grad.tolist() == [7.0, 18.0]
    w.assign_sub(0.5 * w.grad)
    assert w.tolist() == [-0.5, -5.0] if hasattr(w, "tolist") else True
    rustdl.zero_grad([x, w])
    assert x.grad is None
    assert w.grad is None
    (x * x).backward([1.0, 10.0])
    assert x.grad.tolist() == [2.0, 40.0]
    assert x.detach().is_leaf
    x.requires_grad_(False)
    assert not (x * 1.0).requires_grad


def test_backward_create_graph_and_errors():
    x = rustdl.convert(2.0).requires_grad_()
    (x * x * x).backward(create_graph=True)
    first = x.grad
    rustdl.zero_grad(x)
    first.backward()
    assert float(x.grad) == 12.0
    with pytest.raises(ValueError, match="scalar"):
        (rustdl.convert([1.0]).requires_grad_() * 2.0).backward()
    with pytest.raises(RuntimeError, match="marked"):
        rustdl.convert(1.0).backward()
    with pytest.raises(TypeError, match="int32"):
        rustdl.convert(1).requires_grad_()
    with pytest.raises(TypeError, match=r"rustdl\.jit"):
        rustdl.jit(lambda x: (x * x).backward())(np.float32(1.0))


def test_loops_leave_no_tensors_behind():
    v = rustdl.Variable(np.ones(4, "float32"))
    v.requires_grad = True

    def step():
        with rustdl.GradientTape() as tape:
            y = ops.sum(v * v)
        tape.gradient(y, v)
        ops.sum(v * v).backward()
        rustdl.zero_grad(v)

    step()
    gc.collect()
    before = rustdl.live_tensors()
    for _ in range(20):
        step()
    gc.collect()
    assert rustdl.live_tensors() <= before


@pytest.mark.parametrize("jit", [False, True])
def test_remat_changes_no_gradient(jit):
    w = rustdl.Variable(np.linspace(-1, 1, 9, dtype="float32").reshape(3, 3))

    def block(x):
        return ops.tanh(x @ w), ops.sin(x)

    def loss(x, f):
        a, b = f(x)
        c, d = f(a * b)
        return ops.sum(c * d)

    wrap = rustdl.jit if jit else lambda f: f
    for f in (block, rustdl.remat(block), rustdl.checkpoint(block)):
        value, (gw,) = wrap(lambda x, f=f: rustdl.value_and_grad(lambda: loss(x, f), variables=[w])())(X)
        gx = wrap(lambda x, f=f: rustdl.grad(lambda x: loss(x, f))(x))(X)
        h = wrap(lambda x, f=f: rustdl.hvp(lambda x: loss(x, f), (x,), (x,))[0])(X)
        each = wrap(lambda x, f=f: rustdl.vmap(rustdl.grad(lambda x: loss(x, f)))(x))(X)
        if f is block:
            expected = (value, gw, gx, h, each)
        for a, b in zip((value, gw, gx, h, each), expected, strict=True):
            close(a, b, rtol=1e-4, atol=1e-5)


def test_remat_with_randomness_state_and_structures():
    generator = rustdl.random.SeedGenerator(1)
    count = rustdl.Variable(0.0, trainable=False)

    @rustdl.remat
    def f(d, scale=2.0):
        count.assign_add(1.0)
        return {"y": d["x"] * rustdl.random.uniform(d["x"].shape, seed=generator) * scale, "n": 3}

    def loss(x):
        out = f({"x": x})
        return ops.sum(out["y"]), out

    g, out = rustdl.grad(loss, has_aux=True)(X)
    assert out["n"] == 3
    close(g * X, out["y"])
    assert float(count) == 1.0
    assert generator.state.numpy()[1] == 1


def test_remat_keeps_little_in_a_compiled_step():
    def block(x):
        for _ in range(4):
            x = ops.sin(x) @ np.eye(64, dtype="float32")
        return x

    def memory(f):
        def step(x):
            def loss(x):
                for _ in range(16):
                    x = f(x)
                return ops.sum(x)

            return rustdl.grad(loss)(x)

        compiled = rustdl.backend.trace(step, (np.ones((64, 64), "float32"),))
        return compiled.plan.arena_bytes, compiled(np.ones((64, 64), "float32"))

    plain, expected = memory(block)
    less, found = memory(rustdl.remat(block))
    close(found, expected)
    assert less < 0.5 * plain
