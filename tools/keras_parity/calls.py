"""Calls of public functions, as data: what is called, with which arguments, and what is compared.

A `Call` is made once by a case file and run by Keras and by rustdl in turn (`run`); it knows neither. Arrays among its
arguments become tensors; float ones are differentiated, by the sum of all float results weighted with `_weights`.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Results = dict[str, Any]
HALVES = ("float16", "bfloat16")
TOLERANCES = {"float16": 2.0**-10, "bfloat16": 2.0**-7}  # one step of the last place
VERSION = 1  # raise it when `run` makes other results of the same calls


@dataclass(frozen=True)
class Typed:
    """An array that becomes a tensor of a dtype that numpy does not have; never differentiated."""

    array: np.ndarray
    dtype: str


@dataclass(frozen=True)
class Plain:
    """An array that is passed as it is: an index, a mask, a list of bins."""

    array: np.ndarray


@dataclass(frozen=True)
class Call:
    """One call of the public function or class `name` (as `ops.sum`), told apart from its sisters by `label`.

    Attributes:
        function: Called as `function(keras, *arguments, **options)`; None is the public function itself.
        gradient: Whether float arrays among the arguments are differentiated.
        rounding: Why float32 is not good to 1e-5 here. Then both results are measured against Keras in float64, and
            ours may be no further away than twice Keras' own.
        differs: Why we mean to give another result than Keras: counted apart.
        refused: Whether both libraries are to refuse it.
    """

    name: str
    label: str = ""
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    function: Callable[..., Any] | None = None
    gradient: bool = False
    rounding: str = ""
    differs: str = ""
    refused: bool = False

    @property
    def kind(self) -> str:
        """The module of the name."""
        return self.name.rpartition(".")[0]

    @functools.cached_property
    def digest(self) -> str:
        """Changes with whatever is run."""
        plain = (VERSION, self.name, self.arguments, self.options, self.function, self.gradient)
        return hashlib.sha256(repr(_canonical(plain)).encode()).hexdigest()[:10]

    @property
    def key(self) -> str:
        """The call in one line, unique."""
        return f"{self.name}({self.label}) {self.digest}"

    @property
    def tolerance(self) -> float:
        """Error allowed relative to the largest entry: 1e-5, or one step of the half precision that occurs."""
        text = repr(_canonical((self.arguments, self.options)))
        return max([1e-5, *(TOLERANCES[dtype] for dtype in HALVES if f"'{dtype}'" in text)])


class Table:
    """Collects the calls of one module and gives each a label of its arguments."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.calls: list[Call] = []
        self._keys: set[str] = set()

    def add(
        self,
        name: str,
        *arguments: Any,
        function: Callable[..., Any] | None = None,
        gradient: bool = False,
        label: str | None = None,
        rounding: str = "",
        differs: str = "",
        refused: bool = False,
        **options: Any,
    ) -> None:
        """Adds one call of `module.name`."""
        if label is None:
            label = ", ".join([*map(_brief, arguments), *(f"{k}={_brief(v)}" for k, v in options.items())])
        call = Call(f"{self.module}.{name}", label, arguments, options, function, gradient, rounding, differs, refused)
        if call.key not in self._keys:
            self.calls.append(call)
        self._keys.add(call.key)


def _brief(value: Any) -> str:
    """A short text of an argument."""
    if isinstance(value, (np.ndarray, Typed, Plain)):
        array = value if isinstance(value, np.ndarray) else value.array
        dtype = value.dtype if isinstance(value, (np.ndarray, Typed)) else array.dtype
        return f"{dtype}{list(array.shape)}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_brief, value))}]"
    return getattr(value, "__name__", None) or str(value)


