"""`jit`: a Python function compiled once for each signature of its arguments."""

from __future__ import annotations

import functools
import inspect
import math
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from rustdl._rustdl import Tensor
from rustdl.backend import structure
from rustdl.backend.global_state import settings, state
from rustdl.backend.trace import Compiled, is_input, trace
from rustdl.backend.variable import Variable
from rustdl.errors import TracedError

_MAX_PLANS = 32


class _Identity:
    """A variable, or a value that has no hash, as part of a signature: the same object only."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.value is self.value


def _hashable(x: Any) -> Any:
    """What stands for a static value in a signature."""
    if isinstance(x, set):
        return frozenset(x)
    if isinstance(x, float) and math.isnan(x):
        return "NaN"
    try:
        hash(x)
    except TypeError:
        return _Identity(x)
    return x


_dtype_name = functools.lru_cache(256)(str)


class _Call:
    """The arguments of a call, looked through once.

    Attributes:
        key: What decides which plan fits: structure, shapes and dtypes, and the values of all that is no array. A
            container gives its class and keys, an array its shape and dtype, anything else its class and value.
        arrays: The arrays, in the order of the inputs of the plan.
        special: Whether one of them is traced, on a tape or symbolic.
    """

    __slots__ = ("arrays", "key", "special")

    def __init__(self, args: Any, kwargs: Any) -> None:
        self.key: list[Any] = [state.autocast_dtype, len(args)]
        self.arrays: list[Any] = []
        self.special = False
        for x in args:
            self._walk(x)
        if kwargs:
            self._walk(kwargs)

    def _walk(self, x: Any) -> None:
        cls = type(x)
        if cls is Tensor:
            self.special = self.special or x.is_traced or x.is_recorded
            self._array(x, x.dtype)
        elif cls is np.ndarray:
            self._array(x, _dtype_name(x.dtype))
        elif (children := structure.children(x)) is not None:
            self.key += (cls, tuple([name for name, _ in children]))
            for _, value in children:
                self._walk(value)
        elif isinstance(x, Variable):
            self.key.append(_Identity(x))
        elif hasattr(x, "_keras_history"):
            self.special = True
        elif isinstance(x, np.generic) or hasattr(x, "__rustdl_tensor__"):
            self._array(x, str(x.dtype))
        else:
            self.key.append((cls, _hashable(x)))

    def _array(self, x: Any, dtype: str) -> None:
        self.key += (tuple(x.shape), dtype)
        self.arrays.append(x)


def runs_eagerly() -> bool:
    """Whether compiled functions are to run as plain Python: inside of other transformations, and for debugging."""
    return state.stateless_scope is not None or bool(settings.get("debug_nans")) or bool(settings.get("eager"))


class Jitted:
    """A function with its compiled plans; see `jit`."""

    def __init__(self, fn: Callable[..., Any], max_plans: int) -> None:
        self.fn = fn
        self.max_plans = max_plans
        self.plans: OrderedDict[Any, Compiled] = OrderedDict()
        self.traces = 0
        # Names only: `fn` may be an object, such as a model, whose attributes are not ours.
        functools.update_wrapper(self, fn, updated=())

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A method of an instance, which is one of the arguments."""
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the plan for these arguments; traces the function if there is none."""
        if runs_eagerly():
            return self.fn(*args, **kwargs)
        call = _Call(args, kwargs)
        if call.special:
            return self.fn(*args, **kwargs)
        return self._plan(call, args, kwargs).run(call.arrays)

    def compiled(self, *args: Any, **kwargs: Any) -> Compiled:
        """The plan for arguments of this signature, made if there is none."""
        return self._plan(_Call(args, kwargs), args, kwargs)

    def _plan(self, call: _Call, args: Any, kwargs: Any) -> Compiled:
        key = tuple(call.key)
        found = self.plans.get(key)
        if found is not None:
            self.plans.move_to_end(key)
            return found
        self.traces += 1
        if self.traces == 4 * self.max_plans:
            warnings.warn(
                f"jit: {getattr(self.fn, '__qualname__', self.fn)} was compiled {self.traces} times: an argument "
                "changes its shape or is a Python value that changes at each call; pass numbers as tensors "
                "(rustdl.convert) and pad shapes",
                stacklevel=4,
            )
        found = trace(self.fn, args, kwargs)
        self.plans[key] = found
        if len(self.plans) > self.max_plans:
            self.plans.popitem(last=False)
        return found


def jit(
    fn: Callable[..., Any] | None = None,
    static_argnums: int | Iterable[int] = (),
    static_argnames: str | Iterable[str] = (),
    max_plans: int = _MAX_PLANS,
) -> Any:
    """Compiles a function: it is traced once for each signature of its arguments, later calls run the plan in Rust.

    Tensors and arrays in the arguments (in dictionaries, lists, tuples, dataclasses) are inputs of the plan; everything
    else is *static*: numbers, strings, booleans, models, `None` are part of the signature, and another value means
    another trace. (An object is told by itself: that one of its attributes has changed is not seen.) Variables that the
    function reads, arguments or not, are inputs too and those that it assigns (weights, the state of optimizers,
    metrics, seed generators) are updated, so a training step can be written as it would be run eagerly. What depends on
    no input is computed once.

    While it is traced tensors have a shape and a dtype but no value: branch on values with `ops.where`, `ops.cond`,
    `ops.while_loop`, `ops.scan`; look at values with `rustdl.debug_print`. Side effects of Python (appending to lists,
    printing, counters) happen at the trace alone.

    Args:
        fn: The function or method; without it a decorator is returned.
        static_argnums: Positions of arguments whose numbers of numpy and 0-d arrays are to be static too, passed by
            position or by name; negative ones count from the end.
        static_argnames: Names of such arguments.
        max_plans: How many plans are kept; the one that was not used for the longest time is dropped.

    Returns:
        A callable; inside of another trace, a gradient or with `rustdl.config.debug_nans` the plain function runs.

    Raises:
        ValueError: `max_plans` below 1, or static arguments that the function does not have.
        TracedError: (a `TypeError`) The function needs the value of a traced tensor, or keeps one. The message names
            the line.

    Example:
        >>> import rustdl
        >>> @rustdl.jit
        ... def double(x):
        ...     return x + x
        >>> float(double(rustdl.ops.convert_to_tensor(2.0)))
        4.0
    """
    if fn is None:
        return lambda f: jit(f, static_argnums, static_argnames, max_plans)
    if not callable(fn):
        raise TypeError(f"jit: needs a function, got {fn!r}")
    if max_plans < 1:
        raise ValueError(f"jit: max_plans must be at least 1, got {max_plans}")
    numbers, names = _static_parameters(fn, static_argnums, static_argnames)
    if not numbers and not names:
        return Jitted(fn, max_plans)
    jitted = Jitted(fn, max_plans)

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        args = tuple(_static(x, i) if i in numbers else x for i, x in enumerate(args))
        kwargs = {name: _static(x, name) if name in names else x for name, x in kwargs.items()}
        return jitted(*args, **kwargs)

    call.compiled = jitted.compiled  # type: ignore[attr-defined]
    call.plans = jitted.plans  # type: ignore[attr-defined]
    return call


def _static_parameters(fn: Any, argnums: Any, argnames: Any) -> tuple[set[int], set[str]]:
    """The positions and the names of static arguments: each is static however it is passed."""
    numbers = {argnums} if isinstance(argnums, int) else set(argnums)
    names = {argnames} if isinstance(argnames, str) else set(argnames)
    if not numbers and not names:
        return numbers, names
    parameters = inspect.signature(fn).parameters.values()
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    kinds = {p.kind for p in parameters}
    count = len(positional)
    outside = [i for i in numbers if not -count <= i < count]
    if outside and inspect.Parameter.VAR_POSITIONAL not in kinds:
        raise ValueError(f"jit: static_argnums={argnums}, but {fn} takes {count} positional arguments: {positional}")
    known = {p.name for p in parameters}
    if not names <= known and inspect.Parameter.VAR_KEYWORD not in kinds:
        raise ValueError(f"jit: static_argnames={argnames}, but the arguments of {fn} are {sorted(known)}")
    numbers = {i + count if -count <= i < 0 else i for i in numbers}
    names |= {positional[i] for i in numbers if i < count}
    return numbers | {i for i, name in enumerate(positional) if name in names}, names


def _static(x: Any, which: Any) -> Any:
    """The Python number of an array of one element."""
    if not is_input(x):
        return x
    array = np.asarray(x)
    if array.ndim > 0:
        raise TracedError(
            f"jit: static argument {which!r} is an array of shape {array.shape}; only numbers can be static"
        )
    return array.item()
