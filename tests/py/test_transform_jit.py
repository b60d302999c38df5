"""`jit`: signatures, state, and what it says to code that cannot be compiled."""

import dataclasses
import inspect
import math

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops
from rustdl.errors import TracedError

X = np.arange(6, dtype="float32").reshape(2, 3)
LAST = {}


class Holder:
    """An object of no known kind."""

    def __init__(self, value=None):
        self.value = value


HOLDER = Holder()
STATE = rustdl.Variable(np.zeros((2, 3), "float32"))


def branches(x):
    if ops.sum(x) > 0:  # here
        return x
    return -x


def loops_while(x):
    while ops.max(x) < 100:  # here
        x = x * 2
    return x


def asserts(x):
    assert ops.all(x > 0), "positive"  # here
    return x


def converts_to_float(x):
    return x * float(ops.mean(x))  # here


def calls_item(x):
    return x / ops.max(x).item()  # here


def calls_numpy(x):
    return np.linalg.norm(x)  # here


def calls_numpy_method(x):
    return x.numpy() + 1  # here


def calls_math(x):
    return math.sqrt(ops.sum(x))  # here


def slices_by_value(x):
    n = ops.cast(ops.sum(x), "int32")
    return x[:n]  # here


def shape_by_value(x):
    n = ops.cast(ops.max(x), "int32")
    return ops.zeros((n, 2))  # here


def ranges_over_value(x):
    for _ in range(ops.argmax(x)):  # here
        x = x + 1
    return x


def masks(x):
    return x[x > 2]  # here


def assigns_in_place(x):
    x[0] = 1.0  # here
    return x


def stores_globally(x):
    LAST["y"] = x * 2  # here
    return x


def sorts_in_python(x):
    return sorted([x[0, 0], x[0, 1]])  # here


def compares_in_python(x):
    return min(x[0, 0], x[1, 1])  # here


def loops_without_bound(x):
    return ops.while_loop(lambda v: ops.sum(v) < 100, lambda v: v * 2, x)  # here


def formats(x):
    return x, f"mean {ops.mean(x):.3f}"  # here


def converts_to_bool(x):
    return x if bool(ops.any(x > 3)) else -x  # here


def fills_a_numpy_array(x):
    a = np.zeros((2, 3), "float32")
    a[0] = x[0]  # here
    return a


def adds_in_place(x):
    x[0] += 1  # here
    return x


def catches_the_error(x):
    try:
        n = float(ops.sum(x))  # here
    except ValueError:
        n = 0.0
    return x * n


def indexes_a_list(x):
    return x * [1.0, 2.0, 3.0][ops.argmax(x[0])]  # here


def looks_up(x):
    return x * {0: 1.0}[ops.argmax(x[0])]  # here


def keeps_a_variable(x):
    return rustdl.Variable(x) * 2.0  # here


def stores_in_an_object(x):
    HOLDER.last = x * 2  # here
    return x


def returns_a_generator(x):
    return (row for row in x)  # here


def returns_an_object(x):
    return Holder(x)  # here


def backward_inside(x):
    ops.sum(x).backward()  # here
    return x


def takes_the_length_of_a_number(x):
    return len(ops.sum(x))  # here


def counts_by_values(x):
    return ops.nonzero(x)  # here


def reshapes_wrongly(x):
    return ops.reshape(x, (4, 2))  # here


def assigns_another_shape(x):
    STATE.assign(x[0])  # here
    return x


def grows_a_carry(x):
    return ops.scan(lambda c, row: (ops.concatenate([c, row]), row), x[0], x)  # here


def casts_a_carry(x):
    return ops.while_loop(lambda v: ops.sum(v) < 9, lambda v: ops.cast(v, "int32"), [x])  # here


def branches_of_other_shapes(x):
    return ops.cond(ops.sum(x) > 0, lambda: x, lambda: x[0])  # here


def branches_of_other_dtypes(x):
    return ops.cond(ops.sum(x) > 0, lambda: x, lambda: ops.cast(x, "int32"))  # here


def branches_of_other_structures(x):
    return ops.cond(ops.sum(x) > 0, lambda: (x, x), lambda: x)  # here


def draws_with_a_traced_shape(x):
    return rustdl.random.normal((ops.cast(x[0, 0], "int32"),))  # here


