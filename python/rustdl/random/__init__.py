"""Random numbers: pure functions of a seed, and `SeedGenerator`, a seed that moves on."""

from rustdl._lazy import attach

_EXPORTS = {
    "SeedGenerator": "rustdl.random.seed_generator",
    "beta": "rustdl.random.random",
    "binomial": "rustdl.random.random",
    "categorical": "rustdl.random.random",
    "dropout": "rustdl.random.random",
    "gamma": "rustdl.random.random",
    "normal": "rustdl.random.random",
    "randint": "rustdl.random.random",
    "shuffle": "rustdl.random.random",
    "truncated_normal": "rustdl.random.random",
    "uniform": "rustdl.random.random",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
