"""Profiles, printing, pictures, NaN, memory, gradient checks and ops of one's own."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")


def _model(width=8, depth=3):
    rustdl.utils.set_random_seed(0)
    rustdl.utils.clear_session()
    hidden = [layers.Dense(width, activation="tanh", name=f"hidden{i}") for i in range(depth)]
    return rustdl.Sequential([rustdl.Input((4,)), *hidden, layers.Dense(1, name="head")], name="net")


def test_profile_table_and_chrome_trace(tmp_path):
    model = _model()
    optimizer = rustdl.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)

    @rustdl.jit
    def step(x):
        loss, grads = rustdl.value_and_grad(lambda: ops.mean(model(x) ** 2.0), variables=model.trainable_variables)()
        optimizer.apply(grads, model.trainable_variables)
        return loss

    before = model.get_weights()
    found = rustdl.profile(step, X, repeats=3)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    text = str(found)
    assert "matmul" in text
    assert "hidden1" in text
    assert found.seconds > 0
    assert sum(count for _, count, _ in found.by_ops()) == len(found.rows)
    assert any("hidden0 (gradient)" in layer for layer, _, _ in found.by_layer())
    found.save_chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert len(events) == len(found.rows) + 1
    assert all(e["dur"] >= 0 for e in events[1:])
    with pytest.raises(ValueError, match="repeats"):
        rustdl.profile(step, X, repeats=0)


def test_debug_print_runs_each_time(capsys):
    @rustdl.jit
    def f(x):
        rustdl.debug_print("sum {} of {name}", ops.sum(x), name="x")
        rustdl.debug_print("pair", {"a": x[0], "b": 3})
        return rustdl.grad(_printing)(x)

    def _printing(x):
        rustdl.debug_print("inner {:.1f}", ops.sum(x))
        return ops.sum(x * x)

    f(np.ones(2, "float32"))
    f(np.full(2, 2.0, "float32"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "sum 2.0 of x"
    assert lines[1] == "pair {'a': array(1., dtype=float32), 'b': 3}"
    assert lines[2] == "inner 2.0"
    assert lines[3] == "sum 4.0 of x"
    assert len(lines) == 6
    rustdl.vmap(_printing)(np.arange(3, dtype="float32"))
    assert capsys.readouterr().out.splitlines() == ["inner 0.0", "inner 1.0", "inner 2.0"]


def test_debug_print_in_fit(capsys):
    class Printing(rustdl.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            y = self.dense(x)
            rustdl.debug_print("rows {}", ops.sum(ops.ones_like(y)))
            return y

    model = Printing()
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], batch_size=4, epochs=2, verbose=0)
    assert capsys.readouterr().out.splitlines() == ["rows 4.0"] * 4


def test_graph_as_text_dot_and_svg(tmp_path):
    picture = rustdl.draw_graph(lambda x: ops.sum(ops.exp(x) @ ops.transpose(x)), X)
    assert "matmul" in picture.text()
    assert picture.dot().startswith("digraph")
    root = ET.fromstring(picture.svg())
    labels = "".join(root.itertext())
    assert "matmul" in labels
    assert "input0" in labels
    assert "result 0" in labels
    for ending in ("svg", "dot", "txt"):
        picture.save(tmp_path / f"graph.{ending}")
        assert (tmp_path / f"graph.{ending}").stat().st_size > 50
    with pytest.raises(ValueError, match="must end with"):
        picture.save(tmp_path / "graph.bmp")


def test_debug_nans_names_op_layer_and_batch():
    class Bad(layers.Layer):
        def call(self, x):
            return ops.log(x - 1e6)

    model = rustdl.Sequential([rustdl.Input((4,)), layers.Dense(3), Bad(name="bad"), layers.Dense(1)], name="net")
    model.compile("sgd", "mse")
    with rustdl.config.debug_nans(), pytest.raises(FloatingPointError, match=r"log: made NaN in layer net/bad"):
        model.fit(X, X[:, :1], verbose=0)
    data = X.copy()
    data[5, 0] = np.nan
    model = _model()
    model.compile("sgd", "mse")
    with (
        rustdl.config.debug_nans(),
        pytest.raises(FloatingPointError, match=r"input has it already(.|\n)*batch 1") as caught,
    ):
        model.fit(data, X[:, :1], batch_size=4, shuffle=False, verbose=0)
    assert "net/hidden0" in str(caught.value)
    model.fit(X, X[:, :1], verbose=0)

    def backward_only(x):
        return ops.sum(ops.sqrt(ops.abs(x)))

    with rustdl.config.debug_nans(infinities=True), pytest.raises(FloatingPointError, match=r"inf|NaN"):
        rustdl.jit(rustdl.grad(backward_only))(np.zeros(3, "float32"))
    assert np.isfinite(np.asarray(rustdl.jit(backward_only)(np.zeros(3, "float32"))))


def test_memory_report_and_budget():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 4)).astype("float32")

    def trained(budget):
        model = _model(width=64, depth=24)
        model.compile(rustdl.optimizers.SGD(0.01), "mse", memory_budget=budget)
        model.fit(x, x[:, :1], batch_size=256, epochs=3, shuffle=False, verbose=0)
        return model

    plain = trained(None)
    report = plain.memory(x, x[:, :1])
    assert report.variables == 4 * plain.count_params()
    assert report.inputs == 256 * 5 * 4
    assert report.total == sum(report)
    assert "temporaries" in str(report)
    half = report.temporaries // 2
    small = trained(half)
    assert small.memory(x, x[:, :1]).temporaries <= half
    for a, b in zip(plain.get_weights(), small.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="cannot be kept: the step needs"):
        trained("1 KiB")
    with pytest.raises(ValueError, match="memory_budget"):
        _model().compile("sgd", "mse", memory_budget="lots")


def test_remat_scope_of_layers():
    x = np.random.default_rng(0).normal(size=(512, 4)).astype("float32")

    def trained(mode, **settings):
        rustdl.utils.set_random_seed(0)
        rustdl.utils.clear_session()
        with rustdl.RematScope(mode, **settings):
            blocks = [
                rustdl.Sequential([layers.Dense(32, activation="tanh") for _ in range(6)], name=f"block{i}")
                for i in range(6)
            ]
        model = rustdl.Sequential([rustdl.Input((4,)), layers.Dense(32), *blocks, layers.Dense(1)])
        model.compile(rustdl.optimizers.SGD(0.01), "mse")
        model.fit(x, x[:, :1], batch_size=512, epochs=2, verbose=0)
        return model.memory(x, x[:, :1]).temporaries, model.get_weights()

    plain, expected = trained(None)
    for mode, settings in (
        ("full", {}),
        ("list_of_layers", {"layer_names": [f"block{i}" for i in range(6)]}),
        ("larger_than", {"output_size_threshold": 1000}),
    ):
        less, weights = trained(mode, **settings)
        for a, b in zip(weights, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        if mode == "list_of_layers":
            assert less < 0.5 * plain
    assert trained("list_of_layers", layer_names=["no such"])[0] == plain


def test_remat_of_segments_keeps_a_quarter_of_the_activations():
    """64 residual blocks in eight segments, all but the last computed again."""

    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = layers.Dense(8, activation="tanh"), layers.Dense(8)

        def call(self, x):
            return x + self.outer(self.inner(x))

    segments = [rustdl.Sequential([Block() for _ in range(8)]) for _ in range(8)]
    x = np.random.default_rng(0).normal(size=(1024, 8)).astype("float32")
    for segment in segments:
        segment(x)
    variables = [v for segment in segments for v in segment.trainable_variables]

    def step(x, remat):
        def loss():
            y = x
            for segment in segments[:-1]:
                y = (rustdl.remat(segment) if remat else segment)(y)
            return ops.mean(segments[-1](y) ** 2.0)

        return rustdl.value_and_grad(loss, variables=variables)()[1]

    plain, less = (rustdl.jit(step).compiled(x, remat) for remat in (False, True))
    assert less.plan.arena_bytes <= plain.plan.arena_bytes / 4
    for a, b in zip(plain(x, False), less(x, True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_half_the_memory_of_a_transformer():
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 32, (16, 33))

    def trained(budget):
        rustdl.utils.set_random_seed(0)
        x = ids = rustdl.Input((32,), dtype="int32")
        x = layers.Embedding(32, 32)(ids)
        for _ in range(3):
            y = layers.LayerNormalization()(x)
            x = layers.Add()([x, layers.MultiHeadAttention(2, 16)(y, y, use_causal_mask=True)])
            y = layers.Dense(128, activation="gelu")(layers.LayerNormalization()(x))
            x = layers.Add()([x, layers.Dense(32)(y)])
        model = rustdl.Model(ids, layers.Dense(32)(x))
        loss = rustdl.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(rustdl.optimizers.AdamW(0.01), loss, memory_budget=budget)
        planned = model.memory(tokens[:, :-1], tokens[:, 1:]).temporaries
        return planned, float(model.train_on_batch(tokens[:, :-1], tokens[:, 1:])), model.get_weights()

    planned, loss, weights = trained(None)
    less, same_loss, same_weights = trained(planned // 2)
    assert less <= planned // 2
    np.testing.assert_allclose(same_loss, loss, rtol=1e-5)
    for a, b in zip(weights, same_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_check_grads_accepts_right_and_refuses_wrong_gradients():
    rustdl.check_grads(lambda d: {"a": ops.sin(d["x"]) * d["y"][0]}, ({"x": X[0], "y": (2.0,)},), order=3)
    rustdl.check_grads(lambda x, n: ops.sum(x**3.0) * n, (X, 2), order=2, modes=("reverse",))

    @rustdl.custom_gradient
    def wrong(x):
        return ops.sin(x), lambda *args, upstream=None: upstream * ops.cos(x) * 1.01

    with pytest.raises(AssertionError, match="reverse-mode derivative"):
        rustdl.check_grads(wrong, (0.3,), order=1, modes=("reverse",))

    @rustdl.custom_gradient
    def wrong_second(x):
        return x * x, lambda *args, upstream=None: upstream * 2 * ops.stop_gradient(x)

    rustdl.check_grads(wrong_second, (0.3,), order=1)
    with pytest.raises(AssertionError, match="derivative's"):
        rustdl.check_grads(wrong_second, (0.3,), order=2)
    with pytest.raises(ValueError, match="modes"):
        rustdl.check_grads(wrong, (0.3,), modes=("sideways",))


def test_numpy_op_eager_compiled_and_differentiated():
    sort = rustdl.numpy_op(
        lambda x: np.sort(x, axis=-1),
        name="my_sort",
        vjp=lambda x, y, g: [ops.take_along_axis(g[0], ops.argsort(ops.argsort(x[0], axis=-1), axis=-1), axis=-1)],
    )
    np.testing.assert_array_equal(sort(X), np.sort(X))
    np.testing.assert_array_equal(rustdl.jit(sort)(X), np.sort(X))
    w = np.arange(4, dtype="float32")
    expected = rustdl.grad(lambda x: ops.sum(ops.sort(x) * w))(X)
    for wrap in (lambda f: f, rustdl.jit):
        np.testing.assert_allclose(wrap(rustdl.grad(lambda x: ops.sum(sort(x) * w)))(X), expected)
    np.testing.assert_array_equal(rustdl.vmap(sort)(X), np.sort(X))
    rustdl.check_grads(lambda x: sort(x) ** 2.0, (X,), order=2)
    assert "my_sort" in rustdl.draw_graph(sort, X).text()

    @rustdl.numpy_op(result=lambda a: [(a[0][:-1], a[1]), ((), "int32")])
    def summary(a):
        return a.mean(axis=-1), np.int32(a.size)

    mean, size = rustdl.jit(summary)(X)
    np.testing.assert_allclose(mean, X.mean(-1), rtol=1e-6)
    assert int(size) == 32


def test_numpy_op_inside_a_training_step():
    class Clip(layers.Layer):
        def call(self, x):
            return clip(x)

    clip = rustdl.numpy_op(
        lambda x: np.clip(x, -0.5, 0.5),
        vjp=lambda x, y, g: [g[0] * ops.cast(ops.abs(x[0]) < 0.5, "float32")],
        name="clip",
    )

    def trained(layer):
        rustdl.utils.set_random_seed(0)
        model = rustdl.Sequential([rustdl.Input((4,)), layers.Dense(4), layer, layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(X, X[:, :1], epochs=3, verbose=0)
        return model.get_weights()

    own, builtin = trained(Clip()), trained(layers.Lambda(lambda x: ops.clip(x, -0.5, 0.5)))
    for a, b in zip(own, builtin, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_numpy_op_errors():
    broken = rustdl.numpy_op(lambda x: x[:1], name="broken")
    with pytest.raises(ValueError, match="broken: gave"):
        broken(X)
    raising = rustdl.numpy_op(lambda x: 1 / 0, name="raising")
    with pytest.raises(ValueError, match="raising: ZeroDivisionError"):
        rustdl.jit(raising)(X)
    no_gradient = rustdl.numpy_op(np.sin, name="no_gradient")
    with pytest.raises(NotImplementedError, match=r"no_gradient.*vjp="):
        rustdl.grad(lambda x: ops.sum(no_gradient(x)))(X)
