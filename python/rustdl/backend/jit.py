"""`jit`: a Python function compiled once for each signature of its arguments."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from rustdl._rustdl import Tensor
from rustdl.backend import structure
from rustdl.backend.global_state import settings, state
from rustdl.backend.trace import Compiled, trace
from rustdl.errors import TracedError

_MAX_PLANS = 32


class _Identity:
    """A value that has no hash, as part of a signature: the same object only."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.value is self.value


def _part(x: Any) -> Any:
    """What of a leaf decides which plan fits."""
    if isinstance(x, (Tensor, np.ndarray, np.generic)) or hasattr(x, "__rustdl_tensor__"):
        return (tuple(x.shape), str(x.dtype))
    try:
        hash(x)
    except TypeError:
        return _Identity(x)
    return (type(x), x)


def signature(args: Any, kwargs: Any) -> Any:
    """What decides which plan fits: structure, shapes and dtypes, and the values of all that is no array."""
    flat = structure.flatten_with_path((args, kwargs))
    return tuple((path, _part(x)) for path, x in flat), structure.containers((args, kwargs)), state.autocast_dtype


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
        if runs_eagerly() or _any_special(args, kwargs):
            return self.fn(*args, **kwargs)
        return self.compiled(*args, **kwargs)(*args, **kwargs)

    def compiled(self, *args: Any, **kwargs: Any) -> Compiled:
        """The plan for arguments of this signature, made if there is none."""
        key = signature(args, kwargs)
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
                stacklevel=3,
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

    Tensors, arrays and variables in the arguments (in dictionaries, lists, tuples, dataclasses) are inputs of the
    plan; everything else is *static*: numbers, strings, booleans, models, `None` are part of the signature, and another
    value means another trace. Variables that the function reads are inputs too and those that it assigns (weights,
    the state of optimizers, metrics and seed generators) are updated, so a training step can be written as it would
    be run eagerly. What depends on no input is computed once.

    While it is traced tensors have a shape and a dtype but no value: branch on values with `ops.where`, `ops.cond`,
    `ops.while_loop`, `ops.scan`; look at values with `rustdl.debug_print`. Side effects of Python (appending to lists,
    printing, counters) happen at the trace alone.

    Args:
        fn: The function or method; without it a decorator is returned.
        static_argnums: Positions of arguments whose numbers of numpy and 0-d arrays are to be static too.
        static_argnames: Names of such keyword arguments.
        max_plans: How many plans are kept; the one that was not used for the longest time is dropped.

    Returns:
        A callable; inside of another trace, a gradient or with `rustdl.config.debug_nans` the plain function runs.

    Raises:
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
    numbers = {static_argnums} if isinstance(static_argnums, int) else set(static_argnums)
    names = {static_argnames} if isinstance(static_argnames, str) else set(static_argnames)
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


def _static(x: Any, which: Any) -> Any:
    """The Python number of an array of one element."""
    if not (isinstance(x, (Tensor, np.ndarray, np.generic)) or hasattr(x, "__rustdl_tensor__")):
        return x
    array = np.asarray(x)
    if array.ndim > 0:
        raise TracedError(
            f"jit: static argument {which!r} is an array of shape {array.shape}; only numbers can be static"
        )
    return array.item()


def _any_special(args: Any, kwargs: Any) -> bool:
    """Whether a tensor among the arguments is traced or on a tape, or symbolic."""
    for x in structure.flatten((args, kwargs)):
        if isinstance(x, Tensor):
            if x.is_traced or x.is_recorded:
                return True
        elif hasattr(x, "_keras_history"):
            return True
    return False
