"""Small public data sets: downloaded once into the cache folder, or read from a local file."""

from rustdl._lazy import attach

_MODULES = (
    "boston_housing",
    "california_housing",
    "cifar10",
    "cifar100",
    "fashion_mnist",
    "imdb",
    "mnist",
    "reuters",
)

__getattr__, __dir__, __all__ = attach(__name__, {name: f"rustdl.datasets.{name}:" for name in _MODULES})
