"""Functions of `rustdl.ops` that accept `KerasTensor`s: such a call becomes a node of the graph instead of running."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from rustdl import tree
from rustdl._rustdl import Tensor
from rustdl.backend.keras_tensor import KerasTensor, any_symbolic_tensors
from rustdl.backend.spec import compute_output_spec
from rustdl.errors import DTypeError
from rustdl.ops.operation import Operation

F = TypeVar("F", bound=Callable[..., Any])

# Parameters that are arguments of a call even when a number is given; the others configure the operation.
_OPERANDS = frozenset(
    [
        "x",
        "x1",
        "x2",
        "y",
        "xs",
        "inputs",
        "a",
        "b",
        "condition",
        "indices",
        "values",
        "kernel",
        "bias",
        "target",
        "output",
        "key",
        "query",
        "value",
        "mask",
        "tensor",
        "mean",
        "variance",
        "gamma",
        "beta",
        "y_true",
        "y_pred",
        "start",
        "updates",
        "offset",
        "initial",
        "images",
        "pointwise_kernel",
        "depthwise_kernel",
        "data",
        "segment_ids",
        "sequences",
    ]
)


def _class_name(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_") if part)


class OpFunction(Operation):
    """One function of `rustdl.ops` as an operation. Each function has a subclass, named like the function.

    Args:
        name: Automatic by default.
        **settings: The arguments of the function that are no tensors.
    """

    function: Any = None
    function_name = ""
    parameters: tuple[str, ...] | None = None

    def __init__(self, *, name: str | None = None, **settings: Any) -> None:
        super().__init__(name=name)
        self.settings = settings

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The function on the tensors given and the settings."""
        function = type(self).function
        if self.parameters is not None and args and self.settings:
            free = [p for p in self.parameters if p not in self.settings and p not in kwargs]
            if len(args) > len(free):
                raise TypeError(f"{self.name}: {len(args)} operands for the parameters {free}")
            kwargs = {**dict(zip(free, args, strict=False)), **kwargs}
            args = ()
        return function(*args, **self.settings, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs as `KerasTensor`s; unknown sizes of several operands are made to fit together."""
        _check_known_axes(self.function_name, (args, kwargs))
        if self.function_name == "unstack":
            args = _with_known_number(args, **{"num": None, "axis": 0, **self.settings, **kwargs})
        try:
            return compute_output_spec(self.call, *args, **kwargs)
        except (ValueError, DTypeError) as error:
            if self.function_name in _EXACT:
                raise
            from rustdl.backend import unknown_sizes

            fit = unknown_sizes.fitted_output_spec
            if isinstance(error, DTypeError):
                fit = unknown_sizes.integer_output_spec
            found = fit(self.call, args, kwargs)
            if found is None:
                raise
            return found

    def get_config(self) -> dict[str, Any]:
        """The settings."""
        return {"name": self.name, **self.settings}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> OpFunction:
        """An operation from `get_config`'s result."""
        return cls(**config)


# Unknown sizes of these are not chosen so that a call fits: what is meant is an error.
_EXACT = frozenset(
    {
        "cholesky", "cholesky_inverse", "concatenate", "det", "eigh", "inv", "logdet", "lu_factor", "psnr", "qr",
        "reshape", "slogdet", "solve", "solve_triangular", "squeeze", "stack",
    }
)  # fmt: skip

# Functions that need the sizes of so many last axes, and how Keras calls these.
_KNOWN_AXES = {
    "fft": (1, "last dimension"),
    "fft2": (2, "last two axes"),
    "ifft2": (2, "last two axes"),
    "qr": (2, "last 2 dimensions"),
}


def _check_known_axes(name: str, inputs: Any) -> None:
    if name not in _KNOWN_AXES:
        return
    count, axes = _KNOWN_AXES[name]
    for x in tree.flatten(inputs):
        if isinstance(x, KerasTensor) and None in x.shape[-count:]:
            raise ValueError(f"{name}: Input should have its {axes} fully-defined. Received: input.shape={x.shape}")


def _with_known_number(args: Any, num: int | None, axis: int) -> Any:
    """The argument of `unstack` with the size of its axis, which the number of results says where it is unknown."""
    if len(args) != 1 or not isinstance(args[0], KerasTensor):
        return args
    shape = list(args[0].shape)
    if not -len(shape) <= axis < len(shape) or shape[axis] is not None:
        return args
    if num is None:
        raise ValueError(f"unstack: Cannot infer argument `num` from shape {tuple(shape)} and axis {axis}: pass `num`")
    shape[axis] = num
    return (KerasTensor(shape, dtype=args[0].dtype),)


_CLASSES: dict[str, type[OpFunction]] = {}


def operation_class(name: str, function: Any = None) -> type[OpFunction]:
    """The operation class of a function of `rustdl.ops`, such as `Add` of `add`."""
    found = _CLASSES.get(name)
    if found is None:
        if function is None:
            from rustdl import ops

            function = getattr(ops, name).__wrapped__
        found = type(
            _class_name(name),
            (OpFunction,),
            {
                "function": staticmethod(function),
                "parameters": _parameters(function),
                "__module__": "rustdl.ops",
                "__doc__": f"`rustdl.ops.{name}` as an operation.",
                "function_name": name,
            },
        )
        _CLASSES[name] = found
    return found


def _parameters(function: Any) -> tuple[str, ...] | None:
    """The names of the parameters, or `None` where some have none."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY) for p in found):
        return None
    return tuple(p.name for p in found)


def _is_operand(name: str, value: Any) -> bool:
    if name in _OPERANDS:
        return True
    for x in tree.flatten(value):
        if isinstance(x, (KerasTensor, Tensor, np.ndarray)) or hasattr(x, "__rustdl_tensor__"):
            return True
    return callable(value)


def symbolic_call(name: str, function: Any, args: Any, kwargs: Any) -> Any:
    """Makes the operation of a function and calls it symbolically.

    Args:
        name: The function's name in `rustdl.ops`.
        function: The function.
        args: Positional arguments with at least one `KerasTensor` in them or in `kwargs`.
        kwargs: Keyword arguments.
    """
    cls = operation_class(name, function)
    if cls.parameters is None:
        return cls().symbolic_call(*args, **kwargs)
    if len(args) > len(cls.parameters):
        raise TypeError(f"{name}() takes {len(cls.parameters)} arguments, but {len(args)} were given")
    given = dict(zip(cls.parameters, args, strict=False))
    for key, value in kwargs.items():
        if key in given or key not in cls.parameters:
            raise TypeError(f"{name}() got an unexpected or repeated argument '{key}'; it has {cls.parameters}")
        given[key] = value
    operands = {key: value for key, value in given.items() if _is_operand(key, value)}
    settings = {key: value for key, value in given.items() if key not in operands}
    # Operands go by position as long as those before them are operands or settings.
    free = [p for p in cls.parameters if p not in settings]
    positional = []
    for parameter in free:
        if parameter not in operands:
            break
        positional.append(operands.pop(parameter))
    return cls(**settings).symbolic_call(*positional, **operands)


def symbolic(function: F, name: str | None = None) -> F:
    """A function that also accepts `KerasTensor`s, for which it returns `KerasTensor`s and records a node.

    Args:
        function: Computes on tensors.
        name: Its name in `rustdl.ops`, by default its own.
    """
    op_name = name or function.__name__.strip("_")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if any_symbolic_tensors(args, kwargs):
            return symbolic_call(op_name, function, args, kwargs)
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = op_name
    return call  # type: ignore[return-value]