def grid(**choices: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """All combinations of values of some arguments, as dictionaries."""
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


class Numbers:
    """Arrays of one seed: the same in both programs."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def normal(self, *shape: int) -> np.ndarray:
        """Standard normal numbers."""
        return self.generator.normal(size=shape).astype("float32")

    def between(self, low: float, high: float, *shape: int) -> np.ndarray:
        """Uniform numbers."""
        return self.generator.uniform(low, high, size=shape).astype("float32")

    def ints(self, low: int, high: int, *shape: int, dtype: str = "int32") -> np.ndarray:
        """Integers of `[low, high)`."""
        return self.generator.integers(low, high, size=shape).astype(dtype)

    def choice(self, *shape: int) -> np.ndarray:
        """Booleans."""
        return self.generator.random(shape) < 0.5

    def distinct(self, *shape: int) -> np.ndarray:
        """Numbers that are well apart: order and extremes don't hang on rounding."""
        size = int(np.prod(shape))
        return (self.generator.permutation(size).reshape(shape) * 0.37 - 0.185 * size + 0.05).astype("float32")


# --- running ---


def resolve(keras: Any, name: str) -> Any:
    """The public object of a dotted name."""
    for part in name.split("."):
        keras = getattr(keras, part)
    return keras


def run(call: Call, keras: Any, wide: bool = False) -> Results:
    """Results of a call by name.

    `y0`, `y1`, ... are the results, with their dtypes; `g0`, ... the gradients; in rustdl, `compiled y0` and so on are
    the results of the compiled call. `wide`: float32 arrays are given in float64.
    """
    function = call.function or resolve(keras, call.name)
    leaves: list[Any] = []
    shape = _collect((call.arguments, call.options), leaves)
    tensors = [_tensor(keras, leaf, wide) for leaf in leaves]
    by = [i for i, x in enumerate(leaves) if isinstance(x, np.ndarray) and x.dtype == np.float32]

    def apply(*chosen: Any) -> list[Any]:
        values = list(tensors)
        for i, x in zip(by, chosen, strict=True):
            values[i] = x
        arguments, options = _fill(shape, iter(values))
        first = (keras,) if call.function else ()
        return flatten(function(*first, *arguments, **options))

    def weighted(*chosen: Any) -> tuple[Any, list[Any]]:
        results, total = apply(*chosen), 0.0
        for y in results:
            if "float" in dtype_name(y):
                weights = keras.ops.cast(keras.ops.convert_to_tensor(_weights(np.shape(y))), y.dtype)
                total = total + keras.ops.sum(y * weights)
        return total, results

    floats = [tensors[i] for i in by]
    gradients: Any = ()
    if call.gradient:
        gradients, results = differentiate(keras, weighted, len(by))(*floats)
    else:
        results = apply(*floats)
    found: Results = {f"y{i}": to_numpy(keras, y) for i, y in enumerate(results)}
    if not wide:
        found["dtypes"] = np.array(" ".join(dtype_name(y) for y in results))
    for j, (i, g) in enumerate(zip(by, gradients, strict=call.gradient)):
        found[f"g{j}"] = np.zeros(leaves[i].shape, "float32") if g is None else to_numpy(keras, g)
    if call.gradient and keras.__name__ == "rustdl":
        for i, y in enumerate(keras.jit(apply)(*floats)):
            found[f"compiled y{i}"] = to_numpy(keras, y)
    return found


def differentiate(keras: Any, function: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Gradients by the first `count` arguments of the first of two results, and the second result.

    JAX compiles both in one: its single operations would be thousands of programs.
    """
    by = tuple(range(count))
    if keras.__name__ == "rustdl":
        return keras.grad(function, argnums=by, has_aux=True)
    if keras.config.backend() == "torch":
        return functools.partial(_torch_gradient, function)
    import jax

    gradient = jax.grad(function, argnums=by, has_aux=True)

    def call(*arguments: Any) -> Any:
        try:
            return jax.jit(gradient)(*arguments)
        except (jax.errors.JAXTypeError, TypeError):  # looks at values, which a compiled function does not have
            return gradient(*arguments)

    return call


def _torch_gradient(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Any]:
    leaves = [x.detach().clone().requires_grad_() for x in arguments]
    total, results = function(*leaves)
    if getattr(total, "requires_grad", False):
        total.backward()
    return [x.grad for x in leaves], results


def flatten(results: Any) -> list[Any]:
    """The leaves of nested lists, tuples and dictionaries (by key), without None."""
    if isinstance(results, dict):
        return [leaf for key in sorted(results) for leaf in flatten(results[key])]
    if isinstance(results, (list, tuple)):
        return [leaf for item in results for leaf in flatten(item)]
    return [] if results is None else [results]


def dtype_name(y: Any) -> str:
    """The dtype of a result, as Keras names it; of a Python value, its type."""
    if hasattr(y, "dtype"):
        return str(y.dtype).removeprefix("<class 'numpy.").removesuffix("'>").removeprefix("torch.")
    return type(y).__name__


def to_numpy(keras: Any, y: Any) -> np.ndarray:
    """A result as an array that numpy can save."""
    if dtype_name(y) in HALVES:
        y = keras.ops.cast(y, "float32")
    return np.asarray(y.detach() if hasattr(y, "detach") else y)


def _weights(shape: tuple[int, ...]) -> np.ndarray:
    """Weights of both signs, none of them zero."""
    size = int(np.prod(shape))
    return (0.3 + np.cos(0.7 * np.arange(size) + 0.4)).reshape(shape).astype("float32")


def _collect(value: Any, leaves: list[Any]) -> Any:
    """Takes arrays out of nested arguments; `_fill` puts them back."""
    if isinstance(value, (np.ndarray, Typed)):
        leaves.append(value)
        return _HOLE
    if isinstance(value, dict):
        return {k: _collect(v, leaves) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_collect(v, leaves) for v in value)
    return value.array if isinstance(value, Plain) else value


def _fill(value: Any, leaves: Iterator[Any]) -> Any:
    if value is _HOLE:
        return next(leaves)
    if isinstance(value, dict):
        return {k: _fill(v, leaves) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_fill(v, leaves) for v in value)
    return value


_HOLE = object()


def _canonical(value: Any) -> Any:
    """What has the same text in every process, and another one for other values."""
    if isinstance(value, np.ndarray):
        return ("array", str(value.dtype), value.shape, hashlib.sha256(value.tobytes()).hexdigest())
    if isinstance(value, (Typed, Plain)):
        return (type(value).__name__, *map(_canonical, vars(value).values()))
    if isinstance(value, dict):
        return {k: _canonical(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(_canonical, value)]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, functools.partial):
        return ("partial", *map(_canonical, (value.func, value.args, value.keywords)))
    if hasattr(value, "function"):  # a callable object around a function
        return ("around", *map(_canonical, vars(value).values()))
    if hasattr(value, "__code__"):
        closure = [cell.cell_contents for cell in value.__closure__ or ()]
        return ("function", *map(_canonical, (value.__code__, value.__defaults__, closure)))
    if hasattr(value, "co_code"):
        return ("code", value.co_code.hex(), value.co_names, *map(_canonical, value.co_consts))
    return value


def _tensor(keras: Any, leaf: np.ndarray | Typed, wide: bool) -> Any:
    if isinstance(leaf, Typed):
        rounded = keras.ops.cast(keras.ops.convert_to_tensor(leaf.array), leaf.dtype)
        return keras.ops.cast(rounded, "float64") if wide else rounded
    if wide and leaf.dtype == np.float32:
        leaf = leaf.astype("float64")
    return keras.ops.convert_to_tensor(leaf, dtype=str(leaf.dtype))