MISTAKES = [
    branches,
    formats,
    converts_to_bool,
    fills_a_numpy_array,
    adds_in_place,
    catches_the_error,
    indexes_a_list,
    looks_up,
    keeps_a_variable,
    stores_in_an_object,
    returns_a_generator,
    returns_an_object,
    backward_inside,
    takes_the_length_of_a_number,
    counts_by_values,
    reshapes_wrongly,
    assigns_another_shape,
    grows_a_carry,
    casts_a_carry,
    branches_of_other_shapes,
    branches_of_other_dtypes,
    branches_of_other_structures,
    draws_with_a_traced_shape,
    loops_while,
    asserts,
    converts_to_float,
    calls_item,
    calls_numpy,
    calls_numpy_method,
    calls_math,
    slices_by_value,
    shape_by_value,
    ranges_over_value,
    masks,
    assigns_in_place,
    stores_globally,
    sorts_in_python,
    compares_in_python,
]


def _marked_line(fn):
    lines, first = inspect.getsourcelines(fn)
    return first + next(i for i, line in enumerate(lines) if "# here" in line)


@pytest.mark.parametrize("fn", MISTAKES, ids=lambda f: f.__name__)
def test_each_mistake_is_one_error_that_names_the_line(fn):
    with pytest.raises(Exception) as caught:
        rustdl.jit(fn)(X)
    message = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert isinstance(caught.value, (TypeError, ValueError, IndexError))
    assert f"line {_marked_line(fn)}, in {fn.__name__}" in message
    assert "was being compiled" in message
    assert message.count("# here") == 1
    LAST.clear()
    vars(HOLDER).clear()


def test_captured_list_and_attribute():
    losses = []

    def step(x):
        y = ops.sum(x)
        losses.append(y)
        return y

    with pytest.raises(TracedError, match=r"`losses\[0\]`(.|\n)*losses.append\(y\)"):
        rustdl.jit(step)(X)

    class Trainer:
        def __init__(self):
            self.last = None

        def step(self, x):
            self.last = x * 2
            return x

    with pytest.raises(TracedError, match=r"`self\.last`(.|\n)*self\.last = x \* 2"):
        rustdl.jit(Trainer().step)(X)


def test_advice():
    with pytest.raises(TracedError, match=r"ops\.where or ops\.cond"):
        rustdl.jit(branches)(X)
    with pytest.raises(TracedError, match=r"ops\.while_loop"):
        rustdl.jit(loops_while)(X)
    with pytest.raises(TracedError, match=r"rustdl\.ops"):
        rustdl.jit(calls_math)(X)


def test_an_error_inside_of_a_layer_names_the_users_line():
    class Odd(layers.Layer):
        def call(self, x):
            if ops.sum(x) > 0:  # in the layer
                return x
            return -x

    with pytest.raises(TypeError, match=r"if ops\.sum"):
        rustdl.jit(Odd())(X)


def test_other_errors_keep_their_class_and_get_a_note():
    def wrong(x):
        return ops.matmul(x, x)

    with pytest.raises(ValueError, match="matmul") as caught:
        rustdl.jit(wrong)(X)
    assert any("return ops.matmul(x, x)" in note for note in caught.value.__notes__)


def test_structures_static_values_and_methods():
    @dataclasses.dataclass
    class Batch:
        x: object
        name: str

    calls = []

    @rustdl.jit
    def f(batch, scale=1):
        calls.append(batch.name)
        return Batch(batch.x * scale, batch.name + "!")

    out = f(Batch(X, "a"), scale=2)
    assert isinstance(out, Batch)
    assert out.name == "a!"
    np.testing.assert_array_equal(out.x, 2 * X)
    f(Batch(X + 1, "a"), scale=2)
    f(Batch(X, "b"))
    assert calls == ["a", "b"]

    class Model:
        def __init__(self, k):
            self.k = k

        @rustdl.jit
        def scaled(self, x):
            return x * self.k

    a, b = Model(2.0), Model(3.0)
    np.testing.assert_array_equal(a.scaled(X), 2 * X)
    np.testing.assert_array_equal(b.scaled(X), 3 * X)
    assert f((X,)[0:0] or Batch(X, "a")).name == "a!"


def test_static_arguments():
    traces = []

    @rustdl.jit(static_argnums=1, static_argnames="power")
    def f(x, n, power=1):
        traces.append((n, power))
        for _ in range(n):
            x = x * 2.0
        return x**power

    assert float(f(np.float32(1.0), np.int64(3))) == 8.0
    assert float(f(np.float32(1.0), rustdl.convert(2), power=np.int32(2))) == 16.0
    assert traces == [(3, 1), (2, 2)]
    with pytest.raises(TypeError, match="only numbers"):
        f(np.float32(1.0), X)
    assert float(f(np.float32(1.0), n=np.int64(3))) == 8.0
    assert float(rustdl.jit(lambda x, n: sum([x] * n), static_argnums=-1)(np.float32(1.0), np.int64(3))) == 3.0
    assert float(rustdl.jit(lambda x, n: sum([x] * n), static_argnames="n")(np.float32(1.0), np.int64(3))) == 3.0
    with pytest.raises(ValueError, match="takes 1 positional"):
        rustdl.jit(lambda x: x, static_argnums=1)
    with pytest.raises(ValueError, match="are \\['x'\\]"):
        rustdl.jit(lambda x: x, static_argnames="n")
    with pytest.raises(ValueError, match="max_plans"):
        rustdl.jit(lambda x: x, max_plans=0)


