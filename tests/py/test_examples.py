"""The training steps of the examples: compiled and eager they learn the same."""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import rustdl as keras
from rustdl import tree

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = 12


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Imports an example, skips the test where a package is missing that it needs, and then sets all seeds."""
    monkeypatch.syspath_prepend(EXAMPLES)

    def load(name: str, *needs: str) -> ModuleType:
        for need in ("matplotlib", *needs):
            pytest.importorskip(need)
        example = importlib.import_module(name)
        # Not earlier: what is imported may draw random numbers.
        keras.utils.set_random_seed(0)
        return example

    return load


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape).astype("float32")


def whole(limit: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, limit, shape).astype("int32")


def assert_close(compiled: list[Any], eager: list[Any]) -> None:
    """Equal within 1e-5 of the largest element of each array."""
    assert len(compiled) == len(eager)
    assert compiled
    for a, b in zip(compiled, eager, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * float(np.abs(b).max(initial=0)))


# Steps written by hand: each case gives the step, its arguments, and the variables that it moves.


def gan(load, loss: str, conditional: bool):
    game = load("gan_digits", "sklearn").Game(loss, conditional)
    labels = np.eye(10, dtype="float32")[whole(10, ROWS)]
    return game.step, (random(ROWS, 64), labels), game.generator.variables + game.critic.variables


def siren(load, loss: str):
    example = load("siren", "sklearn")
    net = example.Siren(width=16, depth=2)
    wanted = random(ROWS, 2 if loss == "fits_slope" else 1)
    return example.make_step(net, getattr(example, loss), 100), (random(ROWS, 2, seed=1), wanted), net.variables


def maml(load, objective: str):
    example = load("maml_sine")
    learner = example.Learner(getattr(example, objective), seed=0)
    return learner.step, (example.waves(np.random.default_rng(0), 3),), learner.variables


def pinn(load):
    orbit = load("pinn_two_body").Orbit(4.0, 100)
    return orbit.step, (), orbit.net.variables


def nerf(load):
    example = load("nerf")
    fit = example.Fit(example.Field(width=16, depth=2), 100, samples=8)
    rays = example.bounded_rays(0.5, 0.5, 4)
    return fit.step, (rays, example.photograph(0.5, 0.5, 4)), fit.field.variables


def dqn(load):
    agent = load("dqn_cartpole", "gymnasium").Agent(100)
    batch = (random(ROWS, 4), whole(2, ROWS), random(ROWS), random(ROWS, 4, seed=1), whole(2, ROWS) / np.float32(1))
    return agent.step, batch, agent.net.variables + agent.copy.variables


def ppo(load):
    agent = load("ppo_cartpole", "gymnasium").Agent(100)
    batch = (random(ROWS, 4), whole(2, ROWS), -random(ROWS), random(ROWS, seed=1), random(ROWS, seed=2))
    return agent.step, batch, agent.variables


def ppo_act(load):
    agent = load("ppo_cartpole", "gymnasium").Agent(100)
    return agent.act, (random(ROWS, 4),), [agent.seeds.state]


STEPS = {
    "GAN": lambda load: gan(load, "gan", False),
    "conditional GAN": lambda load: gan(load, "gan", True),
    "WGAN-GP": lambda load: gan(load, "wgan-gp", False),
    "SIREN, image": lambda load: siren(load, "fits_image"),
    "SIREN, gradient": lambda load: siren(load, "fits_slope"),
    "MAML": lambda load: maml(load, "meta_loss"),
    "joint training": lambda load: maml(load, "joint_loss"),
    "physics": pinn,
    "NeRF": nerf,
    "DQN": dqn,
    "PPO": ppo,
    "PPO, acting": ppo_act,
}


@pytest.mark.parametrize("name", STEPS)
def test_compiled_step_equals_eager_step(load: Callable[..., ModuleType], name: str) -> None:
    def results(wrap: Callable[..., Any]) -> list[Any]:
        step, arguments, variables = STEPS[name](load)
        step = wrap(step)
        returned = [step(*arguments) for _ in range(3)]
        return [*tree.flatten(returned), *variables]

    assert_close(results(keras.jit), results(lambda step: step))


# Models that `fit` trains: each case gives a compiled model, inputs and targets.


def vae(load):
    model = load("vae_digits", "sklearn").Vae()
    model.build((None, 64))
    model.compile(keras.optimizers.Adam(2e-3))
    return model, random(ROWS, 64)


def fgsm(load):
    example = load("fgsm", "sklearn")
    model = example.Hardened(example.build(0), 0.15)
    model.compile(keras.optimizers.Adam(2e-3), example.LOSS)
    return model, random(ROWS, 8, 8, 1), whole(10, ROWS)


def ddim(load):
    model = load("ddim_digits", "sklearn").Denoiser()
    model([random(ROWS, 64), random(ROWS, 1), whole(10, ROWS)])
    model.compile(keras.optimizers.Adam(1e-3, use_ema=True))
    return model, random(ROWS, 64), whole(10, ROWS)


def digits(load):
    model = load("digits_convnet", "sklearn").build_model()
    model.compile("adam", "sparse_categorical_crossentropy")
    return model, random(ROWS, 8, 8, 1), whole(10, ROWS)


def mnist(load):
    model = load("mnist_convnet").build_model()
    model.compile("adam", "sparse_categorical_crossentropy")
    return model, random(ROWS, 28, 28, 1), whole(10, ROWS)


def addition(load):
    example = load("addition_seq2seq")
    model, _, _ = example.build_model()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    questions, answers = example.make_sums(ROWS, 2, seed=0)
    return model, [questions, answers], answers


def characters(load):
    model = load("char_lstm").build_model(20, 16, dropout=0.2)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model, whole(20, ROWS, 10), whole(20, ROWS, 10, seed=1)


def decoder(load):
    model = load("char_gpt").GPT(20, 12, width=16, heads=2, blocks=2, dropout=0.1)
    tokens = whole(20, ROWS, 12)
    model(tokens)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.1, beta_2=0.99, clipnorm=1.0), loss)
    return model, tokens, whole(20, ROWS, 12, seed=1)


def translation(load):
    model, _ = load("translation").build_model(20, 30, width=16, blocks=2)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model, [whole(20, ROWS, 7), whole(30, ROWS, 9, seed=1)], whole(30, ROWS, 9, seed=2)


def sunspots(load):
    model = load("forecast").build_model(8)
    model.compile(keras.optimizers.AdamW(3e-3), "mse")
    return model, random(ROWS, 8, 1), random(ROWS, 1)


def sentiment(load, model: str):
    example = load("sentiment")
    return (
        example.build_model(model, random(example.WORDS)),
        whole(9, ROWS, example.LENGTH),
        whole(2, ROWS, 1) / np.float32(1),
    )


FITS = {
    "VAE": vae,
    "FGSM": fgsm,
    "DDIM": ddim,
    "digits": digits,
    "MNIST": mnist,
    "addition": addition,
    "characters": characters,
    "GPT": decoder,
    "translation": translation,
    "sunspots": sunspots,
    "bidirectional LSTM": lambda load: sentiment(load, "bidirectional LSTM"),
    "1-D convnet": lambda load: sentiment(load, "1-D convnet"),
    "transformer": lambda load: sentiment(load, "transformer"),
}


@pytest.mark.parametrize("name", FITS)
def test_compiled_fit_equals_eager_fit(load: Callable[..., ModuleType], name: str) -> None:
    def results(eagerly: bool) -> list[Any]:
        model, *data = FITS[name](load)
        model.run_eagerly = eagerly
        history = model.fit(*data, batch_size=ROWS // 2, epochs=2, shuffle=False, verbose=0)
        return [*history.history["loss"], *model.weights]

    assert_close(results(False), results(True))


# What the examples compute besides.


def test_attack_stays_within_its_bound(load: Callable[..., ModuleType]) -> None:
    example = load("fgsm", "sklearn")
    model, x, y = example.build(0), random(ROWS, 8, 8, 1), whole(10, ROWS)
    for steps in (1, 4):
        eager = np.asarray(example.attack(model, x, y, 0.1, steps))
        assert_close([keras.jit(lambda x, y: example.attack(model, x, y, 0.1, steps))(x, y)], [eager])  # noqa: B023
        assert np.abs(eager - x).max() <= 0.1 + 1e-6
        assert float(example.LOSS(y, model(eager))) > float(example.LOSS(y, model(x)))


def test_sampler_without_noise_is_determined_by_its_start(load: Callable[..., ModuleType]) -> None:
    def draw(wrap: Callable[..., Any], eta: float) -> np.ndarray:
        model = load("ddim_digits", "sklearn").Denoiser()
        # Weights that are zero to begin with would find no noise at all.
        model.leave.kernel_initializer = keras.initializers.RandomNormal(stddev=0.1, seed=0)
        model([random(2, 64), random(2, 1), whole(10, 2)])
        return np.asarray(wrap(model.draw)(whole(10, 2), 6, eta, 0.5))

    for eta in (0.0, 1.0):
        assert_close([draw(keras.jit, eta)], [draw(lambda f: f, eta)])
    assert np.abs(draw(keras.jit, 0.0) - draw(keras.jit, 1.0)).max() > 0.01


def test_advantages_are_sums_of_surprises(load: Callable[..., ModuleType]) -> None:
    example = load("ppo_cartpole", "gymnasium")
    reward, value, then = random(7, 3), random(7, 3, seed=1), random(7, 3, seed=2)
    ended = (random(7, 3, seed=3) > 0.7).astype("float32")
    found = keras.jit(example.Agent(1).advantages)(reward, value, then, ended)
    expected = np.zeros((7, 3))
    for t in range(7):
        for pole in range(3):
            factor = 1.0
            for k in range(t, 7):
                expected[t, pole] += factor * (reward[k, pole] + example.DISCOUNT * then[k, pole] - value[k, pole])
                factor *= example.DISCOUNT * example.MEMORY * (1 - ended[k, pole])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_rendering_is_the_sum_over_a_ray(load: Callable[..., ModuleType]) -> None:
    example = load("nerf")
    field = example.Field(width=8, depth=1)
    rays = example.bounded_rays(0.3, 0.4, 3)
    colours, depths = (np.asarray(x) for x in keras.jit(lambda rays: field.render(rays, 5))(rays))
    for ray, colour, depth in zip(rays.astype("float64"), colours, depths, strict=True):
        left, seen, far = 1.0, np.zeros(3), 0.0
        length = (ray[7] - ray[6]) / 5
        for i in range(5):
            distance = ray[6] + length * (i + 0.5)
            *rgb, density = np.asarray(field((ray[:3] + distance * ray[3:6])[None].astype("float32")))[0]
            stopped = left * (1 - np.exp(-density * length))
            seen, far, left = seen + stopped * np.array(rgb), far + stopped * distance, left - stopped
        np.testing.assert_allclose(colour, seen + left, rtol=1e-4)
        np.testing.assert_allclose(depth, far + left * ray[7], rtol=1e-4)
