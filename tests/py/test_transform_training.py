"""Hand-written steps against `fit`, and steps with several models, optimizers and gradients of gradients."""

import gc

import numpy as np
import pytest

import rustdl
from rustdl import layers, ops
from rustdl.backend.trace import trace

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 6)).astype("float32")
Y = X[:, :1] * X[:, 1:2]


def _model(seed=0, name="net"):
    rustdl.utils.set_random_seed(seed)
    return rustdl.Sequential(
        [rustdl.Input((6,)), layers.Dense(16, activation="relu"), layers.BatchNormalization(), layers.Dense(1)],
        name=name,
    )


def test_hand_written_step_is_the_plan_of_fit():
    fitted, own = _model(), _model()
    fitted.compile(rustdl.optimizers.Adam(0.01), "mse")
    fitted.fit(X, Y, batch_size=32, epochs=3, shuffle=False, verbose=0)
    optimizer, mean = rustdl.optimizers.Adam(0.01), rustdl.metrics.Mean()
    loss_fn = rustdl.losses.MeanSquaredError()
    optimizer.build(own.trainable_variables)

    def step(x, y):
        def loss():
            return loss_fn(y, own(x, training=True))

        value, grads = rustdl.value_and_grad(loss, variables=own.trainable_variables)()
        optimizer.apply(grads, own.trainable_variables)
        mean.update_state(value, sample_weight=ops.cast(ops.shape(x)[0], "float32"))

    compiled = trace(step, (X, Y))
    for _ in range(3):
        compiled(X, Y)
    for a, b in zip(fitted.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    plan = fitted.make_train_function().compiled((rustdl.convert(X), rustdl.convert(Y))).plan
    assert abs(len(plan) - len(compiled.plan)) <= 2
    assert plan.arena_bytes <= 1.05 * compiled.plan.arena_bytes


def test_overridden_train_step_equals_the_usual_one():
    class Own(rustdl.Model):
        def __init__(self):
            super().__init__()
            self.net = _model()

        def call(self, x, training=False):
            return self.net(x, training=training)

        def train_step(self, data):
            x, y = data
            variables = self.trainable_variables

            def loss():
                return self.compute_loss(x, y, self(x, training=True))

            value, grads = rustdl.value_and_grad(loss, variables=variables)()
            self.optimizer.apply(grads, variables)
            return {"loss": value}

    usual, own = _model(), Own()
    for model in (usual, own):
        model.compile(rustdl.optimizers.SGD(0.05, momentum=0.9), "mse")
        model.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(usual.get_weights(), own.net.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def _gan():
    rustdl.utils.set_random_seed(1)
    rustdl.utils.clear_session()
    generator = rustdl.Sequential([rustdl.Input((3,)), layers.Dense(16, activation="relu"), layers.Dense(6)])
    critic = rustdl.Sequential([rustdl.Input((6,)), layers.Dense(16, activation="leaky_relu"), layers.Dense(1)])
    adam_g, adam_c = rustdl.optimizers.Adam(0.01), rustdl.optimizers.Adam(0.01)
    adam_g.build(generator.trainable_variables)
    adam_c.build(critic.trainable_variables)
    seeds = rustdl.random.SeedGenerator(5)

    def step(real):
        z = rustdl.random.normal((real.shape[0], 3), seed=seeds)

        def critic_loss():
            fake = generator(z)
            mix = rustdl.random.uniform((real.shape[0], 1), seed=seeds)
            between = mix * real + (1.0 - mix) * fake
            slope = rustdl.grad(lambda x: ops.sum(critic(x)))(between)
            penalty = ops.mean((ops.norm(slope, axis=1) - 1.0) ** 2.0)
            return ops.mean(critic(fake)) - ops.mean(critic(real)) + 10.0 * penalty

        def generator_loss():
            return -ops.mean(critic(generator(z)))

        c, grads = rustdl.value_and_grad(critic_loss, variables=critic.trainable_variables)()
        adam_c.apply(grads, critic.trainable_variables)
        g, grads = rustdl.value_and_grad(generator_loss, variables=generator.trainable_variables)()
        adam_g.apply(grads, generator.trainable_variables)
        return {"critic": c, "generator": g}

    return step, generator, critic


def test_two_models_two_optimizers_and_a_gradient_penalty():
    outcomes = []
    for wrap in (lambda f: f, rustdl.jit):
        step, generator, critic = _gan()
        step = wrap(step)
        for _ in range(4):
            logs = step(X)
        outcomes.append([*logs.values(), *generator.get_weights(), *critic.get_weights()])
    for a, b in zip(*outcomes, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-3, atol=1e-5)


def test_frozen_parts_are_left_alone_and_cost_nothing():
    model = _model()
    model.layers[0].trainable = False
    before = [np.array(w) for w in model.layers[0].get_weights()]

    def gradient(x):
        loss = lambda: ops.mean(model(x) ** 2.0)  # noqa: E731
        return rustdl.value_and_grad(loss, variables=model.trainable_variables)()[1]

    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=1, verbose=0)
    for a, b in zip(before, model.layers[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    frozen = trace(gradient, (X,)).plan.step_names().count("matmul")
    model.layers[0].trainable = True
    assert frozen < trace(gradient, (X,)).plan.step_names().count("matmul")


@pytest.mark.parametrize("jit", [False, True])
def test_gradient_accumulation_equals_the_large_batch(jit):
    def trained(parts, **settings):
        rustdl.utils.set_random_seed(0)
        model = rustdl.Sequential([rustdl.Input((6,)), layers.Dense(4, activation="tanh"), layers.Dense(1)])
        optimizer = rustdl.optimizers.SGD(0.1, **settings)
        optimizer.build(model.trainable_variables)

        def step(x, y):
            loss = lambda: ops.mean((model(x) - y) ** 2.0)  # noqa: E731
            _, grads = rustdl.value_and_grad(loss, variables=model.trainable_variables)()
            optimizer.apply(grads, model.trainable_variables)

        run = rustdl.jit(step) if jit else step
        for _ in range(2):
            for x, y in zip(np.split(X, parts), np.split(Y, parts), strict=True):
                run(x, y)
        return model.get_weights()

    for a, b in zip(trained(1), trained(4, gradient_accumulation_steps=4), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_meta_learning_differentiates_through_an_inner_step():
    w0 = RNG.normal(size=(6, 1)).astype("float32")

    def inner(w):
        return w - 0.1 * rustdl.grad(lambda w: ops.mean((X @ w - Y) ** 2.0))(w)

    def outer(w):
        return ops.mean((X @ inner(w) - Y) ** 2.0)

    found = rustdl.jit(rustdl.grad(outer))(w0)
    # w - 0.1 (2/n) X^T (X w - y): the chain rule by hand.
    n = len(X)
    w1 = w0 - 0.2 / n * X.T @ (X @ w0 - Y)
    hand = (np.eye(6) - 0.2 / n * X.T @ X) @ (2 / n * X.T @ (X @ w1 - Y))
    np.testing.assert_allclose(found, hand, rtol=1e-4, atol=1e-5)


def _settled():
    for _ in range(3):
        gc.collect()
    return rustdl.live_tensors()


def test_eager_steps_of_a_gan_leave_nothing_alive():
    """With 10,000 steps memory grows by 0.1 KiB a step; what would grow without end is seen in a hundred."""
    _gan()[0](X)  # fills the caches that the process keeps
    rustdl.utils.clear_session()
    nothing = _settled()
    step, generator, critic = _gan()
    for _ in range(3):
        step(X)
    before, bytes_before = _settled(), rustdl._rustdl.live_bytes()
    for _ in range(100):
        step(X)
    assert _settled() == before > nothing
    assert rustdl._rustdl.live_bytes() == bytes_before
    del step, generator, critic
    rustdl.utils.clear_session()
    assert _settled() == nothing
