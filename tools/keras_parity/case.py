"""A case of a layer is plain data: what to build, what to call it with. Both libraries read the same files."""

from __future__ import annotations

import hashlib
import itertools
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

VERSION = 1  # raise it when `runner_layers` makes other results of the same cases


@dataclass(frozen=True)
class In:
    """An input of floats that follow a formula; gradients by it are compared. Reals lie within `scale` of `shift`."""

    shape: tuple[int, ...]
    seed: int = 0
    scale: float = 1.5
    shift: float = 0.0

    def value(self) -> np.ndarray:
        """The array."""
        return (values(self.shape, self.seed) * self.scale + self.shift).astype("float32")


@dataclass(frozen=True)
class Noise(In):
    """A signal with all frequencies in [-1, 1]: the formula of `In` is nearly one tone, whose spectrum is rounding."""

    def value(self) -> np.ndarray:
        """The array."""
        return np.random.default_rng(self.seed).uniform(-1, 1, self.shape).astype("float32")


@dataclass(frozen=True)
class Make:
    """An object inside of a case: `path` is a class or function below `keras`, called with the arguments."""

    path: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Name:
    """A public name below `keras`, as it is (not called), such as `ops.tanh`."""

    path: str


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        name: The public name, such as `layers.Dense`.
        args: Arguments of the constructor.
        inputs: Positional argument of the call: a tuple of ints stands for an `In` of that shape; lists, dictionaries
            and tuples are nested structures; arrays are passed as they are.
        call: Keyword arguments of the call; `In` where gradients are wanted.
        options: Whatever `runner_layers` offers.
        tolerance: Error allowed, relative to the largest entry of an array.
        rounding: Why float32 is not good to 1e-5 here, so that Keras in float64 has to judge.
        differs: Why the results differ on purpose; the case fails if they do not.
        where: Parts of the names of the results that may differ then; all of them if there is none.
    """

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)
    inputs: Any = None
    call: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-5
    rounding: str = ""
    differs: str = ""
    where: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The module of the name."""
        return self.name.partition(".")[0]

    @property
    def refused(self) -> bool:
        """Whether both libraries are to refuse it."""
        return bool(self.options.get("refused", False))

    @property
    def digest(self) -> str:
        """Of what is run (not of how it is judged)."""
        plain = replace(self, tolerance=0.0, rounding="", differs="", where=())
        return hashlib.sha256(pickle.dumps((VERSION, _canonical(plain)), protocol=4)).hexdigest()[:10]

    @property
    def key(self) -> str:
        """The case in one line, unique."""
        text = ", ".join(f"{k}={_short(v)}" for k, v in self.args.items())
        call = ", ".join([_short(self.inputs)] + [f"{k}={_short(v)}" for k, v in self.call.items()])
        options = "".join(f" {k}={_short(v)}" for k, v in self.options.items())
        return f"{self.name}({text})({call}){options} {self.digest}"


def layer(name: str, args: Mapping[str, Any], inputs: Any, call: Mapping[str, Any] | None = None, **more: Any) -> Case:
    """A case of a layer; `more` are the other attributes of `Case`, else options of the runner."""
    attributes = {k: more.pop(k) for k in ("tolerance", "rounding", "differs", "where") if k in more}
    return Case(f"layers.{name}", args, inputs, call or {}, options=more, **attributes)


def values(shape: Any, seed: int = 0) -> np.ndarray:
    """Reals in [-1, 1] without ties: sines at irrational steps."""
    count = int(np.prod(shape))
    return np.sin(np.arange(count) * 0.7310585 + seed * 1.234567 + 0.1).reshape(shape)


def grid(**axes: Any) -> Iterator[dict[str, Any]]:
    """All combinations of values; an axis that is not a list has one value."""
    lists = [v if isinstance(v, list) else [v] for v in axes.values()]
    for combination in itertools.product(*lists):
        yield dict(zip(axes, combination, strict=True))


def is_shape(tree: Any) -> bool:
    """Whether a tuple of ints stands for an `In`."""
    return isinstance(tree, tuple) and len(tree) > 0 and all(type(n) is int for n in tree)


def leaves(tree: Any) -> list[In]:
    """The inputs in a structure, in order."""
    if isinstance(tree, In):
        return [tree]
    if is_shape(tree):
        return [In(tree)]
    if isinstance(tree, (list, tuple)):
        return [leaf for item in tree for leaf in leaves(item)]
    if isinstance(tree, Mapping):
        return [leaf for item in tree.values() for leaf in leaves(item)]
    return []


def fill(tree: Any, arrays: Iterator[Any]) -> Any:
    """The structure with arrays in place of its inputs."""
    if isinstance(tree, In) or is_shape(tree):
        return next(arrays)
    if isinstance(tree, (list, tuple)):
        return type(tree)(fill(item, arrays) for item in tree)
    if isinstance(tree, Mapping):
        return {k: fill(v, arrays) for k, v in tree.items()}
    return tree


def call_leaves(call: Mapping[str, Any]) -> Any:
    """Keyword arguments as a structure: tuples of ints are what they are there, not shapes."""
    return {k: _explicit(v) for k, v in call.items()}


def _explicit(tree: Any) -> Any:
    if is_shape(tree):
        return _Opaque(tree)
    if isinstance(tree, (list, tuple)):
        return type(tree)(_explicit(item) for item in tree)
    if isinstance(tree, Mapping):
        return {k: _explicit(v) for k, v in tree.items()}
    return tree


@dataclass(frozen=True)
class _Opaque:
    """A value that is no input."""

    value: Any


def fill_call(call: Mapping[str, Any], arrays: Iterator[Any]) -> dict[str, Any]:
    """Keyword arguments with arrays in place of their inputs."""
    return _unwrap(fill(call_leaves(call), arrays))


def _unwrap(tree: Any) -> Any:
    if isinstance(tree, _Opaque):
        return tree.value
    if type(tree) in {list, tuple}:
        return type(tree)(_unwrap(item) for item in tree)
    if isinstance(tree, dict):
        return {k: _unwrap(v) for k, v in tree.items()}
    return tree


def _canonical(value: Any) -> Any:
    """The same bytes for the same case in any process."""
    if isinstance(value, np.ndarray):
        return ("array", value.dtype.str, value.shape, value.tolist())
    if isinstance(value, (Case, In, Make, Name)):
        return (type(value).__name__, *(_canonical(v) for v in vars(value).values()))
    if isinstance(value, Mapping):
        return ("dict", *((k, _canonical(v)) for k, v in value.items()))
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *(_canonical(v) for v in value))
    return repr(value)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array{value.shape}"
    if isinstance(value, In):
        return f"In{value.shape}"
    if isinstance(value, Name):
        return value.path
    if isinstance(value, Make):
        return f"{value.path}({', '.join(f'{k}={_short(v)}' for k, v in value.args.items())})"
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {_short(v)}" for k, v in value.items()) + "}"
    return repr(value)
