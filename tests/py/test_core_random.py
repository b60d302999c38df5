import numpy as np
import pytest

import rustdl
from rustdl import random

N = 20_000


def test_moments_and_bounds():
    x = random.uniform((N,), -1.0, 3.0, seed=1).numpy()
    assert x.min() >= -1
    assert x.max() < 3
    assert abs(x.mean() - 1) < 0.05
    x = random.normal((N,), 2.0, 3.0, seed=2).numpy()
    assert abs(x.mean() - 2) < 0.1
    assert abs(x.std() - 3) < 0.1
    x = random.truncated_normal((N,), 0.0, 1.0, seed=3).numpy()
    assert abs(x).max() <= 2
    assert abs(x.std() - 0.8796) < 0.02
    x = random.randint((N,), 2, 6, seed=4).numpy()
    assert set(x) == {2, 3, 4, 5}


def test_derived_distributions():
    x = random.gamma((N,), 0.5, seed=1).numpy()
    assert abs(x.mean() - 0.5) < 0.03
    assert abs(x.var() - 0.5) < 0.08
    x = random.gamma((N,), 4.0, seed=1).numpy()
    assert abs(x.mean() - 4) < 0.1
    x = random.beta((N,), 2.0, 3.0, seed=1).numpy()
    assert abs(x.mean() - 0.4) < 0.01
    assert abs(x.var() - 0.04) < 0.005
    x = random.binomial((N,), 10, 0.3, seed=1).numpy()
    assert abs(x.mean() - 3) < 0.1
    assert abs(x.var() - 2.1) < 0.15
    x = random.categorical(np.log([[0.2, 0.8]]).astype("float32"), N, seed=1).numpy()
    assert x.shape == (1, N)
    assert abs(x.mean() - 0.8) < 0.02


@pytest.mark.parametrize(("n", "p"), [(65, 0.5), (1000, 0.02), (300_000, 0.7)])
def test_binomial_of_many_trials(n, p):
    counts = np.full(N, n, "float32")
    counts[::2] = 3
    x = random.binomial((N,), counts, p, seed=1).numpy()
    for found, trials in ((x[1::2], n), (x[::2], 3)):
        mean, deviation = trials * p, np.sqrt(trials * p * (1 - p))
        assert found.min() >= 0
        assert found.max() <= trials
        assert abs(found.mean() - mean) < 4 * deviation / np.sqrt(N / 2)
        assert abs(found.std() / deviation - 1) < 0.05
        # Of a normal distribution, that of many trials, 68 % lie within one deviation.
        if deviation > 10:
            assert abs((abs(found - mean) < deviation).mean() - 0.683) < 0.02


def test_seeds():
    a = random.normal((3,), seed=5).tolist()
    assert random.normal((3,), seed=5).tolist() == a
    assert random.normal((3,), seed=6).tolist() != a
    generator = random.SeedGenerator(5)
    first, second = random.normal((3,), seed=generator).tolist(), random.normal((3,), seed=generator).tolist()
    assert first != second
    assert generator.state.shape == (2,)
    again = random.SeedGenerator.from_config(generator.get_config())
    assert random.normal((3,), seed=again).tolist() == first
    with pytest.raises(ValueError, match="integer"):
        random.SeedGenerator("x")
    with pytest.raises(ValueError, match="seed"):
        random.normal((3,), seed="x")


def test_shuffle_and_dropout():
    x = np.arange(100)
    y = random.shuffle(x, seed=1).numpy()
    assert sorted(y) == list(x)
    assert list(y) != list(x)
    z = random.dropout(np.ones((N,), "float32"), 0.25, seed=1).numpy()
    assert set(np.round(z, 5)) == {0.0, np.float32(1.33333)}
    assert abs(z.mean() - 1) < 0.02
    rows = random.dropout(np.ones((50, 4), "float32"), 0.5, noise_shape=(None, 1), seed=1).numpy()
    assert (rows == rows[:, :1]).all()


def test_dropout_of_everything_has_no_gradient():
    x = np.ones((2, 3), "float32")
    slope = rustdl.grad(lambda x: rustdl.ops.sum(random.dropout(x, 1.0, seed=1)))
    assert (slope(x).numpy() == 0).all()


def test_traced_generator_moves_on():
    generator = random.SeedGenerator(7)
    expected = [random.uniform((2,), seed=generator).tolist() for _ in range(3)]
    other = random.SeedGenerator(7)
    draw = rustdl.jit(lambda scale: random.uniform((2,), seed=other) * scale)
    assert [draw(np.float32(1.0)).tolist() for _ in range(3)] == expected


def test_dtypes():
    assert random.normal((2,), dtype="float16").dtype == "float16"
    with pytest.raises(ValueError, match="floating"):
        random.normal((2,), dtype="int32")
    with pytest.raises(ValueError, match="integer"):
        random.randint((2,), 0, 3, dtype="float32")
    assert random.dropout(rustdl.KerasTensor((None, 3)), 0.5).shape == (None, 3)