def test_equal_static_values_are_one_signature():
    f = rustdl.jit(lambda x, k: x)
    for _ in range(2):
        f(X, {1, 2})
        f(X, float("nan"))
        f(X, ("a", None))
    assert f.traces == 3


def test_variables_as_arguments_are_state():
    v, w = rustdl.Variable(1.0), rustdl.Variable(5.0)

    @rustdl.jit
    def add(v, x):
        v.assign_add(x)
        return v * 2.0

    for _ in range(2):
        assert float(add(v, 1.0)) == 2 * float(v)
    add({"v": w}["v"], 1.0)
    assert (float(v), float(w)) == (3.0, 6.0)
    assert float(rustdl.jit(rustdl.grad(lambda v: v * v))(v)) == 6.0
    assert float(rustdl.remat(lambda v, x: v.assign_add(x))(v, 1.0)) == 4.0
    assert float(v) == 4.0


def test_state_is_carried_and_results_equal_eager():
    def build():
        rustdl.utils.set_random_seed(3)
        rustdl.utils.clear_session()
        model = rustdl.Sequential([layers.Dense(4, activation="relu"), layers.Dropout(0.5, seed=1), layers.Dense(1)])
        model.build((None, 3))
        return model, rustdl.optimizers.Adam(0.01), rustdl.metrics.Mean()

    def make_step(model, optimizer, metric):
        def step(x, y):
            def loss():
                return ops.mean((model(x, training=True) - y) ** 2.0)

            value, grads = rustdl.value_and_grad(loss, variables=model.trainable_variables)()
            optimizer.apply(grads, model.trainable_variables)
            metric.update_state(value)
            return value

        return step

    outcomes = []
    for wrap in (lambda f: f, rustdl.jit):
        model, optimizer, metric = build()
        optimizer.build(model.trainable_variables)
        step = wrap(make_step(model, optimizer, metric))
        losses = [float(step(X, np.ones((2, 1), "float32"))) for _ in range(5)]
        outcomes.append((losses, float(metric.result()), model.get_weights(), int(optimizer.iterations)))
    np.testing.assert_allclose(outcomes[0][0], outcomes[1][0], rtol=1e-5)
    assert outcomes[0][3] == outcomes[1][3] == 5
    np.testing.assert_allclose(outcomes[0][1], outcomes[1][1], rtol=1e-5)
    for a, b in zip(outcomes[0][2], outcomes[1][2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_many_traces_warn():
    f = rustdl.jit(lambda x, k: x * k, max_plans=2)
    for k in range(7):
        f(X, k)
    with pytest.warns(UserWarning, match="compiled 8 times"):
        f(X, 7)
    assert len(f.plans) == 2


def test_calls_that_look_alike_have_plans_of_their_own():
    @rustdl.jit
    def f(*args, **kwargs):
        return ops.sum(X) * (10 * len(args) + len(kwargs))

    total = float(X.sum())
    for args, kwargs, factor in [
        ((), {"x": X}, 1),
        (({"x": X},), {}, 10),
        (([X, X],), {}, 10),
        ((X, X), {}, 20),
        (([X], X), {}, 20),
        (([X],), {"x": X}, 11),
    ]:
        np.testing.assert_allclose(f(*args, **kwargs), factor * total, rtol=1e-5)
    assert f.traces == 6

    @rustdl.jit
    def kinds(x):
        return [type(x).__name__, sorted(x) if isinstance(x, dict) else len(x)]

    assert [kinds(x) for x in ([X, X], (X, X), {"a": X}, {"b": X})] == [
        ["list", 2],
        ["tuple", 2],
        ["dict", ["a"]],
        ["dict", ["b"]],
    ]


def test_an_error_that_shows_a_traced_tensor_stays_what_it_is():
    @rustdl.jit
    def f(x):
        raise ValueError(f"no good: {x}")

    with pytest.raises(ValueError, match="no good") as found:
        f(np.ones(3, "float32"))
    assert not isinstance(found.value, TypeError)
    assert "raise ValueError" in found.value.__notes__[0]
